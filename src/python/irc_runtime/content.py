"""What models are asked and answer, as events: only where the operator asks for them."""

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from irc_runtime.chat import Message, Reply, Turn
from irc_runtime.context import Context
from irc_runtime.errors import LoadError
from irc_runtime.events import INFO, event
from irc_runtime.prompt import Prompt

#: Turns the events on: ``true`` or ``false``, the default.
VARIABLE = "IRC_LOG_CONTENT"

#: Variables whose values are secrets, by what their names hold.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)

#: Shorter values are no secrets, and would be struck out of words.
_LEAST_CHARACTERS = 6


class ContentLog:
    """Reports prompts and answers, with the secrets of the environment struck out.

    Raises:
        LoadError: ``IRC_LOG_CONTENT`` is neither true nor false.
    """

    def __init__(self) -> None:
        value = os.environ.get(VARIABLE, "").lower()
        if value not in ("", "false", "true"):
            raise LoadError(f"{VARIABLE} has to be true or false")
        self.is_on = value == "true"

    def asked(self, prompt: Prompt, conversation: Sequence[Turn], context: Context) -> None:
        """Report what a model is about to be asked: the whole conversation so far."""
        if self.is_on:
            turns = [_turn(turn) for turn in conversation]
            self._report("model_asked", prompt, context, messages=turns)

    def answered(self, prompt: Prompt, reply: Reply, context: Context) -> None:
        """Report what it answered."""
        if self.is_on:
            self._report("model_answered", prompt, context, **_turn(reply))

    def _report(self, name: str, prompt: Prompt, context: Context, **content: Any) -> None:
        event(
            INFO,
            name,
            trace_id=context.trace_id,
            node=prompt.node,
            location=context.location(prompt.node),
            **self._redacted(content),
        )

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._secrets.sub("[redacted]", value)
        if isinstance(value, Mapping):
            return {key: self._redacted(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._redacted(item) for item in value]
        return value

    @cached_property
    def _secrets(self) -> re.Pattern[str]:
        """The secrets of the environment: values by name, and passwords in addresses."""
        found: set[str] = set()
        for name, value in os.environ.items():
            if _SECRET.search(name):
                found.add(value)
            found.update(_passwords(value))
        long = sorted((re.escape(s) for s in found if len(s) >= _LEAST_CHARACTERS), key=len)
        return re.compile("|".join(reversed(long)) or r"(?!)")


def _passwords(value: str) -> list[str]:
    """The password of an address, as it stands there and as it is meant."""
    try:
        password = urlsplit(value).password if "://" in value else None
    except ValueError:
        return []
    return [] if password is None else [password, unquote(password)]


def _turn(turn: Turn) -> dict[str, Any]:
    if isinstance(turn, Message):
        return {"role": turn.role, "text": turn.text}
    if isinstance(turn, Reply):
        calls = [{"name": call.name, "arguments": call.arguments} for call in turn.calls]
        return {"role": "assistant", "text": turn.text, **({"calls": calls} if calls else {})}
    return {"role": "tool", "results": [{"name": r.call.name, "text": r.text} for r in turn]}
