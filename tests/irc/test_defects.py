"""The ten planted defects of benchmarks/defects.py: irc finds each, and says where."""

from pathlib import Path

import pytest

from irc.pipeline import Result
from tests.irc.compiling import check_text

FLOWS = Path("benchmarks/peers/irc")

PLACES = {
    "type_mismatch": ("E401", 23, 28),
    "unknown_node": ("E301", 15, 12),
    "unknown_port": ("E301", 15, 12),
    "missing_input": ("E304", 6, 49),
    "cycle": ("E302", 24, 12),
    "dead_node": ("W301", 13, 3),
    "undeclared_context": ("E306", 14, 12),
    "bad_template": ("E404", 11, 9),
    "bad_schema": ("E206", 6, 56),
    "double_delivery": ("E305", 15, 30),
}


def checked(name: str) -> Result:
    return check_text((FLOWS / f"{name}.flow.yaml").read_bytes())


@pytest.mark.parametrize("defect", PLACES)
def test_planted_defect_is_found_at_its_place(defect: str) -> None:
    (found,) = checked(defect).report
    assert (found.code, found.span.line, found.span.column) == PLACES[defect]


def test_same_flow_without_a_defect_is_valid() -> None:
    assert not list(checked("good").report)


def test_every_planted_defect_has_a_place() -> None:
    flows = {path.name.removesuffix(".flow.yaml") for path in FLOWS.glob("*.flow.yaml")}
    assert flows == {*PLACES, "good"}
