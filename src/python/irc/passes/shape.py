"""The shape pass: from plain values to the IR's models, with every mistake at its position."""

from __future__ import annotations

import re
import types
import typing
from typing import Annotated, Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from irc.diagnostics import Diagnostics, did_you_mean, nearest
from irc.ir.model import Flow, Shape
from irc.source import Document, Path


def shape(document: Document, report: Diagnostics) -> Flow | None:
    """Check the document against the shapes of ``irc.ir.model``.

    Reports:
        E201 unknown keys, E202 missing keys, E203 values of the wrong form, W201 a numeric version.
    """
    data = document.data
    if not isinstance(data, dict):
        report.error("E203", document.span(()), "a flow is a mapping of keys to values")
        return None
    version = data.get("version")
    if isinstance(version, float) and version == 1.0:
        report.warning(
            "W201",
            document.span(("version",)),
            "the version is a number",
            hint='write "1.0" in quotes',
        )
        data = {**data, "version": "1.0"}
    if isinstance(data.get("nodes"), dict):
        nodes = {key: node for key, node in data["nodes"].items() if not key.startswith("x-")}
        data = {**data, "nodes": nodes}
    if isinstance(data.get("tests"), list):
        data = {**data, "tests": [_without_extended_mocks(case) for case in data["tests"]]}
    return validate(document, Flow, data, (), report)


def _without_extended_mocks(case: Any) -> Any:
    """A test case without what other tools keep among its mocks."""
    if not isinstance(case, dict) or not isinstance(case.get("mocks"), dict):
        return case
    mocks = {key: mock for key, mock in case["mocks"].items() if not key.startswith("x-")}
    return {**case, "mocks": mocks}


S = TypeVar("S", bound=Shape)

MAX_MISTAKES = 500
"""Of a value; beyond, it is something else than a flow."""


def validate(
    document: Document,
    model: type[S],
    data: Any,
    at: Path,
    report: Diagnostics,
    code: str | None = None,
) -> S | None:
    """Check one value of a document against a shape.

    Args:
        data: the value.
        at: where it stands.
        code: the code for all mistakes, in place of E201, E202 and E203.
    """
    while True:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        extensions = {_path(data, item) for item in errors if _is_extension(item)}
        if not extensions:
            _report(document, model, data, at, errors, report, code)
            return None
        data = _without(data, (), extensions)


def _is_extension(error: ErrorDetails) -> bool:
    """Whether an error is about a key that another tool keeps in the flow."""
    return error["type"] == "extra_forbidden" and str(error["loc"][-1]).startswith("x-")


def _without(data: Any, at: Path, paths: set[Path]) -> Any:
    """A value without what stands at some paths; what is on the way to none of them is shared."""
    if not any(path[: len(at)] == at for path in paths):
        return data
    if isinstance(data, dict):
        return {
            key: _without(value, (*at, key), paths)
            for key, value in data.items()
            if (*at, key) not in paths
        }
    return [_without(value, (*at, index), paths) for index, value in enumerate(data)]


