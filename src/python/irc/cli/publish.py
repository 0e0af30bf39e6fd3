"""``irc publish``: an agent's image to registries."""

import json
from pathlib import Path
from typing import Any

import click

from irc.cli.output import OUTPUT, reported, write_text

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("package", type=_FOLDER)
@click.option("--repository", "repositories", multiple=True, required=True, metavar="REGISTRY/NAME",
              help="Where to; may be given several times.")  # fmt: skip
@click.option("--tag", "tags", multiple=True, metavar="TAG",
              help="A name for the image, which may hold {flow_digest}, {git_sha}, {image_digest} "
              "and {name}; may be given several times.")  # fmt: skip
@click.option("--git-sha", help="What {git_sha} stands for.  [default: what is checked out here]")
@click.option("--sign", is_flag=True, help="Sign the image, and what is attached to it, by cosign.")
@click.option("--cosign-arg", "cosign_arguments", multiple=True, metavar="ARGUMENT",
              help="For 'cosign sign', such as --cosign-arg=--key=cosign.key; may be given several "
              "times.")  # fmt: skip
@click.option("--digest-file", type=OUTPUT, help="Write what was published here, as JSON.")
def publish(
    package: Path,
    repositories: tuple[str, ...],
    tags: tuple[str, ...],
    git_sha: str | None,
    sign: bool,
    cosign_arguments: tuple[str, ...],
    digest_file: Path | None,
) -> None:
    """Push the image of PACKAGE, a folder that 'package' has written, by digest and then by tags.

    Bill of materials and provenance are attached to it. What a registry holds already is not pushed
    again. Credentials are those of skopeo, podman and docker.
    """
    from irc.publishing.publish import publish as push
    from irc.publishing.registry import Registry
    from irc.publishing.signing import Signer

    if cosign_arguments and not sign:
        raise click.UsageError("--cosign-arg goes with --sign")
    done: list[dict[str, Any]] = []
    try:
        with reported():
            signer = Signer(cosign_arguments) if sign else None
            for item in push(package, repositories, tags, Registry(), git_sha, signer):
                click.echo(str(item))
                done.append(item.to_json())
    finally:  # what is there is there, also where the next repository fails
        if digest_file is not None:
            write_text(digest_file, json.dumps(done, indent=2) + "\n")
