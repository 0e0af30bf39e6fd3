"""The OpenAI chat completions protocol, from the server's side."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PATH = "/v1/chat/completions"
AZURE_PATH = re.compile(r"/openai/deployments/[^/]+/chat/completions\?api-version=[0-9a-z-]+")
SCHEMA_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ROLES = {"system", "developer", "user", "assistant", "tool"}


@dataclass(frozen=True)
class Answer:
    """A completion.

    Attributes:
        content: the model's text; anything else than text is sent as JSON, as with
            structured output.
        delay_s: seconds before the first byte.
        tool_calls: pairs of a function's name and its arguments, in place of a text.
        refusal: what the model says in place of an answer.
        stop: why the answer ends, where it is not that it is complete.
        cut_after: events after which a stream breaks off.
        error: the type of an error that comes then.
        pause_s: seconds before each event of a stream but the first.
    """

    content: Any = ""
    delay_s: float = 0.0
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    refusal: str | None = None
    stop: str | None = None
    cut_after: int | None = None
    error: str | None = None
    pause_s: float = 0.0

    @property
    def text(self) -> str | None:
        if self.tool_calls or self.refusal is not None:
            return None
        return self.content if isinstance(self.content, str) else json.dumps(self.content)


@dataclass(frozen=True)
class Failure:
    """An answer with an error status, in the protocol's own form.

    Attributes:
        code: the protocol's name of the error, where it has one of its own.
        headers: further headers, as ``Location``.
    """

    status: int
    message: str = "scripted failure"
    retry_after_s: float | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        retry = {} if self.retry_after_s is None else {"Retry-After": f"{self.retry_after_s:g}"}
        return {**retry, **self.headers}


@dataclass(frozen=True)
class Malformed:
    """Status 200, and a body that is no JSON."""

    body: bytes = b'{"id": "chatcmpl-0", "choices": [{"ind'


@dataclass(frozen=True)
class CutConnection:
    """A connection that ends in the middle of the body."""


Reply = Answer | Failure | Malformed | CutConnection


def refusal(
    path: str, authorization: str | None, body: Any, azure_key: str | None = None
) -> tuple[int, str] | None:
    """Status and message with which the real service, or Azure's, refuses such a request."""
    if AZURE_PATH.fullmatch(path):
        if not azure_key:
            return 401, "no api-key"
    elif path != PATH:
        return 404, f"unknown path {path}"
    elif not re.fullmatch(r"Bearer \S+", authorization or ""):
        return 401, "no API key in the Authorization header"
    if not isinstance(body, dict):
        return 400, "the body is not a JSON object"
    if not isinstance(body.get("model"), str) or not body["model"]:
        return 400, "'model' must be a string"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return 400, "'messages' must be a list that is not empty"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            return 400, f"a message has no known role: {message!r}"
        if not isinstance(message.get("content"), str) and "tool_calls" not in message:
            return 400, f"a message has no content: {message!r}"
    return _unanswered(messages) or _response_format_refusal(body.get("response_format"))


def _unanswered(messages: Sequence[Mapping[str, Any]]) -> tuple[int, str] | None:
    """Every call of a tool is followed by its result."""
    pending: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            pending.discard(str(message.get("tool_call_id")))
        elif pending:
            return 400, f"calls of tools without a result: {pending}"
        pending |= {call["id"] for call in message.get("tool_calls", ())}
    return (400, f"calls of tools without a result: {pending}") if pending else None


def _response_format_refusal(response_format: Any) -> tuple[int, str] | None:
    if response_format is None or response_format == {"type": "text"}:
        return None
    if not isinstance(response_format, dict):
        return 400, "'response_format' must be an object"
    if response_format.get("type") == "json_object":
        return None
    if response_format.get("type") != "json_schema":
        return 400, f"unknown response format {response_format.get('type')!r}"
    described = response_format.get("json_schema")
    if not isinstance(described, dict) or not isinstance(described.get("schema"), dict):
        return 400, "'response_format.json_schema.schema' must be an object"
    if not SCHEMA_NAME.fullmatch(str(described.get("name", ""))):
        return 400, "'response_format.json_schema.name' is missing or has other characters"
    return None


def _head(kind: str, model: str, number: int) -> dict[str, Any]:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 0, "model": model}


def _tool_calls(answer: Answer, number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(answer.tool_calls)
    ]


def completion(answer: Answer, model: str, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": answer.refusal,
    }
    if answer.tool_calls:
        message["tool_calls"] = _tool_calls(answer, number)
    finish_reason = answer.stop or ("tool_calls" if answer.tool_calls else "stop")
    return {
        **_head("chat.completion", model, number),
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def chunks(
    answer: Answer, model: str, number: int, *, with_usage: bool = False
) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**_head("chat.completion.chunk", model, number), "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for index, call in enumerate(_tool_calls(answer, number)):
        yield chunk({"tool_calls": [{"index": index, **call}]})
    if answer.refusal is not None:
        yield chunk({"refusal": answer.refusal})
    for piece in re.findall(r"\S+\s*|\s+", answer.text or ""):
        yield chunk({"content": piece})
    yield chunk({}, answer.stop or ("tool_calls" if answer.tool_calls else "stop"))
    if with_usage:
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        yield {**_head("chat.completion.chunk", model, number), "choices": [], "usage": usage}
