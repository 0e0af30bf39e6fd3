"""Which hosts web services may be on, and which addresses those may have.

What the flow writes, or reads from the environment, is declared by that. The operator declares others
in ``IRC_HTTP_HOSTS``, which alone count where a caller or a model chooses the host.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from irc_runtime.errors import HttpError, LoadError

if TYPE_CHECKING:
    import httpx

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

#: Names the hosts that callers and models may choose.
VARIABLE = "IRC_HTTP_HOSTS"

DEFAULT_PORTS = {"http": 80, "https": 443}

#: Where clouds tell their machines and pods secrets, besides 169.254.0.0/16: Amazon (two), Google,
#: Alibaba, Azure, Oracle.
METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254",
            "100.100.100.200", "168.63.129.16", "192.0.0.192",
        ),
    )
)  # fmt: skip

#: Networks whose addresses hold those of IPv4 in their last 32 bits: mapped, compatible, NAT64.
HOLDING_IPV4 = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96")))

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of an address; the host in lower case, without a last dot."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: "httpx.URL") -> "Origin":
        """Of an address of http or https."""
        host = url.raw_host.decode("ascii").lower().removesuffix(".")
        return cls(url.scheme, host, url.port or DEFAULT_PORTS[url.scheme])


@dataclass(frozen=True, slots=True)
class HostPattern:
    """An entry of ``IRC_HTTP_HOSTS``: a host, or all below one; without a port the scheme's own."""

    host: str
    below: bool = False
    port: int | None = None

    @classmethod
    def parsed(cls, text: str) -> "HostPattern":
        """Read ``api.example.com``, ``*.example.com``, ``api.example.com:8443`` or ``[::1]:80``.

        Raises:
            LoadError: it is none of these.
        """
        rest = text.removeprefix("*.")
        try:
            parts = urlsplit(f"//{rest}")
            host, port = (parts.hostname or "").removesuffix("."), parts.port
            known = _NAME.fullmatch(host) or _address(host)
        except ValueError:
            known = None
        if not known or parts.netloc != rest or "@" in rest:
            raise LoadError(
                f"{VARIABLE} has '{text}', which is no host: write api.example.com,"
                " *.example.com or api.example.com:8443, with ',' between them"
            )
        return cls(host, rest != text, port)

    def matches(self, origin: Origin) -> bool:
        """Whether an address is of this host."""
        port = DEFAULT_PORTS[origin.scheme] if self.port is None else self.port
        if port != origin.port:
            return False
        if self.below:  # the zone of an address may end like a name: ::1%a.example.com
            return origin.host.endswith(f".{self.host}") and _address(origin.host) is None
        return _canonical(origin.host) == _canonical(self.host)


class Hosts:
    """The hosts that are declared.

    Args:
        written: addresses of http and https, of which scheme, host and port count; other texts
            declare nothing.
        named: the value of ``IRC_HTTP_HOSTS``.
    Raises:
        LoadError: a name there is none.
    """

    def __init__(self, written: Sequence[str], named: str) -> None:
        import httpx

        self._written: set[Origin] = set()
        for address in written:
            try:
                url = httpx.URL(address)
            except httpx.InvalidURL:
                continue
            if url.scheme in DEFAULT_PORTS and url.raw_host:
                self._written.add(Origin.of(url))
        self._named = [HostPattern.parsed(text) for text in re.split(r"[,\s]+", named) if text]

    def declared(self, origin: Origin, *, chosen: bool) -> bool:
        """Whether an address may be asked; ``chosen`` where the flow does not say its host."""
        if not chosen and origin in self._written:
            return True
        return any(pattern.matches(origin) for pattern in self._named)

    def may_connect(self, origin: Origin, peer: str) -> bool:
        """Whether a declared host may have an address.

        No name may lead to the machine itself, to its link, or to where a cloud tells secrets,
        unless it is ``localhost`` or the operator declares the address, too.

        Args:
            peer: the address that the connection has.
        """
        address = _address(peer)
        if address is None or not is_local(address):
            return True
        if _canonical(origin.host) == str(address):
            return True  # written as what it is
        if address.is_loopback and (
            origin.host == "localhost" or origin.host.endswith(".localhost")
        ):
            return True
        at = Origin(origin.scheme, str(address), origin.port)
        return any(pattern.matches(at) for pattern in self._named)


class ConnectionCheck:
    """Hears what the pool does for a request, and lets it send nothing to an address that may not be.

    A look-up of one's own could have another answer than that of the pool.
    https://www.encode.io/httpcore/extensions/#trace

    Args:
        hosts: what is declared.
        origin: what the request asks.
    """

    def __init__(self, hosts: Hosts, origin: Origin) -> None:
        self._hosts = hosts
        self._origin = origin
        self._direct = True

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        """Take the address of a new connection, before anything is sent on it.

        Raises:
            HttpError: the host may not have it.
        """
        if name == "connection.connect_tcp.started":
            host = info["host"].lower().removesuffix(".")
            self._direct = host == self._origin.host  # and not that of a proxy
        elif name == "connection.connect_tcp.complete" and self._direct:
            stream = info["return_value"]
            if not self._hosts.may_connect(self._origin, stream.get_extra_info("server_addr")[0]):
                await stream.aclose()
                raise HttpError(
                    "the host has an address of this machine, its network or its cloud;"
                    f" {VARIABLE} can declare it",
                    retryable=False,
                )


def is_local(address: Address) -> bool:
    """Whether an address is the machine's own, its link's, or that of a cloud's metadata."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or address in METADATA
    )


def _address(host: str) -> Address | None:
    """A host as an address, that of IPv4 where it holds one; None where it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour is not None:
            return address.sixtofour
        if any(address in network for network in HOLDING_IPV4) and int(address) > 1:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _canonical(host: str) -> str:
    """A host, an address in its one form."""
    address = _address(host)
    return host if address is None else str(address)
