"""The flow's own Python, placed in the generated module: imports hoisted, names made safe.

The source stays as it is written, comments included; only names change that would collide with
others in the module, ``transform`` itself and, where they are missing, its annotations.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from unicodedata import normalize

from irc.emit.annotations import Edit, is_typed, missing_annotations
from irc.emit.fstrings import places_in_fields
from irc.emit.names import Import, Names
from irc.ir.lowered import UserCode
from irc.syntax import Nodes, walk


@dataclass
class PlacedCode:
    """Code ready to be written.

    Attributes:
        lines: the lines, each with the flow's line that it is, where it is one; some are blank
            lines put between definitions. Those of hoisted imports are gone.
        imports: imports to stand at the top of the module.
        typed: whether every function in it is annotated in full.
        modules: all modules that it imports, those within functions included.
    """

    lines: list[tuple[str, int | None]]
    imports: list[Import] = field(default_factory=list)
    typed: bool = True
    modules: set[str] = field(default_factory=set)


def place_code(code: UserCode, names: Names, prefix: str) -> PlacedCode:
    """Make a code transform fit for the module.

    Args:
        names: the module's names; the code's own are taken from it.
        prefix: put before names that are taken.
    """
    assert code.text is not None and code.syntax is not None
    tree, nodes = code.syntax.tree, code.syntax.nodes
    imports, removed = _hoist(tree, nodes)
    renamed = {"transform": code.function}
    own = _bound(tree.body, imports=True) | _declared_global(nodes)
    for name in sorted(own - {"transform"} - {item[2] for item in imports}):
        renamed[name] = names.take(name) if names.is_free(name) else names.take(f"{prefix}_{name}")
    placed: list[Import] = []
    for item in imports:
        renamed[item[2]] = names.take_import(item, prefix)
        placed.append((item[0], item[1], renamed[item[2]]))
    renamed = {old: new for old, new in renamed.items() if old != new}
    edits = _renames(tree, renamed, code.text) + _renamed_imports(tree.body, removed, renamed)
    typed = True
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = [
        *nodes.of(ast.FunctionDef), *nodes.of(ast.AsyncFunctionDef),
    ]  # fmt: skip
    for node in functions:
        if node in tree.body and node.name == "transform":
            edits += missing_annotations(node, code.text)
            if code.is_async and isinstance(node, ast.FunctionDef):
                edits.append(Edit(node.lineno, node.col_offset, node.col_offset, "async "))
        else:
            typed = typed and is_typed(node)
    lines = [line.encode() for line in code.text.split("\n")]
    for edit in sorted(edits, key=lambda edit: (edit.line, edit.column), reverse=True):
        line = lines[edit.line - 1]
        lines[edit.line - 1] = line[: edit.column] + edit.text.encode() + line[edit.end_column :]
    spaced = _spaced(tree, _in_strings(nodes), lines, removed, code.first_line)
    return PlacedCode(spaced, placed, typed, _modules(nodes))


def _modules(nodes: Nodes) -> set[str]:
    """All modules that code imports."""
    found = {alias.name for node in nodes.of(ast.Import) for alias in node.names}
    froms = {node.module for node in nodes.of(ast.ImportFrom)} - {"__future__"}
    return found | {module for module in froms if module is not None}


def _spaced(
    tree: ast.Module,
    in_strings: set[int],
    lines: list[bytes],
    removed: set[int],
    first_line: int | None,
) -> list[tuple[str, int | None]]:
    """The lines that stay, with two blank ones around top-level definitions."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    starts = {
        min([item.lineno, *(d.lineno for d in item.decorator_list)])
        for item in tree.body
        if isinstance(item, definitions)
    }
    comments = {
        number for number, line in enumerate(lines, start=1) if line.startswith(b"#")
    } - in_strings
    starts = {_with_comments(start, comments) for start in starts}
    after = {
        (item.end_lineno or item.lineno) + 1 for item in tree.body if isinstance(item, definitions)
    }
    spaced: list[tuple[str, int | None]] = []
    pending = False
    for number, line in enumerate(lines, start=1):
        if number in removed:
            continue
        text = (line if number in in_strings else line.rstrip()).decode()
        pending = pending or number in after
        if text and (number in starts or pending) and spaced:
            while spaced and not spaced[-1][0]:
                spaced.pop()
            spaced += [("", None), ("", None)]
        pending = pending and not text
        if text or spaced:
            spaced.append((text, None if first_line is None else first_line + number - 1))
    while spaced and not spaced[-1][0]:
        spaced.pop()
    return spaced


