"""A build context for one agent without Pants: what the agent imports is found by its imports."""

import importlib.util
import tempfile
from collections.abc import Mapping
from pathlib import Path

from irc.files import write_files
from irc.oci.errors import ImageError
from irc.package.agent import read_agent
from irc.package.code import Code
from irc.package.context import write_context
from irc.package.imports import distributions_of, imported_from, with_all_that_they_require
from irc.package.requirements import locked_requirements


def write_standalone_context(
    generated: Mapping[str, str], summary: str, source_root: Path, lock: Path | None, output: Path
) -> None:
    """Write Dockerfile, requirements and code of an agent below ``output``.

    Args:
        generated: texts of the agent's files, by path below the source root.
        summary: which of them is the summary.
        lock: hashed requirements; without them the context names what the agent imports, and pip
            takes the newest.
    Raises:
        ImageError: an import has no owner, the lock lacks a distribution, or ``output`` is there.
    """
    if output.exists():
        raise ImageError(f"{output} is there already: take it away first")
    with tempfile.TemporaryDirectory(prefix="irc-context-") as name:
        folder = Path(name)
        write_files(folder, generated)
        agent = read_agent(folder / summary)
        if agent.target == "lambda":
            raise ImageError(f"{agent.flow} has the target 'lambda', which takes no Dockerfile")
        sources = {source: folder / source for source in agent.sources}
        modules = {name: path for name, path in sources.items() if name.endswith(".py")}
        found = imported_from(modules, [source_root, _runtime_root()])
        names = distributions_of(found.modules)
        if lock is None:
            requirements = "".join(f"{name}\n" for name in names)
        else:
            requirements = _locked(names, lock)
        # Not --no-deps: should the environment here require less than the lock's, pip says so.
        options = () if lock is None else ("--require-hashes",)
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as place:
            beside = Path(place, "context")
            write_context(
                agent,
                Code(found.files, sources),
                requirements,
                beside,
                pip_options=options,
                note="",
            )
            beside.rename(output)


def _runtime_root() -> Path:
    """The folder that holds ``irc_runtime``."""
    spec = importlib.util.find_spec("irc_runtime")
    if spec is None or not spec.submodule_search_locations:
        raise ImageError("the agent needs 'irc_runtime', which is not installed here")
    return Path(spec.submodule_search_locations[0]).parent


def _locked(names: tuple[str, ...], lock: Path) -> str:
    """The lock's lines for distributions and all that they require, as this environment has it."""
    try:
        requirements = list(locked_requirements(lock.read_text("utf-8")))
    except OSError as error:
        raise ImageError(f"{lock}: {error.strerror}") from error
    lines = []
    for name in with_all_that_they_require(names):
        candidates = [item for item in requirements if item.name == name]
        if not candidates:
            raise ImageError(f"{lock} does not have '{name}', which the agent needs")
        lines += [item.text for item in candidates]  # several are told apart by their markers
    return "".join(lines)
