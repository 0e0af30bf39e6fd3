"""``io.format_response``: a value filled with references."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from irc.emit.code import mapped
from irc.ir.lowered import Body
from irc.ir.model import Shape
from irc.ops.registry import OperationType

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


class FormatResponse(Shape):
    template: Any


def lower_format(lowering: Lowering, arguments: FormatResponse) -> Body | None:
    """The template as a literal."""
    port = lowering.only_output("io.format_response")
    if port is None:
        return None
    body = Body()
    filled = lowering.value(arguments.template, (*lowering.at, "template"))
    body.add("return ", mapped({port.name: filled}))
    return body


def keys_of(arguments: FormatResponse) -> Collection[str]:
    """The keys of an object; none of another value."""
    template = arguments.template
    return [str(key) for key in template] if isinstance(template, dict) else ()


OPERATIONS = (OperationType("io.format_response", FormatResponse, lower_format, keys=keys_of),)
