"""What a module imports: first-party files, and distributions of third parties."""

import ast
import importlib.metadata
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from irc.oci.distributions import normalized_name
from irc.oci.errors import ImageError


@dataclass(frozen=True)
class Imported:
    """What is behind the imports of some modules.

    Attributes:
        files: first-party files by path below their source root.
        modules: top-level modules of third parties.
    """

    files: Mapping[str, Path]
    modules: tuple[str, ...]


def imported_from(sources: Mapping[str, Path], roots: Iterable[Path]) -> Imported:
    """Follow imports through first-party files; imports within functions count as well.

    Args:
        sources: modules to start from, by path below their source root.
        roots: source roots.
    """
    files = dict(sources)
    modules: set[str] = set()
    pending = list(sources)
    roots = tuple(roots)
    while pending:
        name = pending.pop()
        for module in _imports(name, files[name]):
            found = _first_party(module, roots)
            if not found and not any(_covers(file, module) for file in sources):
                modules.add(module.partition(".")[0])
            for file, path in found.items():
                if file not in files:
                    files[file] = path
                    pending.append(file)
    third_party = modules - sys.stdlib_module_names - _packages(files)
    return Imported(dict(sorted(files.items())), tuple(sorted(third_party)))


def _packages(files: Iterable[str]) -> set[str]:
    return {name.partition("/")[0].removesuffix(".py") for name in files}


def _covers(file: str, module: str) -> bool:
    return module.startswith(file.removesuffix(".py").replace("/", "."))


def _imports(name: str, path: Path) -> Iterator[str]:
    """Modules that a file names; of ``from a import b`` both ``a`` and ``a.b``."""
    package = name.removesuffix(".py").replace("/", ".").split(".")
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _first_party(module: str, roots: tuple[Path, ...]) -> dict[str, Path]:
    """The file of a module and the ``__init__.py`` of its packages, where they are there."""
    parts = module.split(".")
    found: dict[str, Path] = {}
    for root in roots:
        if not (root / parts[0]).is_dir() and not (root / f"{parts[0]}.py").is_file():
            continue
        names = ["/".join(parts) + ".py"]
        names += ["/".join([*parts[:end], "__init__.py"]) for end in range(1, len(parts) + 1)]
        found |= {name: root / name for name in names if (root / name).is_file()}
    return found


def distributions_of(modules: Iterable[str]) -> tuple[str, ...]:
    """The installed distributions that have these modules, by normalised name.

    Raises:
        ImageError: one of them is not installed.
    """
    owners = importlib.metadata.packages_distributions()
    names: set[str] = set()
    for module in modules:
        if module not in owners:
            raise ImageError(
                f"the agent imports '{module}', which no installed distribution has: install it here,"
                " so that its name is known"
            )
        names.update(normalized_name(name) for name in owners[module])
    return tuple(sorted(names))


def with_all_that_they_require(names: Iterable[str]) -> tuple[str, ...]:
    """These distributions and all that they require here, by the metadata of what is installed."""
    found: set[tuple[str, str]] = set()
    pending = [(name, "") for name in names]
    while pending:
        name, extra = pending.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for text in importlib.metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted = normalized_name(requirement.name)
                pending += [(wanted, ""), *((wanted, inner) for inner in requirement.extras)]
    return tuple(sorted({name for name, _ in found}))
