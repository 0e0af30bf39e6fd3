"""What a generated test file says of one node: its settings again, with values that fit its ports.

The result depends on the node, its lowered form and the flow's context alone.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass, field, fields, replace
from typing import Any

from irc.emit.code import INDENT, Call, Code, call, literal, quoted, render, strings
from irc.emit.node_values import ALWAYS_THERE, NodeValues, node_values, operation_name, resolved
from irc.emit.own_work import answer_outputs, own_work
from irc.emit.samples import NOTHING, fits_schema, refused, sample_port
from irc.ir.lowered import LoweredNode
from irc.ir.model import Context, Node, Port

MAX_ATTEMPTS = 20
"""Beyond, attempts are not counted out in a test."""

MAX_CONCURRENCY = 50


@dataclass(frozen=True, slots=True)
class NodeTests:
    """What is tested of a node.

    Attributes:
        row: the node's ``NodeFacts`` in the table of nodes; empty where there are none.
        checks: the checks of ``irc_runtime.testing`` that apply to it, sorted.
        left_out: what is not tested, and why.
        outputs: the sample outputs; None where there are none that fit.
        state_names: the names that its code sets in its state, whenever it ends well; sorted.
        input_schemas, output_schemas: self-contained schemas by port.
    """

    row: str = ""
    checks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    outputs: dict[str, Any] | None = None
    state_names: tuple[str, ...] = ()
    input_schemas: dict[str, Any] = field(default_factory=dict)
    output_schemas: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """As JSON can express it."""
        return [getattr(self, item.name) for item in fields(self)]

    @classmethod
    def from_json(cls, row: list[Any]) -> NodeTests:
        """From what ``to_json`` gave.

        Raises:
            TypeError, ValueError: the row is something else.
        """
        text, checks, left_out, outputs, states, *schemas = row
        return cls(text, tuple(checks), tuple(left_out), outputs, tuple(states), *schemas)


def node_tests(
    name: str, node: Node, lowered: LoweredNode, context: Context, *, has_error_route: bool
) -> NodeTests:
    """The tests of one node, which is without mistakes."""
    empty = NodeTests(
        state_names=tuple(sorted(lowered.state_names)),
        input_schemas=_schemas(lowered, lowered.input_schemas),
        output_schemas=_schemas(lowered, lowered.output_schemas),
    )
    values = node_values(node, lowered, context)
    if values is None:
        return replace(empty, left_out=("no inputs that fit its schemas were found",))
    work = own_work(name, node, lowered, values)
    outputs = work.outputs if work is not None else _sampled(name, values.ports)
    if outputs is None:
        return replace(empty, left_out=("no outputs that fit its schemas were found",))
    facts = _Facts(node, lowered, values, node.error if has_error_route else None)
    if work is not None:
        facts.say({**work.facts, "runs": "True"}, "check_own_work")
        if "method" in work.facts and operation_name(node) == "hopsworks.read_features":
            facts.checks.add("check_missing_row")
    elif operation_name(node) is not None or node.prompt is not None:
        facts.left_out.append("its own work, for which no values were found")
    facts.say_all()
    shown = {"inputs": values.inputs, "outputs": outputs, "context": values.own_fields}
    keywords = {key: literal(value) for key, value in shown.items() if value}
    row = render(call("NodeFacts", quoted(name), **keywords, **facts.keywords), 1, len(INDENT), 1)
    return replace(
        empty,
        row=f"{INDENT}{row},",
        checks=tuple(sorted(facts.checks)),
        left_out=tuple(facts.left_out),
        outputs=outputs,
    )


def _schemas(lowered: LoweredNode, constants: dict[str, str]) -> dict[str, Any]:
    return {port: lowered.schemas[constant] for port, constant in constants.items()}


def _sampled(name: str, ports: list[Port]) -> dict[str, Any] | None:
    outputs = {port.name: sample_port(port, f"{name}.{port.name}") for port in ports}
    return None if any(value is NOTHING for value in outputs.values()) else outputs


class _Facts:
    """Collects the keywords of ``NodeFacts`` and the checks that read them."""

    def __init__(
        self, node: Node, lowered: LoweredNode, values: NodeValues, error_port: Port | None
    ) -> None:
        self.node, self.lowered, self.values, self.error_port = node, lowered, values, error_port
        self.keywords: dict[str, Code] = {}
        self.checks: set[str] = set()
        self.left_out: list[str] = []
        self.inputs = resolved(node.inputs, lowered.input_schemas, lowered)
        self.fallback = node.prompt.fallback if node.prompt is not None else None

    def say(self, keywords: dict[str, Code], check: str | None = None) -> None:
        self.keywords |= keywords
        if check is not None:
            self.checks.add(check)

    def say_all(self) -> None:
        if self._say_failure():
            self._say_attempts()
            self._say_schemas()
            self._say_context()
        else:
            self.checks.discard("check_missing_row")
            self.keywords.pop("invalid_completion", None)
        self._say_defaults()
        self._say_state()
        self._say_sharing()

    def _say_failure(self) -> bool:
        """What is left when the node fails; whether that can be told."""
        if self.node.runtime.retries > MAX_ATTEMPTS:
            self.left_out.append(f"its {self.node.runtime.retries} attempts, which are too many")
            return False
        if self.error_port is not None:
            if self.error_port.json_schema is not None:
                self.left_out.append("its failures, which its error port's schema may refuse")
                return False
            self.say({"error_port": quoted(self.error_port.name)})
            if self.error_port.type != "object":
                self.say({"error_type": quoted(self.error_port.type)})
        if self.fallback is None:
            return True
        if self.fallback.model is not None:
            if "completion" not in self.keywords:
                self.left_out.append("its failures, for which the other model has no answer")
                return False
            self.say({"fallback_model": quoted(self.fallback.model.name)})
        on = [self.fallback.on] if isinstance(self.fallback.on, str) else self.fallback.on
        self.say({"fallback_on": strings(on)}, "check_fallback")
        if self.fallback.static_response is not None:
            self.say({"fallback": literal(self._static_outputs())})
        return True

    def _static_outputs(self) -> dict[str, Any]:
        """The outputs of the static response."""
        assert self.fallback is not None
        value = self.fallback.static_response
        if self.lowered.answer_schema is not None and isinstance(value, str):
            value = json.loads(value)
        return {**self._defaults(), **answer_outputs(self.node, self.lowered.answer_schema, value)}

    def _defaults(self) -> dict[str, Any]:
        return {port.name: port.default for port in self.node.outputs if port.default is not None}

    def _say_attempts(self) -> None:
        runtime = self.node.runtime
        self.say({"timeout_ms": repr(runtime.timeout_ms)}, "check_timeout")
        if runtime.retries > 1:
            self.say({"attempts": repr(runtime.retries)}, "check_attempts")
            self.say({"backoff_ms": repr(runtime.retry_backoff_ms)}, "check_no_second_attempt")

    def _say_schemas(self) -> None:
        # The state's key is made before schemas are looked at, and a wrong input may be none that
        # the other model's prompt can be made of.
        inputs = [port for port in self.inputs if port.name not in self._key_fields()]
        if "fallback_model" in self.keywords:
            inputs = []
        for keyword, ports in (("invalid_inputs", inputs), ("invalid_outputs", self.values.ports)):
            wrong = {
                port.name: refused(port.json_schema)
                for port in ports if port.json_schema is not None
            }  # fmt: skip
            wrong = {name: value for name, value in wrong.items() if value is not NOTHING}
            if wrong:
                self.say({keyword: literal(wrong)}, f"check_{keyword}")
        if "invalid_completion" in self.keywords:
            self.checks.add("check_invalid_outputs")

    def _say_context(self) -> None:
        unread = ALWAYS_THERE.union(self._key_fields())
        required = [name for name in self.node.runtime.requires_context if name not in unread]
        if required and "fallback_model" not in self.keywords:
            self.say({"requires": strings(required)}, "check_missing_context")

    def _say_defaults(self) -> None:
        if self._defaults():
            self.say({"defaults": literal(self._defaults())}, "check_defaults")

    def _key_fields(self) -> list[str]:
        """What the state's key is made of."""
        state = self.node.state
        if state is None or state.key is None:
            return []
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(state.key) if name]
        except ValueError:  # told where it stands
            return []
        return [name.removeprefix("context.") for name in dict.fromkeys(names)]

    def _say_state(self) -> None:
        state = self.node.state
        if state is None or self.node.runtime.cache is not None:
            return
        if self.fallback is not None and self.fallback.model is not None:
            return
        keywords: dict[str, Code] = {}
        if self._key_fields():
            keywords["key_fields"] = strings(self._key_fields())
        if state.ttl_seconds is not None:
            keywords["ttl_s"] = repr(float(state.ttl_seconds))
        facts = Call("StateFacts", (quoted(state.scope),), tuple(keywords.items()))
        self.say({"state": facts}, "check_state")

    def _say_sharing(self) -> None:
        runtime = self.node.runtime
        state = self.node.state
        own_keys = state is None or state.scope == "request" or "session_id" in self._key_fields()
        alone = own_keys and runtime.cache is None and runtime.timeout_ms > 10
        if runtime.concurrency is not None and runtime.concurrency <= MAX_CONCURRENCY and alone:
            self.say({"concurrency": repr(runtime.concurrency)}, "check_concurrency")
        if runtime.cache is not None:
            self.say({"cache_s": repr(float(runtime.cache.ttl_seconds))}, "check_cache")
            if self.lowered.context_fields:
                self.say({"reads": strings(sorted(self.lowered.context_fields))})
        if runtime.cache is not None or "state" in self.keywords:
            others = {
                port.name: _other_value(port, self.values.inputs[port.name]) for port in self.inputs
            }
            others = {name: value for name, value in others.items() if value is not NOTHING}
            if others:
                self.say({"other_inputs": literal(others)})


def _other_value(port: Port, value: Any) -> Any:
    """Another value that fits a port, or NOTHING."""
    other = not value if isinstance(value, bool) else sample_port(port, f"another {port.name}")
    if other is NOTHING or other == value or not fits_schema(port.json_schema, other):
        return NOTHING
    return other
