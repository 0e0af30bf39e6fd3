"""A base taken from an image that exists: an OCI layout, an archive of one, or a registry.

The image is named with its digest, and what is read is checked against it: the same name is the
same image, today and tomorrow.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from irc.oci.base import Base, Platform
from irc.oci.blobs import MEDIA_TYPE_LAYER_GZIP, Descriptor, Layer, blob_path, copy_blob
from irc.oci.errors import ImageError

_DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_REFERENCE = re.compile(r"(?P<name>.+)@(?P<digest>sha256:[0-9a-f]{64})")
_TRANSPORT = re.compile(r"(oci|oci-archive|docker)(:|://)(?=.)")

# Of the base's configuration, what a derived image inherits.
_INHERITED = ("Env", "Labels", "StopSignal", "Volumes")


class BlobSource(Protocol):
    """Where the blobs of an existing image are read from."""

    def open(self, digest: str) -> IO[bytes]:
        """Raises ImageError where the blob is not there."""


def take_base(reference: str, platform: Platform, output: Path) -> Base:
    """Copy the layers of an image into ``output``.

    Args:
        reference: ``<folder or archive or registry reference>@sha256:…``; a prefix ``oci:``,
            ``oci-archive:`` or ``docker://`` says which it is, else what lies on disk decides.
        platform: which image of an index to take.
    Raises:
        ImageError: no digest, no such image, no such platform, a damaged blob.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ImageError(
            f"the base image {reference!r} must be given by digest: <image>@sha256:<digest>"
        )
    digest = match["digest"]
    with _blobs(match["name"], digest, platform) as blobs:
        manifest = _manifest(blobs, digest, platform)
        config = json.loads(_read(blobs, manifest["config"]["digest"]))
        found = Platform.from_oci(config)
        if (found.os, found.architecture) != (platform.os, platform.architecture):
            raise ImageError(f"the base image is for {found}, the agent for {platform}")
        layers = []
        for raw, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            descriptor = Descriptor.from_oci(raw)
            with blobs.open(descriptor.digest) as source:
                copy_blob(source, output, descriptor)
            media_type = descriptor.media_type
            layers.append(
                Layer(
                    MEDIA_TYPE_LAYER_GZIP if media_type == _DOCKER_LAYER else media_type,
                    descriptor.digest,
                    diff_id,
                    descriptor.size,
                )
            )
    settings = config.get("config") or {}
    inherited = {key: settings[key] for key in _INHERITED if settings.get(key)}
    return Base("oci", found, tuple(layers), inherited, _python(inherited), digest=digest)


def _manifest(blobs: BlobSource, digest: str, platform: Platform) -> dict[str, Any]:
    document = json.loads(_read(blobs, digest))
    if "manifests" not in document:
        return dict(document)
    offered = []
    for entry in document["manifests"]:
        if "platform" in entry:
            found = Platform.from_oci(entry["platform"])
            offered.append(str(found))
            if (found.os, found.architecture) == (platform.os, platform.architecture):
                return _manifest(blobs, entry["digest"], platform)
        elif len(document["manifests"]) == 1:
            return _manifest(blobs, entry["digest"], platform)
    raise ImageError(
        f"the base image is not offered for {platform}, only for {', '.join(sorted(offered))}"
    )


def _read(blobs: BlobSource, digest: str) -> bytes:
    with blobs.open(digest) as source:
        data = source.read()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ImageError(f"the base image is damaged: blob {digest} has another content")
    return data


def _python(config: dict[str, Any]) -> str | None:
    """The official Python images say their version in the environment."""
    for variable in config.get("Env", ()):
        name, _, value = variable.partition("=")
        if name == "PYTHON_VERSION":
            return str(value)
    return None


@contextmanager
def _blobs(name: str, digest: str, platform: Platform) -> Iterator[BlobSource]:
    match = _TRANSPORT.match(name)
    transport = match[1] if match else None
    place = name[match.end() :] if match else name
    path = Path(place)
    if transport == "oci" or (transport is None and path.is_dir()):
        if not (path / "oci-layout").is_file():
            raise ImageError(f"{place}: not an OCI image layout (it has no file oci-layout)")
        yield _LayoutBlobs(path)
    elif transport == "oci-archive" or (transport is None and path.is_file()):
        try:
            with tarfile.open(path) as archive:
                yield _ArchiveBlobs(archive)
        except (OSError, tarfile.TarError) as error:
            raise ImageError(f"{place}: not an archive of an OCI image: {error}") from error
    else:
        with tempfile.TemporaryDirectory(prefix="irc-base-") as folder:
            _copy_from_registry(f"{place}@{digest}", platform, Path(folder) / "image")
            yield _FolderBlobs(Path(folder) / "image", digest)


class _LayoutBlobs:
    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, digest: str) -> IO[bytes]:
        try:
            return blob_path(self._root, digest).open("rb")
        except FileNotFoundError:
            raise ImageError(f"{self._root}: has no blob {digest}") from None


class _ArchiveBlobs:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {member.name.removeprefix("./"): member for member in archive}

    def open(self, digest: str) -> IO[bytes]:
        member = self._members.get(blob_path(Path(), digest).as_posix())
        source = None if member is None else self._archive.extractfile(member)
        if source is None:
            raise ImageError(f"the archive has no blob {digest}")
        return source


class _FolderBlobs:
    """What skopeo's ``dir:`` transport wrote: ``manifest.json`` beside blobs named by digest."""

    def __init__(self, root: Path, digest: str) -> None:
        self._root = root
        self._digest = digest

    def open(self, digest: str) -> IO[bytes]:
        name = "manifest.json" if digest == self._digest else digest.removeprefix("sha256:")
        return (self._root / name).open("rb")


def _copy_from_registry(reference: str, platform: Platform, folder: Path) -> None:
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise ImageError(
            f"skopeo is missing: it fetches {reference}. Install it, or copy the image into an "
            "OCI layout on this machine and name that"
        )
    command = [
        skopeo,
        f"--override-os={platform.os}",
        f"--override-arch={platform.architecture}",
        "copy",
        "--quiet",
        f"docker://{reference}",
        f"dir:{folder}",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines()
        raise ImageError(f"skopeo could not fetch {reference}: {lines[-1] if lines else ''}")
