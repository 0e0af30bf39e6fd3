"""OpenAI, and everything that speaks its chat completions: the official client, one pool each."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from irc_runtime.errors import LoadError, ModelError, ValidationFailedError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.structured import response_format

#: Statuses after which the same request can succeed; all of 5xx besides.
RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})

#: What is sent as the key to servers of one's own that want none.
NO_KEY = "none"


class OpenAIChat:
    """A client for one endpoint.

    The key comes from ``OPENAI_API_KEY``. It may be missing where the endpoint is one's own: named
    in the flow, or by ``OPENAI_BASE_URL``. Retries and timeouts are the node's, not the client's.

    Raises:
        LoadError: there is no key.
    """

    def __init__(self, model: ChatModel) -> None:
        key = os.environ.get("OPENAI_API_KEY")
        if not key and not model.endpoint and not os.environ.get("OPENAI_BASE_URL"):
            raise LoadError(f"model '{model.name}' needs the environment variable OPENAI_API_KEY")
        self._client = openai.AsyncOpenAI(
            api_key=key or NO_KEY, base_url=model.endpoint, max_retries=0
        )

    async def ask(self, prompt: Prompt, messages: Sequence[Mapping[str, str]]) -> str:
        """The answer's text; see ``ChatClient``."""
        options: dict[str, Any] = {}
        if prompt.max_tokens is not None:
            options["max_tokens"] = prompt.max_tokens
        if prompt.output_schema is not None:
            options["response_format"] = response_format(prompt.node, prompt.output_schema)
        try:
            completion = await self._client.chat.completions.create(
                model=prompt.model.name,
                messages=list(messages),  # type: ignore[arg-type]  # plain dicts are what it sends
                temperature=prompt.temperature,
                **options,
            )
        except openai.APIError as error:
            raise model_error(error) from error
        except ValueError as error:  # a body that claims to be JSON and is not
            raise ModelError("the model's server sent garbage", retryable=True) from error
        return text_of(completion, structured=prompt.output_schema is not None)

    async def close(self) -> None:
        """Close the pool."""
        await self._client.close()


def text_of(completion: ChatCompletion, *, structured: bool) -> str:
    """The text of a completion.

    Raises:
        ModelError: what the server sent is not a completion.
        ValidationFailedError: the model refused, said nothing, or was cut off amid a structure.
    """
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ModelError("the model's server sent no completion", retryable=True)
    choice = completion.choices[0]
    message = choice.message
    if message is None:
        raise ModelError("the model's server sent no completion", retryable=True)
    if message.refusal:
        raise ValidationFailedError("the model refused to answer")
    if structured and choice.finish_reason == "length":
        raise ValidationFailedError("the model's answer was cut off at the most tokens allowed")
    if choice.finish_reason == "content_filter":
        raise ValidationFailedError("the model's answer was held back by a content filter")
    if not message.content:
        raise ValidationFailedError("the model's answer is empty")
    return message.content


def model_error(error: openai.APIError) -> ModelError:
    """The client's exception as ours; statuses and codes only, as messages may quote content."""
    if isinstance(error, openai.APITimeoutError):
        return ModelError("the model did not answer in time", retryable=True, type="timeout")
    if isinstance(error, openai.APIConnectionError):
        return ModelError("the model cannot be reached", retryable=True)
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        code = f" ({error.code})" if isinstance(error.code, str) else ""
        return ModelError(
            f"the model's server answered {status}{code}",
            retryable=status in RETRYABLE_STATUSES or status >= 500,
            retry_after_s=retry_after_s(error.response.headers),
        )
    return ModelError("the model's server sent what is not an answer", retryable=True)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds in a ``Retry-After`` header; None where there is none, or it is a date."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
