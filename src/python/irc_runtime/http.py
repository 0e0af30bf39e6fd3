"""Calls of web services: JSON in and out, bounded in time and size, to declared hosts alone."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from irc_runtime.delivery import as_text
from irc_runtime.errors import HttpError, LoadError
from irc_runtime.hosts import DEFAULT_PORTS, VARIABLE, ConnectionCheck, Hosts, Origin
from irc_runtime.retry_after import retry_after_s
from irc_runtime.tracing import add_trace_headers

if TYPE_CHECKING:
    import httpx

#: The most that is read of a response, in bytes, before and after it is decompressed.
MAX_RESPONSE_BYTES = 10 * 2**20

MAX_REDIRECTS = 5

#: Statuses below 500 after which the same request can succeed.
RETRYABLE_STATUSES = frozenset({408, 425, 429})

#: For zlib: the form of gzip.
GZIP = 16 + zlib.MAX_WBITS


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

    Cookies are not kept: the pool is that of all callers. Where the environment names a proxy
    (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``), it looks up names, and its own address is free.

    Args:
        addresses: those that the flow asks, as far as it writes them or reads them from the
            environment; their hosts are declared by that.
        max_response_bytes: a longer response is an error.
    Raises:
        LoadError: ``IRC_HTTP_HOSTS`` or a proxy of the environment is malformed.
    """

    def __init__(self, *addresses: str, max_response_bytes: int = MAX_RESPONSE_BYTES) -> None:
        import httpx

        self._hosts = Hosts(addresses, os.environ.get(VARIABLE, ""))
        try:
            self._client = httpx.AsyncClient(
                timeout=None,
                follow_redirects=False,
                event_hooks={"request": [add_trace_headers]},
            )
        except (ImportError, ValueError, httpx.InvalidURL):  # it would quote the proxy's password
            raise LoadError("a proxy that the environment names cannot be used") from None
        self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
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
        chosen_host: bool = False,
        base: str | None = None,
    ) -> HttpResponse:
        """Read a resource; arguments, result and errors as for ``post``."""
        chosen_host = chosen_host or _leaves(base, url)
        return await self._call("GET", url, headers, query, body, timeout_s, check, chosen_host)

    async def post(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        check: bool = True,
        chosen_host: bool = False,
        base: str | None = None,
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
            chosen_host: whether a caller or a model may have chosen the host: it then has to be one
                that ``IRC_HTTP_HOSTS`` names, whatever other addresses the flow asks.
            base: the start of the address that says its host, where what follows may extend it: of
                another host than this one, a caller or a model has chosen it.
        Raises:
            HttpError: the host is not declared, or has an address that it may not have; the
                service cannot be reached, answered with an error or too much, led elsewhere, or
                sent what claims to be JSON and is not.
            TimeoutError: the time is over.
        """
        chosen_host = chosen_host or _leaves(base, url)
        return await self._call("POST", url, headers, query, body, timeout_s, check, chosen_host)

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
        chosen_host: bool,
    ) -> HttpResponse:
        import asyncio

        import httpx

        try:
            request = self._request(method, url, headers, query, body)
            if not self._hosts.declared(Origin.of(request.url), chosen=chosen_host):
                raise HttpError(
                    f"{method}: the host is not declared; {VARIABLE} names those that may be asked",
                    retryable=False,
                )
            # What a caller chose is content, and not said.
            host = "the host" if chosen_host else request.url.host
            async with asyncio.timeout(timeout_s):
                response, content = await self._exchange(request, host, chosen_host)
        except httpx.InvalidURL:
            raise HttpError(f"{method}: the address is malformed", retryable=False) from None
        except (httpx.LocalProtocolError, UnicodeEncodeError):  # they quote headers
            raise HttpError(f"{method}: the request cannot be sent", retryable=False) from None
        except httpx.TransportError as error:
            kind = type(error).__name__
            raise HttpError(f"{method}: no answer ({kind})", retryable=True) from error
        if check and response.status_code >= 400:
            status = response.status_code
            raise HttpError(
                f"{method} {host}: status {status}",
                retryable=status in RETRYABLE_STATUSES or status >= 500,
                response_status=status,
                retry_after_s=retry_after_s(response.headers),
            )
        return HttpResponse(
            response.status_code, dict(response.headers.items()), _value(response, content, host)
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
        if address.scheme not in DEFAULT_PORTS or not address.raw_host:
            raise HttpError(f"{method}: the address is not http or https", retryable=False)
        if query:
            address = address.copy_merge_params(
                {name: _parameter(value) for name, value in query.items() if value is not None}
            )
        fields = httpx.Headers({"Accept-Encoding": "gzip"})
        fields.update(
            {name: _text(value) for name, value in (headers or {}).items() if value is not None}
        )
        check = ConnectionCheck(self._hosts, Origin.of(address))
        return self._client.build_request(
            method, address, headers=fields, json=body, extensions={"trace": check}
        )

    async def _exchange(
        self, request: "httpx.Request", host: str, chosen_host: bool
    ) -> "tuple[httpx.Response, bytes]":
        from irc_runtime.http_tracing import http_span, note_status

        origin = Origin.of(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            with http_span(request, chosen_host=chosen_host) as span:
                response = await self._client.send(request, stream=True)
                try:
                    content = await self._read(response, host)
                finally:
                    await response.aclose()
                note_status(span, response.status_code)
            if response.next_request is None:
                return response, content
            request = response.next_request
            if not _stays(origin, request.url):
                raise HttpError(f"{host} leads to another host", retryable=False)
            origin = Origin.of(request.url)
        raise HttpError(f"{host} leads on and on", retryable=False)

    async def _read(self, response: "httpx.Response", host: str) -> bytes:
        """The body, decompressed piece by piece: a small one may stand for gigabytes."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("gzip", "x-gzip", "identity"):
            raise HttpError(f"{host} sent an unknown encoding", retryable=False)
        unpacking = None if encoding == "identity" else zlib.decompressobj(GZIP)
        limit = self._max_response_bytes
        content, received = bytearray(), 0
        try:
            async for chunk in response.aiter_raw():
                received += len(chunk)
                if unpacking is None:
                    content += chunk
                else:
                    content += unpacking.decompress(chunk, limit + 1 - len(content))
                if max(len(content), received) > limit:
                    raise HttpError(f"{host} sent more than {limit} bytes", retryable=False)
        except zlib.error:
            raise HttpError(f"{host} sent malformed gzip", retryable=True) from None
        if unpacking is not None and received and not unpacking.eof:
            raise HttpError(f"{host} sent malformed gzip", retryable=True)
        return bytes(content)


def _leaves(base: str | None, url: str) -> bool:
    """Whether an address has another scheme, host or port than what it begins with."""
    import httpx

    if base is None:
        return False
    try:
        start, whole = httpx.URL(base), httpx.URL(url)
    except httpx.InvalidURL:
        return True
    if not {start.scheme, whole.scheme} <= DEFAULT_PORTS.keys():
        return True
    return Origin.of(start) != Origin.of(whole)


def _stays(origin: Origin, url: "httpx.URL") -> bool:
    """Whether a redirection stays where it was, or goes from http to https."""
    if url.scheme not in DEFAULT_PORTS:
        return False
    to = Origin.of(url)
    return to == origin or (origin.scheme == "http" and to == Origin("https", origin.host, 443))


def _parameter(value: Any) -> str | list[str]:
    """A query parameter: a list stands for several of its name."""
    if isinstance(value, list | tuple):
        return [_text(item) for item in value if item is not None]
    return _text(value)


def _text(value: Any) -> str:
    """A value in an address or a header: as in longer texts of a flow, ``true`` in lower case."""
    return as_text(value) if isinstance(value, str | bool | list | tuple | dict) else str(value)


def _value(response: "httpx.Response", content: bytes, host: str) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except ValueError:
        if "json" in response.headers.get("content-type", "") and response.status_code < 400:
            raise HttpError(f"{host} sent malformed JSON", retryable=True) from None
        return content.decode(response.encoding or "utf-8", errors="replace")