def _report(
    document: Document,
    model: type[Shape],
    data: Any,
    at: Path,
    errors: list[ErrorDetails],
    report: Diagnostics,
    code: str | None,
) -> None:
    if len(errors) > MAX_MISTAKES:
        report.error(
            code or "E203", document.span(at),
            f"{len(errors):,} values are wrong here; the first {MAX_MISTAKES} are shown",
        )  # fmt: skip
    located = [(_path(data, error), error) for error in errors[:MAX_MISTAKES]]
    around = {below[:length] for below, _ in located for length in range(len(below))}
    meant = set()
    for below, error in located:
        if error["type"] == "extra_forbidden":
            key, path = str(below[-1]), (*at, *below)
            known = _known_keys(model, below[:-1])
            meant.add((*below[:-1], nearest(key, known)))
            report.error(
                code or "E201", document.key_span(path), f"unknown key '{key}'",
                hint=did_you_mean(key, known) or f"known keys: {', '.join(sorted(known))}",
            )  # fmt: skip
    wrong: dict[Path, list[ErrorDetails]] = {}
    for below, error in located:
        path = (*at, *below)
        if error["type"] == "missing" and below not in meant:
            where = f" in '{_dotted(path[:-1])}'" if path[:-1] else ""
            report.error(
                code or "E202",
                document.key_span(path[:-1]),
                f"the key '{path[-1]}' is missing{where}",
            )
        # A union's other form does not fit, where one form nearly does.
        elif error["type"] not in {"missing", "extra_forbidden"} and below not in around:
            wrong.setdefault(path, []).append(error)
    for path, alternatives in wrong.items():
        report.error(
            code or "E203", document.span(path), _wrong_form(path, alternatives),
            hint=_meant_literal(alternatives[0]),
        )  # fmt: skip


_SHOULD_BE = "Input should be "


def _expected(message: str) -> str:
    """The form that pydantic expects, in words of the language."""
    expected = message.removeprefix(_SHOULD_BE)
    return "a mapping" if expected.startswith("a valid dictionary") else expected


def _wrong_form(path: Path, errors: list[ErrorDetails]) -> str:
    """What is wrong with a value: one error, or one for each form that it might have had."""
    name, error = f"'{_dotted(path)}'", errors[0]
    if any(item["type"] in {"too_short", "string_too_short"} for item in errors):
        return f"{name} must not be empty"
    expected = [_expected(item["msg"]) for item in errors if item["msg"].startswith(_SHOULD_BE)]
    if expected:
        forms = " or ".join([part for part in [", ".join(expected[:-1]), expected[-1]] if part])
        return f"{name} should be {forms}, not {_describe(error['input'])}"
    message = error["msg"].removeprefix("Value error, ")  # of a package's own validators
    return f"{name}: {message[:1].lower()}{message[1:]}"


def _meant_literal(error: ErrorDetails) -> str | None:
    """The word of a list of words that a value most likely means."""
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return None
    return did_you_mean(error["input"], re.findall("'([^']*)'", error["ctx"]["expected"]))


def _path(data: Any, error: ErrorDetails) -> Path:
    """An error's place in the document; the names of union members are left out."""
    path: list[str | int] = []
    location = error["loc"]
    for index, key in enumerate(location):
        last = index == len(location) - 1
        if _holds(data, key):
            data = data[key]
        elif not (last and error["type"] == "missing"):
            continue
        path.append(key)
    return tuple(path)


def _holds(data: Any, key: str | int) -> bool:
    if isinstance(data, dict):
        return key in data
    return isinstance(data, list) and isinstance(key, int) and key < len(data)


def _known_keys(model: type[Shape], path: Path) -> set[str]:
    """The keys that a shape knows at a path below it."""
    annotations: list[Any] = [model]
    for key in path:
        annotations = [step for annotation in annotations for step in _step(annotation, key)]
    shapes = [item for annotation in annotations for item in _members(annotation)]
    return {
        str(field.validation_alias or name)
        for item in shapes
        if isinstance(item, type) and issubclass(item, Shape)
        for name, field in item.model_fields.items()
    }


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        return [member for item in typing.get_args(annotation) for member in _members(item)]
    return [annotation]


def _step(annotation: Any, key: str | int) -> list[Any]:
    """The annotations of what stands below a key."""
    found: list[Any] = []
    for member in _members(annotation):
        arguments = typing.get_args(member)
        if isinstance(member, type) and not arguments and issubclass(member, Shape):
            found += [
                field.annotation
                for name, field in member.model_fields.items()
                if key == (field.validation_alias or name)
            ]
        elif arguments:
            found.append(arguments[-1])
    return found


def _dotted(path: Path) -> str:
    return ".".join(str(key) for key in path) or "the flow"


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
