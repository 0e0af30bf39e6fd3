"""A base taken from an image that exists: an OCI layout, an archive, or a registry.

What is read is checked against the digests that name it, down to the contents of layers: an image that
is damaged or cut short is an error here, not where it is run.
"""

import hashlib
import json
import re
import tarfile
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

from irc.oci.base import Base, Platform
from irc.oci.blobs import (
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_LAYER_TAR,
    Descriptor,
    Layer,
    blob_path,
    copy_blob,
    new_blob,
)
from irc.oci.compression import MEDIA_TYPES, CompressedWriter, Compression, compressor_version
from irc.oci.errors import ImageError
from irc.oci.reading import DAMAGED, DOCKER_LAYER, HashedReader, opened_layer
from irc.oci.sources import (
    ArchiveSource,
    LayoutSource,
    RegistrySource,
    Source,
    no_digest,
    opened_source,
    read_document,
    without_tag,
)

_REFERENCE = re.compile(r"(?P<place>.+?)(@(?P<digest>sha256:[0-9a-f]{64}))?")
_COPY_BYTES = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"

# Interpreters on the usual PATH, official images and distributions alike.
_INTERPRETER = re.compile(r"(\./)?usr/(local/)?bin/python(?P<version>3\.\d+)")

# The GNU C library, and how it names its release.
_GLIBC = re.compile(r"(\./)?(usr/)?lib(64)?/([\w.-]+/)?libc(\.so\.6|-2\.\d+\.so)")
_GLIBC_RELEASE = re.compile(rb"GNU C Library [^\n]* version (\d+\.\d+)")

# Of the base's configuration, what a derived image inherits. Not its signal to stop: the agent ends in
# order on SIGTERM, which is the default.
_INHERITED = ("Env", "Labels", "Volumes")


@dataclass
class _Found:
    """What layers hold that wheels depend on.

    Attributes:
        pythons: versions of Python, as ``3.11``.
        glibc: the version of the GNU C library.
    """

    pythons: set[str] = field(default_factory=set)
    glibc: str | None = None


def fetch_image(reference: str, platform: Platform, output: Path) -> None:
    """Lay the blobs of a registry's image below ``output``, for ``take_base``; those there stay.

    Args:
        reference: a name with ``@sha256:…``.
        platform: which image of an index to fetch.
    Raises:
        ImageError: no digest, no such image, or the registry refuses.
    """
    name, _, digest = reference.removeprefix("docker://").partition("@")
    if not digest:
        raise no_digest(name)
    source = RegistrySource(without_tag(name), output)
    try:
        manifest = _manifest(source, digest, platform)
        for blob in (manifest["config"], *manifest["layers"]):
            source.open(blob["digest"]).close()
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{name}: its documents are not those of an image ({error!r})") from error


def take_base(
    reference: str,
    platform: Platform,
    output: Path,
    compression: Compression = "gzip",
    fetched: Path | None = None,
) -> Base:
    """Copy the layers of an image into ``output``.

    Args:
        reference: as :mod:`irc.oci.sources` says, followed by ``@sha256:…``; a layout or an archive
            that holds one image needs no digest.
        platform: which image of an index to take.
        compression: of layers that are not compressed, as archives of Docker have them.
        fetched: where ``fetch_image`` has put the image of a registry, which then is not asked.
    Raises:
        ImageError: no digest, no such image, another platform, or something damaged.
    """
    match = _REFERENCE.fullmatch(reference)
    assert match is not None  # the pattern takes any text
    digest = match["digest"]
    opened = (
        opened_source(match["place"], digest)
        if fetched is None
        else nullcontext(LayoutSource(fetched))
    )
    with opened as source:
        try:
            if isinstance(source, ArchiveSource) and "oci-layout" not in source.names:
                base = _from_docker_archive(source, digest, platform, output, compression)
            else:
                base = _from_layout(source, digest, platform, output)
        except (KeyError, TypeError, ValueError) as error:
            raise ImageError(
                f"{match['place']}: its documents are not those of an image ({error!r})"
            ) from error
    return base


def _from_layout(source: Source, digest: str | None, platform: Platform, output: Path) -> Base:
    digest = digest or _only_image(source)
    manifest = _manifest(source, digest, platform)
    config = json.loads(_read(source, manifest["config"]["digest"]))
    _check_platform(Platform.from_oci(config), platform)
    diff_ids = config["rootfs"]["diff_ids"]
    found = _Found()
    layers = []
    for raw, diff_id in zip(manifest["layers"], diff_ids, strict=True):
        descriptor = Descriptor.from_oci(raw)
        if descriptor.media_type == DOCKER_LAYER:
            descriptor = replace(descriptor, media_type=MEDIA_TYPE_LAYER_GZIP)
        with source.open(descriptor.digest) as blob:
            copy_blob(blob, output, descriptor)
        layer = Layer(descriptor.media_type, descriptor.digest, diff_id, descriptor.size)
        _check_layer(output, layer, found)
        layers.append(layer)
    return _base(config, tuple(layers), found, digest)


