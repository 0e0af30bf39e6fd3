"""Base images: what ``base.json`` says of one, and the default, made of Debian packages."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from irc.oci.blobs import Layer
from irc.oci.compression import Compression, compressor_version
from irc.oci.debian import architecture, fetch, reachable
from irc.oci.debian_root import ENVIRONMENT, INSTALLERS, ROOTS, assemble, entries
from irc.oci.layer import write_layer

# Debian's names of architectures that the OCI specification, following Go, calls otherwise.
_OCI_ARCHITECTURES = {
    "armel": "arm",
    "armhf": "arm",
    "i386": "386",
    "mips64el": "mips64le",
    "ppc64el": "ppc64le",
}


@dataclass(frozen=True)
class Platform:
    """As the OCI image specification names platforms."""

    os: str
    architecture: str
    variant: str | None = None

    def to_oci(self) -> dict[str, str]:
        raw = {"architecture": self.architecture, "os": self.os}
        return raw if self.variant is None else {**raw, "variant": self.variant}

    @classmethod
    def from_oci(cls, raw: dict[str, Any]) -> "Platform":
        return cls(raw["os"], raw["architecture"], raw.get("variant"))

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


@dataclass(frozen=True)
class InstalledPackage:
    """A Debian package in the base; ``sha256`` is that of its archive."""

    name: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True)
class Base:
    """What ``irc image base`` made, as ``base.json`` holds it.

    ``config`` is the base's OCI configuration (``Env`` and so on), ``python`` the version of its
    interpreter where it is known, ``digest`` that of the image it was taken from.
    """

    kind: Literal["debian", "oci"]
    platform: Platform
    layers: tuple[Layer, ...]
    config: dict[str, Any]
    python: str | None = None
    compressor: str | None = None
    packages: tuple[InstalledPackage, ...] = field(default=())
    digest: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "platform": self.platform.to_oci(),
            "layers": [layer.to_json() for layer in self.layers],
            "config": self.config,
            "python": self.python,
            "compressor": self.compressor,
            "packages": [package.to_json() for package in self.packages],
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Base":
        return cls(
            raw["kind"],
            Platform.from_oci(raw["platform"]),
            tuple(Layer.from_json(layer) for layer in raw["layers"]),
            raw["config"],
            raw["python"],
            raw["compressor"],
            tuple(InstalledPackage(**package) for package in raw["packages"]),
            raw["digest"],
        )


def build_debian_base(output: Path, compression: Compression) -> Base:
    """Write the layer of the default base into ``output``.

    Raises:
        ImageError: the machine has no apt-get, or its suite lacks a package.
    """
    with tempfile.TemporaryDirectory(prefix="irc-base-") as name:
        work = Path(name)
        (work / "apt").mkdir()
        (work / "root").mkdir()
        packages = reachable(fetch(ROOTS, work / "apt"), ROOTS, INSTALLERS)
        python = assemble(packages, work / "root")
        layer = write_layer(output, entries(work / "root"), compression)
    debian = architecture()
    return Base(
        "debian",
        Platform("linux", _OCI_ARCHITECTURES.get(debian, debian)),
        (layer,),
        {"Env": list(ENVIRONMENT)},
        python,
        compressor_version(compression),
        tuple(InstalledPackage(item.name, item.version, item.sha256) for item in packages),
    )
