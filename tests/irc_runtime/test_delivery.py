import copy
import pickle
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.delivery import (
    ABSENT,
    delivered,
    first_delivered,
    named_output,
    output,
    present,
    single_row,
    to_string,
)
from irc_runtime.edge import edge
from irc_runtime.errors import EdgeError, NoOutputError


def test_none_is_a_value_and_absent_is_not() -> None:
    assert delivered(None, 0, "")
    assert not delivered(1, ABSENT)
    assert first_delivered(ABSENT, None, 1) is None
    assert first_delivered(ABSENT) is ABSENT
    assert present({"a": None, "b": ABSENT}) == {"a": None}


def test_absent_survives_copies() -> None:
    assert copy.deepcopy(ABSENT) is ABSENT
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT


def test_an_output_that_nothing_reached_names_the_conditions() -> None:
    assert output(None) is None
    with pytest.raises(NoOutputError, match=r"flow.yaml:61: risk > 0\.7"):
        output(ABSENT, reasons=("flow.yaml:61: risk > 0.7",))
    with pytest.raises(NoOutputError, match="no branch"):
        named_output({})


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (1, "1"), (1.5, "1.5"), ("x", "x")]
)
def test_numbers_and_booleans_become_strings(value: object, text: str) -> None:
    assert to_string(value) == text


def test_a_table_of_one_row_is_an_object() -> None:
    assert single_row([{"a": 1}]) == {"a": 1}
    assert single_row(ABSENT) is ABSENT
    assert to_string(ABSENT) is ABSENT


@pytest.mark.parametrize("table", [[], [{}, {}], "ab", {"a": 1}])
def test_other_tables_are_not(table: object) -> None:
    with pytest.raises(EdgeError):
        single_row(table)


def test_an_edge_that_fails_says_where_and_keeps_content_to_itself() -> None:
    @edge("flow.yaml:9")
    def risk_to_offer(value: Any, context: Context) -> Any:
        return value["secret"]

    with pytest.raises(EdgeError) as caught:
        risk_to_offer({}, Context({}))
    assert caught.value.location == "flow.yaml:9"
    assert str(caught.value) == "flow.yaml:9: KeyError: 'secret'"
    assert "secret" not in caught.value.reason
