"""Stand-ins for tests: scripted outcomes of nodes, and edges that nobody may use unscripted.

What lies between the edges is real: scheduling, timeouts, retries, schemas, prompts, and state,
which is in memory whatever the flow says.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn, TypeAlias
from unittest.mock import patch

from irc_runtime.agent import Agent
from irc_runtime.chat import OnText, Reply, ToolCall, Turn
from irc_runtime.errors import AgentError, HttpError, RowNotFoundError
from irc_runtime.features import FeatureRead, FeatureWrite
from irc_runtime.http import HttpResponse
from irc_runtime.models import ChatModels
from irc_runtime.node import Execution, Inputs, Outputs, node
from irc_runtime.prompt import Prompt
from irc_runtime.registry import RegisteredModel
from irc_runtime.state.memory import MemoryBackend

#: What happens in one attempt: outputs, error, delay_ms, tool_calls, completion; see ``tests[].mocks``. Tests in
#: Python may also give ``answer``, what the feature store (a record, or None) or the web service
#: (an object of status, headers, body) answers to the node's own code, and ``act``, an async
#: function of inputs, context and state that runs in the place of that code.
Outcome: TypeAlias = Mapping[str, Any]
Outcomes: TypeAlias = Outcome | Sequence[Outcome]

OUTCOME_KEYS = frozenset(
    {"outputs", "error", "delay_ms", "tool_calls", "completion", "answer", "act"}
)

#: Types of failure that no second attempt mends, where a mock names them.
FINAL_TYPES = frozenset({"row_not_found", "invalid_input", "missing_context", "bad_request"})

NOWHERE = "outside of a node"

#: The node whose code is running.
current_node: ContextVar[str] = ContextVar("current_node", default=NOWHERE)


class UnmockedEdgeError(AssertionError):
    """A test reached a feature store, a model or a web service that it gives no outcome for."""


class MockedError(AgentError):
    """The failure that a mock asks for."""

    def __init__(self, reason: str, type: str, retryable: bool) -> None:
        super().__init__(reason)
        self.type = type
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class EdgeUse:
    """What went over an edge.

    Attributes:
        node: who used it.
        method: ``ask`` of the models, ``read`` and ``write`` of the feature store, ``get`` and
            ``post`` of web services.
        arguments: by name; of ``ask``, ``model`` (its name) and ``messages``.
    """

    node: str
    method: str
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class Script:
    """What each node is to do, and what it did.

    Attributes:
        outcomes: by node one a attempt; after the last, the last stands for all further ones.
        started: loop times at which attempts began, by node.
        ended: loop times at which they ended.
        received: inputs of each attempt, by node.
        kept: names in the state of each node's last attempt that ended well.
        uses: what went over the edges, in order.
        unmocked: uses of an edge that no outcome covers.
    """

    outcomes: Mapping[str, Sequence[Outcome]]
    started: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ended: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    received: dict[str, list[Inputs]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, frozenset[str]] = field(default_factory=dict)
    uses: list[EdgeUse] = field(default_factory=list)
    unmocked: list[str] = field(default_factory=list)
    completions: dict[str, str] = field(default_factory=dict)
    tool_calls: dict[str, tuple[ToolCall, ...]] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    _next: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, node_id: str) -> Outcome | None:
        """The next outcome of a node; None where it has none."""
        outcomes = self.outcomes.get(node_id)
        if not outcomes:
            return None
        number = self._next[node_id]
        self._next[node_id] = number + 1
        return outcomes[min(number, len(outcomes) - 1)]

    def completion(self, node_id: str) -> str | None:
        """The text that the node's model is to answer; None where no outcome says so."""
        text = self.completions.pop(node_id, None)
        if text is not None:
            return text
        outcome = self.take(node_id)  # a further question within one attempt, or a fallback's
        if outcome is not None and "error" in outcome:
            raise _failure(outcome["error"])
        return None if outcome is None or "completion" not in outcome else _text(outcome)

    def answer(self, method: str, arguments: Mapping[str, Any], what: str) -> Any:
        """Note a use of an edge and give what the script has it answer."""
        node_id = current_node.get()
        self.uses.append(EdgeUse(node_id, method, arguments))
        if node_id not in self.answers:
            self.unmocked_edge(what)
        return self.answers[node_id]

    def unmocked_edge(self, what: str) -> NoReturn:
        """Note that an edge was used without an outcome, and fail."""
        node_id = current_node.get()
        message = f"node '{node_id}' {what}: give it an outcome in the test's mocks"
        self.unmocked.append(message)
        raise UnmockedEdgeError(message)

    def check(self) -> None:
        """Raise UnmockedEdgeError where an edge was used without an outcome."""
        if self.unmocked:
            raise UnmockedEdgeError("\n".join(dict.fromkeys(self.unmocked)))


