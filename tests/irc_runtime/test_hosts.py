"""Which hosts the HTTP client asks, and which addresses it connects to."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from irc_runtime.errors import HttpError, LoadError
from irc_runtime.hosts import HostPattern, Hosts, Origin
from irc_runtime.http import HttpClient
from tests.standins.openai_server import OpenAIServer


@pytest.fixture(autouse=True)
def no_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IRC_HTTP_HOSTS", raising=False)


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A server that records every request."""
    with OpenAIServer() as server:
        yield server


def status(url: str, *written: str, chosen: bool = False) -> int:
    """The status of a post."""

    async def main() -> int:
        client = HttpClient(*written)
        try:
            response = await client.post(url, body={}, chosen_host=chosen, check=False)
            return response.status
        finally:
            await client.close()

    return asyncio.run(main())


def refused(url: str, *written: str, chosen: bool = False) -> str:
    """Why a post is not sent."""
    with pytest.raises(HttpError) as caught:
        status(url, *written, chosen=chosen)
    assert not caught.value.retryable
    return caught.value.reason


def resolve(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> None:
    """Give names, without ``.example.com``, addresses."""
    known = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return known(addresses.get(name.removesuffix(".example.com"), host), *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_host_that_the_flow_writes_is_asked(server: OpenAIServer) -> None:
    root = f"http://127.0.0.1:{server.port}"
    assert status(f"{root}/v1/x", root) == 404
    assert status(f"{root}/v1/x", f"{root}/some/base") == 404
    assert status(f"http://LOCALHOST:{server.port}/", f"http://localhost.:{server.port}") == 404


def test_what_a_caller_chooses_is_asked_where_the_operator_names_it(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = f"http://127.0.0.1:{server.port}"
    # The flow's own addresses are not the caller's to choose.
    assert "not declared; IRC_HTTP_HOSTS" in refused(root, root, chosen=True)
    monkeypatch.setenv("IRC_HTTP_HOSTS", f"api.example.com, 127.0.0.1:{server.port}")
    assert status(root, chosen=True) == 404
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example.com/",
        "http://api.example.com.evil.example/",
        "http://api.example.com@evil.example/",
        "http://api.example.com:p@evil.example/",
        "http://evil.example\\@x.example.com/",
        "http://evil.example#@api.example.com/",
        "http://evil.example?@api.example.com/",
        "http://api.example.com:81/",
        "http://example.com/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::]/",
        "http://localhost/",
        "http://localhost./",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
    ],
)
def test_other_hosts_are_not_asked_however_they_are_written(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("a name is looked up")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("IRC_HTTP_HOSTS", "api.example.com")
    assert refused(url, chosen=True) in (
        "POST: the host is not declared; IRC_HTTP_HOSTS names those that may be asked",
        "POST: the address is malformed",
    )


@pytest.mark.parametrize(
    ("address", "operator"),
    [
        ("127.0.0.1", ""),
        ("127.0.0.1", "*.example.com"),
        ("::ffff:127.0.0.1", "*.example.com"),
        ("2130706433", "*.example.com"),
    ],
)
def test_no_name_leads_to_the_machine_itself(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, address: str, operator: str
) -> None:
    resolve(monkeypatch, api=address)
    monkeypatch.setenv("IRC_HTTP_HOSTS", ",".join(f"{p}:{server.port}" for p in [operator] if p))
    root = f"http://api.example.com:{server.port}"
    written = () if operator else (root,)
    assert "has an address of this machine" in refused(root, *written, chosen=bool(operator))
    assert server.requests == []


def test_the_operator_can_declare_an_address_for_a_name(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, api="127.0.0.1")
    monkeypatch.setenv("IRC_HTTP_HOSTS", f"127.0.0.1:{server.port}")
    root = f"http://api.example.com:{server.port}"
    assert status(root, root) == 404


def test_a_redirection_leads_neither_to_another_port_nor_back_to_http() -> None:
    import httpx

    from irc_runtime.http import _stays

    plain, safe = Origin("http", "a.example.com", 80), Origin("https", "a.example.com", 443)
    assert _stays(plain, httpx.URL("http://a.example.com/x"))
    assert _stays(plain, httpx.URL("https://a.example.com/x"))
    for url in ("http://a.example.com/", "https://a.example.com:444/", "ftp://a.example.com/"):
        assert not _stays(safe, httpx.URL(url))


def test_a_proxy_of_the_environment_is_asked_for_declared_hosts_alone(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.port}")
    assert status("http://api.example.com/v1/x", "http://api.example.com") == 404
    assert server.last.path == "http://api.example.com/v1/x"
    assert "not declared" in refused("http://other.example.com/", "http://api.example.com")
    assert len(server.requests) == 1


def test_a_proxy_that_is_none_is_found_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://u:secret@proxy.example.com")
    with pytest.raises(LoadError, match="proxy") as caught:
        HttpClient()
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(
    ("pattern", "url", "matches"),
    [
        ("api.example.com", "https://API.example.com/", True),
        ("api.example.com.", "http://api.example.com./", True),
        ("api.example.com", "http://api.example.com:8080/", False),
        ("api.example.com:8080", "http://api.example.com:8080/", True),
        ("api.example.com:8080", "http://api.example.com/", False),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://badexample.com/", False),
        ("*.example.com", "http://[fd00::7%25a.example.com]/", False),
        ("10.0.0.1", "http://10.0.0.1/", True),
        ("10.0.0.1", "http://[::ffff:10.0.0.1]/", True),
        ("[2001:DB8::1]:80", "http://[2001:db8:0::1]/", True),
    ],
)
def test_patterns_of_hosts(pattern: str, url: str, matches: bool) -> None:
    import httpx

    assert HostPattern.parsed(pattern).matches(Origin.of(httpx.URL(url))) is matches


@pytest.mark.parametrize(
    "text",
    ["*", "http://api.example.com", "a/b", "a:b", "u@h", "a b/", "*.*.com", "::1", "a:99999"],
)
def test_what_is_no_host_is_found_at_load(text: str) -> None:
    with pytest.raises(LoadError, match="IRC_HTTP_HOSTS has"):
        Hosts((), text)


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", True), ("::", True),
        ("169.254.169.254", True), ("169.254.170.2", True), ("fe80::1%eth0", True),
        ("100.100.100.200", True), ("fd00:ec2::254", True), ("168.63.129.16", True),
        ("224.0.0.1", True), ("::ffff:169.254.169.254", True), ("64:ff9b::7f00:1", True),
        ("fd00:ec2::23", True), ("fd20:ce::254", True),
        ("2002:7f00:1::", True), ("10.0.0.1", False), ("192.168.1.1", False), ("fd00::1", False),
        ("8.8.8.8", False), ("64:ff9b::808:808", False), ("2606:4700::1111", False),
    ],
)  # fmt: skip
def test_addresses_that_names_may_not_have(peer: str, local: bool) -> None:
    hosts = Hosts((), "*.example.com")
    assert hosts.may_connect(Origin("https", "a.example.com", 443), peer) is not local
