"""docs/reliability.md: every fault has a test, which exists."""

import re
from pathlib import Path

import pytest

from tests.docs.tables import Row, rows

PAGE = Path("docs/reliability.md")
TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<test>\w+)`")


@pytest.mark.parametrize("row", rows(PAGE), ids=lambda row: f"{row.section}: {row.name}")
def test_fault_has_a_test(row: Row) -> None:
    assert all(row.cells.values())
    named = list(TEST.finditer(row.cells["test"]))
    assert named
    for match in named:
        assert f"def {match['test']}(" in Path(match["file"]).read_text(encoding="utf-8")
