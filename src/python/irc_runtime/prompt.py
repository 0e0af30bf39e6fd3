"""Prompts: templates over a node's inputs, made ready at load and rendered in a sandbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from irc_runtime.context import Context
from irc_runtime.errors import PromptError
from irc_runtime.schema import Schema
from irc_runtime.state import State

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment


@dataclass(frozen=True, slots=True)
class ChatModel:
    """A model: its provider, the provider's name for it, and the address where it is not usual."""

    provider: str
    name: str
    endpoint: str | None = None


class Prompt:
    """What a prompt node asks a model.

    Args:
        node: id of the node, for messages and as the name of the structured output.
        template: Jinja2 text of the user's message.
        model: who is asked.
        system: Jinja2 text of the system message, or None.
        temperature: passed through to the model.
        max_tokens: passed through; None leaves it to the model.
        output_schema: the answer is structured output of this schema; None asks for text.
    """

    __slots__ = (
        "_system",
        "_template",
        "max_tokens",
        "model",
        "node",
        "output_schema",
        "system",
        "temperature",
        "template",
    )

    def __init__(
        self,
        node: str,
        template: str,
        model: ChatModel,
        *,
        system: str | None = None,
        temperature: float = 0.7,
        max_tokens: int | None = None,
        output_schema: Schema | None = None,
    ) -> None:
        self.node = node
        self.template = template
        self.system = system
        self.model = model
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.output_schema = output_schema
        self._template: Template | None = None
        self._system: Template | None = None

    def compile(self) -> None:
        """Make templates and schema ready; agents do so at load.

        Raises:
            PromptError: a template is not valid Jinja2.
        """
        from jinja2 import TemplateSyntaxError

        try:
            self._template = environment().from_string(self.template)
            if self.system is not None:
                self._system = environment().from_string(self.system)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"prompt '{self.node}', line {error.lineno} of its template: {error.message}"
            ) from error
        if self.output_schema is not None:
            self.output_schema.compile()

    def messages(
        self, inputs: Mapping[str, Any], context: Context, state: State | None = None
    ) -> list[dict[str, str]]:
        """The messages to send: the system's, where there is one, and the user's.

        Templates see the inputs by name, ``context``, and ``state`` as an object of its values.

        Raises:
            PromptError: a template reads what is not there.
        """
        if self._template is None:
            self.compile()
        assert self._template is not None
        variables = {
            **inputs,
            "context": context,
            "state": {} if state is None else state.values(),
        }
        messages = []
        if self._system is not None:
            messages.append({"role": "system", "content": self._render(self._system, variables)})
        messages.append({"role": "user", "content": self._render(self._template, variables)})
        return messages

    def _render(self, template: "Template", variables: Mapping[str, Any]) -> str:
        from jinja2 import TemplateError, UndefinedError

        try:
            return template.render(variables)
        except UndefinedError as error:
            raise PromptError(f"the template reads what is not there: {error.message}") from error
        except TemplateError as error:
            raise PromptError(f"the template cannot be rendered: {error.message}") from error


@cache
def environment() -> "SandboxedEnvironment":
    """The one Jinja environment: sandboxed, plain text, undefined values are errors."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
