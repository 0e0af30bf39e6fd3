"""A flow's own test cases, run without pytest: what a new version must pass before it serves.

``<module>.cases.json`` lies beside the agent's module where the flow has cases; the compiler's
``emit/cases.py`` writes it. Requests run in virtual time with the mocks of the case, so that nothing
outside is used.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.errors import AgentError
from irc_runtime.runs import CaseResult, run_case
from irc_runtime.schema import Schema

SCHEMA_VERSION = 1


class CaseError(AgentError):
    """A case does not come out as the flow says; the reason names it and holds no content."""

    type = "case"


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases in a file.

    Raises:
        CaseError: they are of another version of the compiler, or damaged.
    """
    try:
        document = json.loads(path.read_bytes())
        if document["schema_version"] == SCHEMA_VERSION:
            return list(document["cases"])
    except (KeyError, TypeError, ValueError):
        pass
    raise CaseError(f"{path.name} is not as this version of irc_runtime reads it")


def run_cases(agent_type: type[Agent], cases: Sequence[Mapping[str, Any]]) -> None:
    """Run cases in their order.

    Raises:
        CaseError: of the first one that does not come out as expected.
    """
    for case in cases:
        place = f"{agent_type.source}:{case['line']}"
        try:
            result = run_case(agent_type, case["request"], case["mocks"])
        except Exception as error:
            message = f"case '{case['name']}' ({place}) raised {type(error).__name__}"
            raise CaseError(message) from error
        problem = _problem(result, case["expect"])
        if problem is not None:
            raise CaseError(f"case '{case['name']}' ({place}): {problem}")


def _problem(result: CaseResult, expect: Mapping[str, Any]) -> str | None:
    """What differs from what is expected, without content; None where all is well."""
    if "error" in expect and "status" not in expect:
        if result.status < 400:
            return f"status {result.status}, though a failure is expected"
    elif result.status != expect.get("status", 200):
        return f"status {result.status}, expected {expect.get('status', 200)}"
    if "output" in expect and not _same(result.output, expect["output"]):
        return "the response is another one"
    if "schema" in expect and Schema(expect["schema"]).problem(result.output) is not None:
        return "the response does not fit its schema"
    if "error" in expect and expect["error"] not in (result.error or ""):
        return "the failure is another one"
    if missing := sorted(set(expect.get("ran", ())) - result.ran):
        return f"{', '.join(missing)} did not run"
    if extra := sorted(set(expect.get("skipped", ())) & result.ran):
        return f"{', '.join(extra)} ran"
    return None


def _same(output: Any, expected: Any) -> bool:
    """As the generated tests compare: ``is`` for null and truth values, which equal no number."""
    if expected is None or isinstance(expected, bool):
        return output is expected
    return bool(output == expected)
