"""What a node's own work asks of its edge for the sample inputs, and what it gives.

Prompts, features, web services and formatted responses; what code makes of made-up inputs, nobody
can tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from irc.emit.code import Code, literal, quoted, strings
from irc.emit.node_values import NodeValues, operation_name
from irc.emit.places import NoValueError, at_place, filled, references_in
from irc.emit.samples import NOTHING, fits_schema, refused, sample_port, sample_schema
from irc.ir.lowered import LoweredNode
from irc.ir.model import Node, Port

RESPONSE_PORTS = frozenset({"status", "headers", "body"})


@dataclass
class OwnWork:
    """A node's own work.

    Attributes:
        outputs: what it gives.
        facts: what it asks and is answered, as keywords of ``NodeFacts``.
    """

    outputs: dict[str, Any]
    facts: dict[str, Code] = field(default_factory=dict)


def own_work(name: str, node: Node, lowered: LoweredNode, values: NodeValues) -> OwnWork | None:
    """The own work of a node; None where it cannot be told."""
    if not values.understood:
        return None
    if node.prompt is not None:
        return _prompt(name, node, lowered, values)
    make = _OPERATIONS.get(operation_name(node) or "")
    assert node.transform is not None
    try:
        return None if make is None else make(name, node.transform.spec.get("args", {}), values)
    except NoValueError:
        return None


def _sampled(name: str, ports: list[Port]) -> dict[str, Any]:
    """Sample outputs.

    Raises:
        NoValueError: there are none that fit.
    """
    outputs = {port.name: sample_port(port, f"{name}.{port.name}") for port in ports}
    if NOTHING in outputs.values():
        raise NoValueError
    return outputs


def _asking(
    outputs: dict[str, Any], method: str, arguments: dict[str, Any], answer: Any
) -> OwnWork:
    facts: dict[str, Code] = {"method": quoted(method), "arguments": literal(arguments)}
    return OwnWork(outputs, {**facts, "answer": literal(answer)})


def _read(name: str, args: dict[str, Any], values: NodeValues) -> OwnWork:
    outputs = _sampled(name, values.ports)
    record = outputs[values.ports[0].name] if len(values.ports) == 1 else outputs
    key = args["key"]
    if isinstance(key, str):
        key = {next(references_in(key)).last_name: key}
    asked = {
        "name": args.get("feature_view") or args.get("feature_group"),
        "version": args.get("version"),
        "key": filled(key, values.scope),
        "as_of": filled(args.get("as_of"), values.scope),
    }
    if args.get("features"):
        asked["features"] = tuple(args["features"])
    work = _asking(outputs, "read", {k: v for k, v in asked.items() if v is not None}, record)
    if all(port.optional or port.default is not None for port in values.ports):
        work.facts["row_optional"] = "True"
    return work


def _write(name: str, args: dict[str, Any], values: NodeValues) -> OwnWork:
    asked = {"name": args["feature_group"], "data": filled(args["data"], values.scope)}
    if args.get("event_time") is not None:
        asked["event_time"] = filled(args["event_time"], values.scope)
    outputs = {port.name: True for port in values.ports}
    return _asking(_fitting(outputs, values.ports), "write", asked, True)


def _get_model(name: str, args: dict[str, Any], values: NodeValues) -> OwnWork:
    port = values.ports[0]
    model = {"name": args["name"], "version": 1, "path": "/sample"}
    version = args.get("version", "latest")
    asked = {"name": args["name"], "version": None if version == "latest" else version}
    return _asking(_fitting({port.name: model}, [port]), "get_model", asked, model)


def _http(method: str) -> Callable[[str, dict[str, Any], NodeValues], OwnWork]:
    def make(name: str, args: dict[str, Any], values: NodeValues) -> OwnWork:
        asked: dict[str, Any] = {
            key: filled(args[key], values.scope)
            for key in ("url", "headers", "query", "body") if args.get(key) is not None
        }  # fmt: skip
        if args.get("timeout_ms") is not None:
            asked["timeout_s"] = args["timeout_ms"] / 1000
        outputs = _sampled(name, values.ports)
        answer = {"body": next(iter(outputs.values()), None)}
        if RESPONSE_PORTS.issuperset(outputs):
            answer = outputs
        return _asking(outputs, method, asked, answer)

    return make


def _format(name: str, args: dict[str, Any], values: NodeValues) -> OwnWork:
    value = filled(args.get("template"), values.scope)
    return OwnWork(_fitting({values.ports[0].name: value}, values.ports))


_OPERATIONS: dict[str, Callable[[str, dict[str, Any], NodeValues], OwnWork]] = {
    "hopsworks.read_features": _read,
    "hopsworks.write_features": _write,
    "hopsworks.get_model": _get_model,
    "http.get": _http("get"),
    "http.post": _http("post"),
    "io.format_response": _format,
}


def _fitting(outputs: dict[str, Any], ports: list[Port]) -> dict[str, Any]:
    """The outputs, where they fit their schemas.

    Raises:
        NoValueError: they do not.
    """
    for port in ports:
        if port.name not in outputs:
            if not port.optional and port.default is None:
                raise NoValueError
        elif not fits_schema(port.json_schema, outputs[port.name]):
            raise NoValueError
    return outputs


def _prompt(name: str, node: Node, lowered: LoweredNode, values: NodeValues) -> OwnWork | None:
    """A completion, the prompt that it answers, and the outputs that come of it."""
    assert node.prompt is not None
    schema = lowered.answer_schema
    facts: dict[str, Code] = {"model": quoted(node.prompt.model.name)}
    try:
        if schema is None:
            port = values.ports[0]
            text = port.type in {"string", "document"}
            answer = sample_port(port, f"{name}.{port.name}") if text else f"{name}.{port.name}"
            if not isinstance(answer, str) or not answer:
                return None
            outputs = _fitting({port.name: answer}, [port])
        else:
            answer = sample_schema(_with_ports(schema, values.ports), name)
            if answer is NOTHING or not fits_schema(schema, answer):
                return None
            outputs = _fitting(answer_outputs(node, schema, answer), values.ports)
            answer = json.dumps(answer, ensure_ascii=False)
    except NoValueError:
        return None
    facts["completion"] = quoted(answer)
    if schema is not None and (wrong := refused(schema)) is not NOTHING:
        facts["invalid_completion"] = quoted(json.dumps(wrong))
    if holds := _shown(lowered, values):
        facts["prompt_holds"] = strings(holds)
    return OwnWork(outputs, facts)


def _with_ports(schema: dict[str, Any], ports: list[Port]) -> dict[str, Any]:
    """The answer's schema, and what the ports say of its properties."""
    own = {port.name: port.json_schema for port in ports if port.json_schema is not None}
    known = schema.get("properties")
    if not own or not isinstance(known, dict) or not own.keys() <= known.keys():
        return schema
    return {**schema, "allOf": [*schema.get("allOf", []), {"properties": own}]}


def _shown(lowered: LoweredNode, values: NodeValues) -> list[str]:
    """Texts that the rendered prompt holds."""
    scope, holds = values.scope, []
    for reads in lowered.templates:
        for place, conditions in reads.shown if reads else ():
            if all(at_place(scope, condition) for condition in conditions):
                value = at_place(scope, place)
                if isinstance(value, str | int | float) and str(value):
                    holds.append(str(value))
    return list(dict.fromkeys(holds))


def answer_outputs(node: Node, schema: dict[str, Any] | None, answer: Any) -> dict[str, Any]:
    """A prompt's outputs from its answer: by name, or the whole in the only one.

    Args:
        schema: the self-contained one of the answer.
    """
    ports = [port.name for port in node.outputs]
    properties = (schema or {}).get("properties")
    if isinstance(properties, dict) and ports and all(port in properties for port in ports):
        return {port: answer[port] for port in ports if isinstance(answer, dict) and port in answer}
    return {ports[0]: answer}
