"""An agent as an AWS Lambda function, on the managed runtime for Python.

An event of a function URL or of an API Gateway proxy (payload versions 1.0 and 2.0) carries the
request as its body; the answer is a proxy response with the status and the error bodies that the
agent has when KServe serves it. Any other event is the request itself: the answer is returned, and
a failure is raised, so that Lambda counts it as one, with the error body as its message.

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

import asyncio
import base64
import binascii
import logging
import os
from collections.abc import Mapping
from typing import Any

import orjson

from irc_runtime import v1
from irc_runtime.agent import DEADLINE_HEADER, Agent
from irc_runtime.context import new_trace, trace_of
from irc_runtime.errors import AgentError, LoadError, RequestError, response_body
from irc_runtime.events import ERROR, INFO, JsonLines, event, from_warnings_on, logger

#: Lambda sets it where it runs a function: the address of its runtime API.
RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"

#: What is kept of a function's time for answering that the request took too long, in milliseconds.
MARGIN_MS = 100

Headers = Mapping[str, str]


class InvocationError(Exception):
    """A direct invocation failed; the text is the error body, as JSON."""


class LambdaHandler:
    """What Lambda calls with each event; all calls share one agent and one event loop.

    Lambda imports the handler's module when it starts a container, before it has a request: the
    agent is loaded then. Elsewhere, as in tests that import the module, it is loaded by the first
    call.

    Raises:
        LoadError: the agent cannot be loaded; Lambda reports that as a failed initialisation.
    """

    def __init__(self, agent_type: type[Agent]) -> None:
        self._agent_type = agent_type
        self._agent: Agent | None = None
        self._runner = asyncio.Runner()
        if RUNTIME_API in os.environ:
            configure_logging()
            self._agent = self._loaded()

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer an event.

        Args:
            event: the event as JSON values.
            context: Lambda's; what remains of the function's time bounds the request.
        Raises:
            InvocationError: a direct invocation failed.
        """
        if self._agent is None:
            self._agent = self._loaded()
        proxied = _is_proxied(event)
        headers = _headers(event if proxied else {}, context)
        try:
            payload = v1.parsed(_body(event)) if proxied else event
            output = self._runner.run(v1.answer(self._agent, payload, headers))
        except AgentError as error:
            trace_id = error.trace_id or trace_of(headers) or new_trace()
            body = orjson.dumps(response_body(error, {"trace_id": trace_id})).decode()
            if proxied:
                return _response(error.status, body)
            raise InvocationError(body) from None
        answer = orjson.dumps(output)
        # Lambda's own JSON knows fewer types, and writes numbers that are none.
        return _response(200, answer.decode()) if proxied else orjson.loads(answer)

    def _loaded(self) -> Agent:
        agent = self._agent_type()
        try:
            agent.load()
        except LoadError as error:
            event(ERROR, "load_failed", agent=agent.name, source=agent.source, reason=error.reason)
            raise
        return agent


def configure_logging() -> None:
    """Write events as JSON lines to stderr, which Lambda keeps; the root logger is Lambda's own."""
    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines())
    logger.addHandler(lines)
    logger.setLevel(INFO)
    logger.propagate = False
    for handler in logging.getLogger().handlers:
        handler.addFilter(from_warnings_on)


def _is_proxied(event: Any) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    return isinstance(context, dict) and ("http" in context or "httpMethod" in event)


def _body(event: Mapping[str, Any]) -> bytes | str:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise RequestError("the request's body is not base64") from None


def _headers(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if context is not None:
        remaining_ms = context.get_remaining_time_in_millis() - MARGIN_MS
        headers[DEADLINE_HEADER] = str(max(1, remaining_ms))
    return headers


def _response(status: int, body: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
    }
