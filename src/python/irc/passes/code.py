"""Code transforms: the flow's own Python, in the YAML, in a file beside it or in a function."""

from __future__ import annotations

import ast
import posixpath
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from irc.diagnostics import Span, nearest
from irc.ir.lowered import Body, UserCode
from irc.ir.model import FileText, FunctionName
from irc.passes.code_reads import context_reads, input_reads
from irc.passes.relative_imports import (
    absolute_name,
    relative_imports,
    with_absolute_imports,
)
from irc.passes.shape import validate
from irc.passes.state_writes import state_writes
from irc.source import Path
from irc.syntax import Module, Nodes, awaits, check_module, parse_module

if TYPE_CHECKING:
    from irc.passes.lower import Lowering

_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*\Z")
Place = Callable[[int, int], Span]
"""From a line and a column (from 0) of a code text to the place in a file."""


def lower_code(lowering: Lowering) -> None:
    """Check a node's code and call it.

    Reports:
        E406 syntax errors, E407 no fitting ``transform``, W406 a plain function that awaits.
    """
    user_code = read_code(lowering)
    if user_code is None:
        return
    lowering.result.user_code = user_code
    state = "state" if lowering.node.state is not None else "None"
    call = f"{user_code.function}(inputs, ctx, {state})"
    if user_code.is_async:
        call = f"await {call}"
    elif user_code.is_async is None:
        call = f"await {lowering.uses('irc_runtime.node', 'settled')}({call})"
    body = Body()
    body.add("return ", lowering.by_port(call))
    lowering.result.body = body


def read_code(lowering: Lowering) -> UserCode | None:
    """The code of a node's ``transform.spec``."""
    transform = lowering.node.transform
    assert transform is not None
    path = (*lowering.path, "transform", "spec")
    function = lowering.names.take(f"{lowering.name}_transform", "function")
    if isinstance(transform.spec, str):
        return _inline(lowering, transform.spec, path, function)
    if isinstance(transform.spec, dict) and "file" in transform.spec:
        return _in_file(lowering, path, function)
    if isinstance(transform.spec, dict) and "function" in transform.spec:
        return _named(lowering, path, function)
    lowering.report.error(
        "E203", lowering.document.span(path),
        "the spec of a code transform is a Python text, {file: path.py} or"
        ' {function: "package.module:name"}',
    )  # fmt: skip
    return None


def _inline(lowering: Lowering, text: str, path: Path, function: str) -> UserCode | None:
    first_line = lowering.document.block_first_line(path)

    def place(line: int, column: int) -> Span:
        lines = text.split("\n")
        start = sum(len(item) + 1 for item in lines[: line - 1]) + column
        return lowering.document.text_span(path, start, start + 1)

    module = _parse(lowering, text, place)
    if module is None:
        return None
    transform = _find_transform(lowering, module, lowering.document.span(path), place)
    if transform is None:
        return None
    package = _check_imports(lowering, module, place)
    if package is not None and relative_imports(module):
        text = with_absolute_imports(text, module, package)
        module = parse_module(text)
    is_async = isinstance(transform, ast.AsyncFunctionDef)
    if module.may_await and isinstance(transform, ast.FunctionDef) and awaits(transform):
        is_async = True
        lowering.report.warning(
            "W406", place(transform.lineno, transform.col_offset),
            "a plain 'def transform' that awaits is compiled as 'async def'",
        )  # fmt: skip
    return UserCode(function, text=text, syntax=module, first_line=first_line, is_async=is_async)


def _in_file(lowering: Lowering, path: Path, function: str) -> UserCode | None:
    transform = lowering.node.transform
    assert transform is not None
    spec = validate(lowering.document, FileText, transform.spec, path, lowering.report)
    if spec is None:
        return None
    file_path = (*path, "file")
    module_path = posixpath.splitext(spec.file)[0]
    if not spec.file.endswith(".py") or not all(
        part.isidentifier() for part in module_path.split("/") if part not in {".", ".."}
    ):
        lowering.report.error(
            "E313", lowering.document.span(file_path),
            f"'{spec.file}' is not a Python module: its name ends in .py and is an identifier",
        )  # fmt: skip
        return None
    source = lowering.files.load(spec.file, file_path)
    if source is None:
        return None

    def place(line: int, column: int) -> Span:
        return Span(source.name, line, column + 1, line, column + 2)

    module = _parse(lowering, source.text, place)
    if module is None:
        return None
    found = _find_transform(lowering, module, lowering.document.span(file_path), place)
    if found is None:
        return None
    if isinstance(found, ast.FunctionDef) and awaits(found):
        lowering.report.error(
            "E407",
            place(found.lineno, found.col_offset),
            "'transform' awaits and must be 'async def'",
        )
        return None
    name = module_name(source.name, lowering.files.source_root)
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        lowering.report.error(
            "E313", lowering.document.span(file_path),
            f"Python finds its own '{top}' in place of '{spec.file}'",
            hint="rename the file, or the folder that its module's name begins with",
        )  # fmt: skip
        return None
    return UserCode(function, module=name, is_async=isinstance(found, ast.AsyncFunctionDef))


