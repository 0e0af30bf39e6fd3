"""The flow of flows/support as asyncio code written by hand: what its agent is compared with."""

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from jsonschema import Draft202012Validator
from stubs import CONSTANTS, Features, Models
from tried import tried

from flows.support import agent as generated
from flows.support.priority import transform as priority_of
from irc_runtime.chat import Message


class ByHand:
    """The flow as a careful person writes it, with the flow's timeouts, attempts and checks."""

    def __init__(self) -> None:
        prompt = generated.ANSWER_PROMPT
        assert prompt.system is not None and prompt.output_schema is not None
        jinja = SandboxedEnvironment(undefined=StrictUndefined)
        self._system = jinja.from_string(prompt.system)
        self._template = jinja.from_string(prompt.template)
        self._is_reply = Draft202012Validator(prompt.output_schema.schema).is_valid
        self._is_history = Draft202012Validator(generated.REMEMBER_HISTORY_SCHEMA.schema).is_valid
        self._is_level = Draft202012Validator(generated.PRIORITY_LEVEL_SCHEMA.schema).is_valid
        self._features = Features()
        self._models = Models(prompt)
        self._sessions: dict[str, tuple[list[str], float]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def predict(self, request: Mapping[str, Any]) -> Any:
        """Answer a request."""
        missing = [name for name in ("user_id", "session_id", "query") if not request.get(name)]
        if missing:
            raise ValueError(f"missing required fields: {', '.join(missing)}")
        query = request["query"]
        async with asyncio.TaskGroup() as group:
            history_task = group.create_task(
                tried(lambda: self.remember(request["session_id"], query), 30.0)
            )
            customer = await tried(lambda: self.fetch_customer(request), 0.5, 2, 0.05)
            level = await tried(lambda: self.priority(customer, query), 30.0)
            history = await history_task
            try:
                reply = await tried(
                    lambda: self.answer(request, customer, history, level), 20.0, 2, 0.2
                )
            except Exception:  # noqa: BLE001  # whatever it is, the customer reads something
                reply = await tried(lambda: self.apologise(customer), 30.0)
            return await tried(lambda: self.respond(request, reply, history, level), 30.0)

    async def fetch_customer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The customer's profile."""
        event_time = request.get("event_time") or datetime.now(UTC).isoformat()
        return await self._features.read(key=request["user_id"], as_of=event_time)

    async def remember(self, session: str, query: str) -> list[str]:
        """The session's earlier questions, to which this one is added."""
        async with self._locks.setdefault(session, asyncio.Lock()):
            now = asyncio.get_running_loop().time()
            history, expires = self._sessions.get(session, ([], 0.0))
            if expires <= now:
                history = []
            self._sessions[session] = ([*history, query][-10:], now + 3600.0)
        if not self._is_history(history):
            raise ValueError("the history is not valid")
        return history

    async def priority(self, customer: Mapping[str, Any], query: str) -> str:
        """How urgent the question is."""
        level = priority_of({"customer": customer, "query": query}, None, None)["level"]
        if not self._is_level(level):
            raise ValueError("the level is not valid")
        return level

    async def answer(
        self,
        request: Mapping[str, Any],
        customer: Mapping[str, Any],
        history: list[str],
        level: str,
    ) -> Any:
        """The model's answer, or what stands in for one that is not valid."""
        variables = {
            "query": request["query"],
            "customer": customer,
            "history": history,
            "level": level,
            "context": {"locale": request.get("locale")},
        }
        messages = [
            Message("system", self._system.render(variables)),
            Message("user", self._template.render(variables)),
        ]
        turn = await self._models.ask(generated.ANSWER_PROMPT, messages)
        try:
            reply = json.loads(turn.text)
        except ValueError:
            reply = None
        if not self._is_reply(reply):
            return {"text": "Thank you.", "sentiment": "neutral", "escalate": True}
        return reply

    async def apologise(self, customer: Mapping[str, Any]) -> Any:
        """What stands in for an answer when the model cannot be reached."""
        return {"text": f"Sorry, {customer['name']}", "sentiment": "neutral", "escalate": True}

    async def respond(
        self, request: Mapping[str, Any], reply: Any, history: list[str], level: str
    ) -> Any:
        """The response."""
        return {
            "answer": reply["text"],
            "escalate": reply["escalate"],
            "priority": level,
            "earlier": history,
            "trace_id": request.get("trace_id") or f"{random.getrandbits(128):032x}",
        }


class EmptyByHand(ByHand):
    """The same with nodes that give constants."""

    async def fetch_customer(self, request: Any) -> Any:
        return CONSTANTS["fetch_customer"]

    async def remember(self, session: Any, query: Any) -> Any:
        return CONSTANTS["remember"]

    async def priority(self, customer: Any, query: Any) -> Any:
        return CONSTANTS["priority"]

    async def answer(self, request: Any, customer: Any, history: Any, level: Any) -> Any:
        return CONSTANTS["answer"]

    async def respond(self, request: Any, reply: Any, history: Any, level: Any) -> Any:
        return CONSTANTS["respond"]