def script_of(mocks: Mapping[str, Outcomes]) -> Script:
    """The script that mocks spell.

    Raises:
        ValueError: an outcome is not an object of the known keys.
    """
    outcomes = {
        node_id: [given] if isinstance(given, Mapping) else list(given)
        for node_id, given in mocks.items()
    }
    for node_id, given in outcomes.items():
        for outcome in given:
            if not isinstance(outcome, Mapping) or not OUTCOME_KEYS.issuperset(outcome):
                known = ", ".join(sorted(OUTCOME_KEYS))
                raise ValueError(f"an outcome of '{node_id}' is not an object of {known}")
    return Script(outcomes)


def scripted_agent(agent_type: type[Agent], script: Script) -> Agent:
    """A loaded agent whose nodes follow a script and whose edges are stand-ins.

    Raises:
        ValueError: the script names a node that the agent does not have.
    """
    unknown = sorted(set(script.outcomes) - set(agent_type.nodes))
    if unknown:
        known = ", ".join(agent_type.nodes)
        raise ValueError(f"'{agent_type.name}' has no node '{unknown[0]}'; it has {known}")
    agent: Any = _scripted_type(agent_type)()
    agent.script = script
    stubs: dict[str, Callable[..., Any]] = {
        "connect_features": lambda *uses: ScriptedFeatures(script),
        "fetch_models": lambda *models: ScriptedRegistry(script),
        "ChatModels": lambda *prompts, **_: ScriptedModels(script, *prompts),
        "HttpClient": lambda *addresses: ScriptedHttp(script),
        "RedisBackend": lambda agent: MemoryBackend(),
        "variable": lambda name: f"${{env.{name}}}",
    }
    module = agent_type.load.__globals__
    with patch.dict(module, {name: stub for name, stub in stubs.items() if name in module}):
        agent.load()
    return agent  # type: ignore[no-any-return]  # an agent with the attribute `script`


@cache
def _scripted_type(agent_type: type[Agent]) -> type[Agent]:
    """The agent's class with nodes that follow the instance's ``script``; made once, for speed."""
    methods = {
        method.__name__: _scripted(node_id, method) for node_id, method in agent_type.nodes.items()
    }
    return type(agent_type.__name__, (agent_type,), methods)


def _scripted(node_id: str, method: Execution) -> Execution:
    """The node's method with its real wrapper, around a body that follows the script."""
    real: Callable[..., Coroutine[Any, Any, Outputs]] = vars(method)["body"]

    async def body(agent: Any, inputs: Inputs, context: Any, *state: Any) -> Outputs:
        script: Script = agent.script
        now = asyncio.get_running_loop().time
        script.started[node_id].append(now())
        script.received[node_id].append(inputs)
        token = current_node.set(node_id)
        try:
            outcome = script.take(node_id)
            outputs = None if outcome is None else await _play(node_id, outcome, script)
            if outputs is None:
                act = (outcome or {}).get("act")
                if act is not None:
                    outputs = await act(inputs, context, *state)
                else:
                    outputs = await real(agent, inputs, context, *state)
            for item in state:
                script.kept[node_id] = frozenset(item.values())
            return outputs
        finally:
            current_node.reset(token)
            script.ended[node_id].append(now())

    body.__name__ = method.__name__
    scripted: Execution = node(vars(method)["settings"])(body)
    return scripted


