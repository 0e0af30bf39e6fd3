"""Answers of a flow in the form of OpenAI's chat completions: whole, or as a stream of chunks.

The text of a stream is that of the whole answer. So only those nodes are heard as they speak whose
text the response is, as the compiler found them (``Agent.answer_nodes``), and what was said has to be
how the answer begins: a node that begins anew, after another attempt, goes on where its text agrees
with what was said, and is not heard where it does not.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from irc_runtime.context import Context
from irc_runtime.errors import AgentError, FlowError
from irc_runtime.events import WARNING, event
from irc_runtime.serving import openai_errors
from irc_runtime.streaming import StreamEvent

#: Every answer ends by itself: what a model cuts off or holds back is a failure of its node.
FINISH_REASON = "stop"

END = b"data: [DONE]\n\n"


class RestartedError(AgentError):
    """The answer is not the one that was begun."""

    type = "restarted"

    def __init__(self) -> None:
        super().__init__("the answer was begun anew after a part of it was sent")


def text_of(output: Any) -> str:
    """A flow's output as a message: text as it is, an object's own ``content``, anything else as JSON.

    Raises:
        FlowError: the output is not JSON.
    """
    if isinstance(output, Mapping) and isinstance(output.get("content"), str):
        return str(output["content"])
    if isinstance(output, str):
        return output
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    try:
        return orjson.dumps(output, option=options).decode()
    except orjson.JSONEncodeError as error:
        raise FlowError(error) from error


class Completion:
    """The answer to one request.

    Args:
        model: the flow's name as a model.
        context: the request's.
    """

    def __init__(self, model: str, context: Context) -> None:
        self._model = model
        self._context = context
        self._created = int(time.time())

    @property
    def trace_id(self) -> str:
        """The request's trace."""
        return self._context.trace_id

    def whole(self, text: str) -> dict[str, Any]:
        """The response in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH_REASON}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self._usage()}

    def chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        """One frame of a stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return frame({**self._head("chat.completion.chunk"), "choices": [choice]})

    def last_chunk(self) -> bytes:
        """The frame that says what the answer cost."""
        head = self._head("chat.completion.chunk")
        return frame({**head, "choices": [], "usage": self._usage()})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._context.trace_id}",
            "object": kind,
            "created": self._created,
            "model": self._model,
        }

    def _usage(self) -> dict[str, int]:
        """What the flow's calls of models cost together, as far as their servers said."""
        context = self._context
        return {
            "prompt_tokens": context.input_tokens,
            "completion_tokens": context.output_tokens,
            "total_tokens": context.input_tokens + context.output_tokens,
        }


class ChunkedAnswer:
    """A stream's frames, from the events of the request.

    Args:
        completion: the answer.
        answer_nodes: the nodes whose text the response is.
        include_usage: whether the last frame says what it cost.
    """

    def __init__(
        self, completion: Completion, answer_nodes: tuple[str, ...], *, include_usage: bool
    ) -> None:
        self._completion = completion
        self._answer_nodes = answer_nodes
        self._include_usage = include_usage
        self._said = ""
        self._heard: dict[str, str] = {}

    def frames(self, said: StreamEvent) -> Iterator[bytes]:
        """What an event adds to the stream; ``result`` has the answer's text, ``error`` the failure.

        Raises:
            AgentError: the request failed before anything was sent.
        """
        match said.kind:
            case "token":
                yield from self._token(said.data["node"], said.data["text"])
            case "restart":
                self._heard[said.data["node"]] = ""
            case "result":
                yield from self._end(said.data)
            case "error":
                if not self._said:
                    raise said.data
                yield self._failure(said.data)

    def _token(self, node: str, text: str) -> Iterator[bytes]:
        if node not in self._answer_nodes:
            return
        heard = self._heard[node] = self._heard.get(node, "") + text
        if heard.startswith(self._said):
            yield from self._say(heard)

    def _end(self, answer: str) -> Iterator[bytes]:
        if not answer.startswith(self._said):
            event(WARNING, "answer_restarted", trace_id=self._completion.trace_id)
            yield self._failure(RestartedError())
            return
        yield from self._say(answer)
        yield self._completion.chunk({}, FINISH_REASON)
        if self._include_usage:
            yield self._completion.last_chunk()
        yield END

    def _failure(self, error: AgentError) -> bytes:
        return frame(openai_errors.body(error, self._completion.trace_id))

    def _say(self, text: str) -> Iterator[bytes]:
        """Send what of a text was not said yet."""
        new = text[len(self._said) :]
        if not self._said:
            yield self._completion.chunk({"role": "assistant", "content": ""})
        if new:
            yield self._completion.chunk({"content": new})
        self._said = text


def frame(data: Mapping[str, Any]) -> bytes:
    """Data as a server-sent event."""
    return b"data: %s\n\n" % orjson.dumps(data)
