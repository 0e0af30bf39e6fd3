"""``hopsworks.*``: features by key and point in time, and models of a registry."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import StrictInt, StrictStr

from irc.emit.code import Code, call, mapped, quoted, strings
from irc.ir.lowered import Body
from irc.ir.model import Name, PositiveInt, Shape
from irc.ops.registry import OperationType
from irc.references import find_references, is_single

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


class ReadFeatures(Shape):
    feature_view: Name | None = None
    feature_group: Name | None = None
    version: PositiveInt | None = None
    key: StrictStr | dict[str, Any]
    as_of: StrictStr | None = None
    features: list[Name] | None = None


class WriteFeatures(Shape):
    feature_group: Name
    version: PositiveInt | None = None
    data: Any
    event_time: StrictStr | None = None


class GetModel(Shape):
    name: Name
    version: StrictInt | StrictStr = "latest"


def _key(lowering: Lowering, key: str | dict[str, Any]) -> tuple[list[str], Code]:
    """The key's columns, and its values by column; one reference means the column of its last name."""
    path = (*lowering.at, "key")
    if isinstance(key, dict) and key:
        return [str(column) for column in key], lowering.value(key, path)
    references = find_references(key, lambda start, end: None) if isinstance(key, str) else []
    if not isinstance(key, str) or not is_single(key, references):
        lowering.refuse(
            "'key' is one reference, or a map from column to reference", "key",
            hint='key: "${user_id}", or key: {column: "${user_id}"}',
        )  # fmt: skip
        return [], "{}"
    column = references[0].last_name
    return [column], mapped({column: lowering.value(key, path)})


def _check_name(lowering: Lowering, name: str, *below: str | int) -> None:
    """Refuse a name with a reference: what it means is looked up before there is a request."""
    if "${" in name:
        lowering.refuse(
            f"'{below[0]}' holds no references: what it names is looked up when the agent loads",
            *below,
            hint="write the name itself",
        )


def _version(lowering: Lowering, argument: str, name: str, version: int | None) -> dict[str, Code]:
    """The version where one is given. With it, a version in the name is a part of the name."""
    if version is None:
        return {}
    if match := re.fullmatch(r"(.+)_v([0-9]{1,9})", name):
        lowering.report.warning(
            "W207", lowering.document.span((*lowering.at, "version")),
            f"with a 'version', '{name}' is the whole name, not version {match[2]} of '{match[1]}'",
            related=[(lowering.document.span((*lowering.at, argument)), "the name")],
            hint=f"write '{argument}: {match[1]}', or leave 'version' out",
        )  # fmt: skip
    return {"version": repr(version)}


def _instant(lowering: Lowering, argument: str, text: str) -> dict[str, Code]:
    """An instant; where it is known now, it is checked now."""
    path = (*lowering.at, argument)
    if "${" not in text:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            lowering.refuse(
                f"'{argument}' is not an RFC 3339 date and time", argument,
                hint=f'{argument}: "${{context.event_time}}", or a time such as "2024-06-01T09:00:00Z"',
            )  # fmt: skip
    return {argument: lowering.value(text, path)}


def _features(lowering: Lowering, arguments: ReadFeatures) -> list[str] | None:
    """The columns to read; None where it is all of them."""
    ports = [port.name for port in lowering.node.outputs]
    features = arguments.features
    if features is None:
        return ports if len(ports) > 1 else None
    path = (*lowering.at, "features")
    if not features:
        lowering.refuse(
            "'features' names no column", "features", hint="leave it out to read all of them"
        )
    for index, feature in enumerate(features):
        _check_name(lowering, feature, "features", index)
        if feature in features[:index]:
            lowering.refuse(f"'{feature}' stands in 'features' twice", "features", index)
    for index, port in enumerate(ports if len(ports) > 1 else []):
        if port not in features:
            lowering.report.error(
                "E205", lowering.document.span((*lowering.path, "outputs", index, "name")),
                f"the output '{port}' is none of the features that are read",
                related=[(lowering.document.span(path), "the features")],
            )  # fmt: skip
    return features


