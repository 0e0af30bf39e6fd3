"""``irc image``: the layers that agents share, what differs between images, and a try of one."""

from __future__ import annotations

import json
import platform as machine
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from irc.cli.output import COMPRESSION, reported
from irc.files import write_files

if TYPE_CHECKING:
    from irc.oci.comparison.view import SourceView
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

_PLATFORM = click.option(
    "--platform", metavar="OS/ARCHITECTURE", help="What it is for.  [default: this machine]"
)


@click.group()
def image() -> None:
    """Make the layers that agents share, compare images, and try one."""


@image.command()
@click.option("--output-dir", type=_FOLDER, required=True, help="Where base.json and blobs/ go.")
@click.option(
    "--from",
    "reference",
    metavar="IMAGE",
    help="An image to build on: oci:FOLDER, oci-archive:FILE, docker-archive:FILE, or a registry's "
    "with @sha256:DIGEST. Default: Debian packages of this machine's own suite.",
)
@click.option("--fetched", type=_FOLDER,
              help="Where 'irc image fetch' has put a registry's image, which then is not asked.")  # fmt: skip
@click.option("--lock", type=_FILE, help="The Debian packages, as 'irc image lock' wrote them.")
@_PACKAGES
@_PLATFORM
@COMPRESSION
def base(
    output_dir: Path,
    reference: str | None,
    fetched: Path | None,
    lock: Path | None,
    packages: tuple[str, ...],
    platform: str | None,
    compression: Compression,
) -> None:
    """Make or take a base image: a Python interpreter and its libraries."""
    from irc.oci.base import Platform, build_debian_base

    with reported():
        if reference is None:
            wanted = None if platform is None else Platform.parse(platform)
            built = build_debian_base(output_dir, compression, lock, packages, wanted)
        else:
            from irc.oci.existing import take_base

            if lock is not None or packages:
                raise click.UsageError("--lock and --package go without --from")
            wanted = Platform.parse(platform or _own_platform())
            built = take_base(reference, wanted, output_dir, compression, fetched)
        _write_json(output_dir / "base.json", built.to_json())


@image.command()
@click.argument("reference", metavar="IMAGE")
@click.option("--into", type=_FOLDER, required=True, help="Where blobs/ is; what is there stays.")
@_PLATFORM
def fetch(reference: str, into: Path, platform: str | None) -> None:
    """Fetch an image of a registry, given with @sha256:DIGEST, for 'irc image base'."""
    from irc.oci.base import Platform
    from irc.oci.existing import fetch_image

    with reported():
        fetch_image(reference, Platform.parse(platform or _own_platform()), into)


@image.command()
@click.option("--output-dir", type=_FOLDER, required=True, help="Where the lock goes.")
@click.option("--name", default="debian.lock.json", show_default=True, help="The lock's file name.")
@_PACKAGES
@click.option("--platform", "platforms", multiple=True, metavar="OS/ARCHITECTURE",
              help="What it is for; repeatable.  [default: this machine]")  # fmt: skip
def lock(
    output_dir: Path, name: str, packages: tuple[str, ...], platforms: tuple[str, ...]
) -> None:
    """Pin the Debian packages of a base image: the newest of this machine's suite."""
    from irc.oci.base import Platform, debian_architecture
    from irc.oci.debian import architecture
    from irc.oci.debian_lock import make_lock

    with reported(), tempfile.TemporaryDirectory(prefix="irc-lock-") as folder:
        names = {debian_architecture(Platform.parse(item)) for item in platforms}
        locked = make_lock(packages, names or {architecture()}, Path(folder))
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


@image.command()
@click.option("--sources", type=_FOLDER, required=True, help="First-party files, by source root.")
@click.option("--output-dir", type=_FOLDER, required=True, help="Where code.json and blobs/ go.")
def code(sources: Path, output_dir: Path) -> None:
    """Make the layer of first-party code that flows share."""
    from irc.package.shared_code import build_shared_code

    with reported():
        _write_json(output_dir / "code.json", build_shared_code(sources, output_dir).to_json())


@image.command()
@click.option("--base", type=_FILE, required=True, help="base.json of 'irc image base'.")
@click.option("--pex", type=_FOLDER, required=True,
              help="A packed PEX of the requirements alone, for any platform.")  # fmt: skip
@click.option("--lock", type=_FILE, required=True, help="The hashed requirements it is made of.")
@click.option("--output-dir", type=_FOLDER, required=True,
              help="Where platform.json and requirements.txt go.")  # fmt: skip
