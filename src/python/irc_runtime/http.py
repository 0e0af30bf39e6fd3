"""Calls of web services: JSON in and out, bounded in time and size, never led to another host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irc_runtime.delivery import as_text
from irc_runtime.errors import HttpError

if TYPE_CHECKING:
    import httpx

#: The most that is read of a response, in bytes.
MAX_RESPONSE_BYTES = 10 * 2**20

MAX_REDIRECTS = 5

#: Statuses below 500 after which the same request can succeed.
RETRYABLE_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: status, headers by lower-case name, and the body.

    The body is the value that its JSON spells, None where it is empty, and text where the service
    neither says nor sends JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: Any


class HttpClient:
    """One pool of connections for an agent's web services.

    Args:
        max_response_bytes: a longer response is an error.
    """

    def __init__(self, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        import httpx

        self._client = httpx.AsyncClient(timeout=None, follow_redirects=False)
        self._max_response_bytes = max_response_bytes

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        check: bool = True,
    ) -> HttpResponse:
        """Read a resource; arguments, result and errors as for ``post``."""
        return await self._call("GET", url, headers, query, body, timeout_s, check)

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        check: bool = True,
    ) -> HttpResponse:
        """Send a value.

        Args:
            url: absolute, http or https.
            headers: names and values; a value that is None is left out, others become text.
            query: parameters, joined to those in the address; a list repeats its parameter, a value
                that is None is left out, others become text.
            body: sent as JSON; None sends nothing.
            timeout_s: seconds for the whole exchange; None leaves it to the node's own limit.
            check: whether a status of 400 or above is an error.
        Raises:
            HttpError: the service cannot be reached, answered with an error or too much, led
                elsewhere, or sent what claims to be JSON and is not.
            TimeoutError: the time is over.
        """
        return await self._call("POST", url, headers, query, body, timeout_s, check)

    async def close(self) -> None:
        """Close the pool."""
        await self._client.aclose()

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        query: Mapping[str, Any] | None,
        body: Any,
        timeout_s: float | None,
        check: bool,
    ) -> HttpResponse:
        import asyncio

        import httpx

        try:
            request = self._request(method, url, headers, query, body)
            async with asyncio.timeout(timeout_s):
                response, content = await self._exchange(request)
        except httpx.UnsupportedProtocol:
            raise HttpError(
                f"{method}: the address is not http or https", retryable=False
            ) from None
        except httpx.InvalidURL:
            raise HttpError(f"{method}: the address is malformed", retryable=False) from None
        except httpx.TransportError as error:
            kind = type(error).__name__
            raise HttpError(f"{method}: no answer ({kind})", retryable=True) from error
        if check and response.status_code >= 400:
            status = response.status_code
            raise HttpError(
                f"{method} {response.url.host}: status {status}",
                retryable=status in RETRYABLE_STATUSES or status >= 500,
                response_status=status,
                retry_after_s=_seconds(response.headers.get("retry-after", "")),
            )
        return HttpResponse(
            response.status_code, dict(response.headers.items()), _value(response, content)
        )

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        query: Mapping[str, Any] | None,
        body: Any,
    ) -> "httpx.Request":
        import httpx

        address = httpx.URL(url)
        if query:
            address = address.copy_merge_params(
                {name: _parameter(value) for name, value in query.items() if value is not None}
            )
        return self._client.build_request(
            method,
            address,
            headers={
                name: _text(value) for name, value in (headers or {}).items() if value is not None
            },
            json=body,
        )

    async def _exchange(self, request: "httpx.Request") -> "tuple[httpx.Response, bytes]":
        host = request.url.host
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._client.send(request, stream=True)
            try:
                content = await self._read(response)
            finally:
                await response.aclose()
            if response.next_request is None:
                return response, content
            request = response.next_request
            if request.url.host != host:
                raise HttpError(f"{host} leads to another host", retryable=False)
        raise HttpError(f"{host} leads on and on", retryable=False)

    async def _read(self, response: "httpx.Response") -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > self._max_response_bytes:
                raise HttpError(
                    f"{response.url.host} sent more than {self._max_response_bytes} bytes",
                    retryable=False,
                )
        return bytes(content)


def _parameter(value: Any) -> str | list[str]:
    """A query parameter: a list stands for several of its name."""
    if isinstance(value, list | tuple):
        return [_text(item) for item in value if item is not None]
    return _text(value)


def _text(value: Any) -> str:
    """A value in an address or a header: as in longer texts of a flow, ``true`` in lower case."""
    return as_text(value) if isinstance(value, str | bool | list | tuple | dict) else str(value)


def _value(response: "httpx.Response", content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except ValueError:
        if "json" in response.headers.get("content-type", "") and response.status_code < 400:
            raise HttpError(f"{response.url.host} sent malformed JSON", retryable=True) from None
        return content.decode(response.encoding or "utf-8", errors="replace")


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() else None
