"""``http.get`` and ``http.post``: calls of web services, JSON in and out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import StrictStr

from irc.addresses import chooses_host, open_address
from irc.emit.code import Code, call, quoted
from irc.ir.lowered import Body
from irc.ir.model import PositiveInt, Shape
from irc.ops.registry import OperationType

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

RESPONSE_PORTS = ("status", "headers", "body")


class HttpRequest(Shape):
    url: StrictStr
    headers: dict[str, Any] | None = None
    query: dict[str, Any] | None = None
    body: Any = None
    timeout_ms: PositiveInt | None = None


def lower_http(method: str, lowering: Lowering, arguments: HttpRequest) -> Body | None:
    """A call of the agent's HTTP client; a ``post`` may leave out what comes back."""
    ports = [port.name for port in lowering.node.outputs]
    by_part = bool(ports) and all(port in RESPONSE_PORTS for port in ports)
    if not by_part and len(ports) != 1 and (ports or method == "get"):
        lowering.report.error(
            "E205", lowering.document.key_span((*lowering.path, "outputs")),
            f"'http.{method}' fills one output with the body, or outputs named"
            f" {', '.join(RESPONSE_PORTS)}; '{lowering.name}' has {', '.join(ports) or 'none'}",
        )  # fmt: skip
        return None
    keywords: dict[str, Code] = {}
    for key in ("headers", "query", "body"):
        value = getattr(arguments, key)
        if value is not None:
            keywords[key] = lowering.value(value, (*lowering.at, key))
    if arguments.timeout_ms is not None:
        keywords["timeout_s"] = repr(arguments.timeout_ms / 1000)
    if "status" in ports:
        keywords["check"] = "False"
    if chooses_host(arguments.url):
        keywords["chosen_host"] = "True"
    base = open_address(arguments.url)
    if base is not None:
        keywords["base"] = lowering.value(base, (*lowering.at, "url"))
    url = lowering.address(arguments.url, (*lowering.at, "url"))
    body = Body()
    request = call(f"{lowering.needs('http')}.{method}", url, **keywords)
    if not ports:
        body.add("await ", request)
        body.add("return {}")
        return body
    body.add("response = await ", request)
    parts = {port: port if by_part else "body" for port in ports}
    items = ", ".join(f"{quoted(port)}: response.{part}" for port, part in parts.items())
    body.add(f"return {{{items}}}")
    return body


OPERATIONS = (
    OperationType("http.get", HttpRequest, partial(lower_http, "get")),
    OperationType("http.post", HttpRequest, partial(lower_http, "post"), effectful=True),
)
