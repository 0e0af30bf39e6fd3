"""How generated files are called. The compiler follows the same rule."""

from __future__ import annotations

import re
from pathlib import PurePath

_FLOW = re.compile(r"(?:(?P<name>[A-Za-z_][\w.-]*)\.)?flow\.(?:yaml|yml|json)", re.ASCII)


def is_flow(path: str) -> bool:
    """Whether a file is called as flows are."""
    return _FLOW.fullmatch(PurePath(path).name) is not None


def agent_path(flow: str) -> str:
    """The path of the agent that a flow's file becomes, in the same folder."""
    match = _FLOW.fullmatch(PurePath(flow).name)
    if match is None:
        raise ValueError(f"not the name of a flow: {flow}")
    prefix = re.sub("[.-]", "_", f"{match['name']}_") if match["name"] else ""
    return str(PurePath(flow).with_name(f"{prefix}agent.py"))


def agent_tests_path(agent: str) -> str:
    """The path of an agent's tests."""
    return str(PurePath(agent).with_name(f"test_{PurePath(agent).name}"))


def summary_path(agent: str) -> str:
    """The path of what the compiler says about an agent."""
    return str(PurePath(agent).with_suffix(".json"))


def line_map_path(agent: str) -> str:
    """The path of an agent's line map, which its tracebacks are made with."""
    return str(PurePath(agent).with_suffix(".map.json"))


def module_name(path: str) -> str:
    """The module of a Python file, given by its path below the source root."""
    return ".".join(PurePath(path).with_suffix("").parts)
