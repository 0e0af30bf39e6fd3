"""A server that speaks Anthropic's Messages API, with scripted answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.standins.openai_wire import Answer, Failure
from tests.standins.wire_server import Request, Response, WireServer

#: From this version on, requests that hold a temperature are refused.
WITHOUT_TEMPERATURE = "2026-10-21"

ERRORS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
    404: "not_found_error", 429: "rate_limit_error",
}  # fmt: skip


class AnthropicServer(WireServer):
    """See ``WireServer``."""

    def refusal(self, request: Request) -> Response | None:
        """What the real service refuses, as far as the runtime could ask for it."""
        body = request.body
        problem = None
        if request.path != "/v1/messages":
            return self.failure(Failure(404, f"unknown path {request.path}"))
        if not re.fullmatch(r"Bearer \S+", request.headers.get("authorization", "")):
            return self.failure(Failure(401, "no key"))
        if request.headers["anthropic-version"] >= WITHOUT_TEMPERATURE and "temperature" in body:
            problem = "temperature: Extra inputs are not permitted"
        elif not isinstance(body.get("max_tokens"), int):
            problem = "max_tokens: field required"
        else:
            problem = _unanswered(body["messages"])
        return None if problem is None else self.failure(Failure(400, problem))

    def failure(self, failure: Failure) -> Response:
        error = {"type": ERRORS.get(failure.status, "api_error"), "message": failure.message}
        body = json.dumps({"type": "error", "error": error}).encode()
        return Response(failure.status, body, failure.all_headers)

    def answer(self, request: Request, answer: Answer) -> Response:
        forced = [tool["name"] for tool in request.body.get("tools", [])][-1:]
        blocks = _blocks(answer, forced[0] if "tool_choice" in request.body else None)
        stop = answer.stop or ("tool_use" if blocks[-1:] and "input" in blocks[-1] else "end_turn")
        message = {
            "id": "msg_1", "type": "message", "role": "assistant", "model": request.body["model"],
            "content": blocks, "stop_reason": stop, "stop_sequence": None,
            "usage": {"input_tokens": 7, "output_tokens": 3},
        }  # fmt: skip
        if not request.body.get("stream"):
            return Response(200, json.dumps(message).encode())
        events = list(_events(message))
        if answer.cut_after is not None:
            events = events[: answer.cut_after]
            if answer.error is not None:
                events.append(
                    {"type": "error", "error": {"type": answer.error, "message": "secret"}}
                )
        pieces = [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]
        return Response(200, pieces=pieces, kind="text/event-stream")


def _unanswered(messages: list[dict[str, Any]]) -> str | None:
    """Every call of a tool has its result in the next message, and nothing else has one."""
    pending: set[str] = set()
    for message in messages:
        content = message["content"]
        blocks = [] if isinstance(content, str) else content
        results = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
        if results != pending:
            return f"tool_use ids were found without tool_result blocks: {pending ^ results}"
        pending = {block["id"] for block in blocks if block["type"] == "tool_use"}
    return None if not pending else "the last message calls tools"


def _blocks(answer: Answer, forced: str | None) -> list[dict[str, Any]]:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    if answer.tool_calls:
        calls = enumerate(answer.tool_calls)
        return [
            thought,
            *(
                {"type": "tool_use", "id": f"toolu_{i}", "name": n, "input": a}
                for i, (n, a) in calls
            ),
        ]
    if forced is not None and not isinstance(answer.content, str):
        return [{"type": "tool_use", "id": "toolu_9", "name": forced, "input": answer.content}]
    return [{"type": "text", "text": answer.text or ""}]


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = {**message, "content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": 7, "output_tokens": 1}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, kind, key = {**block, "text": ""}, "text_delta", "text"
            pieces = re.findall(r"\S+\s*|\s+", block["text"])
        elif block["type"] == "thinking":
            empty, kind, key = (
                {**block, "thinking": "", "signature": ""},
                "thinking_delta",
                "thinking",
            )
            pieces = [block["thinking"]]
        else:
            empty, kind, key = {**block, "input": {}}, "input_json_delta", "partial_json"
            text = json.dumps(block["input"])
            pieces = [text[:5], text[5:]]
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for piece in pieces:
            yield {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": kind, key: piece},
            }
        if block["type"] == "thinking":
            delta = {"type": "signature_delta", "signature": block["signature"]}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}}
    yield {"type": "message_stop"}
