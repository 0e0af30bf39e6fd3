"""docs/design/0022-newer-pants.md lists all that the plugin takes of Pants."""

import ast
import re
from collections import defaultdict
from pathlib import Path

NOTE = Path("docs/design/0022-newer-pants.md")
PLUGIN = Path("pants-plugins/irc_pants")
_ROW = re.compile(r"^\| `(pants\.[\w.]+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
_NAME = re.compile(r"`(\w+)`")
# The one module that may take what is gone or changed, but for what every rule takes.
PORTED = PLUGIN / "dependency_inference.py"
EVERYWHERE = "pants.engine.rules"


def imports() -> dict[Path, dict[str, set[str]]]:
    """By file, the names that it takes of each module of Pants."""
    found: dict[Path, dict[str, set[str]]] = {}
    for path in PLUGIN.rglob("*.py"):
        if path.name.endswith("_test.py") or "testutil" in path.parts:
            continue
        taken: defaultdict[str, set[str]] = defaultdict(set)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pants."):
                taken[str(node.module)].update(alias.name for alias in node.names)
        found[path] = dict(taken)
    return found


def test_every_import_is_in_the_note() -> None:
    taken: defaultdict[str, set[str]] = defaultdict(set)
    for modules in imports().values():
        for module, names in modules.items():
            taken[module] |= names
    rows = _ROW.findall(NOTE.read_text(encoding="utf-8"))
    assert {module: set(_NAME.findall(names)) for module, names, _ in rows} == dict(taken)


def test_what_is_gone_is_in_one_module() -> None:
    rows = _ROW.findall(NOTE.read_text(encoding="utf-8"))
    gone = {
        (module, name)
        for module, names, fate in rows
        if module != EVERYWHERE
        for name in _NAME.findall(names)
        if "**changed**" in fate or ("**gone**" in fate and f"`{name}` is **gone**" in fate)
    }
    takers = {
        path
        for path, modules in imports().items()
        if gone & {(module, name) for module, names in modules.items() for name in names}
    }
    assert len(gone) == 2
    assert takers == {PORTED}
