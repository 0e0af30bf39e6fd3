"""What atheris calls with bytes: a flow, or a file that a flow refers to.

``python target.py KIND [options of libFuzzer] [corpus]``; a process of its own, since libFuzzer ends the
process that it runs in. Coverage of the compiler's own modules guides it.
"""

import resource
import sys
import time

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["irc"], enable_loader_override=False):
    from irc.pipeline import check, generate
    from irc.render.text import render_text

MEMORY_BYTES = 1024**3
CPU_S = 10

HEAD = b"""\
version: "1.0"
metadata: {name: sample}
context: {requires: [query], optional: [locale]}
nodes:
  ask:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}]
"""
EDGES = b"edges: [{from: _input.query, to: ask.query}, {from: ask.text, to: _output}]\n"
MODEL = b"model: {provider: openai, name: gpt-4o-mini}"

KINDS: dict[str, tuple[str, bytes]] = {
    "flow": ("flow.yaml", b""),
    "json": ("flow.json", b""),
    "template": (
        "t.j2",
        HEAD
        + b"    prompt: {template: {file: t.j2}, system: {file: t.j2}, "
        + MODEL
        + b"}\n"
        + EDGES,
    ),
    "code": ("c.py", HEAD + b"    transform: {mode: code, spec: {file: c.py}}\n" + EDGES),
    "schema": (
        "s.json",
        HEAD.replace(b"string}]", b"string, schema: {$ref: s.json}}]")
        + b"    transform: {mode: declarative, spec: {op: io.format_response, args: {template: 1}}}\n"
        + EDGES,
    ),
}
"""The name of the file that the bytes are, and the flow that refers to it."""


def compile_or_tell(kind: str, data: bytes) -> None:
    """Either findings that can be shown, or modules that Python takes; within ``CPU_S`` seconds."""
    name, flow = KINDS[kind]
    files = {"flow.yaml": flow} | {name: data}
    root = name if name in {"flow.yaml", "flow.json"} else "flow.yaml"

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    started = time.process_time()
    result = check(root, read)
    render_text(result.report, result.sources).encode()
    assert result.report.has_errors == (result.compiled is None)
    if result.compiled is not None:
        for file, module in generate(result.compiled).items():
            if file.endswith(".py"):
                compile(module, file, "exec")
    took_s = time.process_time() - started
    assert took_s < CPU_S, f"{took_s:.1f} s"


def main() -> None:
    kind = sys.argv.pop(1)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    atheris.Setup(sys.argv, lambda data: compile_or_tell(kind, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
