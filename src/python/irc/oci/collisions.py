"""What two distributions both have: an installer would let one overwrite the other."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from irc.oci.distributions import Distribution
from irc.oci.errors import ImageError

# The two ways of packages, before PEP 420, to lie in several distributions.
_NAMESPACE = re.compile(rb"\b(extend_path|declare_namespace)\(")

_CODE = (".py", ".so")


@dataclass(frozen=True)
class _Shared:
    """Files of two distributions that differ, by path; ``second`` is further up."""

    first: Distribution
    second: Distribution
    paths: tuple[str, ...]


def check_collisions(layers: Sequence[Sequence[Distribution]]) -> tuple[str, ...]:
    """Look for files and commands of two distributions.

    Equal files do no harm. Of files that differ the uppermost is seen, which for data is a matter of
    warning. Code that differs is an error: one distribution would run with the other's modules.

    Args:
        layers: from the lowest up, and so are the distributions of one.
    Returns:
        Warnings.
    Raises:
        ImageError: two distributions have modules of one name and different content.
    """
    distributions = [distribution for layer in layers for distribution in layer]
    warnings = []
    for shared in _shared_files(distributions):
        first, second = shared.first, shared.second
        code = [path for path in shared.paths if _is_code(path, shared)]
        if code:
            raise ImageError(
                f"{first.requirement} and {second.requirement} both have {_listed(code)}, and not "
                "the same: an agent can carry only one of them; take the other out of its "
                "requirements"
            )
        warnings.append(
            f"{first.name} and {second.name} both have {_listed(shared.paths)}, and not the same; "
            f"{second.name}'s is taken"
        )
    return (*warnings, *_shared_commands(distributions))


def without_repetitions(layer: Sequence[Distribution]) -> tuple[Distribution, ...]:
    """The distributions of one layer, each path with the last of them alone."""
    owners = {path: distribution.name for distribution in layer for path in distribution.files}
    return tuple(
        replace(
            distribution,
            files={
                path: packed
                for path, packed in distribution.files.items()
                if owners[path] == distribution.name
            },
        )
        for distribution in layer
    )


def _shared_files(distributions: Sequence[Distribution]) -> Iterator[_Shared]:
    owners: dict[str, Distribution] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for distribution in distributions:
        for path, packed in distribution.files.items():
            other = owners.get(path)
            if other is not None and other.files[path] != packed:
                shared.setdefault((other.name, distribution.name), []).append(path)
            owners[path] = distribution
    by_name = {distribution.name: distribution for distribution in distributions}
    for (first, second), paths in shared.items():
        yield _Shared(by_name[first], by_name[second], tuple(paths))


def _is_code(path: str, shared: _Shared) -> bool:
    if not path.endswith(_CODE):
        return False
    if not path.endswith("/__init__.py"):
        return True
    return not all(_NAMESPACE.search(_read(item, path)) for item in (shared.first, shared.second))


def _read(distribution: Distribution, path: str) -> bytes:
    with zipfile.ZipFile(distribution.archive) as archive:
        return archive.read(distribution.files[path].member)


def _shared_commands(distributions: Sequence[Distribution]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for distribution in distributions:
        for command in distribution.commands:
            owner = owners.setdefault(command, distribution.name)
            if owner != distribution.name:
                yield (
                    f"{owner} and {distribution.name} both install the command '{command}': the "
                    "image has neither, and with the build context pip keeps one of them"
                )


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - 1
    return paths[0] + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")
