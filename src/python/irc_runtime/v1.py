"""The V1 protocol, whoever carries it: one request object, or ``instances`` to be predicted.

A request object is answered with the flow's output; ``{"instances": [...]}`` is answered with
``{"predictions": [...]}``, unless ``instances`` is a field that the flow itself requires.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from irc_runtime.agent import Agent
from irc_runtime.errors import RequestError

#: Requests in one call; they run side by side, and the bound on calls at once does not see them.
MAX_INSTANCES = 1000


def parsed(body: bytes | str) -> Any:
    """A body as JSON.

    Raises:
        RequestError: it is something else.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RequestError("the request is not JSON") from None


async def answer(agent: Agent, payload: Any, headers: Mapping[str, str] | None) -> Any:
    """The agent's answer to a request, or to each of its instances, side by side.

    Args:
        payload: the request as JSON.
        headers: HTTP headers with lower-case names, see ``Agent.predict``.
    Raises:
        AgentError: a request failed; of several, the first in order.
    """
    requests, several = requests_of(agent, payload)
    return await answer_requests(agent, requests, headers, several=several)


async def answer_requests(
    agent: Agent,
    requests: Sequence[Mapping[str, Any]],
    headers: Mapping[str, str] | None,
    *,
    several: bool,
) -> Any:
    """``answer``, for what ``requests_of`` gave."""
    if several:
        return {"predictions": await answer_all(agent, requests, headers)}
    return await agent.predict(requests[0], headers)


def requests_of(agent: Agent, payload: Any) -> tuple[Sequence[dict[str, Any]], bool]:
    """The requests in a payload, and whether they are ``instances``.

    Raises:
        RequestError: it holds something else.
    """
    if not isinstance(payload, dict):
        raise RequestError("the request is not a JSON object")
    if "instances" not in payload or "instances" in agent.requires:
        return [payload], False
    instances = payload["instances"]
    if not isinstance(instances, list):
        raise RequestError("'instances' is not a list")
    check_objects(instances)
    return instances, True


def check_objects(requests: Sequence[Any]) -> None:
    """Raise RequestError where one of several requests is no object, or there are too many."""
    if len(requests) > MAX_INSTANCES:
        raise RequestError(f"one call takes {MAX_INSTANCES} requests at most")
    for number, request in enumerate(requests):
        if not isinstance(request, dict):
            raise RequestError(f"instance {number} is not a JSON object")


async def answer_all(
    agent: Agent, requests: Sequence[Any], headers: Mapping[str, str] | None
) -> list[Any]:
    """The answers to several requests, in order.

    Raises:
        AgentError: as ``answer``.
    """
    check_objects(requests)
    results = await asyncio.gather(
        *(agent.predict(request, headers) for request in requests), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
