"""``irc image``: the layers that agents share."""

from __future__ import annotations

import json
import platform as machine
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from irc.cli.output import COMPRESSION, reported

if TYPE_CHECKING:
    from irc.oci.compression import Compression

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)

_PACKAGES = click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="A Debian package to have besides the interpreter and what it needs; repeatable.",
)


@click.group()
def image() -> None:
    """Make the layers that agents share."""


@image.command()
@click.option("--output-dir", type=_FOLDER, required=True, help="Where base.json and blobs/ go.")
@click.option(
    "--from",
    "reference",
    metavar="IMAGE",
    help="An image to build on: oci:FOLDER, oci-archive:FILE, docker-archive:FILE, or a registry's "
    "with @sha256:DIGEST. Default: Debian packages of this machine's own suite.",
)
@click.option("--lock", type=_FILE, help="The Debian packages, as 'irc image lock' wrote them.")
@_PACKAGES
@click.option("--platform", metavar="OS/ARCHITECTURE", help="Which image of an index to take.")
@COMPRESSION
def base(
    output_dir: Path,
    reference: str | None,
    lock: Path | None,
    packages: tuple[str, ...],
    platform: str | None,
    compression: Compression,
) -> None:
    """Make or take a base image: a Python interpreter and its libraries."""
    from irc.oci.base import Platform, build_debian_base

    with reported():
        if reference is None:
            if platform is not None:
                raise click.UsageError("--platform goes with --from")
            built = build_debian_base(output_dir, compression, lock, packages)
        else:
            from irc.oci.existing import take_base

            if lock is not None or packages:
                raise click.UsageError("--lock and --package go without --from")
            wanted = Platform.parse(platform or _own_platform())
            built = take_base(reference, wanted, output_dir, compression)
        _write_json(output_dir / "base.json", built.to_json())


@image.command()
@click.option("--output-dir", type=_FOLDER, required=True, help="Where the lock goes.")
@click.option("--name", default="debian.lock.json", show_default=True, help="The lock's file name.")
@_PACKAGES
def lock(output_dir: Path, name: str, packages: tuple[str, ...]) -> None:
    """Pin the Debian packages of a base image: the newest of this machine's suite."""
    from irc.oci.debian_lock import resolve

    with reported(), tempfile.TemporaryDirectory(prefix="irc-lock-") as folder:
        _, locked = resolve(packages, Path(folder))
        _write_json(output_dir / name, locked.to_json())


@image.command()
@click.option("--pex", type=_FOLDER, required=True, help="A packed PEX of the requirements alone.")
@click.option("--output-dir", type=_FOLDER, required=True, help="Where deps.json and blobs/ go.")
@COMPRESSION
def deps(pex: Path, output_dir: Path, compression: Compression) -> None:
    """Make the layers of third-party requirements."""
    from irc.oci.thirdparty import build_third_party

    with reported():
        built, warnings = build_third_party(pex, output_dir, compression)
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        _write_json(output_dir / "deps.json", built.to_json())


def _own_platform() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"linux/{names.get(machine.machine(), machine.machine())}"


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(document, indent=2) + "\n")
    beside.replace(path)
