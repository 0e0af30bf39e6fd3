"""Failures of a conversation, as OpenAI's official client has them: against the real KServe server."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.irc_runtime.compiled_agents import serving
from tests.irc_runtime.conversations import ASKED, CONCIERGE, ask, client, streamed, texts
from tests.irc_runtime.served import Served
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def concierge(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"OPENAI_API_KEY": "key-of-tests", "OPENAI_BASE_URL": model.base_url}
    folder = tmp_path_factory.mktemp("concierge")
    with serving(CONCIERGE.read_text(), "concierge", folder, **environment) as agent:
        yield agent


def test_another_attempt_goes_on_where_the_first_broke_off(
    concierge: Served, model: OpenAIServer
) -> None:
    model.script(Answer("At four, today.", cut_after=3), Answer("At four, today."))
    assert texts(streamed(concierge)) == ["At ", "four, ", "today."]


def test_an_answer_that_is_begun_anew_in_other_words_is_an_error(
    concierge: Served, model: OpenAIServer
) -> None:
    model.script(Answer("At four, today.", cut_after=3), Answer("Tea is at four."))
    said: list[str] = []
    with pytest.raises(openai.APIError, match="begun anew") as caught:
        for chunk in ask(concierge, stream=True):
            said += texts([chunk])
    assert said == ["At ", "four, "]
    assert caught.value.code == "restarted"


def test_a_failure_amid_a_stream_is_an_error_event(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four.", cut_after=2), Failure(400))
    said: list[str] = []
    with pytest.raises(openai.APIError, match="node 'answer' failed") as caught:
        for chunk in ask(concierge, stream=True):
            said += texts([chunk])
    assert said == ["At "]
    assert not isinstance(caught.value, openai.APIStatusError)
    body: Any = caught.value.body
    assert (body["type"], body["node"], body["location"]) == (
        "server_error",
        "answer",
        "flow.yaml:13",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_flow_is_an_internal_error_that_is_not_tried_again(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.script(CutConnection(), Failure(500))
    seen = len(model.requests)
    with pytest.raises(openai.InternalServerError, match="node 'answer' failed") as caught:
        ask(concierge, stream=stream)
    assert caught.value.status_code == 500
    assert caught.value.type == "server_error"
    assert len(model.requests) == seen + 2  # the node's own attempts, and none of the client


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_asked_too_often_is_a_rate_limit(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.script(Failure(429, retry_after_s=0), Failure(429, retry_after_s=2))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(concierge, stream=stream)
    assert caught.value.type == "rate_limit_error"
    assert caught.value.response.headers["retry-after"] == "2"


def test_a_deadline_bounds_the_answer(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("Late.", delay_s=20))
    headers = {"x-envoy-expected-rq-timeout-ms": "300"}
    with pytest.raises(openai.InternalServerError) as caught:
        ask(concierge, extra_headers=headers)
    assert (caught.value.status_code, caught.value.code) == (504, "timeout")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_waits_no_longer_cancels_its_request(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.abandoned.clear()
    model.script(Answer("word " * 400, delay_s=1, pause_s=0.02))
    with (
        client(concierge, timeout=0.5, max_retries=0) as own,
        pytest.raises(openai.APITimeoutError),
    ):
        own.chat.completions.create(model="concierge", messages=ASKED, stream=stream)
    assert model.abandoned.wait(20), "the model is asked for more"


def test_a_client_that_leaves_a_stream_cancels_its_request(
    concierge: Served, model: OpenAIServer
) -> None:
    model.abandoned.clear()
    model.script(Answer("word " * 600, pause_s=0.05))
    with ask(concierge, stream=True) as stream:
        assert next(iter(stream)).choices
    assert model.abandoned.wait(20), "the model is asked for more"