def _with_comments(start: int, comments: set[int]) -> int:
    """The first of the comment lines that stand right above a definition."""
    while start - 1 in comments:
        start -= 1
    return start


def _in_strings(nodes: Nodes) -> set[int]:
    """The lines on which a text of several lines goes on; their ends are part of it."""
    found: set[int] = set()
    texts: list[ast.expr] = [*nodes.of(ast.Constant), *nodes.of(ast.JoinedStr)]
    for node in texts:
        if node.end_lineno != node.lineno:
            found.update(range(node.lineno, node.end_lineno or node.lineno))
    return found


def _hoist(tree: ast.Module, nodes: Nodes) -> tuple[list[Import], set[int]]:
    """The plain imports at the code's top level, and the lines that they fill alone.

    Those of names that the code gives another value as well stay where they are.
    """
    imports: list[Import] = []
    removed: set[int] = set()
    if not any(isinstance(item, ast.Import | ast.ImportFrom) for item in tree.body):
        return imports, removed
    rebound = _bound(tree.body) | _declared_global(nodes)
    others = {
        line
        for item in tree.body
        if not isinstance(item, ast.Import | ast.ImportFrom)
        for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)
    }
    for item in tree.body:
        if not isinstance(item, ast.Import | ast.ImportFrom):
            continue
        lines = set(range(item.lineno, (item.end_lineno or item.lineno) + 1))
        if lines & others or _imported(item) & rebound:
            continue
        removed |= lines
        for alias in item.names:
            if isinstance(item, ast.ImportFrom):
                if item.module != "__future__":
                    module = "." * item.level + (item.module or "")
                    imports.append((module, alias.name, alias.asname or alias.name))
            else:
                imports.append((alias.name, None, alias.asname or alias.name.partition(".")[0]))
    return imports, removed


def _renamed_imports(
    body: list[ast.stmt], hoisted: set[int], renamed: dict[str, str]
) -> list[Edit]:
    """The edits that give new names to what imports bind that stay in the module's own scope."""
    edits: list[Edit] = []
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno not in hoisted:
            for alias in node.names:
                new = renamed.get(alias.asname or alias.name)
                if new is not None:
                    end = alias.end_col_offset or 0
                    edits.append(
                        Edit(alias.lineno, alias.col_offset, end, f"{alias.name} as {new}")
                    )
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(node))
    return edits


def _declared_global(nodes: Nodes) -> set[str]:
    """The names that functions declare global."""
    return {name for node in nodes.of(ast.Global) for name in node.names}


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return set()


def _bound(body: list[ast.stmt], *, imports: bool = False) -> set[str]:
    """The names that statements bind in their own scope; those of imports only when asked for."""
    found: set[str] = set()
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(
            node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
        ):
            found |= {x.target.id for x in walk(node) if isinstance(x, ast.NamedExpr)}
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            found.add(node.name)
        if isinstance(node, ast.MatchMapping) and node.rest:
            found.add(node.rest)
        if imports:
            found |= _imported(node)
        stack.extend(ast.iter_child_nodes(node))
    return found


