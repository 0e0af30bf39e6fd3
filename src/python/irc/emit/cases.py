"""A flow's own test cases as JSON, which an agent runs before a new version of it serves.

The generated tests hold them as well, but need pytest. ``irc_runtime.cases`` reads the form.
"""

from __future__ import annotations

import json
from typing import Any

from irc.emit.agent import Compiled
from irc.ir.model import Case, Mock

SCHEMA_VERSION = 1


def emit_cases(compiled: Compiled) -> str:
    """The cases, one a line, in the order of the flow."""
    tests = compiled.graph.flow.tests
    rows = [_dump(_case(compiled, index, case)) for index, case in enumerate(tests)]
    head = f'{{"schema_version": {SCHEMA_VERSION}, "cases": [\n'
    return head + ",\n".join(rows) + "\n]}\n"


def _case(compiled: Compiled, index: int, case: Case) -> dict[str, Any]:
    """Keys that say nothing are left out; a response that is ``null`` does say something."""
    expect = case.expect
    ran = [*dict.fromkeys(expect.ran)]
    skipped = [name for name in dict.fromkeys(expect.skipped) if name in compiled.units]
    expected = {
        "status": expect.status,
        "error": expect.error,
        "schema": compiled.expected_schemas.get(index),
        "ran": ran or None,
        "skipped": skipped or None,
    }
    return {
        "name": case.name,
        "line": compiled.document.span(("tests", index)).line,
        "request": case.request,
        "mocks": {
            name: _mocks(given) for name, given in case.mocks.items() if name in compiled.units
        },
        "expect": {
            **{key: value for key, value in expected.items() if value is not None},
            **({"output": expect.output} if "output" in expect.model_fields_set else {}),
        },
    }


def _mocks(given: Mock | list[Mock]) -> Any:
    if isinstance(given, list):
        return [_mocks(mock) for mock in given]
    return given.model_dump(exclude_unset=True)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
