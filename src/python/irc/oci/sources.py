"""Where existing images are read from: layouts, archives, registries.

An image is named as skopeo names it: ``oci:<folder>``, ``oci-archive:<file>``,
``docker-archive:<file>`` or ``docker://<reference>``; without such a prefix what lies on disk decides.
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

from irc.oci.blobs import MEDIA_TYPE_MANIFEST, blob_path, write_blob
from irc.oci.credentials import refusal_hint
from irc.oci.errors import ImageError

_TRANSPORT = re.compile(r"(?:(oci|oci-archive|docker-archive):|(docker)://)(?=.)")

# For one manifest, or one image.
_TIMEOUT = "15m"


class Source(Protocol):
    """An image, or several."""

    def open(self, name: str) -> IO[bytes]:
        """A blob by its digest, or of a layout or archive another file by its path.

        Raises:
            ImageError: it is not there.
        """


@contextmanager
def opened_source(place: str, digest: str | None) -> Iterator[Source]:
    """The source that a place names.

    Args:
        place: without the digest.
        digest: of what will be read; that of a registry must be known.
    Raises:
        ImageError: there is nothing, or something else; a registry's image has no digest.
    """
    match = _TRANSPORT.match(place)
    transport = match[1] or match[2] if match else None
    name = place[match.end() :] if match else place
    path = Path(name)
    if transport == "oci" or (transport is None and path.is_dir()):
        if not (path / "oci-layout").is_file():
            raise ImageError(f"{name}: not an OCI image layout (it has no file oci-layout)")
        yield LayoutSource(path)
    elif transport in ("oci-archive", "docker-archive") or (transport is None and path.is_file()):
        with _opened_archive(path) as archive:
            yield archive
    elif transport is None and name.startswith(("/", "./", "../")):
        raise ImageError(f"{name}: no such file or folder")
    elif digest is None:
        raise no_digest(name)
    else:
        with tempfile.TemporaryDirectory(prefix="irc-base-") as folder:
            yield RegistrySource(without_tag(name), Path(folder))


def no_digest(name: str) -> ImageError:
    """The error of a registry's image without a digest."""
    return ImageError(
        f"the image '{name}' must be given by its digest: {name}@sha256:…; "
        f"to find it: skopeo inspect --format '{{{{.Digest}}}}' docker://{name}"
    )


class LayoutSource:
    """An OCI image layout."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> IO[bytes]:
        path = blob_path(self._root, name) if name.startswith("sha256:") else self._root / name
        try:
            return path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ImageError(f"{self._root}: has no {_said(name)}") from None


class ArchiveSource:
    """An archive of an OCI image layout, or what ``docker save`` writes."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        self._path = path
        self._archive = archive
        self._members = {member.name.removeprefix("./"): member for member in archive}

    @property
    def names(self) -> frozenset[str]:
        """Paths of what it holds."""
        return frozenset(self._members)

    def open(self, name: str) -> IO[bytes]:
        path = blob_path(Path(), name).as_posix() if name.startswith("sha256:") else name
        try:
            source = self._archive.extractfile(self._members[path])
        except KeyError:
            source = None
        if source is None:
            raise ImageError(f"{self._path}: has no {_said(name)}")
        return source


@contextmanager
def _opened_archive(path: Path) -> Iterator[ArchiveSource]:
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  (closed below: the errors are of opening)
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such archive") from None
    except (OSError, tarfile.TarError) as error:
        raise ImageError(f"{path}: not an archive of an image: {error}") from None
    with archive:
        try:
            source = ArchiveSource(path, archive)
        except tarfile.TarError as error:
            raise ImageError(f"{path}: the archive is cut short or damaged: {error}") from None
        yield source


class RegistrySource:
    """An image of a registry, or several: manifests are fetched when they are asked for, and the blobs
    of an image with the first of them."""

    def __init__(self, repository: str, root: Path) -> None:
        """Args:
        repository: with its registry, without a tag.
        root: a folder of the caller's; what is there whole is not fetched.
        """
        self._repository = repository
        self._root = root
        self._owners: dict[str, str] = {}  # of a blob's digest, that of its manifest

    def open(self, name: str) -> IO[bytes]:
        path = blob_path(self._root, name)
        if not _is_whole(path, name):
            if name in self._owners:
                self._fetch_blobs(self._owners[name])
            else:
                self._fetch_manifest(name)
        if name not in self._owners:
            self._note_blobs(name, path)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise ImageError(f"the registry's image has no {_said(name)}") from None

    def _fetch_manifest(self, digest: str) -> None:
        reference = f"{self._repository}@{digest}"
        raw = _skopeo(reference, "inspect", "--raw", f"docker://{reference}")
        found = write_blob(self._root, MEDIA_TYPE_MANIFEST, raw).digest
        if found != digest:
            raise ImageError(f"{reference}: the registry answers with {found}")

    def _note_blobs(self, digest: str, manifest: Path) -> None:
        document = json.loads(manifest.read_bytes())
        if "layers" in document:
            for blob in (document["config"], *document["layers"]):
                self._owners[blob["digest"]] = digest

    def _fetch_blobs(self, manifest: str) -> None:
        """Copy an image; skopeo's ``dir:`` has blobs as they are, by their hexadecimal digits."""
        reference = f"{self._repository}@{manifest}"
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            _skopeo(reference, "copy", "--quiet", f"docker://{reference}", f"dir:{folder}/image")
            for digest, owner in self._owners.items():
                path = blob_path(Path(folder), digest)
                fetched = Path(folder, "image", path.name)
                if owner == manifest and fetched.exists():
                    fetched.rename(blob_path(self._root, digest))


def read_document(source: Source, name: str) -> Any:
    """A small JSON file of a layout or an archive.

    Raises:
        ImageError: it is not there, or not JSON.
    """
    with source.open(name) as file:
        try:
            return json.loads(file.read())
        except ValueError as error:
            raise ImageError(f"{_said(name)} of the image is not JSON: {error}") from None


def _is_whole(blob: Path, digest: str) -> bool:
    try:
        with blob.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest
    except FileNotFoundError:
        return False


def _said(name: str) -> str:
    return f"blob {name}" if name.startswith("sha256:") else name


def without_tag(name: str) -> str:
    """A registry takes a tag or a digest, and skopeo not both."""
    return re.sub(r":[\w][\w.-]*$", "", name)


def _skopeo(reference: str, command: str, *arguments: str) -> bytes:
    """What skopeo prints, with its files of credentials and its credential helpers."""
    skopeo = shutil.which("skopeo")
    if skopeo is None:
        raise ImageError(
            f"skopeo is missing: it fetches {reference}. Install it, or copy the image into an "
            "OCI layout on this machine and name that"
        )
    result = subprocess.run(
        [skopeo, f"--command-timeout={_TIMEOUT}", command, "--retry-times=3", *arguments],
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else f"status {result.returncode}"
        hint = refusal_hint(reference, reason)
        raise ImageError(
            f"skopeo could not fetch {reference}: {reason}" + (f"\nhint: {hint}" if hint else "")
        )
    return result.stdout
