"""Kubernetes quantities, such as ``500m`` of a processor and ``1Gi`` of memory.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>\d+(\.\d*)?|\.\d+)(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,2})?", re.ASCII
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"


def parse_quantity(text: str) -> Decimal | None:
    """The amount, which is never negative; None for a text that is no quantity."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, unit = Decimal(match["number"]), match["unit"] or ""
    if unit.endswith("i"):
        return number * Decimal(1024) ** (_BINARY.index(unit[0]) + 1)
    if len(unit) > 1:
        return number.scaleb(int(unit[1:]))
    return number.scaleb(_DECIMAL[unit]) if unit else number
