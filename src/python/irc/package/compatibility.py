"""Whether base image, requirements and agent fit together: platform and interpreter.

A mismatch would be an image that builds and does not start, so it is an error here.
"""

from collections.abc import Iterable, Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from irc.oci.base import Base
from irc.oci.conventions import PYTHON
from irc.oci.errors import ImageError
from irc.oci.thirdparty import ThirdParty

# Machines of wheels' platform tags, the usual one first, by architectures as the OCI specification
# names them.
MACHINES = {
    "386": ("i686", "i386"),
    "amd64": ("x86_64", "amd64"),
    "arm": ("armv7l", "armv6l"),
    "arm64": ("aarch64", "arm64"),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
}


def check_compatibility(base: Base, third_party: ThirdParty) -> None:
    """Compare the base with the requirements and with what generated code runs on.

    Raises:
        ImageError: they do not fit; the message names both.
    """
    _check_interpreter(base, third_party)
    _check_constraints(base, third_party.interpreter_constraints)
    _check_platform(base, third_party.wheels)


def _check_interpreter(base: Base, third_party: ThirdParty) -> None:
    if _minor(third_party.python) != PYTHON:
        raise ImageError(
            f"the requirements' byte code is of Python {third_party.python}, "
            f"the agent is for Python {PYTHON}"
        )
    if PYTHON not in base.interpreters:
        has = (
            f"Python {base.python or ', '.join(base.interpreters)}" if base.interpreters else "none"
        )
        raise ImageError(
            f"the base image has no interpreter python{PYTHON} (it has {has}), "
            f"the requirements are for Python {third_party.python}"
        )


def _check_constraints(base: Base, constraints: Iterable[str]) -> None:
    """The PEX's interpreter constraints, any of which is enough, against the base's interpreter."""
    own = base.python if base.python is not None and _minor(base.python) == PYTHON else None
    versions = [own] if own else [f"{PYTHON}.{patch}" for patch in range(100)]
    specifiers = list(constraints)
    if specifiers and not any(
        specifier.contains(version, prereleases=True)
        for specifier in _specifiers(specifiers)
        for version in versions
    ):
        raise ImageError(
            f"the base image has Python {own or PYTHON}, the requirements' PEX takes "
            f"{' or '.join(specifiers)}"
        )


def _specifiers(constraints: Iterable[str]) -> Iterator[SpecifierSet]:
    for constraint in constraints:
        text = constraint.removeprefix("CPython")
        try:
            yield SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ImageError(f"the PEX's interpreter constraint {constraint!r}: {error}") from None


def _check_platform(base: Base, wheels: Iterable[str]) -> None:
    machines = MACHINES.get(base.platform.architecture)
    for wheel in sorted(wheels):
        tags = wheel.removesuffix(".whl").rpartition("-")[2].split(".")
        if "any" in tags or machines is None:
            continue
        if base.platform.os != "linux" or not any(
            "linux" in tag and tag.endswith(machines) for tag in tags
        ):
            raise ImageError(
                f"the base image is for {base.platform}, the requirement {wheel} for "
                f"{', '.join(tags)}"
            )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
