"""An agent whose model fails: what its caller sees, and what is left behind."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.context import Context
from irc_runtime.errors import NodeError
from irc_runtime.models import ChatModels
from irc_runtime.node import Inputs, Node, Outputs
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from tests.irc_runtime.agents import agent_of
from tests.irc_runtime.providers import LOOSE
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply

WHOLE_OR_STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-tests")
    with OpenAIServer() as server:
        yield server


async def _fallback(agent: Any, inputs: Inputs, context: Context) -> Outputs:
    return {"text": "Fallback."}


def agent_of_model(
    endpoint: str, *, schema: Any = None, stream: bool = False, **settings: Any
) -> Agent:
    """An agent of one node, which asks its model the request's question."""
    prompt = Prompt(
        "ask", "{{ query }}", ChatModel("openai", "m", endpoint),
        output_schema=None if schema is None else Schema(schema), stream=stream,
    )  # fmt: skip

    async def ask(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"text": await agent.models.complete(prompt, inputs, context)}

    node = Node("ask", line=7, **{"backoff_s": 0.01, "timeout_s": 10, **settings})
    agent: Any = agent_of(node, ask, _fallback=_fallback)
    agent.models = ChatModels(prompt, openai=OpenAIChat)
    return agent  # type: ignore[no-any-return]  # an agent with the attribute `models`


def answered(agent: Agent) -> Any:
    """The response's text; afterwards nothing of the request may be running."""

    async def main() -> Any:
        try:
            response = await agent.predict({"query": "secret question"})
            return response["text"]
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}
            await agent.close()

    return asyncio.run(main())


def failed(agent: Agent) -> NodeError:
    """The failure that the caller sees."""
    with pytest.raises(NodeError) as caught:
        answered(agent)
    error = caught.value
    assert (error.node, error.location) == ("ask", "flow.yaml:7")
    assert "secret" not in error.reason
    return error


FAULTS: list[tuple[Reply, int, str]] = [
    (Failure(500, "secret"), 2, "the model's server answered 500"),
    (Failure(503, "secret"), 2, "the model's server answered 503"),
    (Failure(429, "secret"), 2, "the model's server answered 429"),
    (
        Failure(429, "secret", code="insufficient_quota"),
        1,
        "the model's server answered 429 (insufficient_quota)",
    ),
    (Failure(400, "secret"), 1, "the model's server answered 400"),
    (Failure(401, "secret"), 1, "the model's server answered 401"),
    (Failure(403, "secret"), 1, "the model's server answered 403"),
    (Failure(404, "secret"), 1, "the model's server answered 404"),
    (Malformed(b"<html>secret</html>"), 2, ""),
    (Malformed(b'{"secret": 1}'), 2, ""),
    (Malformed(b'{"choices": [{"index": 0, "message": {"role": "assist'), 2, ""),
    (CutConnection(), 2, ""),
]


@pytest.mark.parametrize(("reply", "requests", "reason"), FAULTS)
@WHOLE_OR_STREAMED
def test_a_failing_model_is_asked_again_only_where_that_can_help(
    model: OpenAIServer, reply: Reply, requests: int, reason: str, stream: bool
) -> None:
    model.script(*[reply] * 3)
    error = failed(agent_of_model(model.base_url, attempts=2, stream=stream))
    assert (error.type, error.status, error.attempts) == ("error", 500, requests)
    assert reason in error.reason
    assert len(model.requests) == requests


@pytest.mark.parametrize(
    "reply", [Failure(503), Failure(429), Malformed(), CutConnection(), Answer("Too", cut_after=2)]
)
def test_another_attempt_has_the_answer(model: OpenAIServer, reply: Reply) -> None:
    model.script(reply, Answer("Hello."))
    assert answered(agent_of_model(model.base_url, attempts=2, stream=True)) == "Hello."
    assert len(model.requests) == 2


