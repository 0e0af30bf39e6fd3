"""Relative imports in code of a flow: named from the source root on, as the agent holds them."""

from __future__ import annotations

import ast
import io
import tokenize

from irc.syntax import Module


def relative_imports(module: Module) -> list[ast.ImportFrom]:
    """The relative imports of a module, those within functions included."""
    return [item for item in module.nodes.of(ast.ImportFrom) if item.level]


def absolute_name(item: ast.ImportFrom, package: str) -> str | None:
    """The module that a relative import of a package's module names; None beyond the source root."""
    parts = package.split(".") if package else []
    if item.level > len(parts):
        return None
    parts = parts[: len(parts) - item.level + 1]
    return ".".join([*parts, *([item.module] if item.module else [])])


def with_absolute_imports(text: str, module: Module, package: str) -> str:
    """The text with each relative import made absolute; its lines stay where they are."""
    imports = {
        (item.lineno, _column(text, item)): absolute_name(item, package)
        for item in relative_imports(module)
    }
    lines = text.split("\n")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for index in reversed(range(len(tokens))):
        name = imports.get(tokens[index].start)
        if name is None or tokens[index].string != "from":
            continue
        end = next(i for i in range(index, len(tokens)) if tokens[i].string == "import")
        for at in reversed(range(index + 1, end)):
            token = tokens[at]
            row = token.start[0] - 1
            new = name if at == index + 1 else ""
            before, after = lines[row][: token.start[1]], lines[row][token.end[1] :]
            if at == end - 1 and after and not after[0].isspace():  # `from .import x`
                after = " " + after
            lines[row] = before + new + after
    return "\n".join(lines)


def _column(text: str, item: ast.ImportFrom) -> int:
    """Where an import starts on its line, in characters; ``ast`` counts bytes."""
    line = text.split("\n")[item.lineno - 1]
    return len(line.encode()[: item.col_offset].decode())
