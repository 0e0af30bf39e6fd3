"""What documents on an image have in common: nothing in them but what they are made of."""

import json
import uuid
from typing import Any

Document = dict[str, Any]

# Of serial numbers, which are made of what bills hold: equal bills have one number.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/#irc")


def encoded(document: Document) -> bytes:
    """JSON with sorted keys and no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def identified(bill: Document) -> Document:
    """The bill of materials with a serial number that is a function of what else it holds."""
    serial = uuid.uuid5(_NAMESPACE, encoded(bill).decode())
    return {**bill, "serialNumber": f"urn:uuid:{serial}"}