def lower_read(lowering: Lowering, arguments: ReadFeatures) -> Body | None:
    """``read_features`` to a read of the feature store."""
    if (arguments.feature_view is None) == (arguments.feature_group is None):
        lowering.refuse("give 'feature_view' or 'feature_group', one of them")
        return None
    ports = lowering.node.outputs
    if not ports:
        lowering.only_output("hopsworks.read_features")
        return None
    argument = "feature_group" if arguments.feature_view is None else "feature_view"
    name = arguments.feature_view or arguments.feature_group or ""
    _check_name(lowering, name, argument)
    columns, key = _key(lowering, arguments.key)
    facts: dict[str, Code] = {"kind": quoted(argument)}
    facts |= _version(lowering, argument, name, arguments.version)
    facts["key"] = strings(columns)
    features = _features(lowering, arguments)
    if features is not None:
        facts["features"] = strings(features)
    instant: dict[str, Code] = {}
    if arguments.as_of is not None:
        facts["as_of"] = "True"
        instant = _instant(lowering, "as_of", arguments.as_of)
    read = _constant(lowering, "features", "features", "FeatureRead", name, facts)
    optional = all(port.optional or port.default is not None for port in ports)
    method = "find" if optional else "read"
    body = Body()
    body.add("row = await ", call(f"{lowering.needs('features')}.{method}", read, key, **instant))
    if optional:
        body.add("if row is None:")
        body.add(f"return {lowering.uses('irc_runtime.node', 'SKIPPED')}", depth=1)
    if len(ports) == 1:
        body.add(f"return {{{quoted(ports[0].name)}: row}}")
    else:
        body.add("return ", lowering.by_port("row"))
    return body


def lower_write(lowering: Lowering, arguments: WriteFeatures) -> Body | None:
    """``write_features`` to a write of the feature store."""
    ports = [port.name for port in lowering.node.outputs]
    if ports and lowering.only_output("hopsworks.write_features") is None:
        return None
    name = arguments.feature_group
    _check_name(lowering, name, "feature_group")
    facts = _version(lowering, "feature_group", name, arguments.version)
    write = _constant(lowering, "features", "features", "FeatureWrite", name, facts)
    if not _may_be_records(arguments.data):
        lowering.refuse(
            "'data' is a record, a list of records, or one reference", "data",
            hint='data: {user_id: "${user_id}", score: "${score}"}',
        )  # fmt: skip
    data = lowering.value(arguments.data, (*lowering.at, "data"))
    instant: dict[str, Code] = {}
    if arguments.event_time is not None:
        instant = _instant(lowering, "event_time", arguments.event_time)
    body = Body()
    body.add("await ", call(f"{lowering.needs('features')}.write", write, data, **instant))
    body.add("return ", mapped((port, "True") for port in ports))
    return body


def _may_be_records(data: Any) -> bool:
    if isinstance(data, list):
        return all(isinstance(item, dict) or _is_reference(item) for item in data)
    return isinstance(data, dict) or _is_reference(data)


def _is_reference(data: Any) -> bool:
    return isinstance(data, str) and is_single(data, find_references(data, lambda start, end: None))


def lower_model(lowering: Lowering, arguments: GetModel) -> Body | None:
    """``get_model`` to a look at what was fetched when the agent loaded."""
    port = lowering.only_output("hopsworks.get_model")
    if port is None:
        return None
    _check_name(lowering, arguments.name, "name")
    version = arguments.version
    if isinstance(version, str) and version != "latest" or isinstance(version, int) and version < 1:
        lowering.refuse(f"'version' is a number from 1 on, or 'latest', not {version!r}", "version")
    facts: dict[str, Code] = {}
    if version != "latest":
        facts["version"] = repr(version)
    model = _constant(lowering, "model", "registry", "RegisteredModel", arguments.name, facts)
    body = Body()
    body.add(f"return {{{quoted(port.name)}: {lowering.needs('registry')}.get({model})}}")
    return body


def _constant(
    lowering: Lowering, suffix: str, resource: str, kind: str, name: str, facts: dict[str, Code]
) -> str:
    """Keep what a node uses as a constant, which the agent's resource is made with."""
    constant = lowering.constant(suffix)
    lowering.uses(f"irc_runtime.{resource}", kind)
    lowering.result.constants[constant] = call(kind, quoted(name), **facts)
    lowering.result.uses.setdefault(resource, []).append(constant)
    return constant


OPERATIONS = (
    OperationType(
        "hopsworks.read_features", ReadFeatures, lower_read, keys=lambda given: given.features
    ),
    OperationType(
        "hopsworks.write_features", WriteFeatures, lower_write, effectful=True, idempotent=True
    ),
    OperationType("hopsworks.get_model", GetModel, lower_model),
)
