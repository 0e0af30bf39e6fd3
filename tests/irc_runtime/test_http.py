"""The HTTP client against a server on the loopback."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from irc_runtime.errors import HttpError
from irc_runtime.http import HttpClient, HttpResponse
from tests.standins.web_server import WebServer


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with WebServer() as server:
        yield server.url


def call(method: str, url: str, limit: int = 10_000, **options: Any) -> HttpResponse:
    """One exchange of a flow that writes the address."""

    async def main() -> HttpResponse:
        client = HttpClient(url, max_response_bytes=limit)
        try:
            response: HttpResponse = await getattr(client, method)(url, **options)
            return response
        finally:
            await client.close()

    return asyncio.run(main())


def test_a_post_sends_json_headers_and_query(address: str) -> None:
    response = call(
        "post",
        f"{address}/echo?a=1",
        headers={"X-Token": "t", "X-None": None, "X-Dry-Run": True},
        query={"b": "x y", "c": None, "d": True, "e": ["1", 2, False], "f": {"g": 1}},
        body={"k": [1, None]},
    )
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert response.body == {
        "method": "POST",
        "path": "/echo?a=1&b=x+y&d=true&e=1&e=2&e=false&f=%7B%22g%22%3A+1%7D",
        "body": '{"k":[1,null]}',
        "type": "application/json",
        "token": "t",
        "dry": "true",
    }


def test_a_get_sends_no_body(address: str) -> None:
    body = call("get", f"{address}/echo").body
    assert (body["method"], body["body"], body["type"]) == ("GET", "", None)


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (401, False), (404, False), (408, True), (425, True), (429, True), (503, True)],
)
def test_error_statuses_are_retryable_or_not(address: str, status: int, retryable: bool) -> None:
    with pytest.raises(HttpError) as caught:
        call("get", f"{address}/status/{status}?token=secret")
    assert (caught.value.response_status, caught.value.retryable) == (status, retryable)
    assert "secret" not in caught.value.reason


def test_a_flow_that_reads_the_status_gets_it(address: str) -> None:
    response = call("get", f"{address}/status/404", check=False)
    assert (response.status, response.body) == (404, {"why": "told so"})


def test_bodies_are_json_text_or_nothing(address: str) -> None:
    assert call("get", f"{address}/raw/text-plain").body == "plain text"
    assert call("get", f"{address}/empty").body is None
    with pytest.raises(HttpError, match="malformed JSON") as caught:
        call("get", f"{address}/raw/application-json")
    assert caught.value.retryable


def test_a_response_is_bounded(address: str) -> None:
    assert len(call("get", f"{address}/big/1000", limit=1000).body) == 1000
    with pytest.raises(HttpError, match="more than 1000 bytes"):
        call("get", f"{address}/big/1001", limit=1000)


def test_a_response_is_bounded_once_it_is_decompressed(address: str) -> None:
    assert len(call("get", f"{address}/gzip/1000", limit=1000).body) == 1000
    with pytest.raises(HttpError, match="more than 1000 bytes") as caught:
        call("get", f"{address}/gzip/{50 * 2**20}", limit=1000)
    assert not caught.value.retryable


def test_a_response_without_an_end_is_bounded(address: str) -> None:
    with pytest.raises(HttpError, match="more than 5000000 bytes"):
        call("get", f"{address}/endless", limit=5_000_000)


def test_headers_are_bounded(address: str) -> None:
    assert call("get", f"{address}/headers/1000").status == 200
    with pytest.raises(HttpError, match="RemoteProtocolError"):
        call("get", f"{address}/headers/{2**20}")


@pytest.mark.parametrize(("encoding", "retryable"), [("gzip", True), ("br", False)])
def test_a_body_that_cannot_be_decompressed_is_an_error(
    address: str, encoding: str, retryable: bool
) -> None:
    with pytest.raises(HttpError, match="malformed gzip|unknown encoding") as caught:
        call("get", f"{address}/encoded/{encoding}")
    assert caught.value.retryable is retryable


def test_a_body_that_is_cut_off_is_retryable(address: str) -> None:
    with pytest.raises(HttpError, match="no answer") as caught:
        call("get", f"{address}/cut")
    assert caught.value.retryable


def test_a_service_may_ask_to_be_left_alone(address: str) -> None:
    with pytest.raises(HttpError) as caught:
        call("get", f"{address}/busy/7")
    assert caught.value.retry_after_s == 7
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with pytest.raises(HttpError) as caught:
        call("get", f"{address}/busy/{date.replace(' ', '_')}")
    assert 60 < (caught.value.retry_after_s or 0) <= 90


def test_cookies_of_one_caller_are_not_sent_for_another(address: str) -> None:
    async def main() -> list[Any]:
        client = HttpClient(address)
        bodies = [(await client.get(f"{address}/cookies")).body for _ in range(2)]
        await client.close()
        return bodies

    assert asyncio.run(main()) == [None, None]


@pytest.mark.parametrize("value", ["secret\nX-Other: 1", "sécret"])
def test_headers_that_cannot_be_sent_are_not_said(address: str, value: str) -> None:
    with pytest.raises(HttpError, match="cannot be sent") as caught:
        call("get", f"{address}/echo", headers={"Authorization": value})
    assert not caught.value.retryable
    assert "cret" not in str(caught.value)


def test_redirects_stay_on_their_host(address: str) -> None:
    assert call("get", f"{address}/to//echo").body["path"] == "/echo"
    other = address.replace("127.0.0.1", "localhost")
    with pytest.raises(HttpError, match="leads to another host"):
        call("get", f"{address}/to/{other}/echo")
    with pytest.raises(HttpError, match="on and on"):
        call("get", f"{address}/loop")


def test_time_is_bounded(address: str) -> None:
    with pytest.raises(TimeoutError):
        call("get", f"{address}/slow", timeout_s=0.1)


def test_no_connection_is_retryable() -> None:
    with pytest.raises(HttpError, match="ConnectError") as caught:
        call("get", "http://127.0.0.1:9/")
    assert caught.value.retryable


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "/only/a/path", "http://a b\x00", "nonsense"]
)
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(HttpError) as caught:
        call("get", url)
    assert not caught.value.retryable
