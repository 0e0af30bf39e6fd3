"""Calls of Acme's services. Agents import this module, and so it needs nothing of the compiler."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from irc_runtime.http import HttpClient


async def geocode(
    http: "HttpClient", service: str, address: str, *, country: str | None = None
) -> Mapping[str, Any]:
    """The ``latitude`` and ``longitude`` of an address, in degrees.

    Raises:
        LookupError: nobody knows the address.
        HttpError: the service cannot be reached, or refuses.
    """
    query = {"q": address, "country": country}
    found = (await http.get(f"{service}/v1/places", query=query)).body
    if not found:
        raise LookupError("no such address")
    place: Mapping[str, Any] = found[0]
    return place


async def notify(http: "HttpClient", service: str, text: str) -> None:
    """Send a text to the people on duty.

    Raises:
        HttpError: the service cannot be reached, or refuses.
    """
    await http.post(f"{service}/v1/messages", body={"text": text})