def _from_docker_archive(
    source: ArchiveSource,
    digest: str | None,
    platform: Platform,
    output: Path,
    compression: Compression,
) -> Base:
    """Read what ``docker save`` or ``podman save`` wrote, whose digest is that of the configuration.

    The format is Docker's image specification 1.2: ``manifest.json`` names configurations and layers.
    """
    images = read_document(source, "manifest.json")
    if len(images) != 1:
        raise ImageError(f"the archive holds {len(images)} images: save one alone")
    with source.open(images[0]["Config"]) as file:
        data = file.read()
    held = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if digest is not None and digest != held:
        raise ImageError(f"the archive holds the image {held}, not {digest}")
    config = json.loads(data)
    _check_platform(Platform.from_oci(config), platform)
    found = _Found()
    layers = []
    diff_ids = config["rootfs"]["diff_ids"]
    for name, diff_id in zip(images[0]["Layers"], diff_ids, strict=True):
        try:
            with (
                source.open(name) as written,
                opened_layer(written, _written_as(written)) as archive,
                new_blob(output) as blob,
            ):
                writer = CompressedWriter(blob, compression)
                while chunk := archive.read(_COPY_BYTES):
                    writer.write(chunk)
                writer.close()
        except DAMAGED as error:
            raise ImageError(f"the base image is damaged: {name}: {error}") from error
        layer = Layer(MEDIA_TYPES[compression], blob.digest, diff_id, blob.size)
        _check_layer(output, layer, found)
        layers.append(layer)
    base = _base(config, tuple(layers), found, held)
    return replace(base, compressor=compressor_version(compression))


def _written_as(layer: IO[bytes]) -> str:
    """The type of a layer in an archive of Docker, which some tools compress and nothing says."""
    magic = layer.read(len(_GZIP_MAGIC))
    layer.seek(0)
    return DOCKER_LAYER if magic == _GZIP_MAGIC else MEDIA_TYPE_LAYER_TAR


def _base(config: dict[str, Any], layers: tuple[Layer, ...], found: _Found, digest: str) -> Base:
    settings = config.get("config") or {}
    inherited = {key: settings[key] for key in _INHERITED if settings.get(key)}
    python = _python(inherited)
    minors = {".".join(python.split(".")[:2])} if python else set()
    return Base(
        "oci",
        Platform.from_oci(config),
        layers,
        inherited,
        python,
        digest=digest,
        interpreters=tuple(sorted(minors | found.pythons)),
        glibc=found.glibc,
    )


def _only_image(source: Source) -> str:
    entries = read_document(source, "index.json")["manifests"]
    digests = sorted({str(entry["digest"]) for entry in entries})  # one image may have two names
    if len(digests) != 1:
        found = ", ".join(digests) or "none"
        raise ImageError(f"the layout holds {len(digests)} images, name one by digest: {found}")
    return digests[0]


def _manifest(source: Source, digest: str, platform: Platform) -> dict[str, Any]:
    document = json.loads(_read(source, digest))
    if "manifests" not in document:
        return dict(document)
    offered = []
    for entry in document["manifests"]:
        if "platform" in entry:
            found = Platform.from_oci(entry["platform"])
            offered.append(str(found))
            if found.runs_on(platform):
                return _manifest(source, entry["digest"], platform)
        elif len(document["manifests"]) == 1:
            return _manifest(source, entry["digest"], platform)
    raise ImageError(
        f"the base image is not offered for {platform}, only for {', '.join(sorted(offered))}"
    )


def _check_platform(found: Platform, wanted: Platform) -> None:
    if not found.runs_on(wanted):
        raise ImageError(f"the base image is for {found}, the agent for {wanted}")


def _read(source: Source, digest: str) -> bytes:
    with source.open(digest) as blob:
        data = blob.read()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ImageError(f"the base image is damaged: blob {digest} has another content")
    return data


def _check_layer(root: Path, layer: Layer, found: _Found) -> None:
    """Read a layer to its end, and note what is found.

    Raises:
        ImageError: the layer is no archive, or not the one of the configuration.
    """
    path = blob_path(root, layer.digest)
    try:
        with path.open("rb") as blob, opened_layer(blob, layer.media_type) as tar:
            reader = HashedReader(tar)
            _look_through(reader, found)
            while reader.read(_COPY_BYTES):
                pass
    except (*DAMAGED, tarfile.TarError) as error:
        path.unlink()
        raise ImageError(f"the base image is damaged: layer {layer.digest}: {error}") from error
    if reader.digest != layer.diff_id:
        path.unlink()
        raise ImageError(
            f"the base image is damaged: layer {layer.digest} unpacks to {reader.digest}, and its "
            f"configuration says {layer.diff_id}"
        )


def _look_through(tar: HashedReader, found: _Found) -> None:
    with tarfile.open(fileobj=cast(IO[bytes], tar), mode="r|") as archive:
        for member in archive:
            interpreter = _INTERPRETER.fullmatch(member.name)
            if interpreter is not None:
                found.pythons.add(interpreter["version"])
            elif member.isfile() and _GLIBC.fullmatch(member.name):
                source = archive.extractfile(member)
                assert source is not None  # a regular file has content
                release = _GLIBC_RELEASE.search(source.read())
                if release is not None:
                    found.glibc = release[1].decode()


def _python(config: dict[str, Any]) -> str | None:
    """The official Python images say their version in the environment."""
    for variable in config.get("Env", ()):
        name, _, value = variable.partition("=")
        if name == "PYTHON_VERSION":
            return str(value)
    return None
