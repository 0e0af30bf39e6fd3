"""A chat completion as text for a terminal: what was asked, and what is answered."""

import json
from collections.abc import Iterator
from typing import Any

from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply


def transcript(number: int, body: Any, reply: Reply) -> str:
    """The messages of a request and the reply to it, each below a heading, and an empty line.

    Args:
        number: of the request, from 1.
        body: the request as parsed from JSON, whether well formed or not.
        reply: what the server is about to send.
    """
    request = body if isinstance(body, dict) else {}
    lines = [f"=== request {number}, model {request.get('model')}", *_messages(request)]
    return "\n".join([*lines, *_reply(reply), ""])


def _messages(request: dict[str, Any]) -> Iterator[str]:
    messages = request.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            yield f"--- {message.get('role')}"
            yield _text(message.get("content") or message.get("tool_calls"))


def _reply(reply: Reply) -> Iterator[str]:
    match reply:
        case Answer(tool_calls=calls, delay_s=delay_s):
            yield f"--- answer after {delay_s:g} s" if delay_s else "--- answer"
            yield reply.text or _text(calls)
        case Failure(status, message):
            yield f"--- answer: status {status}, {message}"
        case Malformed():
            yield "--- answer: no JSON"
        case CutConnection():
            yield "--- answer: cut off"


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
