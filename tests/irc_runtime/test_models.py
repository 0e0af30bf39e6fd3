"""The real client of OpenAI against a server that speaks its protocol."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import LoadError, ModelError, ValidationFailedError
from irc_runtime.models import ChatModels
from irc_runtime.openai_chat import OpenAIChat
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-tests")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield server


def prompt_of(schema: Any = None, **model: Any) -> Prompt:
    return Prompt(
        node="answer",
        template="{{ query }}",
        model=ChatModel(**{"provider": "openai", "name": "gpt-test", **model}),
        system="Be brief.",
        temperature=0.2,
        max_tokens=40,
        output_schema=None if schema is None else Schema(schema),
    )


def complete(prompt: Prompt, timeout_s: float | None = None) -> Any:
    async def main() -> Any:
        models = ChatModels(prompt, openai=OpenAIChat)
        try:
            async with asyncio.timeout(timeout_s):
                return await models.complete(prompt, {"query": "secret question"}, Context({}))
        finally:
            await models.close()

    return asyncio.run(main())


def test_a_text_is_asked_for_and_given_back(server: OpenAIServer) -> None:
    server.script(Answer("Hello"))
    assert complete(prompt_of()) == "Hello"
    assert server.last.authorization == "Bearer key-of-tests"
    body = server.last.body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-test", 0.2, 40)
    assert "response_format" not in body
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "secret question"]


def test_structured_output_is_asked_for_by_schema(server: OpenAIServer) -> None:
    server.script(Answer({"text": "Hello"}))
    assert complete(prompt_of(SCHEMA)) == {"text": "Hello"}
    assert server.last.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


def test_the_endpoint_of_the_flow_wins(server: OpenAIServer, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    server.script(Answer("Hello"))
    assert complete(prompt_of(endpoint=server.base_url)) == "Hello"


@pytest.mark.parametrize("content", ["Sure! No JSON.", {"txt": "x"}, "", '{"text": "cut'])
def test_an_answer_that_does_not_fit_is_a_failed_validation(
    server: OpenAIServer, content: Any
) -> None:
    server.script(Answer(content))
    with pytest.raises(ValidationFailedError) as caught:
        complete(prompt_of(SCHEMA))
    assert caught.value.retryable
    assert "Sure" not in caught.value.reason


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (Failure(400), False),
        (Failure(401), False),
        (Failure(403), False),
        (Failure(404), False),
        (Failure(408), True),
        (Failure(429), True),
        (Failure(500), True),
        (Failure(503), True),
        (Malformed(), True),
        (Malformed(b"[]"), True),
        (Malformed(b"{}"), True),
        (CutConnection(), True),
    ],
)
def test_failures_are_retryable_or_not(server: OpenAIServer, reply: Reply, retryable: bool) -> None:
    server.script(reply)
    with pytest.raises(ModelError) as caught:
        complete(prompt_of())
    assert caught.value.retryable is retryable
    assert caught.value.type == "error"
    assert len(server.requests) == 1


def test_a_retry_after_is_kept(server: OpenAIServer) -> None:
    server.script(Failure(429, "secret limit", retry_after_s=2.5))
    with pytest.raises(ModelError) as caught:
        complete(prompt_of())
    assert caught.value.retry_after_s == 2.5
    assert caught.value.reason == "the model's server answered 429"


@pytest.mark.parametrize(
    ("code", "said"),
    [("context_length_exceeded", " (context_length_exceeded)"), ("secret: sk-123", ""), ("", "")],
)
def test_the_name_of_an_error_is_said_and_no_other_words(
    server: OpenAIServer, code: str, said: str
) -> None:
    server.script(Failure(400, "secret", code=code))
    with pytest.raises(ModelError) as caught:
        complete(prompt_of())
    assert caught.value.reason == f"the model's server answered 400{said}"


def test_a_server_that_is_down_cannot_be_reached(server: OpenAIServer) -> None:
    server.stop()
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        complete(prompt_of())
    assert caught.value.retryable


def test_a_slow_answer_ends_with_the_nodes_timeout(server: OpenAIServer) -> None:
    server.script(Answer("late", delay_s=5.0))
    with pytest.raises(TimeoutError):
        complete(prompt_of(), timeout_s=0.2)


def test_a_missing_key_is_found_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(LoadError, match=r"prompt 'answer'.*OPENAI_API_KEY"):
        ChatModels(prompt_of(), openai=OpenAIChat)


def test_an_unknown_provider_is_found_at_load() -> None:
    with pytest.raises(LoadError, match=r"unknown provider 'tape'; there is openai"):
        ChatModels(prompt_of(provider="tape"), openai=OpenAIChat)
