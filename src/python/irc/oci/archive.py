"""One file of an image, for ``docker load`` and ``podman load``.

It is an OCI image layout in a tar archive, and at the same time what ``docker save`` writes: besides
``index.json`` it has ``manifest.json``, which names configuration, layers and tags. So both engines, and
the transports ``oci-archive`` and ``docker-archive`` of skopeo, read the same file.
https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format
"""

import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from irc.oci.base import Platform
from irc.oci.blobs import Descriptor, blob_path
from irc.oci.clock import source_date_epoch
from irc.oci.errors import ImageError

# Repository and tag, as the distribution specification has them.
_NAME = re.compile(
    r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
)


def write_archive(layout: Path, names: Sequence[str], output: Path, platform: Platform) -> None:
    """Write the archive of a layout's image; the same layout and names give the same bytes.

    Args:
        layout: of one image, or of an index of it for several platforms, as ``irc package`` writes it.
        names: ``repository:tag``, under which engines will know the image.
        platform: what the image is for.
    Raises:
        ImageError: the layout has no such image, lacks a blob, or a name is none.
        OSError: ``output`` cannot be written; nothing is left behind.
    """
    for name in names:
        if not _NAME.fullmatch(name):
            raise ImageError(f"{name!r} is not the name of an image: <repository>:<tag>")
    entry, manifest = _read_image(layout, platform)
    # An entry for each name: engines read them in different annotations.
    entries = [
        {
            **entry,
            "annotations": {
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name,
            },
        }
        for name in names
    ]
    index = json.loads((layout / "index.json").read_bytes())
    documents = {
        "index.json": {**index, "manifests": entries or [entry]},
        "manifest.json": [
            {
                "Config": _member(manifest["config"]["digest"]),
                "RepoTags": list(names),
                "Layers": [_member(layer["digest"]) for layer in manifest["layers"]],
            }
        ],
        "oci-layout": json.loads((layout / "oci-layout").read_bytes()),
    }
    blobs = {raw["digest"] for raw in (entry, manifest["config"], *manifest["layers"])}
    with (
        _beside(output) as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for digest in sorted(blobs):
            with _opened(layout, digest) as blob:
                _add(tar, _member(digest), blob, os.fstat(blob.fileno()).st_size)
        for name, document in documents.items():
            text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
            _add(tar, name, io.BytesIO(text), len(text))


def _read_image(layout: Path, platform: Platform) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entry of the index, and the manifest that it names."""
    try:
        entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    except FileNotFoundError:
        raise ImageError(f"{layout}: not an OCI image layout (it has no index.json)") from None
    if len(entries) != 1:
        raise ImageError(f"{layout}: holds {len(entries)} images, an archive takes one")
    document = _read_document(layout, entries[0])
    offered = {
        Platform.from_oci(item["platform"]): item for item in document.get("manifests", entries)
    }
    for other, entry in offered.items():
        if other.runs_on(platform):
            return entry, _read_document(layout, entry)
    found = ", ".join(sorted(map(str, offered)))
    raise ImageError(f"{layout}: holds no image for {platform}, only for {found}")


def _read_document(layout: Path, entry: dict[str, Any]) -> dict[str, Any]:
    with _opened(layout, Descriptor.from_oci(entry).digest) as blob:
        document: dict[str, Any] = json.loads(blob.read())
    return document


def _opened(layout: Path, digest: str) -> IO[bytes]:
    try:
        return blob_path(layout, digest).open("rb")
    except FileNotFoundError:
        raise ImageError(f"{layout}: the blob {digest} is missing") from None


def _member(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size_bytes: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    info.mode = 0o644
    info.mtime = source_date_epoch()
    tar.addfile(info, content)


@contextmanager
def _beside(output: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is whole, and is gone otherwise."""
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(name, 0o644)
        os.replace(name, output)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(output)  # of a write, to a disk that is full
        raise