class _Renamer(ast.NodeVisitor):
    """Finds the places where module-level names are used, scope by scope."""

    def __init__(self, renamed: dict[str, str], source: str) -> None:
        self.renamed = renamed
        self.lines = source.split("\n")
        self.local: list[set[str]] = []
        self.edits: list[Edit] = []

    def _is_global(self, name: str) -> bool:
        return name in self.renamed and not any(name in scope for scope in self.local)

    def _edit(self, line: int, column: int, old: str) -> None:
        rest = self.lines[line - 1].encode()[column:].decode("utf-8", "replace")
        written = re.match(r"\w*", rest)  # Python reads names in their normal form, NFKC
        assert written is not None
        self.edits.append(Edit(line, column, column + len(written[0].encode()), self.renamed[old]))

    def visit_Name(self, node: ast.Name) -> None:
        if self._is_global(node.id):
            self._edit(node.lineno, node.col_offset, node.id)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Rename within an f-string by its text, where that is beyond doubt."""
        before = len(self.edits)
        self.generic_visit(node)
        edits = self.edits[before:]
        del self.edits[before:]
        original = {new: old for old, new in self.renamed.items()}
        for new in dict.fromkeys(edit.text for edit in edits):
            name = original[new]
            places = places_in_fields(self.lines, node, name)
            uses = [x for x in walk(node) if isinstance(x, ast.Name) and x.id == name]
            if len(places) == len(uses) == sum(edit.text == new for edit in edits):
                self.edits += [
                    Edit(at, start, start + len(name.encode()), new) for at, start in places
                ]
            else:
                self.edits += [
                    edit for edit in edits if edit.text == new and self._stands(edit, name)
                ]

    def _stands(self, edit: Edit, name: str) -> bool:
        line = self.lines[edit.line - 1].encode()
        return line[edit.column : edit.end_column].decode("utf-8", "replace") == name

    def visit_Global(self, node: ast.Global) -> None:
        line = self.lines[node.lineno - 1]
        for name in node.names:
            words = re.finditer(r"\w+", line)
            match = next((x for x in words if normalize("NFKC", x[0]) == name), None)
            if name in self.renamed and match:
                self._edit(node.lineno, len(line[: match.start()].encode()), name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if not self.local and node.name in self.renamed:
            self.rename_definition(node, "def")
        for item in [*node.decorator_list, *_outside(node.args), node.returns]:
            if item is not None:
                self.visit(item)
        declared = {
            name for item in walk(node) if isinstance(item, ast.Global) for name in item.names
        }
        self._inside(
            _parameters(node.args) | (_bound(node.body, imports=True) - declared), node.body
        )

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for item in _outside(node.args):
            self.visit(item)
        self._inside(_parameters(node.args), [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if not self.local and node.name in self.renamed:
            self.rename_definition(node, "class")
        # Names bound in a class body are attributes: methods do not see them.
        for item in [*node.decorator_list, *node.bases, *node.keywords]:
            self.visit(item)
        bound = _bound(node.body)
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.local.append(set())
                self.visit(statement)
                self.local.pop()
            else:
                self._inside(bound, [statement])

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        bound = {
            item.id
            for generator in node.generators
            for item in walk(generator.target)
            if isinstance(item, ast.Name)
        }
        self.visit(node.generators[0].iter)
        inner: list[ast.AST] = []
        for index, generator in enumerate(node.generators):
            inner += [generator.target, *([generator.iter] if index else []), *generator.ifs]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._inside(bound, inner)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _inside(
        self, bound: set[str], nodes: list[ast.stmt] | list[ast.expr] | list[ast.AST]
    ) -> None:
        self.local.append(bound)
        for item in nodes:
            self.visit(item)
        self.local.pop()

    def rename_definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, keyword: str
    ) -> None:
        line = self.lines[node.lineno - 1]
        match = re.search(rf"\b{keyword}\s+(\w+)", line)
        if match:
            self._edit(node.lineno, len(line[: match.start(1)].encode()), node.name)


def _renames(tree: ast.Module, renamed: dict[str, str], source: str) -> list[Edit]:
    renamer = _Renamer(renamed, source)
    # What stands once in the text is only defined.
    text = normalize("NFKC", source)
    again = any(len(re.findall(rf"\b{re.escape(name)}\b", text)) > 1 for name in renamed)
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        if again or not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            renamer.visit(statement)
        elif statement.name in renamed:
            renamer.rename_definition(statement, "def")
    return renamer.edits


def _parameters(arguments: ast.arguments) -> set[str]:
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
    return {item.arg for item in every}


def _outside(arguments: ast.arguments) -> list[ast.expr]:
    """What of the parameters is evaluated outside the function: defaults and annotations."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
    found = [*arguments.defaults, *(item for item in arguments.kw_defaults if item is not None)]
    return found + [item.annotation for item in every if item.annotation is not None]
