"""Anthropic's Messages API: the official client.

The library is imported when a client is made: it costs a second, which tests do not pay.
"""

import json
import os
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from irc_runtime import provider_errors
from irc_runtime.answer_tool import AnswerTool
from irc_runtime.chat import Message, OnText, Reply, ToolCall, Turn, Usage
from irc_runtime.errors import LoadError, ModelError
from irc_runtime.pools import Pools
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.structured import is_strict

if TYPE_CHECKING:
    import anthropic

#: The API wants a limit; this is the one where the flow sets none.
MAX_TOKENS = 4096

#: Newer versions of the API take no temperature; where the flow sets one, it is asked in this one.
VERSION_WITH_TEMPERATURE = "2023-06-01"

#: Errors amid a stream, which come with status 200, after which another attempt can succeed.
RETRYABLE_TYPES = frozenset({"api_error", "overloaded_error", "rate_limit_error", "timeout_error"})


def _http_client(**options: Any) -> Any:
    import anthropic

    return anthropic.DefaultAsyncHttpxClient(**options)


POOLS = Pools(_http_client)


class AnthropicChat:
    """A client for one endpoint: the flow's, ``ANTHROPIC_BASE_URL`` or Anthropic's own.

    The key comes from ``ANTHROPIC_API_KEY``, or a token from ``ANTHROPIC_AUTH_TOKEN``. Retries and
    timeouts are the node's, not the client's.

    Raises:
        LoadError: there is neither.
    """

    def __init__(self, model: ChatModel) -> None:
        import anthropic

        if not os.environ.get("ANTHROPIC_API_KEY") and not os.environ.get("ANTHROPIC_AUTH_TOKEN"):
            raise LoadError(
                f"model '{model.name}' needs the environment variable ANTHROPIC_API_KEY"
            )
        self._pool = POOLS.take()
        self._client = anthropic.AsyncAnthropic(
            base_url=model.endpoint, max_retries=0, http_client=self._pool.http
        )

    async def ask(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The model's next turn; see ``ChatClient``."""
        import anthropic

        pool = POOLS.here(self._pool)
        if pool is not self._pool:
            self._pool, self._client = pool, self._client.copy(http_client=pool.http)
        answer_tool = _answer_tool(prompt)
        options = _options(prompt, conversation, answer_tool)
        try:
            if prompt.stream:
                stream = await self._client.messages.create(**options, stream=True)
                async with stream:
                    message = await _gather(_events(stream), answer_tool, on_text)
            else:
                message = _whole(await self._client.messages.create(**options))
            return _reply(message, answer_tool, structured=prompt.output_schema is not None)
        except anthropic.APIError as error:
            raise model_error(error) from error
        except provider_errors.UNREADABLE as error:
            raise provider_errors.garbage() from error

    async def close(self) -> None:
        """Leave the pool."""
        await POOLS.give_back(self._pool)


def _answer_tool(prompt: Prompt) -> AnswerTool | None:
    """The tool that stands for a structured answer, where the API's own form is too narrow."""
    if prompt.output_schema is None or is_strict(prompt.output_schema.schema):
        return None
    return AnswerTool(prompt)


def _options(
    prompt: Prompt, conversation: Sequence[Turn], answer_tool: AnswerTool | None
) -> dict[str, Any]:
    system = [t.text for t in conversation if isinstance(t, Message) and t.role == "system"]
    options: dict[str, Any] = {
        "model": prompt.model.name,
        "max_tokens": prompt.max_tokens or MAX_TOKENS,
        "messages": _messages(conversation),
    }
    if system:
        options["system"] = "\n\n".join(system)
    if prompt.temperature is not None:
        options["extra_body"] = {"temperature": prompt.temperature}
        options["extra_headers"] = {"anthropic-version": VERSION_WITH_TEMPERATURE}
    tools = [
        {
            "name": tool.name,
            **({"description": tool.description} if tool.description else {}),
            "input_schema": tool.parameters.schema,
        }
        for tool in prompt.tools
    ]
    if answer_tool is not None:
        tools.append(
            {
                "name": answer_tool.name,
                "description": answer_tool.description,
                "input_schema": answer_tool.schema,
            }
        )
        # With other tools beside it, the model chooses; it may not answer in plain text.
        options["tool_choice"] = (
            {"type": "any"} if prompt.tools else {"type": "tool", "name": answer_tool.name}
        )
    elif prompt.output_schema is not None:
        schema = prompt.output_schema.schema
        options["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if tools:
        options["tools"] = tools
    return options


def _messages(conversation: Sequence[Turn]) -> list[dict[str, Any]]:
    """The turns as messages of the protocol, the system's left out."""
    messages: list[dict[str, Any]] = []
    pending: list[str] = []  # ids of calls that the next turn has to answer
    for turn in conversation:
        if isinstance(turn, Reply):
            messages.append({"role": "assistant", "content": turn.turn})
            pending = [block["id"] for block in turn.turn if block["type"] == "tool_use"]
            continue
        if not isinstance(turn, Message):
            content: Any = [
                _result(result.call.id, result.text, failed=result.failed) for result in turn
            ]
        elif turn.role == "system":
            continue
        else:
            content = [_result(call, turn.text, failed=True) for call in pending] or turn.text
        messages.append({"role": "user", "content": content})
        pending = []
    return messages


def _result(call: str, text: str, *, failed: bool) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": failed}


def _whole(message: Any) -> dict[str, Any]:
    """A message that came in one piece.

    Raises:
        ModelError: what the server sent is none.
    """
    if not isinstance(getattr(message, "content", None), list):
        raise ModelError("the model's server sent no message", retryable=True)
    usage = message.usage
    return {
        # As it came: blocks of reasoning have to be sent back unchanged.
        "content": [block.to_dict() for block in message.content],
        "stop_reason": message.stop_reason,
        "usage": None if usage is None else Usage(usage.input_tokens, usage.output_tokens),
    }


async def _events(stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The events of a stream; whatever breaks it is a failure of the model."""
    import anthropic

    try:
        async for event in stream:
            yield event
    except (anthropic.APIError, ModelError, ValueError):
        raise
    except Exception as error:  # the client lets its transport's own exceptions through
        raise provider_errors.broken_off() from error


async def _gather(
    events: AsyncIterator[Any], answer_tool: AnswerTool | None, on_text: OnText | None
) -> dict[str, Any]:
    """Put the events of a stream together, as ``_whole`` gives a message."""
    blocks: dict[int, dict[str, Any]] = {}
    arguments: dict[int, str] = {}
    stop_reason, tokens_in, tokens_out = None, 0, 0
    async for event in events:
        if event.type == "message_start":
            tokens_in = event.message.usage.input_tokens
        elif event.type == "content_block_start":
            blocks[event.index] = event.content_block.to_dict()
        elif event.type == "content_block_delta":
            block, delta = blocks[event.index], event.delta
            piece = ""
            if delta.type == "text_delta":
                block["text"] += delta.text
                piece = delta.text if answer_tool is None else ""
            elif delta.type == "input_json_delta":
                arguments[event.index] = arguments.get(event.index, "") + delta.partial_json
                if answer_tool is not None and answer_tool.speaks(block["name"]):
                    piece = delta.partial_json
            elif delta.type == "thinking_delta":
                block["thinking"] += delta.thinking
            elif delta.type == "signature_delta":
                block["signature"] = delta.signature
            if piece and on_text is not None:
                on_text(piece)
        elif event.type == "message_delta":
            stop_reason = event.delta.stop_reason
            tokens_out = event.usage.output_tokens
    if stop_reason is None:
        raise provider_errors.broken_off()
    for index, text in arguments.items():
        blocks[index]["input"] = _arguments(text, cut=stop_reason == "max_tokens")
    return {
        "content": [block for _, block in sorted(blocks.items())],
        "stop_reason": stop_reason,
        "usage": Usage(tokens_in, tokens_out),
    }


def _arguments(text: str, *, cut: bool) -> Any:
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError:
        if cut:
            return {}
        raise


def _reply(message: dict[str, Any], answer_tool: AnswerTool | None, *, structured: bool) -> Reply:
    content, stop_reason = message["content"], message["stop_reason"]
    uses = [block for block in content if block["type"] == "tool_use"]
    calls = tuple(ToolCall(use["id"], use["name"], json.dumps(use["input"])) for use in uses)
    text = "".join(block["text"] for block in content if block["type"] == "text")
    if answer_tool is not None:
        text, calls = answer_tool.take(text, calls)
    is_cut = stop_reason in ("max_tokens", "model_context_window_exceeded")
    problem = None
    if stop_reason == "refusal":
        problem = provider_errors.REFUSED
    elif is_cut and (structured or uses):
        problem = provider_errors.CUT_OFF
    elif not text and not calls:
        problem = provider_errors.EMPTY
    return Reply(text, calls, message["usage"], content, problem, is_cut, stop_reason)


def model_error(error: "anthropic.APIError") -> ModelError:
    """The client's exception as ours."""
    import anthropic

    if isinstance(error.__cause__, ModelError):  # raised while the body was read
        return error.__cause__
    if isinstance(error, anthropic.APITimeoutError):
        return provider_errors.too_late()
    if isinstance(error, anthropic.APIConnectionError):
        return provider_errors.unreachable()
    if isinstance(error, anthropic.APIStatusError):
        return provider_errors.status_error(
            error.status_code, error.type, error.response.headers,
            retryable=error.type in RETRYABLE_TYPES,
        )  # fmt: skip
    return provider_errors.garbage()
