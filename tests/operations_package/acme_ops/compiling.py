"""``acme.geocode`` and ``acme.notify``, as irc compiles them."""

import re

from pydantic import Field

from irc.ops.api import Body, Code, OperationLowering, OperationType, Shape, call, quoted


class Geocode(Shape):
    """Where an address is."""

    service: str = Field(description="the address of the geocoder")
    address: str = Field(description="what to look for")
    country: str | None = Field(None, description="a code of ISO 3166-1, such as DE")


def lower_geocode(lowering: OperationLowering, arguments: Geocode) -> Body | None:
    """One output takes the whole place; several take what they are called after."""
    outputs = lowering.node.outputs
    country = arguments.country
    if not outputs:
        lowering.refuse("'acme.geocode' needs an output to put the place into")
        return None
    if country is not None and not re.fullmatch("[A-Z]{2}", country):
        lowering.refuse("'country' is two capital letters", "country", hint="country: DE")
        return None
    keywords: dict[str, Code] = {} if country is None else {"country": quoted(country)}
    geocode = call(
        lowering.uses("acme_ops.services", "geocode"),
        lowering.needs("http"),
        lowering.address(arguments.service, (*lowering.at, "service")),
        lowering.value(arguments.address, (*lowering.at, "address")),
        **keywords,
    )
    body = Body()
    body.add("place = await ", geocode)
    if len(outputs) == 1:
        body.add(f"return {{{quoted(outputs[0].name)}: place}}")
    else:
        body.add("return ", lowering.by_port("place"))
    return body


class Notify(Shape):
    """A message to the people on duty."""

    service: str = Field(description="the address of the messenger")
    text: str = Field(description="what it says")


def lower_notify(lowering: OperationLowering, arguments: Notify) -> Body | None:
    """The output is ``true`` once the message is sent."""
    port = lowering.only_output("acme.notify")
    if port is None:
        return None
    notify = call(
        lowering.uses("acme_ops.services", "notify"),
        lowering.needs("http"),
        lowering.address(arguments.service, (*lowering.at, "service")),
        lowering.value(arguments.text, (*lowering.at, "text")),
    )
    body = Body()
    body.add("await ", notify)
    body.add(f"return {{{quoted(port.name)}: True}}")
    return body


GEOCODE = OperationType("acme.geocode", Geocode, lower_geocode)
NOTIFY = OperationType("acme.notify", Notify, lower_notify, effectful=True)
