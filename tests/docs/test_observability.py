"""docs/observability.md: its metrics, spans and events are those of the runtime."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import opentelemetry.semconv
import pytest

from irc_runtime.metrics import NODE, REQUEST, Family
from tests.docs.tables import Row, rows

PAGE = Path("docs/observability.md")
SOURCES = sorted(Path("src/python/irc_runtime").rglob("*.py"))
CODE = re.compile(r"`([^`]+)`")
ATTRIBUTE = re.compile(r"[\"`]((?:code|db|error|gen_ai|http|irc|server)\.[a-z_.]+)[\"`]")
ASGI_MESSAGES = {"http.request", "http.response.start", "http.response.body"}
LEVELS = {"INFO": "info", "WARNING": "warning", "ERROR": "error"}


def of(section: str) -> list[Row]:
    return [row for row in rows(PAGE) if row.section == section]


@pytest.mark.parametrize("row", rows(PAGE), ids=lambda row: f"{row.section}: {row.name}")
def test_a_row_has_a_test(row: Row) -> None:
    assert row.tests
    for file, name in row.tests:
        assert f"def {name}(" in Path(file).read_text(encoding="utf-8")


def test_metrics_are_those_of_the_page() -> None:
    told = {row.name: row for row in of("Metrics")}
    families = {_exposed(family): family for family in (*REQUEST, *NODE)}
    assert list(told) == list(families)
    for name, family in families.items():
        assert told[name].cells["type"] == family.kind
        labels = ["agent", *(["node"] if family in NODE else [])]
        labels += [family.label, *family.values] if family.label else []
        assert CODE.findall(told[name].cells["labels"]) == labels


def _exposed(family: Family) -> str:
    return family.name + ("_total" if family.kind == "counter" else "")


def test_attributes_are_those_of_the_page() -> None:
    told = set(ATTRIBUTE.findall(PAGE.read_text(encoding="utf-8")))
    said = {
        name
        for path in SOURCES
        for name in re.findall(r'"([^"\n]*)"', path.read_text(encoding="utf-8"))
        if ATTRIBUTE.fullmatch(f'"{name}"')
    }
    assert told == said - ASGI_MESSAGES


def test_attributes_are_of_the_semantic_conventions() -> None:
    known = set()
    for folder in opentelemetry.semconv.__path__:
        for path in Path(folder).rglob("*_attributes.py"):
            known.update(re.findall(r'Final = "([^"]+)"', path.read_text(encoding="utf-8")))
    told = ATTRIBUTE.findall(PAGE.read_text(encoding="utf-8"))
    assert {name for name in told if not name.startswith("irc.")} <= known


@pytest.mark.parametrize("row", of("Events"), ids=lambda row: row.name)
def test_events_are_reported_with_the_fields_of_the_page(row: Row) -> None:
    found = [(level, fields) for name, level, fields in _events() if name == row.name]
    assert found
    told = set(CODE.findall(row.cells["fields"]))
    for level, fields in found:
        assert level in row.cells["level"]
        left_out = {"node", "attempts"} if row.name == "request_failed" else set()  # no node's
        assert fields - left_out == told


def _events() -> Iterator[tuple[str, str, set[str]]]:
    """Name, level and fields of the events in the runtime; of two by a condition, each."""
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_bytes())):
            if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "event"):
                continue
            names = [n.value for n in ast.walk(call.args[1]) if isinstance(n, ast.Constant)]
            levels = [
                LEVELS[n.id]
                for n in ast.walk(call.args[0])
                if isinstance(n, ast.Name) and n.id in LEVELS
            ]
            for name in names:
                for level in levels:
                    yield str(name), level, {keyword.arg or "" for keyword in call.keywords}
