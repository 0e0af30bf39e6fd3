"""The OpenAI stand-in, judged by the real client."""

from typing import Any

import openai
import pytest

from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed

HELLO: Any = [{"role": "user", "content": "Hello"}]


def ask(server: OpenAIServer, **options: Any) -> Any:
    with openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client:
        arguments = {"model": "m", "messages": HELLO, "timeout": 5, **options}
        return client.chat.completions.create(**arguments)


def test_answers_follow_the_script_and_then_the_default() -> None:
    with OpenAIServer(otherwise=Answer("last")) as server:
        server.script(Answer("first"), Answer({"text": "second"}))
        texts = [ask(server).choices[0].message.content for _ in range(4)]
    assert texts == ["first", '{"text": "second"}', "last", "last"]
    assert [request.prompt() for request in server.requests] == ["Hello"] * 4


def test_failure_keeps_its_status() -> None:
    with OpenAIServer() as server:
        server.script(Failure(429, "slow down", retry_after_s=1))
        with pytest.raises(openai.RateLimitError, match="slow down") as caught:
            ask(server)
    assert caught.value.response.headers["retry-after"] == "1"


@pytest.mark.parametrize("reply", [Malformed(), CutConnection()])
def test_broken_replies_reach_the_client_as_errors(reply: Malformed | CutConnection) -> None:
    with OpenAIServer() as server:
        server.script(reply)
        with pytest.raises((openai.APIError, ValueError)):
            ask(server)


def test_delay_runs_into_the_clients_timeout() -> None:
    with OpenAIServer() as server:
        server.script(Answer("late", delay_s=2))
        with pytest.raises(openai.APITimeoutError):
            ask(server, timeout=0.1)


def test_stopped_server_refuses_and_comes_back_on_its_port() -> None:
    with (
        OpenAIServer() as server,
        openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as client,
    ):
        client.chat.completions.create(model="m", messages=HELLO)
        server.stop()
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(model="m", messages=HELLO)
        server.start()
        client.chat.completions.create(model="m", messages=HELLO)


def test_streamed_pieces_make_up_the_text() -> None:
    with (
        OpenAIServer(otherwise=Answer("one two  three")) as server,
        openai.OpenAI(base_url=server.base_url, api_key="any") as client,
    ):
        stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
        chunks: list[Any] = list(stream)
        pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(pieces) == "one two  three"
    assert len([piece for piece in pieces if piece]) == 3


def test_tool_calls_carry_their_arguments() -> None:
    with OpenAIServer() as server:
        server.script(Answer(tool_calls=[("look_up", {"id": 1})]))
        message = ask(server).choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    assert message.tool_calls[0].to_dict()["function"] == {
        "name": "look_up",
        "arguments": '{"id": 1}',
    }


@pytest.mark.parametrize(
    "options",
    [
        {"messages": []},
        {"messages": [{"role": "nobody", "content": "x"}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
        {"response_format": {"type": "json_schema"}},
    ],
)
def test_what_the_service_refuses_is_refused(options: dict[str, Any]) -> None:
    with OpenAIServer() as server, pytest.raises(openai.BadRequestError):
        ask(server, **options)
    assert server.last.refused
