"""The Converse API's forms: a conversation as its request, its answer as a turn."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irc_runtime import provider_errors
from irc_runtime.answer_tool import AnswerTool
from irc_runtime.chat import Message, OnText, Reply, ToolCall, Turn, Usage
from irc_runtime.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Spoken:
    """What of an answer matters: its blocks, why it ended, and its cost."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: Usage | None


def options(
    prompt: Prompt, conversation: Sequence[Turn], answer_tool: AnswerTool | None
) -> dict[str, Any]:
    """The arguments of ``converse``."""
    settings: dict[str, Any] = {}
    if prompt.temperature is not None:
        settings["temperature"] = prompt.temperature
    if prompt.max_tokens is not None:
        settings["maxTokens"] = prompt.max_tokens
    found: dict[str, Any] = {
        "modelId": prompt.model.name,
        "messages": _messages(conversation),
        "inferenceConfig": settings,
    }
    system = [t.text for t in conversation if isinstance(t, Message) and t.role == "system"]
    if system:
        found["system"] = [{"text": text} for text in system]
    tools = [_tool(tool.name, tool.description, tool.parameters.schema) for tool in prompt.tools]
    choice: dict[str, Any] = {}
    if answer_tool is not None:
        tools.append(_tool(answer_tool.name, answer_tool.description, answer_tool.schema))
        # With other tools beside it, the model chooses; it may not answer in plain text.
        force = {"any": {}} if prompt.tools else {"tool": {"name": answer_tool.name}}
        choice = {"toolChoice": force}
    if tools:
        found["toolConfig"] = {"tools": tools, **choice}
    return found


def _tool(name: str, description: str, schema: Any) -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {"toolSpec": {"name": name, **described, "inputSchema": {"json": schema}}}


def _messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    """The turns as messages of the protocol, the system's left out."""
    messages: list[dict[str, Any]] = []
    pending: list[str] = []  # ids of calls that the next turn has to answer
    for turn in conversation:
        if isinstance(turn, Reply):
            messages.append({"role": "assistant", "content": turn.turn})
            pending = [block["toolUse"]["toolUseId"] for block in turn.turn if "toolUse" in block]
            continue
        if not isinstance(turn, Message):
            content = [_result(item.call.id, item.text, failed=item.failed) for item in turn]
        elif turn.role == "system":
            continue
        else:
            content = [_result(call, turn.text, failed=True) for call in pending]
            content = content or [{"text": turn.text}]
        messages.append({"role": "user", "content": content})
        pending = []
    return messages


def _result(call: str, text: str, *, failed: bool) -> dict[str, Any]:
    status = {"status": "error"} if failed else {}
    return {"toolResult": {"toolUseId": call, "content": [{"text": text}], **status}}


def whole(response: Mapping[str, Any]) -> Spoken:
    """The answer of ``converse``; KeyError where a part of it is not there."""
    content = response["output"]["message"]["content"]
    return Spoken(content, response["stopReason"], _usage(response.get("usage")))


def gathered(
    events: Iterable[Mapping[str, Any]], answer_tool: AnswerTool | None, hear: OnText
) -> Spoken:
    """The answer of ``converse_stream``, put together from its events.

    Raises:
        ModelError: the stream ended before the answer did.
        ValueError: a tool's input is not JSON.
    """
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    stop_reason, usage = "", None
    for event in events:
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            if "toolUse" in start["start"]:
                blocks[start["contentBlockIndex"]] = {"toolUse": dict(start["start"]["toolUse"])}
        elif "contentBlockDelta" in event:
            index = event["contentBlockDelta"]["contentBlockIndex"]
            delta = event["contentBlockDelta"]["delta"]
            if "text" in delta:
                blocks.setdefault(index, {"text": ""})["text"] += delta["text"]
                if answer_tool is None:
                    hear(delta["text"])
            elif "toolUse" in delta:
                piece = delta["toolUse"]["input"]
                inputs[index] = inputs.get(index, "") + piece
                if answer_tool and answer_tool.speaks(blocks[index]["toolUse"]["name"]):
                    hear(piece)
            elif "reasoningContent" in delta:
                _reason(blocks.setdefault(index, {"reasoningContent": {}}), delta)
        elif "messageStop" in event:
            stop_reason = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            usage = _usage(event["metadata"].get("usage"))
    if not stop_reason:
        raise provider_errors.broken_off()
    for index, block in blocks.items():
        if "toolUse" in block:
            cut = stop_reason == "max_tokens"
            block["toolUse"]["input"] = {} if cut else json.loads(inputs.get(index) or "{}")
    return Spoken([block for _, block in sorted(blocks.items())], stop_reason, usage)


def _reason(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a piece of reasoning, which has to be sent back unchanged beside calls of tools."""
    reasoning, piece = block["reasoningContent"], delta["reasoningContent"]
    if "redactedContent" in piece:
        reasoning["redactedContent"] = (
            reasoning.get("redactedContent", b"") + piece["redactedContent"]
        )
        return
    text = reasoning.setdefault("reasoningText", {"text": ""})
    text["text"] += piece.get("text", "")
    if "signature" in piece:
        text["signature"] = piece["signature"]


def _usage(usage: Mapping[str, int] | None) -> Usage | None:
    return None if usage is None else Usage(usage["inputTokens"], usage["outputTokens"])


def reply_of(spoken: Spoken, answer_tool: AnswerTool | None) -> Reply:
    """The model's turn."""
    uses = [block["toolUse"] for block in spoken.content if "toolUse" in block]
    calls = tuple(ToolCall(use["toolUseId"], use["name"], json.dumps(use["input"])) for use in uses)
    text = "".join(block["text"] for block in spoken.content if "text" in block)
    if answer_tool is not None:
        text, calls = answer_tool.take(text, calls)
    is_cut = spoken.stop_reason in ("max_tokens", "model_context_window_exceeded")
    problem = None
    if spoken.stop_reason in ("guardrail_intervened", "content_filtered"):
        problem = provider_errors.HELD_BACK
    elif is_cut and (uses or answer_tool is not None):
        problem = provider_errors.CUT_OFF
    elif not text and not calls:
        problem = provider_errors.EMPTY
    return Reply(text, calls, spoken.usage, spoken.content, problem, is_cut, spoken.stop_reason)