def _named(lowering: Lowering, path: Path, function: str) -> UserCode | None:
    transform = lowering.node.transform
    assert transform is not None
    spec = validate(lowering.document, FunctionName, transform.spec, path, lowering.report)
    if spec is None:
        return None
    if not _FUNCTION.match(spec.function):
        lowering.report.error(
            "E203", lowering.document.span((*path, "function")),
            f"'{spec.function}' should be 'package.module:name'",
        )  # fmt: skip
        return None
    module, _, name = spec.function.partition(":")
    _note_reads(lowering, None, Nodes([]))
    return UserCode(function, module=module, imported=name)


def module_name(file: str, source_root: str) -> str:
    """The module of a Python file, by its path below the source root."""
    relative = posixpath.relpath(file, source_root) if source_root not in {"", "."} else file
    return posixpath.splitext(relative)[0].replace("/", ".")


def _parse(lowering: Lowering, text: str, place: Place) -> Module | None:
    try:
        module = parse_module(text)
        check_module(module)
    except SyntaxError as error:
        line, column = error.lineno or 1, max((error.offset or 1) - 1, 0)
        lowering.report.error("E406", place(line, column), f"not valid Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        lowering.report.error(
            "E406", place(1, 0), f"not valid Python: {error or 'too deeply nested'}"
        )
    else:
        return module
    return None


def _check_imports(lowering: Lowering, module: Module, place: Place) -> str | None:
    """Check that the generated module can hold the code's imports.

    Returns:
        The module's package; None where there is nothing to import, or something is wrong.

    Reports:
        E501 for ``import *``, E313 for relative imports that leave the source root.
    """
    imports = module.nodes.of(ast.ImportFrom)
    if not imports:
        return None
    files = lowering.files
    beside = posixpath.join(posixpath.dirname(files.document.source.name), "agent.py")
    package = module_name(beside, files.source_root).rpartition(".")[0]
    fine = True
    for item in imports:
        if item.level and absolute_name(item, package) is None:
            fine = False
            lowering.report.error(
                "E313", place(item.lineno, item.col_offset),
                "a relative import that leads outside of the source root",
                hint=f"the code is part of the package '{package}'"
                if package else "the flow stands in the source root: name the module itself",
            )  # fmt: skip
        elif item.names[0].name == "*":
            fine = False
            lowering.report.error(
                "E501", place(item.lineno, item.col_offset), "'import *' in a flow's code",
                hint="name what the code uses: nodes share a module, and names must not collide",
            )  # fmt: skip
    return package if fine else None


def _note_reads(
    lowering: Lowering,
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    nodes: Nodes,
) -> None:
    """Note what code reads: all that there is, where its text does not show it."""
    fields = None if function is None else context_reads(function, nodes)
    if fields is None:
        lowering.result.reads_any_field = True
        context = lowering.graph.flow.context
        fields = {*context.requires, *context.optional, "user_id", "session_id", "auth"}
    lowering.result.context_fields |= fields
    inputs = None if function is None else input_reads(function, nodes)
    if inputs is None:
        lowering.result.reads_any_input = True
    else:
        lowering.result.inputs_read |= inputs


def _find_transform(
    lowering: Lowering, module: Module, whole: Span, place: Place
) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    found = [
        item for item in module.tree.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name == "transform"
    ]  # fmt: skip
    if not found:
        others = [
            item for item in module.tree.body
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        misspelt = nearest("transform", [item.name for item in others])
        lowering.report.error(
            "E407", whole, "the code defines no function 'transform'",
            related=[
                (place(item.lineno, item.col_offset), f"'{misspelt}' is defined here")
                for item in others if item.name == misspelt
            ],
            hint=f"rename '{misspelt}' to 'transform'" if misspelt
            else "def transform(inputs, context, state): ...",
        )  # fmt: skip
        return None
    function = found[-1]
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    required_keywords = [d for d in arguments.kw_defaults if d is None]
    if required_keywords or required > 3 or (positional < 3 and arguments.vararg is None):
        lowering.report.error(
            "E407", place(function.lineno, function.col_offset),
            f"'transform' takes {positional} positional parameters; it is called with three",
            hint="def transform(inputs, context, state): ...",
        )  # fmt: skip
        return None
    _note_reads(lowering, function, module.below(function))
    if lowering.node.state is not None:
        lowering.result.state_names |= state_writes(function)
    return function
