"""A structured answer as the call of a tool, for providers that force one rather than a schema."""

import json
from collections.abc import Sequence
from typing import Any

from irc_runtime.chat import ToolCall
from irc_runtime.prompt import Prompt


class AnswerTool:
    """The tool by which a model gives its answer.

    A tool's arguments are an object; an answer of another kind stands in it as ``value``.

    Args:
        prompt: one that has an output schema; the tool is called ``answer``, or like that where
            one of the prompt's own has the name.
    """

    description = "Give the answer. Call this once, when you know it."

    def __init__(self, prompt: Prompt) -> None:
        assert prompt.output_schema is not None
        taken = {tool.name for tool in prompt.tools}
        self.name = "answer"
        while self.name in taken:
            self.name += "_"
        schema = prompt.output_schema.schema
        self.schema: dict[str, Any]
        self.wraps = not _is_object(schema)
        if isinstance(schema, dict) and not self.wraps:
            self.schema = {"type": "object", **schema}
        else:
            self.schema = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
            if isinstance(schema, dict) and "$defs" in schema:  # references start at the root
                self.schema["$defs"] = schema["$defs"]

    def speaks(self, name: str) -> bool:
        """Whether the arguments of a call, as they come, are the answer as it comes."""
        return name == self.name and not self.wraps

    def take(self, text: str, calls: Sequence[ToolCall]) -> tuple[str, tuple[ToolCall, ...]]:
        """The answer's text and no calls, where the model gave it; else what there is."""
        for call in calls:
            if call.name == self.name:
                return self._unwrapped(call.arguments), ()
        return text, tuple(calls)

    def _unwrapped(self, arguments: str) -> str:
        if self.wraps:
            value = json.loads(arguments)
            if isinstance(value, dict) and "value" in value:
                return json.dumps(value["value"])
        return arguments


def _is_object(schema: Any) -> bool:
    """Whether a schema takes objects alone."""
    return isinstance(schema, dict) and (
        schema.get("type") == "object" or ("type" not in schema and "properties" in schema)
    )