def requirements(base: Path, pex: Path, lock: Path, output_dir: Path) -> None:
    """Say which requirements an agent has on the base's platform, and which wheels run there.

    pex takes both: --complete-platform platform.json --requirement requirements.txt --no-transitive.
    Where the PEX that it makes gives other requirements, it is made again of those.
    """
    from irc.documents import read_json, read_text
    from irc.oci.base import Base
    from irc.package.foreign import complete_platform, requirements_for

    with reported():
        described = read_json(base, Base.from_json)
        text = requirements_for(described, pex, read_text(lock))
        _write_json(output_dir / "platform.json", complete_platform(described))
        write_files(output_dir, {"requirements.txt": text})


@image.command()
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--output", type=_FILE, required=True, help="Where the archive goes.")
@click.option("--name", "names", multiple=True, metavar="REPOSITORY:TAG",
              help="What engines call it; repeatable.  [default: repository or service, and digest]")  # fmt: skip
@_PLATFORM
def archive(package: Path, output: Path, names: tuple[str, ...], platform: str | None) -> None:
    """Write the image of PACKAGE to one file, for 'docker load' and 'podman load'.

    PACKAGE is a folder that 'package' has written.
    """
    from irc.oci.archive import write_archive
    from irc.oci.base import Platform
    from irc.package.described import described_image, loaded_name

    with reported():
        described = described_image(package)
        wanted = Platform.parse(platform or _own_platform())
        names = names or (loaded_name(described["reference"]),)
        write_archive(package / "image", names, output, wanted)


@image.command()
@click.argument("old")
@click.argument("new")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="Text for people, JSON for tools.")  # fmt: skip
def diff(old: str, new: str, format_: str) -> None:
    """Say what differs from the image OLD to NEW: fields, layers, and files in them.

    Each is an OCI layout, an archive (of a layout, or of Docker), a folder that 'package' left behind, or
    with docker:// and @sha256:DIGEST an image of a registry.

    Exit status, as of diff: 0 nothing differs, 1 something does, 2 an image cannot be read.
    """
    from irc.oci.comparison.compare import compare
    from irc.oci.comparison.render import render_json, render_text

    try:
        with reported(), _viewed(old) as first, _viewed(new) as second:
            found = compare(first, second)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    click.echo(render_json(found) if format_ == "json" else render_text(found), nl=False)
    sys.exit(0 if found.is_equal else 1)


@contextmanager
def _viewed(place: str) -> Iterator[SourceView]:
    from irc.oci.comparison.view import layout_of, read_source
    from irc.oci.errors import ImageError
    from irc.oci.sources import opened_source

    name, _, hexadecimal = place.partition("@sha256:")
    digest = f"sha256:{hexadecimal}" if hexadecimal else None
    with opened_source(layout_of(name), digest) as source:
        try:
            view = read_source(source, digest)
        except ImageError as error:
            raise ImageError(f"{place}: {error}") from error
        yield view


@image.command()
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS]")
@click.option("--engine", type=click.Choice(("podman", "docker")),
              help="What runs it.  [default: the one that is installed]")  # fmt: skip
@click.option("--port", default=8080, show_default=True, help="Of this machine, on the loopback.")
@click.option("--env", "environment", multiple=True, metavar="NAME[=VALUE]",
              help="A variable, or one of this shell; repeatable.")  # fmt: skip
@click.option("--volume", "volumes", multiple=True, metavar="FOLDER:PLACE[:ro]",
              help="A folder of this machine; repeatable.")  # fmt: skip
def run(
    package: Path,
    arguments: tuple[str, ...],
    engine: str | None,
    port: int,
    environment: tuple[str, ...],
    volumes: tuple[str, ...],
) -> None:
    """Run the image of PACKAGE, a folder that 'package' has written, until Ctrl-C.

    It runs as it does in a cluster: with a read-only root, no capabilities, an ordinary user.
    ARGUMENTS are the agent's own flags.
    """
    import os

    from irc.running.containers import Container, installed_engine, load, run_command

    with reported():
        engine = engine or installed_engine()
        loaded = load(engine, package)
    command = run_command(engine, loaded, Container(package, port, environment, volumes, arguments))
    os.execvp(command[0], command)


def _own_platform() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return f"linux/{names.get(machine.machine(), machine.machine())}"


def _write_json(path: Path, document: dict[str, Any]) -> None:
    write_files(path.parent, {path.name: json.dumps(document, indent=2) + "\n"})
