"""A compiled agent, as the compiler's summary describes it."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from irc.oci.errors import ImageError

_SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Agent:
    """One agent; ``sources`` are its module and its line map, by path from the source root."""

    name: str
    description: str
    flow: str
    ir_digest: str
    compiler: str
    module: str
    sources: tuple[str, ...]
    imports: tuple[str, ...]
    environment: tuple[str, ...]
    writes_features: bool
    target: str
    kserve: dict[str, Any]

    @property
    def module_path(self) -> PurePosixPath:
        """``flows/support/agent.py`` for the module ``flows.support.agent``."""
        return PurePosixPath(*self.module.split(".")).with_suffix(".py")

    @property
    def service_name(self) -> str:
        """The service's name, in DNS form."""
        name: str = self.kserve["service_name"]
        return name

    @property
    def folder(self) -> PurePosixPath:
        """Where the flow and its generated files lie, from the source root."""
        return self.module_path.parent

    @property
    def documents(self) -> tuple[str, ...]:
        """All generated files, by path from the source root: sources, tests, summary."""
        stem = self.module_path.stem
        beside = (f"test_{stem}.py", f"{stem}.json")
        return (*self.sources, *(str(self.folder / name) for name in beside))


def read_agent(path: Path) -> Agent:
    """Read ``agent.json``.

    Raises:
        ImageError: it is missing, not JSON, or of another version of the compiler.
    """
    try:
        raw = json.loads(path.read_bytes())
        if raw["schema_version"] != _SCHEMA_VERSION:
            raise ImageError(
                f"{path}: schema_version {raw['schema_version']}, expected {_SCHEMA_VERSION}: "
                "compile the flow with this version of irc"
            )
        return Agent(
            raw["name"],
            raw["description"] or "",
            raw["flow"],
            raw["ir_digest"],
            raw["compiler"],
            raw["module"],
            tuple(raw["sources"]),
            tuple(raw["imports"]),
            tuple(raw["environment"]),
            raw["writes_features"],
            raw["deployment"]["target"],
            raw["deployment"]["kserve"],
        )
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{path}: not the summary of a compiled agent ({error!r})") from error
