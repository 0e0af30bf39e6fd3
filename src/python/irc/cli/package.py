"""``irc package``: what ships of one agent."""

from pathlib import Path

import click

from irc.cli.image import reported

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--agent", type=_FILE, required=True, help="The compiled agent's agent.json.")
@click.option("--generated", type=_FOLDER, required=True, help="Generated files, by source root.")
@click.option("--sources", type=_FOLDER, required=True, help="First-party files, by source root.")
@click.option("--base", type=_FILE, required=True, help="base.json of 'irc image base'.")
@click.option("--deps", type=_FILE, required=True, help="deps.json of 'irc image deps'.")
@click.option("--deps-pex", type=_FOLDER, required=True, help="The packed PEX of requirements.")
@click.option("--lock", type=_FILE, required=True, help="The hashed requirements it is made of.")
@click.option("--repository", metavar="REGISTRY/NAME", help="Where the image will be pushed.")
@click.option("--output-dir", type=_FOLDER, required=True, help="Where everything goes.")
def package(
    agent: Path,
    generated: Path,
    sources: Path,
    base: Path,
    deps: Path,
    deps_pex: Path,
    lock: Path,
    repository: str | None,
    output_dir: Path,
) -> None:
    """Write an agent's image, PEX, KServe manifest and build context.

    Blobs of base and requirements, and the PEX's archives, are not copied: they belong beside what
    is written.
    """
    from irc.package.build import Inputs
    from irc.package.build import package as build

    with reported():
        inputs = Inputs(agent, generated, sources, base, deps, deps_pex, lock, repository)
        build(inputs, output_dir)
