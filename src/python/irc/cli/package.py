"""``irc package``: what ships of one agent."""

from pathlib import Path

import click

from irc.cli.output import reported

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--agent", type=_FILE, required=True, help="The compiled agent's agent.json.")
@click.option("--generated", type=_FOLDER, required=True, help="Generated files, by source root.")
@click.option("--sources", type=_FOLDER, required=True, help="First-party files, by source root.")
@click.option("--deps-pex", type=_FOLDER, required=True, help="The packed PEX of requirements.")
@click.option("--base", "bases", type=_FILE, multiple=True,
              help="base.json of 'irc image base', for an image; repeatable.")  # fmt: skip
@click.option("--deps", type=_FILE, multiple=True,
              help="deps.json of 'irc image deps', for an image; as often as --base.")  # fmt: skip
@click.option("--code", type=_FILE, help="code.json of 'irc image code', for an image.")
@click.option("--lock", type=_FILE, help="The hashed requirements it is made of, for an image.")
@click.option("--libraries", type=_FILE, multiple=True,
              help="libraries.cdx.json of 'irc sbom', for an image; as often as --base.")  # fmt: skip
@click.option("--manifest", type=_FILE, help="manifest.json of 'irc manifest', for KServe.")
@click.option("--helm", is_flag=True, help="Also write a Helm chart, for KServe.")
@click.option("--repository", metavar="REGISTRY/NAME", help="Where the image will be pushed.")
@click.option("--output-dir", type=_FOLDER, required=True, help="Where everything goes.")
def package(
    agent: Path,
    generated: Path,
    sources: Path,
    deps_pex: Path,
    bases: tuple[Path, ...],
    deps: tuple[Path, ...],
    code: Path | None,
    lock: Path | None,
    libraries: tuple[Path, ...],
    manifest: Path | None,
    helm: bool,
    repository: str | None,
    output_dir: Path,
) -> None:
    """Write what an agent's target takes.

    For KServe an image, a PEX, manifests and a build context; for one machine a Compose file in
    the manifests' place; for AWS Lambda an archive and a template. For several platforms, which is
    --base, --deps and --libraries of each, it is an index of images.

    Blobs of base, requirements and shared code, and the PEX's archives, are not copied: they belong beside what
    is written.
    """
    from irc.package.build import ImageInputs, Inputs, PlatformInputs
    from irc.package.build import package as build

    with reported():
        image = None
        if not len(bases) == len(deps) == len(libraries):
            raise click.UsageError(
                "--base, --deps and --libraries are given as often as each other"
            )
        if bases and code and lock:
            platforms = tuple(map(PlatformInputs, bases, deps, libraries))
            image = ImageInputs(platforms, code, lock, repository, manifest, helm)
        for warning in build(Inputs(agent, generated, sources, deps_pex, image), output_dir):
            click.echo(f"warning: {warning}", err=True)
