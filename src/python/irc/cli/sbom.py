"""``irc sbom``: the bill of materials of the layers that agents share."""

import json
from pathlib import Path

import click

from irc.cli.output import reported

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--base", type=_FILE, required=True,
              help="base.json of 'irc image base', with its blobs/ beside it.")  # fmt: skip
@click.option("--deps", type=_FILE, required=True,
              help="deps.json of 'irc image deps', with its blobs/ beside it.")  # fmt: skip
@click.option("--output-dir", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Where libraries.cdx.json goes.")  # fmt: skip
def sbom(base: Path, deps: Path, output_dir: Path) -> None:
    """Write the bill of materials of base and third-party layers, read from the layers themselves.

    'irc package' adds the agent's own code. The bill is apart from it, since reading layers takes
    seconds, and few edits change them.
    """
    from irc.attestations.libraries import libraries
    from irc.documents import read_json
    from irc.files import write_files
    from irc.oci.base import Base
    from irc.oci.thirdparty import ThirdParty

    with reported():
        made = libraries(
            read_json(base, Base.from_json),
            base.parent,
            read_json(deps, ThirdParty.from_json),
            deps.parent,
        )
        write_files(output_dir, {"libraries.cdx.json": json.dumps(made, indent=2) + "\n"})
