"""Prompts: templates over a node's inputs, made ready at load and rendered in a sandbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from irc_runtime.chat import Message
from irc_runtime.context import Context
from irc_runtime.errors import PromptError
from irc_runtime.schema import Schema
from irc_runtime.state import State
from irc_runtime.tracebacks import give_texts

if TYPE_CHECKING:
    from jinja2 import Template

    from irc_runtime.tools import Tool


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
        template_at: where its text starts, from the flow's folder, as ``prompts/answer.j2:1``; None
            where its lines are not those of a file.
        model: who is asked.
        system: Jinja2 text of the system message, or None; ``system_at`` is where it starts.
        temperature: passed through; None leaves it to the model.
        max_tokens: passed through; None leaves it to the model.
        output_schema: the answer is structured output of this schema; None asks for text.
        tools: what the model may call before it answers.
        max_tool_rounds: how often it may.
        stream: whether the answer is asked for, and passed on, as it comes.
        files: texts of the templates that the two refer to, by the names they use.
    """

    __slots__ = (
        "_system",
        "_template",
        "files",
        "max_tokens",
        "max_tool_rounds",
        "model",
        "node",
        "output_schema",
        "stream",
        "system",
        "system_at",
        "temperature",
        "template",
        "template_at",
        "tools",
    )

    def __init__(
        self,
        node: str,
        template: str,
        model: ChatModel,
        *,
        template_at: str | None = None,
        system: str | None = None,
        system_at: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        output_schema: Schema | None = None,
        tools: "Sequence[Tool]" = (),
        max_tool_rounds: int = 8,
        stream: bool = False,
        files: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.node = node
        self.template = template
        self.template_at = template_at
        self.system = system
        self.system_at = system_at
        self.model = model
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.output_schema = output_schema
        self.tools = tuple(tools)
        self.max_tool_rounds = max_tool_rounds
        self.stream = stream
        self.files = files
        self._template: Template | None = None
        self._system: Template | None = None

    def to(self, model: ChatModel, *, temperature: float | None = None) -> "Prompt":
        """The same prompt, for another model."""
        return Prompt(
            self.node,
            self.template,
            model,
            template_at=self.template_at,
            system=self.system,
            system_at=self.system_at,
            temperature=temperature,
            max_tokens=self.max_tokens,
            output_schema=self.output_schema,
            tools=self.tools,
            max_tool_rounds=self.max_tool_rounds,
            stream=self.stream,
            files=self.files,
        )

    def compile(self) -> None:
        """Make templates and schemas ready; agents do so at load.

        Raises:
            PromptError: a template is not valid Jinja2.
        """
        from jinja2 import TemplateSyntaxError

        from irc_runtime.templates import compiled, environment_of

        jinja = environment_of(self.files)
        try:
            self._template = compiled(jinja, self.template, self.template_at)
            if self.system is not None:
                self._system = compiled(jinja, self.system, self.system_at)
            for name in self.files:
                jinja.get_template(name)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"prompt '{self.node}', line {error.lineno} of its template: {error.message}"
            ) from error
        if self.output_schema is not None:
            self.output_schema.compile()
        for tool in self.tools:
            tool.parameters.compile()

    def messages(
        self, inputs: Mapping[str, Any], context: Context, state: State | None = None
    ) -> list[Message]:
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
            messages.append(Message("system", self._render(self._system, variables)))
        messages.append(Message("user", self._render(self._template, variables)))
        return messages

    def _render(self, template: "Template", variables: Mapping[str, Any]) -> str:
        try:
            return template.render(variables)
        except Exception as error:
            from jinja2 import TemplateError, UndefinedError

            give_texts(error, self._texts())
            if isinstance(error, UndefinedError):
                said = f"the template reads what is not there: {error.message}"
            elif isinstance(error, TemplateError):
                said = f"the template cannot be rendered: {error.message}"
            else:
                raise
            raise PromptError(said) from error

    def _texts(self) -> dict[str, str]:
        """The texts of the templates that have a place, by the names they are compiled under."""
        from irc_runtime.templates import start_of

        texts = {start_of(name): text for name, text in self.files.items()}
        if self.template_at is not None:
            texts[self.template_at] = self.template
        if self.system is not None and self.system_at is not None:
            texts[self.system_at] = self.system
        return texts


def as_variables(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """What an operation gave as variables of a template: by port, and an object's keys besides."""
    variables: dict[str, Any] = {}
    for value in outputs.values():
        if isinstance(value, Mapping):
            variables |= value
    return {**variables, **outputs}
