"""Base images: what ``base.json`` says of one, and the default, made of Debian packages."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from irc.oci.blobs import Layer
from irc.oci.compression import Compression, compressor_version
from irc.oci.conventions import PYTHON
from irc.oci.debian import architecture
from irc.oci.debian_lock import LockedPackage, fetch_locked, pinned, read_lock, resolve
from irc.oci.debian_root import ENVIRONMENT, assemble, entries, upstream
from irc.oci.errors import ImageError
from irc.oci.layer import write_layer

# What an architecture is where no variant is named.
_VARIANTS = {"arm64": "v8"}

# Debian's names of architectures that the OCI specification, following Go, calls otherwise.
_OCI_ARCHITECTURES = {
    "armel": "arm",
    "armhf": "arm",
    "i386": "386",
    "mips64el": "mips64le",
    "ppc64el": "ppc64le",
}

# Of which a base of Debian packages is made on any machine; both systems of names have these.
FOREIGN_ARCHITECTURES = ("amd64", "arm64")


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

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Read ``os/architecture`` or ``os/architecture/variant``.

        Raises:
            ImageError: it is neither.
        """
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ImageError(f"{text!r} is not a platform: <os>/<architecture>, as linux/amd64")
        return cls(*parts)

    def runs_on(self, machine: "Platform") -> bool:
        """Whether an image for this platform is one for a machine of that."""
        if (self.os, self.architecture) != (machine.os, machine.architecture):
            return False
        own, other = (item.variant or _VARIANTS.get(item.architecture) for item in (self, machine))
        return own is None or other is None or own == other

    @property
    def machine(self) -> str:
        """Without the variant, as ``linux/arm64``: what a machine knows of itself."""
        return f"{self.os}/{self.architecture}"

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


@dataclass(frozen=True)
class Base:
    """What ``irc image base`` made, as ``base.json`` holds it.

    Attributes:
        config: the base's OCI configuration: ``Env`` and so on.
        python: the version of its interpreter, ``3.11.2``, where it is known.
        compressor: what the layers' bytes depend on, where they were made here.
        packages: what a base of Debian packages is made of.
        digest: of the image that it was taken from.
        interpreters: all versions of Python in it, as ``3.11``.
        glibc: the version of its C library, ``2.36``, where it has this one.
    """

    kind: Literal["debian", "oci"]
    platform: Platform
    layers: tuple[Layer, ...]
    config: dict[str, Any]
    python: str | None = None
    compressor: str | None = None
    packages: tuple[LockedPackage, ...] = ()
    digest: str | None = None
    interpreters: tuple[str, ...] = ()
    glibc: str | None = None

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
            "interpreters": list(self.interpreters),
            "glibc": self.glibc,
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
            tuple(LockedPackage(**package) for package in raw["packages"]),
            raw["digest"],
            tuple(raw["interpreters"]),
            raw["glibc"],
        )


def debian_architecture(platform: Platform) -> str:
    """What Debian calls a platform.

    Raises:
        ImageError: no base is made for it here.
    """
    for name in FOREIGN_ARCHITECTURES:
        if platform.runs_on(Platform("linux", name)):
            return name
    choices = ", ".join(f"linux/{name}" for name in FOREIGN_ARCHITECTURES)
    raise ImageError(f"no base image of Debian packages is made for {platform}, only for {choices}")


def build_debian_base(
    output: Path,
    compression: Compression,
    lock: Path | None = None,
    extra: Sequence[str] = (),
    platform: Platform | None = None,
) -> Base:
    """Write the layer of a base of Debian packages into ``output``.

    Args:
        lock: of the packages; without one, the newest of the machine's suite.
        extra: packages besides the interpreter and what it needs.
        platform: None is the machine's own.
    Raises:
        ImageError: the machine has no apt-get, no mirror has a package, or the lock has not those of
            ``extra`` or is for another platform.
    """
    wanted = None if platform is None else debian_architecture(platform)
    with tempfile.TemporaryDirectory(prefix="irc-base-") as folder:
        work = Path(folder)
        (work / "apt").mkdir()
        (work / "root").mkdir()
        if lock is None:
            packages = resolve(extra, work / "apt", wanted)
        else:
            packages = fetch_locked(read_lock(lock), lock, extra, work / "apt", wanted)
        name = wanted or architecture()
        python = assemble(packages, work / "root", is_foreign=name != architecture())
        layer = write_layer(output, entries(work / "root"), compression)
    return Base(
        "debian",
        Platform("linux", _OCI_ARCHITECTURES.get(name, name)),
        (layer,),
        {"Env": list(ENVIRONMENT)},
        python,
        compressor_version(compression),
        pinned(packages),
        interpreters=(PYTHON,),
        glibc=next(upstream(item.version) for item in packages if item.name == "libc6"),
    )