@WHOLE_OR_STREAMED
def test_a_slow_model_is_a_timeout_and_its_connection_is_not_used_again(
    model: OpenAIServer, stream: bool
) -> None:
    model.script(Answer("late", delay_s=5.0), Answer("late", delay_s=5.0))
    error = failed(agent_of_model(model.base_url, attempts=2, timeout_s=0.2, stream=stream))
    assert (error.type, error.status, error.attempts) == ("timeout", 504, 2)
    assert (len(model.requests), model.accepted) == (2, 2)


def test_an_answer_without_an_end_is_a_timeout(model: OpenAIServer) -> None:
    model.script(Answer("word " * 100_000, pause_s=0.01))
    error = failed(agent_of_model(model.base_url, timeout_s=0.5, stream=True))
    assert (error.type, error.status) == ("timeout", 504)
    assert model.abandoned.wait(10), "the model is asked for more"


def test_a_model_that_is_down_is_asked_again_once_it_is_up(model: OpenAIServer) -> None:
    model.stop()
    error = failed(agent_of_model(model.base_url, attempts=3))
    assert (error.type, error.reason) == ("error", "the model cannot be reached")
    assert error.attempts == 3
    model.start()
    model.script(Answer("Hello."))
    assert answered(agent_of_model(model.base_url)) == "Hello."


def test_a_server_that_has_closed_its_connections_costs_no_attempt(model: OpenAIServer) -> None:
    model.script(Answer("One."), Answer("Two."))
    agent = agent_of_model(model.base_url)

    async def main() -> list[Any]:
        first = await agent.predict({"query": "?"})
        model.stop()
        model.start()
        second = await agent.predict({"query": "?"})
        await agent.close()
        return [first["text"], second["text"]]

    assert asyncio.run(main()) == ["One.", "Two."]


def test_a_name_that_is_not_found_is_tried_again(
    model: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def getaddrinfo(host: Any, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "secret")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failed(agent_of_model("http://models.example.com/v1", attempts=2))
    assert (error.type, error.reason) == ("error", "the model cannot be reached")
    assert len(asked) == 2


def test_a_model_that_asks_for_a_pause_is_given_it(model: OpenAIServer) -> None:
    model.script(Failure(429, headers={"retry-after-ms": "300"}), Answer("Hello."))
    began = time.monotonic()
    assert answered(agent_of_model(model.base_url, attempts=2)) == "Hello."
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(("asked_s", "deadline_s"), [(50, 5.0), (3600, None)])
def test_a_pause_beyond_the_requests_deadline_or_a_minute_is_not_begun(
    model: OpenAIServer, asked_s: float, deadline_s: float | None
) -> None:
    model.script(Failure(429, retry_after_s=asked_s), Answer("Hello."))
    agent = agent_of_model(model.base_url, attempts=2)
    agent.request_timeout_s = deadline_s
    error = failed(agent)
    assert (error.attempts, error.reason) == (1, "the model's server answered 429")
    assert len(model.requests) == 1


@WHOLE_OR_STREAMED
@pytest.mark.parametrize(
    ("replies", "requests", "reason"),
    [
        ([Answer("Sure!"), Answer({"txt": ""})], 2, 'lacks "text"'),
        ([Answer('{"text": "cut')], 2, "the model's answer is not JSON"),
        ([Answer(refusal="I would rather not.")], 1, "the model refused to answer"),
        ([Answer({"text": "I"}, stop="content_filter")], 1, "held back by a content filter"),
        ([Answer({"text": "I"}, stop="length")], 1, "cut off at the most tokens allowed"),
        ([Answer("")], 1, "the model's answer is empty"),
    ],
)
def test_an_answer_of_no_use_is_a_failed_validation_which_a_fallback_takes(
    model: OpenAIServer, replies: list[Reply], requests: int, reason: str, stream: bool
) -> None:
    def agent(**settings: Any) -> Agent:
        model.script(*replies, replies[-1])
        return agent_of_model(model.base_url, schema=LOOSE, stream=stream, **settings)

    error = failed(agent())
    assert (error.type, error.status) == ("validation_fail", 500)
    assert reason in error.reason
    assert len(model.requests) == requests
    takes: Any = {"fallbacks": ("_fallback",), "fallback_on": ("validation_fail",)}
    assert answered(agent(**takes)) == "Fallback."
    assert len(model.requests) == 2 * requests
