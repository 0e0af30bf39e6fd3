import re

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import RequestError

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_trace_id_comes_from_the_request_before_the_header() -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    assert Context({"trace_id": "mine"}, headers).trace_id == "mine"
    assert Context({}, headers).trace_id == TRACE


def test_a_trace_id_of_the_request_is_bounded_as_each_event_has_it() -> None:
    assert Context({"trace_id": "x" * 128}).trace_id == "x" * 128
    with pytest.raises(RequestError, match="trace_id is longer than 128 characters"):
        Context({"trace_id": "x" * 129})


@pytest.mark.parametrize("header", ["", "00-xyz-1-01", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_a_malformed_traceparent_is_as_none(header: str) -> None:
    trace_id = Context({}, {"traceparent": header}).trace_id
    assert re.fullmatch("[0-9a-f]{32}", trace_id)
    assert trace_id != "0" * 32


def test_a_made_trace_id_and_event_time_stay_what_they_are() -> None:
    context = Context({})
    assert context.trace_id == context.trace_id == context.get("trace_id")
    assert context.event_time == context.event_time == context.get("event_time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", context.event_time)


def test_the_requests_event_time_is_kept_as_it_is() -> None:
    assert Context({"event_time": "2024-01-01T00:00:00Z"}).event_time == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize("event_time", ["yesterday", 17, ""])
def test_an_event_time_that_is_no_time_is_refused(event_time: object) -> None:
    with pytest.raises(RequestError, match="event_time"):
        Context({"event_time": event_time})


def test_fields_are_attributes_and_absent_optional_ones_are_none() -> None:
    context = Context({"user_id": "u1", "tone": "kind"}, optional=("locale",))
    assert (context.user_id, context.session_id, context.tone) == ("u1", None, "kind")
    assert context.locale is None
    assert context.get("locale", "en") == "en"
    with pytest.raises(AttributeError, match="'local'"):
        context.local  # noqa: B018
