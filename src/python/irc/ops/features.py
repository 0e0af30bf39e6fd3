"""``hopsworks.*``: features by key and point in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import StrictInt, StrictStr

from irc.emit.code import Code, call, mapped, quoted, strings
from irc.ir.lowered import Body
from irc.ir.model import Name, Shape
from irc.ops.registry import OperationType
from irc.references import find_references, is_single

if TYPE_CHECKING:
    from irc.passes.lower import Lowering


class ReadFeatures(Shape):
    feature_view: Name | None = None
    feature_group: Name | None = None
    version: StrictInt | None = None
    key: StrictStr | dict[str, Any]
    as_of: StrictStr | None = None
    features: list[Name] | None = None


class WriteFeatures(Shape):
    feature_group: Name
    version: StrictInt | None = None
    data: Any
    event_time: StrictStr | None = None


class GetModel(Shape):
    name: Name
    version: StrictInt | StrictStr = "latest"


def _key(lowering: Lowering, key: str | dict[str, Any]) -> Code:
    """The key by column; one reference means the column of its last name."""
    path = (*lowering.at, "key")
    if isinstance(key, dict):
        return lowering.value(key, path)
    references = find_references(key, lambda start, end: None)
    if not is_single(key, references):
        lowering.report.error(
            "E205", lowering.document.span(path), "'key' is one reference, or a map from column to reference",
            hint='key: "${user_id}", or key: {column: "${user_id}"}',
        )  # fmt: skip
        return "{}"
    column = references[0].last_name
    return mapped({column: lowering.value(key, path)})


def lower_read(lowering: Lowering, arguments: Shape) -> Body | None:
    """``read_features`` to a read of the feature store."""
    assert isinstance(arguments, ReadFeatures)
    if (arguments.feature_view is None) == (arguments.feature_group is None):
        lowering.report.error(
            "E205",
            lowering.document.span(lowering.at),
            "give 'feature_view' or 'feature_group', one of them",
        )
        return None
    ports = lowering.node.outputs
    if not ports:
        lowering.only_output("hopsworks.read_features")
        return None
    features = arguments.features
    if features is None and len(ports) > 1:
        features = [port.name for port in ports]
    name = arguments.feature_view or arguments.feature_group or ""
    keywords: dict[str, Code] = {
        "kind": quoted("feature_view" if arguments.feature_view else "feature_group"),
        "version": repr(arguments.version),
        "key": _key(lowering, arguments.key),
        "as_of": lowering.value(arguments.as_of, (*lowering.at, "as_of")),
        "features": "None" if features is None else strings(features),
    }
    optional = all(port.optional for port in ports)
    if optional:
        keywords["optional"] = "True"
    if len(ports) > 1 and arguments.features is not None:
        for index, port in enumerate(ports):
            if port.name not in arguments.features:
                lowering.report.error(
                    "E205", lowering.document.span((*lowering.path, "outputs", index, "name")),
                    f"the output '{port.name}' is none of the features that are read",
                    related=[(lowering.document.span((*lowering.at, "features")), "the features")],
                )  # fmt: skip
    body = Body()
    body.add("row = await ", call(f"{lowering.needs('features')}.read", quoted(name), **keywords))
    if optional:
        body.add("if row is None:")
        body.add(f"return {lowering.uses('irc_runtime.node', 'SKIPPED')}", depth=1)
    if len(ports) == 1:
        body.add(f"return {{{quoted(ports[0].name)}: row}}")
    else:
        body.add("return ", lowering.by_port("row"))
    return body


def lower_write(lowering: Lowering, arguments: Shape) -> Body | None:
    """``write_features`` to a write of the feature store."""
    assert isinstance(arguments, WriteFeatures)
    port = lowering.only_output("hopsworks.write_features")
    if port is None:
        return None
    body = Body()
    body.add(
        "await ",
        call(
            f"{lowering.needs('features')}.write",
            quoted(arguments.feature_group),
            version=repr(arguments.version),
            data=lowering.value(arguments.data, (*lowering.at, "data")),
            event_time=lowering.value(arguments.event_time, (*lowering.at, "event_time")),
        ),
    )
    body.add(f"return {{{quoted(port.name)}: True}}")
    return body


def refuse_model(lowering: Lowering, arguments: Shape) -> Body | None:
    """``get_model`` needs a model registry, which no store of this version has."""
    lowering.report.error(
        "E501", lowering.document.span((*lowering.path, "transform", "spec", "op")),
        "the operation 'hopsworks.get_model'",
    )  # fmt: skip
    return None


OPERATIONS = (
    OperationType("hopsworks.read_features", ReadFeatures, lower_read),
    OperationType("hopsworks.write_features", WriteFeatures, lower_write, effectful=True),
    OperationType("hopsworks.get_model", GetModel, refuse_model),
)
