"""Answers as OpenAI's chunks: what is said is how the answer begins, whatever happens on the way."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from irc_runtime.context import Context
from irc_runtime.errors import AgentError, FlowError
from irc_runtime.serving.openai_response import ChunkedAnswer, Completion, text_of
from irc_runtime.streaming import StreamEvent


def token(text: str, node: str = "answer") -> StreamEvent:
    return StreamEvent("token", {"node": node, "text": text})


RESTART = StreamEvent("restart", {"node": "answer"})


def result(text: str) -> StreamEvent:
    return StreamEvent("result", text)


def sent(*events: StreamEvent) -> list[Any]:
    """What a client gets: pieces of text, then ``END``, or the code of an error."""
    completion = Completion("flow", Context({"trace_id": "t-1"}))
    answer = ChunkedAnswer(completion, ("answer", "other"), include_usage=False)
    frames = [frame for event in events for frame in answer.frames(event)]
    return list(_read(frames))


def _read(frames: Iterable[bytes]) -> Iterable[Any]:
    for frame in frames:
        text = frame.decode().removeprefix("data: ").strip()
        if text == "[DONE]":
            yield "END"
            continue
        data = json.loads(text)
        if "error" in data:
            assert data["error"]["trace_id"] == "t-1"
            yield {"error": data["error"]["code"]}
        elif content := data["choices"][0]["delta"].get("content"):
            yield content


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([token("a"), token("b"), result("ab")], ["a", "b", "END"]),
        ([result("ab")], ["ab", "END"]),
        ([result("")], ["END"]),
        # The output says more than the node.
        ([token("a"), result("ab")], ["a", "b", "END"]),
        # Nodes whose text the response is not are not heard.
        ([token("draft", "draft"), token("a"), result("a")], ["a", "END"]),
        # Another attempt that says the same goes on where the first broke off.
        ([token("ab"), RESTART, token("a"), token("bc"), result("abc")], ["ab", "c", "END"]),
        # One that says something else is not heard; whether that matters, the output says.
        ([token("ab"), RESTART, token("x"), result("x")], ["ab", {"error": "restarted"}]),
        ([token("ab"), RESTART, token("x"), result("ab!")], ["ab", "!", "END"]),
        # Another node that takes over.
        ([token("ab"), token("x", "other"), result("x")], ["ab", {"error": "restarted"}]),
        ([token("a"), token("ab", "other"), result("ab")], ["a", "b", "END"]),
        # The answer is shorter than what was said.
        ([token("ab"), result("a")], ["ab", {"error": "restarted"}]),
        ([token("a"), StreamEvent("error", AgentError("no"))], ["a", {"error": "error"}]),
    ],
)
def test_what_was_said_is_how_the_answer_begins(
    events: list[StreamEvent], expected: list[Any]
) -> None:
    assert sent(*events) == expected


def test_a_failure_before_anything_was_said_is_raised() -> None:
    with pytest.raises(AgentError, match="no"):
        sent(token("draft", "draft"), StreamEvent("error", AgentError("no")))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("text", "text"),
        ({"content": "text", "more": 1}, "text"),
        ({"content": 1}, '{"content":1}'),
        ({"é": [1, None]}, '{"é":[1,null]}'),
        ([1], "[1]"),
        (1.5, "1.5"),
        (None, "null"),
    ],
)
def test_any_output_is_a_text(output: Any, text: str) -> None:
    assert text_of(output) == text


def test_an_output_that_is_no_json_is_a_failure() -> None:
    with pytest.raises(FlowError):
        text_of({"content": object()})
