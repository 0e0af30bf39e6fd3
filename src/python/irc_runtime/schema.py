"""JSON Schemas, made ready once and applied often."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from irc_runtime.schema_shortcuts import Shortcut, shortcut

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

#: How a violated keyword reads, where its value in the schema says what was expected.
RULES = {
    "type": "expected {0}",
    "enum": "expected one of {0}",
    "const": "expected {0}",
    "minLength": "shorter than {0} characters",
    "maxLength": "longer than {0} characters",
    "minItems": "fewer than {0} items",
    "maxItems": "more than {0} items",
    "minimum": "less than {0}",
    "maximum": "more than {0}",
    "exclusiveMinimum": "not more than {0}",
    "exclusiveMaximum": "not less than {0}",
    "pattern": "does not match {0}",
    "required": "lacks a required property (of {0})",
    "additionalProperties": "has a property that the schema does not know",
}


class Schema:
    """A JSON Schema of draft 7 or 2020-12; without ``$schema`` it is read as 2020-12.

    Args:
        schema: the schema, with every reference inside it (``#/$defs/…``).
    """

    __slots__ = ("_shortcut", "_validator", "schema")

    def __init__(self, schema: dict[str, Any] | bool) -> None:
        self.schema = schema
        self._validator: Validator | None = None
        self._shortcut: Shortcut | None = None

    def compile(self) -> "Validator":
        """Make the validator; agents do so at load, so that no request pays for it.

        Raises:
            jsonschema.SchemaError: the schema is not one.
        """
        if self._validator is None:
            from jsonschema.validators import Draft202012Validator, validator_for

            kind = validator_for(self.schema, default=Draft202012Validator)
            kind.check_schema(self.schema)  # type: ignore[arg-type]  # true and false are schemas
            self._validator = kind(self.schema)
            self._shortcut = shortcut(self.schema)
        return self._validator

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None.

        The text gives the path and the rule, as ``at 'reply.sentiment': expected one of "a", "b"``;
        it never quotes the value, so that it may be logged.
        """
        validator = self._validator or self.compile()
        if (self._shortcut is not None and self._shortcut(value)) or validator.is_valid(value):
            return None
        from jsonschema.exceptions import best_match

        error: ValidationError | None = best_match(validator.iter_errors(value))
        return None if error is None else describe(error)


def describe(error: "ValidationError") -> str:
    """A violation, in terms of the schema and not of the value."""
    path = ""
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    where = f"at '{path.lstrip('.')}': " if path else ""
    keyword = str(error.validator)
    expected: Any = error.validator_value
    if keyword == "required" and isinstance(error.instance, Mapping):
        lacking = [name for name in expected if name not in error.instance]
        return f"{where}lacks {_listed(lacking)}"
    rule = RULES.get(keyword, "violates '{keyword}'")
    return where + rule.format(_listed(expected), keyword=keyword)


def _listed(value: Any) -> str:
    from json import dumps

    if isinstance(value, list | tuple):
        return ", ".join(dumps(item, ensure_ascii=False) for item in value)
    return value if isinstance(value, str) else dumps(value, ensure_ascii=False)
