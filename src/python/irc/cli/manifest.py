"""``irc manifest``: the KServe manifests of an agent, but for its image."""

import json
import re
from pathlib import Path
from typing import Any

import click

from irc.cli.output import reported

# As the plugin's field `overlays` has it.
_NAME = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]*")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--agent", type=_FILE, required=True,
              help="The compiled agent's agent.json, of which 'deployment' is read.")  # fmt: skip
@click.option("--overlays", type=_FILE, help="JSON: by name, the keys of the deployment that differ.")
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Where manifest.json goes.")  # fmt: skip
def manifest(agent: Path, overlays: Path | None, output_dir: Path) -> None:
    """Write the KServe manifests of an agent, with a placeholder for its image.

    'irc package' puts in the image. The manifests are apart from it, since they depend on the
    deployment alone, which few edits of a flow change.
    """
    from irc.documents import read_json
    from irc.files import write_files
    from irc.manifests.inference_service import inference_service
    from irc.manifests.overlays import overlaid

    with reported():
        kserve = read_json(agent, lambda raw: dict(raw["deployment"]["kserve"]))
        differing = {} if overlays is None else read_json(overlays, _overlays)
        documents = {
            "base": inference_service(kserve),
            "overlays": {
                name: inference_service(overlaid(kserve, name, overlay))
                for name, overlay in sorted(differing.items())
            },
        }
        write_files(output_dir, {"manifest.json": json.dumps(documents, indent=2) + "\n"})


def _overlays(raw: Any) -> dict[str, dict[str, Any]]:
    """The keys that differ, by the names of overlays, which become folders."""
    overlays = {str(name): dict(differing) for name, differing in raw.items()}
    for name in overlays:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an overlay")
    return overlays
