"""What expressions of other languages are written with, for hints."""

from __future__ import annotations

OPERATORS = {"&&": "and", "||": "or", "===": "==", "!==": "!=", "!": "not", "=": "=="}
CONSTANTS = {"null": "None", "nil": "None", "undefined": "None", "true": "True", "false": "False"}


def operator_hint(text: str, offset: int) -> str | None:
    """What to write for an operator of another language that stands at an offset, or just before it."""
    for operator in sorted(OPERATORS, key=len, reverse=True):
        around = text[max(0, offset - len(operator) + 1) : offset + len(operator)]
        if operator in around:
            return f"write '{OPERATORS[operator]}' for '{operator}'"
    return None
