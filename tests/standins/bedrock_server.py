"""A server that speaks Amazon Bedrock's Converse API, event streams included.

The binary form of events: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tests.standins.openai_wire import Answer, Failure
from tests.standins.wire_server import Request, Response, WireServer

CODES = {
    400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException", 404: "ResourceNotFoundException",
    429: "ThrottlingException",
}  # fmt: skip


class BedrockServer(WireServer):
    """See ``WireServer``."""

    def refusal(self, request: Request) -> Response | None:
        """What the real service refuses, as far as the runtime could ask for it."""
        if not re.fullmatch(r"/model/[^/]+/converse(-stream)?", request.path):
            return self.failure(Failure(404))
        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return self.failure(Failure(403, "not signed"))
        pending: set[str] = set()
        for message in request.body["messages"]:
            blocks = message["content"]
            results = {b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b}
            if results != pending:
                return self.failure(Failure(400, "calls of tools without results"))
            pending = {b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b}
        return None

    def failure(self, failure: Failure) -> Response:
        code = CODES.get(failure.status, "InternalServerException")
        body = json.dumps({"message": failure.message}).encode()
        return Response(failure.status, body, {"x-amzn-ErrorType": code, **failure.all_headers})

    def answer(self, request: Request, answer: Answer) -> Response:
        config = request.body.get("toolConfig", {})
        forced = config["tools"][-1]["toolSpec"]["name"] if "toolChoice" in config else None
        content = _blocks(answer, forced)
        stop = answer.stop or ("tool_use" if "toolUse" in content[-1] else "end_turn")
        usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
        if not request.path.endswith("-stream"):
            message = {"role": "assistant", "content": content}
            whole = {"output": {"message": message}, "stopReason": stop, "usage": usage}
            return Response(200, json.dumps({**whole, "metrics": {"latencyMs": 1}}).encode())
        events = list(_events(content, stop, usage))
        if answer.cut_after is not None:
            events = events[: answer.cut_after]
        pieces = [_encoded(name, event) for name, event in events]
        if answer.error is not None:
            pieces.append(_encoded(answer.error, {"message": "secret"}, kind="exception"))
        return Response(200, pieces=pieces, kind="application/vnd.amazon.eventstream")


def _blocks(answer: Answer, forced: str | None) -> list[dict[str, Any]]:
    calls = list(answer.tool_calls)
    if forced is not None and not calls and not isinstance(answer.content, str):
        calls = [(forced, answer.content)]
    if calls:
        return [
            {"toolUse": {"toolUseId": f"tooluse_{i}", "name": name, "input": arguments}}
            for i, (name, arguments) in enumerate(calls)
        ]
    return [{"text": answer.text}]


def _events(
    content: list[dict[str, Any]], stop: str, usage: dict[str, int]
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(content):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            use = dict(block["toolUse"])
            text = json.dumps(use.pop("input"))
            yield "contentBlockStart", {**at, "start": {"toolUse": use}}
            deltas: list[dict[str, Any]] = [
                {"toolUse": {"input": piece}} for piece in (text[:5], text[5:])
            ]
        else:
            deltas = [{"text": piece} for piece in re.findall(r"\S+\s*", block["text"])]
        for delta in deltas:
            yield "contentBlockDelta", {**at, "delta": delta}
        yield "contentBlockStop", at
    yield "messageStop", {"stopReason": stop}
    yield "metadata", {"usage": usage, "metrics": {"latencyMs": 1}}


def _encoded(name: str, event: dict[str, Any], kind: str = "event") -> bytes:
    headers = b"".join(
        struct.pack("!B", len(key)) + key + struct.pack("!BH", 7, len(value)) + value
        for key, value in (
            (f":{kind}-type".encode(), name.encode()),
            (b":content-type", b"application/json"),
            (b":message-type", kind.encode()),
        )
    )
    payload = json.dumps(event).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))
