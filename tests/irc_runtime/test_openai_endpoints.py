"""OpenAI's chat completions of a served flow: its official client against the real KServe server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.irc_runtime.compiled_agents import serving
from tests.irc_runtime.conversations import (
    ASKED,
    CONCIERGE,
    ECHO,
    NO_CONVERSATION,
    TRACE,
    ask,
    client,
    streamed,
    texts,
)
from tests.irc_runtime.served import Served
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer


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


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(ECHO, "echo", tmp_path_factory.mktemp("echo")) as agent:
        yield agent


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(NO_CONVERSATION, "adder", tmp_path_factory.mktemp("adder")) as agent:
        yield agent


def test_a_conversation_is_answered(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four."))
    traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
    completion = ask(concierge, extra_headers={"traceparent": traceparent})
    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "At four.")
    assert choice.finish_reason == "stop"
    assert (completion.id, completion.object) == (f"chatcmpl-{TRACE}", "chat.completion")
    assert completion.model == "concierge"
    assert completion.created > 1_600_000_000
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 3, 10)
    assert model.last.prompt().split() == ["user:", "When", "is", "tea?"]


def test_the_asynchronous_client_is_answered_too(concierge: Served, model: OpenAIServer) -> None:
    async def both() -> tuple[str, list[str]]:
        async with openai.AsyncOpenAI(base_url=concierge.url("/openai/v1"), api_key="any") as own:
            whole = await own.chat.completions.create(model="concierge", messages=ASKED)
            stream = await own.chat.completions.create(
                model="concierge", messages=ASKED, stream=True
            )
            return str(whole.choices[0].message.content), texts([chunk async for chunk in stream])

    model.script(Answer("At four."), Answer("At five, today."))
    assert asyncio.run(both()) == ("At four.", ["At ", "five, ", "today."])


def test_a_stream_gives_tokens_as_they_come(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four, in the hall."))
    first, *middle, last, usage = streamed(concierge, stream_options={"include_usage": True})
    assert first.choices[0].delta.role == "assistant"
    assert texts(middle) == ["At ", "four, ", "in ", "the ", "hall."]
    assert (last.choices[0].delta.content, last.choices[0].finish_reason) == (None, "stop")
    assert (usage.choices, usage.usage.total_tokens) == ([], 10)
    assert {chunk.id for chunk in middle} == {first.id}
    assert {chunk.object for chunk in middle} == {"chat.completion.chunk"}


def test_a_stream_ends_as_the_protocol_has_it(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four."))
    with client(concierge) as own:
        raw = own.chat.completions.with_raw_response.create(
            model="concierge", messages=ASKED, stream=True
        )
        lines = list(raw.http_response.iter_lines())
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line == "" or line.startswith("data: ") for line in lines)


def test_a_flow_that_does_not_stream_sends_its_answer_in_one_chunk(concierge: Served) -> None:
    chunks = streamed(concierge, messages=[{"role": "user", "content": "Fire!"}])
    assert texts(chunks) == ["Leave the building and call 112."]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_object_is_its_content_or_its_json(echo: Served) -> None:
    def content(**fields: Any) -> str:
        return str(ask(echo, extra_body=fields).choices[0].message.content)

    assert content() == '{"count":2}'
    assert content(form="content") == "2 messages"
    assert texts(streamed(echo, extra_body={"form": "content"})) == ["2 messages"]
    assert ask(echo).usage.total_tokens == 0


def test_fields_of_the_flow_come_from_the_body_metadata_and_user(echo: Served) -> None:
    completion = ask(
        echo,
        user="u1",
        temperature=0.5,  # which the flow declares
        seed=1,  # which it does not
        metadata={"form": "content", "colour": "red"},
        extra_body={"form": "fields", "session_id": "s1"},
    )
    assert completion.choices[0].message.content == (
        '{"user":"u1","session_id":"s1","temperature":0.5,"colour":"red"}'
    )


def test_declared_fields_reach_the_prompt(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("Yes."))
    ask(concierge, extra_body={"hotel": "Ritz"})
    assert model.last.prompt("system") == "You are the concierge of Ritz."


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_served_is_a_bad_request(
    echo: Served, parameters: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(echo, **parameters)
    error = caught.value
    assert (error.type, error.param, error.code) == ("invalid_request_error", param, code)
    assert len(error.body["trace_id"]) == 32  # type: ignore[index]  # a body may be anything


def test_a_required_field_that_is_missing_is_a_bad_request(tmp_path: Path) -> None:
    flow = ECHO.replace("{optional: [messages, form", "{requires: [form], optional: [messages")
    missing = pytest.raises(openai.BadRequestError, match="missing required fields: form")
    with serving(flow, "echo", tmp_path) as agent, missing as caught:
        ask(agent)
    assert caught.value.code == "missing_fields"


def test_another_model_is_not_found(echo: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="there is 'echo'") as caught:
        ask(echo, model="gpt-4o")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_what_the_server_refuses_has_the_form_too(echo: Served) -> None:
    own = client(echo)
    with pytest.raises(openai.NotFoundError) as missing:
        own.embeddings.create(model="echo", input="text")
    assert (missing.value.code, missing.value.type) == ("not_found", "invalid_request_error")
    large: Any = [{"role": "user", "content": "x" * 9_000_000}]
    with pytest.raises(openai.APIStatusError) as refused:
        ask(echo, messages=large)
    assert (refused.value.status_code, refused.value.code) == (413, "too_large")


def test_models_are_listed(echo: Served) -> None:
    with client(echo) as own:
        (described,) = own.models.list()
        assert own.models.retrieve("echo") == described
        with pytest.raises(openai.NotFoundError):
            own.models.retrieve("other")
    assert (described.id, described.object, described.owned_by) == ("echo", "model", "irc")


def test_a_flow_without_a_conversation_says_what_it_would_have_to_declare(adder: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="has to declare 'messages'") as caught:
        ask(adder)
    assert caught.value.code == "no_conversation"
    with client(adder) as own:
        assert list(own.models.list()) == []
    assert adder.predict({"number": 1}).json() == 2
