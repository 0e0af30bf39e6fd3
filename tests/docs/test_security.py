"""docs/security.md: every row has a test, which exists."""

from pathlib import Path

import pytest

from tests.docs.tables import Row, rows

PAGE = Path("docs/security.md")


@pytest.mark.parametrize("row", rows(PAGE), ids=lambda row: row.name)
def test_row_has_a_test(row: Row) -> None:
    assert all(row.cells.values())
    assert row.tests
    for file, test in row.tests:
        assert f"def {test}(" in Path(file).read_text(encoding="utf-8")
