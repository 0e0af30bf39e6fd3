"""Edges that answer at once, and what nodes deliver."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from irc_runtime.chat import OnText, Reply, Turn
from irc_runtime.models import ChatModels
from irc_runtime.prompt import Prompt

CUSTOMER = {"name": "Ada", "plan": "gold", "open_tickets": 0, "lifetime_value": 1200.0}
COMPLETION = '{"text": "It arrives today.", "sentiment": "neutral", "escalate": false}'
CONSTANTS: Mapping[str, Mapping[str, Any]] = {
    "fetch_customer": {"customer": CUSTOMER},
    "remember": {"history": []},
    "priority": {"level": "high"},
    "answer": {"reply": json.loads(COMPLETION)},
    "apologise": {"reply": {}},
    "respond": {"response": {}},
}


class Features:
    """A feature store that knows one customer."""

    async def read(self, *_: Any, **__: Any) -> Mapping[str, Any]:
        """The customer."""
        return CUSTOMER


class Models(ChatModels):
    """A model that knows one answer."""

    def _connect(self, prompt: Prompt, providers: Mapping[str, Any]) -> None:
        """Connect nothing."""

    async def ask(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The answer."""
        return Reply(COMPLETION)