async def _play(node_id: str, outcome: Outcome, script: Script) -> Outputs | None:
    """Outputs or failure of one attempt; None where code is to run."""
    if "delay_ms" in outcome:
        await asyncio.sleep(outcome["delay_ms"] / 1000)
    if "error" in outcome:
        raise _failure(outcome["error"])
    if "outputs" in outcome:
        outputs: Outputs = outcome["outputs"]
        return outputs
    if "completion" in outcome:
        script.completions[node_id] = _text(outcome)
        script.tool_calls[node_id] = tuple(
            ToolCall(f"call_{number}", call["name"], json.dumps(call.get("arguments", {})))
            for number, call in enumerate(outcome.get("tool_calls", ()))
        )
    if "answer" in outcome:
        script.answers[node_id] = outcome["answer"]
    return None


def _failure(error: Any) -> Exception:
    facts = error if isinstance(error, Mapping) else {"reason": error}
    kind = str(facts.get("type", "error"))
    reason = str(facts.get("reason", "mocked failure"))
    if kind == "timeout":
        return TimeoutError(reason)
    return MockedError(reason, kind, bool(facts.get("retryable", kind not in FINAL_TYPES)))


def _text(outcome: Outcome) -> str:
    completion = outcome["completion"]
    return completion if isinstance(completion, str) else json.dumps(completion)


class ScriptedModels(ChatModels):
    """Models that answer what the script says; prompts are rendered and answers read for real."""

    def __init__(self, script: Script, *prompts: Prompt) -> None:
        self._script = script
        super().__init__()  # prompts are made ready when they are first rendered

    async def ask(
        self, prompt: Prompt, conversation: Sequence[Turn], on_text: OnText | None = None
    ) -> Reply:
        """The script's calls of tools, once, and then its completion."""
        arguments = {"model": prompt.model.name, "messages": [*conversation]}
        self._script.uses.append(EdgeUse(prompt.node, "ask", arguments))
        calls = self._script.tool_calls.get(prompt.node, ())
        if calls and not any(isinstance(turn, Reply) for turn in conversation):
            return Reply("", calls)
        completion = self._script.completion(prompt.node)
        if completion is None:
            self._script.unmocked_edge("asks a model")
        if on_text is not None:
            on_text(completion)
        return Reply(completion)


class ScriptedFeatures:
    """A feature store that answers what the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def read(self, read: FeatureRead, key: Mapping[str, Any], **options: Any) -> Any:
        """The script's record.

        Raises:
            RowNotFoundError: it is None.
        """
        record = await self.find(read, key, **options)
        if record is None:
            raise RowNotFoundError(f"no row in '{read.name}'")
        return record

    async def find(self, read: FeatureRead, key: Mapping[str, Any], **options: Any) -> Any:
        """The script's record, or None."""
        facts = {"name": read.name, "version": read.version, "features": read.features}
        return self._script.answer("read", {**facts, "key": key, **options}, "reads features")

    async def write(self, write: FeatureWrite, data: Any, **options: Any) -> Any:
        """Keep nothing."""
        arguments = {"name": write.name, "version": write.version, "data": data, **options}
        self._script.answer("write", arguments, "writes features")
        return True

    async def close(self) -> None:
        """There is nothing to close."""


class ScriptedRegistry:
    """A model registry that answers what the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def get(self, model: RegisteredModel) -> Any:
        """The script's model."""
        arguments = {"name": model.name, "version": model.version}
        return self._script.answer("get_model", arguments, "uses a registered model")

    async def close(self) -> None:
        """There is nothing to close."""


class ScriptedHttp:
    """Web services that answer what the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def get(self, url: str, *, chosen_host: bool = False, **options: Any) -> HttpResponse:
        """The script's response."""
        return self._call("get", url, options)

    async def post(self, url: str, *, chosen_host: bool = False, **options: Any) -> HttpResponse:
        """The script's response."""
        return self._call("post", url, options)

    def _call(self, method: str, url: str, options: Mapping[str, Any]) -> HttpResponse:
        answer = self._script.answer(method, {"url": url, **options}, "calls a web service")
        response = HttpResponse(**{"status": 200, "headers": {}, "body": None, **answer})
        if response.status >= 400 and options.get("check", True):
            raise HttpError(f"status {response.status}", retryable=response.status >= 500)
        return response

    async def close(self) -> None:
        """There is nothing to close."""
