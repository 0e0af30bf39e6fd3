"""A conversation with a model, in the words of no provider."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from irc_runtime.prompt import Prompt

#: Hears an answer's text piece by piece, where a prompt streams and somebody listens.
OnText: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to the model."""

    role: Literal["system", "user"]
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's wish to call a tool; ``arguments`` is the JSON text that it wrote."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What came of a call: JSON text, which describes the failure where it failed."""

    call: ToolCall
    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that one call of a model was charged for."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's turn.

    Attributes:
        text: its answer; empty where it only calls tools.
        calls: the tools that it wants called before it answers.
        usage: None where the server does not say.
        turn: the turn in the provider's own form, as it has to be sent back.
        problem: why it is of no use, though it was paid for: refused, held back, empty, or cut off
            amid a structure; None where it can be used.
        is_cut: whether a text ends at the most tokens allowed.
        finish_reason: why it ended, in the provider's own word; None where it does not say.
    """

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    turn: Any = None
    problem: str | None = None
    is_cut: bool = False
    finish_reason: str | None = None


#: One step of a conversation; a sequence holds the results of all calls of the reply before it.
Turn: TypeAlias = Message | Reply | Sequence[ToolResult]


class ChatClient(Protocol):
    """A connection to one endpoint of one provider."""

    async def ask(
        self, prompt: "Prompt", conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The model's next turn.

        Args:
            prompt: the settings: model, schema, tools and so on.
            conversation: all turns so far.
            on_text: hears the answer's text as it comes; only where ``prompt.stream``.
        Raises:
            ModelError: there is none.
            ValidationFailedError: a filter took the prompt away.
        """

    async def close(self) -> None:
        """Give back connections."""
