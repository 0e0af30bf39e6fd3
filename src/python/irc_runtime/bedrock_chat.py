"""Amazon Bedrock's Converse API: boto3, whose blocking calls run in threads of their own.

The library is imported when a client is made: it costs a second, which tests do not pay.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from irc_runtime import bedrock_wire, provider_errors
from irc_runtime.answer_tool import AnswerTool
from irc_runtime.chat import OnText, Reply, Turn
from irc_runtime.errors import LoadError, ModelError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.tracing import outgoing

Result = TypeVar("Result")

#: Calls at once, and connections, of one endpoint; others wait.
MAX_CALLS = 32

#: A node's timeout leaves its thread behind, which ends after so many seconds of silence.
READ_TIMEOUT_S = 300

#: Errors after which another attempt can succeed, whatever their status; in lower case, since
#: those amid a stream have no capital.
RETRYABLE_CODES = frozenset(
    {
        "internalserverexception", "modelerrorexception", "modelnotreadyexception",
        "modelstreamerrorexception", "modeltimeoutexception", "serviceunavailableexception",
        "throttlingexception",
    }
)  # fmt: skip


class _Connection:
    """boto3's client for one endpoint, and the threads that its calls run in.

    Raises:
        LoadError: there is no region, or there are no credentials.
    """

    def __init__(self, model: ChatModel) -> None:
        import boto3  # type: ignore[import-untyped]  # its stubs are another package
        from botocore.config import Config  # type: ignore[import-untyped]  # as above
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # as above

        session = boto3.session.Session()
        region = os.environ.get("AWS_REGION") or session.region_name
        if not region:
            raise LoadError(f"model '{model.name}' needs the environment variable AWS_REGION")
        try:
            if session.get_credentials() is None:
                raise LoadError(
                    f"model '{model.name}' needs the environment variables AWS_ACCESS_KEY_ID and"
                    " AWS_SECRET_ACCESS_KEY, a profile or a role"
                )
            self.client = session.client(
                "bedrock-runtime",
                region_name=region,
                endpoint_url=model.endpoint,
                config=Config(
                    retries={"total_max_attempts": 1},
                    max_pool_connections=MAX_CALLS,
                    read_timeout=READ_TIMEOUT_S,
                ),
            )
        except (BotoCoreError, ValueError) as error:
            reason = f"model '{model.name}': {type(error).__name__} in the settings of AWS"
            raise LoadError(reason) from error
        self.client.meta.events.register("before-sign.bedrock-runtime", _add_trace_headers)
        self.threads = ThreadPoolExecutor(MAX_CALLS, thread_name_prefix="bedrock")
        self.users = 0

    def close(self) -> None:
        """A thread that waits for a model ends with that."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.client.close()


#: The connections of the process, by endpoint and AWS's own settings; agents share them.
_CONNECTIONS: dict[Hashable, _Connection] = {}


class BedrockChat:
    """A client for one endpoint: the flow's, or that of the region in ``AWS_REGION``.

    Credentials are found as boto3 does: in the environment, a profile, or the role of the
    container. Retries and timeouts are the node's, not the client's.

    Raises:
        LoadError: there is no region, or there are no credentials.
    """

    def __init__(self, model: ChatModel) -> None:
        settings = ((name, text) for name, text in os.environ.items() if name.startswith("AWS_"))
        self._key = (model.endpoint, *sorted(settings))
        if self._key not in _CONNECTIONS:
            _CONNECTIONS[self._key] = _Connection(model)
        self._connection = _CONNECTIONS[self._key]
        self._connection.users += 1

    async def ask(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The model's next turn; see ``ChatClient``."""
        answer_tool = AnswerTool(prompt) if prompt.output_schema is not None else None
        options = bedrock_wire.options(prompt, conversation, answer_tool)
        client, loop = self._connection.client, asyncio.get_running_loop()
        gone = threading.Event()

        def hear(piece: str) -> None:
            if on_text is not None:
                loop.call_soon_threadsafe(on_text, piece)

        def converse() -> bedrock_wire.Spoken:
            if not prompt.stream:
                return bedrock_wire.whole(client.converse(**options))
            stream = client.converse_stream(**options)["stream"]
            try:
                return bedrock_wire.gathered(_until(gone, stream), answer_tool, hear)
            finally:
                stream.close()

        try:
            spoken = await loop.run_in_executor(
                self._connection.threads, copy_context().run, _translated, converse
            )
        finally:
            gone.set()  # where this attempt ends before its thread does
        return bedrock_wire.reply_of(spoken, answer_tool)

    async def close(self) -> None:
        """Close the connection where no other agent uses it."""
        self._connection.users -= 1
        if self._connection.users == 0:
            del _CONNECTIONS[self._key]
            self._connection.close()


def _add_trace_headers(request: Any, **_: Any) -> None:
    """A hook of boto for requests, before they are signed."""
    for name, value in outgoing().items():
        request.headers[name] = value


def _until(gone: threading.Event, events: Iterable[Any]) -> Iterator[Any]:
    """The events of a stream, as long as somebody waits for them."""
    for event in events:
        if gone.is_set():
            return
        yield event


def _translated(work: Callable[[], Result]) -> Result:
    """What a blocking call gives; boto's exceptions as ours."""
    from botocore.eventstream import ParserError  # type: ignore[import-untyped]  # as above
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        HTTPClientError,
        ParamValidationError,
        ReadTimeoutError,
    )

    try:
        return work()
    except ClientError as error:
        raise model_error(error.response) from error
    except ReadTimeoutError as error:
        raise provider_errors.too_late() from error
    except HTTPClientError as error:
        raise provider_errors.unreachable() from error
    except ParamValidationError as error:
        raise ModelError("the prompt is no valid request to Bedrock", retryable=False) from error
    except (BotoCoreError, ParserError, *provider_errors.UNREADABLE) as error:
        raise provider_errors.garbage() from error
    except OSError as error:  # botocore lets its transport's exceptions through amid a body
        raise provider_errors.broken_off() from error


def model_error(response: Any) -> ModelError:
    """An error response, or an error amid a stream, as ours."""
    code = str(response.get("Error", {}).get("Code", ""))
    metadata = response.get("ResponseMetadata", {})
    return provider_errors.status_error(
        metadata.get("HTTPStatusCode", 200), code, metadata.get("HTTPHeaders", {}),
        retryable=code.lower() in RETRYABLE_CODES,
    )  # fmt: skip
