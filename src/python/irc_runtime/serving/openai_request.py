"""Requests of OpenAI's chat completions, as requests of a flow.

A flow takes a conversation when it declares the context field ``messages``. A parameter that it
declares is its own, whatever it means to OpenAI; of the others the tables below say what becomes of
them, and what is no parameter at all is a field of the request, as over V1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irc_runtime.agent import Agent
from irc_runtime.serving.openai_errors import ParameterError

#: The context field that makes a flow one that takes conversations.
MESSAGES = "messages"

ROLES = ("system", "developer", "user", "assistant")

#: How the models are asked is the flow's matter, so these have no effect.
IGNORED = frozenset(
    {
        *("frequency_penalty", "logit_bias", "max_completion_tokens", "max_tokens", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort"),
        *("safety_identifier", "seed", "service_tier", "store", "temperature", "top_logprobs"),
        *("parallel_tool_calls", "top_p", "verbosity"),
    }
)

#: What would change the form of the answer, with the values that leave it as it is.
REFUSED: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": ("none",),
    "functions": ([],),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "response_format": ({"type": "text"},),
    "stop": ([],),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "web_search_options": (),
}

#: What this module reads itself.
READ = frozenset({"messages", "metadata", "model", "stream", "stream_options", "user"})


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request as the flow takes it.

    Attributes:
        fields: the flow's request.
        stream: whether the answer is sent as it comes.
        include_usage: whether a stream ends with the tokens it cost.
    """

    fields: dict[str, Any]
    stream: bool
    include_usage: bool


def takes_conversations(agent: Agent) -> bool:
    """Whether the flow declares the field that a conversation fills."""
    return MESSAGES in agent.requires or MESSAGES in agent.optional


def chat_request(agent: Agent, name: str, body: Any) -> ChatRequest:
    """Read a request.

    Args:
        agent: the flow that answers.
        name: what it is called as a model.
        body: the request as JSON.
    Raises:
        ParameterError: it cannot be served as it stands.
    """
    if not isinstance(body, dict):
        raise ParameterError("the request is not a JSON object", None)
    parameters = {key: value for key, value in body.items() if value is not None}
    _check_model(agent, name, parameters.get("model"))
    declared = {*agent.requires, *agent.optional}
    for key, harmless in REFUSED.items():
        if key not in declared and key in parameters and parameters[key] not in harmless:
            raise ParameterError(
                f"'{key}' is not offered: the flow decides", key, "unsupported_parameter"
            )
    stream = _boolean(parameters, "stream")
    options = parameters.get("stream_options", {})
    if not isinstance(options, dict) or (options and not stream):
        raise ParameterError(
            "'stream_options' is an object that goes with 'stream'", "stream_options"
        )
    fields = _fields(body, declared)
    fields[MESSAGES] = _messages(parameters.get(MESSAGES))
    return ChatRequest(fields, stream, _boolean(options, "include_usage"))


def _check_model(agent: Agent, name: str, model: Any) -> None:
    if not isinstance(model, str):
        raise ParameterError("'model' is missing, or is no text", "model")
    if model != name:
        reason = f"there is no model of that name here; there is '{name}'"
        raise ParameterError(reason, "model", "model_not_found", 404)
    if not takes_conversations(agent):
        raise ParameterError(
            f"'{name}' takes no conversation: its flow has to declare '{MESSAGES}' in "
            "context.requires or context.optional",
            "model",
            "no_conversation",
            404,
        )


def _boolean(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise ParameterError(f"'{key}' is neither true nor false", key)
    return value


def _fields(body: Mapping[str, Any], declared: set[str]) -> dict[str, Any]:
    """The fields of the flow's request: of ``metadata`` first, which those of the request outdo."""
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise ParameterError("'metadata' is not an object", "metadata")
    fields = dict(metadata)
    if body.get("user") is not None:
        fields["user_id"] = body["user"]
    known = IGNORED | REFUSED.keys() | READ
    for key, value in body.items():
        if key in declared or key not in known:
            fields[key] = value
    return fields


def _messages(messages: Any) -> list[dict[str, Any]]:
    """The messages, each with ``role``, ``content`` and, where it is given, ``name``, all of them texts."""
    if not isinstance(messages, list) or not messages:
        raise ParameterError("'messages' is a list of at least one message", MESSAGES)
    return [_message(message, f"messages[{number}]") for number, message in enumerate(messages)]


def _message(message: Any, place: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise ParameterError(f"'{place}' is not an object", place)
    role = message.get("role")
    if role not in ROLES:
        raise ParameterError(f"'{place}.role' is none of {', '.join(ROLES)}", f"{place}.role")
    if message.get("tool_calls") or message.get("function_call"):
        raise ParameterError(f"'{place}' calls tools, which only the flow does", place)
    own = {"role": role, "content": _text(message.get("content"), f"{place}.content")}
    name = message.get("name")
    return {**own, "name": name} if isinstance(name, str) else own


def _text(content: Any, place: str) -> str:
    """A message's text, which may come in parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ParameterError(f"'{place}' is neither a text nor a list of parts", place)
    for part in content:
        if (
            not isinstance(part, dict)
            or part.get("type") != "text"
            or not isinstance(part.get("text"), str)
        ):
            raise ParameterError(f"'{place}' holds a part that is no text", place)
    return "".join(part["text"] for part in content)
