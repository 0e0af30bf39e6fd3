"""What the fuzzer starts from: the golden flows and their files, and the words of the language."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from irc.diagnostics import Diagnostics
from irc.expression_syntax import FUNCTIONS, METHODS
from irc.ir import model
from irc.ir.model import Shape
from irc.ops.registry import operations
from irc.reading import decode, parse

GOLDEN = Path("tests/golden")

MAX_SEED_BYTES = 16 * 1024

_MARKS = [
    "${",
    "}",
    "{{",
    "}}",
    "{%",
    "%}",
    "_input.",
    "_output",
    "$ref",
    "#/",
    "<<",
    "&a",
    "*a",
    "!!str",
]
_WORDS = [
    "def transform(a, b, c):",
    "return",
    "await",
    "for",
    "if",
    "else",
    "endfor",
    "endif",
    "is",
    "lambda",
]


def seeds(kind: str) -> Iterator[bytes]:
    """The inputs of a kind of ``tests/irc/fuzzing/target.py``, in order."""
    texts: Iterable[bytes]
    if kind == "flow":
        texts = _files("flow.yaml")
    elif kind == "json":
        texts = map(_as_json, _files("flow.yaml"))
    elif kind == "template":
        texts = [*_files("*.j2"), *map(str.encode, _texts("template", "system"))]
    elif kind == "code":
        texts = [*_files("*.py"), *map(str.encode, _texts("spec"))]
    else:
        texts = [*_files("*.json"), *_schemas()]
    for text in texts:
        if len(text) <= MAX_SEED_BYTES:
            yield text


def write_seeds(kind: str, folder: Path) -> None:
    folder.mkdir()
    for text in seeds(kind):
        (folder / hashlib.sha256(text).hexdigest()).write_bytes(text)


def dictionary() -> str:
    """The words of the language, in the form of libFuzzer's dictionaries."""
    shapes = [
        item for item in vars(model).values() if isinstance(item, type) and issubclass(item, Shape)
    ]
    keys = {
        str(field.validation_alias or name) for shape in shapes for name, field in shape.model_fields.items()
    }  # fmt: skip
    arguments = {key for item in operations().values() for key in item.arguments.model_fields}
    words = {*keys, *arguments, *operations(), *FUNCTIONS, *METHODS, *_MARKS, *_WORDS}
    return "".join(f"{json.dumps(word)}\n" for word in sorted(words))


def _files(pattern: str) -> list[bytes]:
    found = sorted(path for path in GOLDEN.glob(f"*/**/{pattern}") if "expected" not in path.parts)
    return [path.read_bytes() for path in found]


def _parsed(text: bytes) -> object:
    """The value of a flow; None for what is no document, or one of aliases without end."""
    report = Diagnostics()
    source = decode("flow.yaml", text, report)
    document = None if source is None else parse(source, report)
    return None if document is None else document.data


def _values() -> Iterator[object]:
    """All values of all golden flows that can be read."""
    stack = [_parsed(text) for text in _files("flow.yaml")]
    while stack:
        value = stack.pop()
        yield value
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _texts(*keys: str) -> Iterable[str]:
    for value in _values():
        if isinstance(value, dict):
            yield from (value[key] for key in keys if isinstance(value.get(key), str))


def _schemas() -> Iterable[bytes]:
    for value in _values():
        if isinstance(value, dict):
            for key in ("schema", "output_schema", "parameters"):
                if isinstance(value.get(key), dict):
                    yield json.dumps(value[key]).encode()


def _as_json(text: bytes) -> bytes:
    return json.dumps(_parsed(text), indent=1).encode()
