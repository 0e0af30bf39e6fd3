"""The compiler: the passes in their order, from the text of a flow to its files."""

from __future__ import annotations

import gc
import hashlib
import json
import keyword
import posixpath
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from irc.cache import Cache
from irc.diagnostics import Diagnostics, Span
from irc.emit.agent import Compiled, GeneratedModule, emit_agent
from irc.emit.cases import emit_cases
from irc.emit.edges import check_edges
from irc.emit.names import Names, class_name, dns_label
from irc.emit.tests import emit_tests
from irc.emit.writer import VERBATIM
from irc.incremental import NodeCompiler, Outcome
from irc.ir.model import Flow
from irc.line_map import VERSION as LINE_MAP_VERSION
from irc.passes.analyse import analyse
from irc.passes.code import module_name
from irc.passes.files import Files, ReadFile
from irc.passes.plan import plan
from irc.passes.resolve import resolve
from irc.passes.schemas import read_expected_schemas
from irc.passes.secrets import check_credentials, masked_lines
from irc.passes.shape import shape
from irc.passes.state import check_state
from irc.passes.target import check_target
from irc.passes.tools import check_tools
from irc.passes.types import check_types
from irc.passes.variables import check_variables
from irc.passes.warn import warn
from irc.reading import decode, parse
from irc.source import Document, SourceFile
from irc.version import VERSION


@dataclass
class Result:
    """What came of one flow.

    Attributes:
        flow: the flow's file, relative to the build root.
        report: the findings.
        files: the files that were read, by name.
        outcomes: which nodes were compiled, and why.
        compiled: what the passes found; None where there are errors.
    """

    flow: str
    report: Diagnostics
    files: dict[str, SourceFile] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    compiled: Compiled | None = None

    @property
    def sources(self) -> dict[str, list[str]]:
        """The lines that findings point into, as they may be shown, by file name."""
        return {name: masked_lines(file) for name, file in self.files.items()}


def check(
    flow: str,
    read: ReadFile,
    source_root: str = ".",
    cache: Cache | None = None,
    *,
    with_tests: bool = True,
) -> Result:
    """Run all passes over a flow, up to the first one that finds errors.

    Args:
        flow: path of the flow's file, relative to the build root.
        read: reads a file by such a path.
        source_root: where module names start, relative to the build root.
        cache: keeps what becomes of nodes; None compiles all of them.
        with_tests: whether tests are wanted; making them is a fifth of the work.
    """
    report = Diagnostics()
    result = Result(flow, report)
    _check_module(flow, source_root, report)
    if report.has_errors:
        return result
    try:
        content = read(flow)
    except OSError as error:
        report.error(
            "E107", Span(flow, 1, 1, 1, 1), f"the file cannot be read: {error.strerror or error}"
        )
        return result
    source = decode(flow, content, report)
    del content  # as large as the text
    if source is not None:
        result.files[flow] = source
        with warnings.catch_warnings(), uncollected():
            warnings.simplefilter("ignore")  # Python's, about code that it will compile once more
            files = Files(Document(source), read, report, source_root)
            _run(files, cache, result, with_tests=with_tests)
    return result


def _run(files: Files, cache: Cache | None, result: Result, *, with_tests: bool) -> None:
    report, source = result.report, files.document.source
    document = parse(source, report)
    if document is None:
        return
    files.document = document
    check_credentials(source, report)
    flow = shape(document, report)
    if flow is None:
        return
    document.forget()
    graph = resolve(document, flow, report)
    if graph is None:
        return
    analysis = analyse(document, graph, report)
    check_types(document, graph, report)
    check_tools(document, graph, report)
    edges = check_edges(document, graph, report)
    names = Names()
    methods = {name: names.take(name) for name in flow.nodes}
    agent_class = names.take(class_name(flow.metadata.name), "class")
    compiler = NodeCompiler(
        document, graph, files, report, names, methods, cache, with_tests=with_tests
    )
    running = [] if analysis is None else analysis.running
    units = compiler.compile(running)
    # Those that do not run are compiled for their mistakes.
    compiler.names = names.copy()
    others = compiler.compile(name for name in flow.nodes if name not in units)
    files.report = report
    result.outcomes = compiler.outcomes
    expected_schemas = read_expected_schemas(files, flow)
    check_state(document, graph, report)
    check_target(document, graph, report)
    check_variables(document, graph.flow.deployment, report)
    result.files.update({name: file for name, file in files.loaded.items() if file is not None})
    if report.has_errors or analysis is None:
        return
    facts = {name: unit.facts for name, unit in {**units, **others}.items()}
    warn(document, graph, analysis, facts, edges, report)
    result.compiled = Compiled(
        document=document,
        graph=graph,
        analysis=analysis,
        plan=plan(graph, analysis),
        names=names,
        class_name=agent_class,
        methods=methods,
        units=units,
        edges=edges,
        expected_schemas=expected_schemas,
        module=module_of(source.name, files.source_root),
        digest=_digest(flow, files),
        with_tests=with_tests,
    )


@contextmanager
def uncollected() -> Iterator[None]:
    """Work that makes many objects, and none in cycles: looking for those is a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check_module(flow: str, source_root: str, report: Diagnostics) -> None:
    """Report E303 where the generated module would have a name that Python cannot import."""
    start = Span(flow, 1, 1, 1, 1)
    if flow.startswith(("/", "../")) or module_of(flow, source_root).startswith("."):
        report.error(
            "E303", start, f"the flow is outside of the source root '{source_root}'",
            hint="call irc in the repository's root, with paths relative to it",
        )  # fmt: skip
        return
    folder = posixpath.dirname(posixpath.relpath(flow, source_root))
    module = module_of(flow, source_root).rpartition(".")[2]
    for part in [*(folder.split("/") if folder else []), module]:
        if not part.isidentifier() or keyword.iskeyword(part):
            report.error(
                "E303", start, f"no Python module can be called '{part}'",
                hint="the module is named after the flow's folders and file: rename them",
            )  # fmt: skip
            return
    top = module_of(flow, source_root).partition(".")[0]
    if top in sys.stdlib_module_names:
        report.error(
            "E303", start, f"Python finds its own '{top}' in place of the folder '{top}'",
            hint="rename the folder that the module's name begins with",
        )  # fmt: skip


def module_of(flow: str, source_root: str) -> str:
    """The module generated for a flow: ``agent`` for ``flow.yaml``, ``x_agent`` for ``x.flow.yaml``."""
    folder, file = posixpath.split(flow)
    stem = file.rpartition(".")[0]
    stem = "" if stem == "flow" else stem.removesuffix(".flow")
    name = f"{stem}_agent".replace("-", "_").replace(".", "_") if stem else "agent"
    return module_name(posixpath.join(folder, f"{name}.py"), source_root)


def _digest(flow: Flow, files: Files) -> str:
    """The digest of what the flow says: its values and the files that it refers to.

    Comments, ``x-…`` keys and positions in a drawing say nothing.
    """
    said = hashlib.sha256()
    values = flow.model_dump_json(exclude_unset=True, exclude={"nodes": {"__all__": {"position"}}})
    said.update(values.encode())
    for name in sorted(files.used):
        file = files.loaded[name]
        if file is not None:
            said.update(f"\0{name}\0{file.text}".encode("utf-8", "surrogatepass"))
    return f"sha256:{said.hexdigest()}"


def generate(compiled: Compiled) -> dict[str, str]:
    """The files of a flow, by path below the source root: agent, tests, line map and summary.

    The tests are not among them where the flow was checked without.
    """
    with uncollected():
        return _generate(compiled)


def _generate(compiled: Compiled) -> dict[str, str]:
    module = emit_agent(compiled)
    base = compiled.module.replace(".", "/")
    folder, stem = posixpath.split(base)
    tests = {}
    if compiled.with_tests:
        tests[posixpath.join(folder, f"test_{stem}.py")] = emit_tests(compiled)
    cases = {f"{base}.cases.json": emit_cases(compiled)} if compiled.carries_cases else {}
    return {
        f"{base}.py": module.text,
        **tests,
        **cases,
        f"{base}.map.json": _line_map(compiled, module, f"{stem}.py"),
        f"{base}.json": _summary(compiled, module, f"{base}.py"),
    }


def _line_map(compiled: Compiled, module: GeneratedModule, file: str) -> str:
    """The line map: runs of generated lines and where they come from, docs/language.md."""
    sources: dict[str, int] = {compiled.document.source.name: 0}
    rows = []
    for first, last, node, source, line, column, *end in module.runs:
        at = sources.setdefault(source, len(sources))
        place = f"{at}, {line}"
        if column != VERBATIM:
            place += f", {column}, {end[0]}, {end[1]}"
        rows.append(f"    [{first}, {last}, {json.dumps(node)}, {place}]")
    digest = hashlib.sha256(module.text.encode()).hexdigest()
    facts = {"version": LINE_MAP_VERSION, "file": file, "digest": f"sha256:{digest}", "sources": list(sources)}
    head = json.dumps(facts, indent=2)
    return head[:-2] + ',\n  "lines": [\n' + ",\n".join(rows) + "\n  ]\n}\n"


def _summary(compiled: Compiled, module: GeneratedModule, file: str) -> str:
    """What packaging needs to know."""
    flow = compiled.graph.flow
    kserve = flow.deployment.kserve.model_dump()
    kserve["service_name"] = kserve["service_name"] or dns_label(flow.metadata.name)
    environment = sorted(
        set().union(*(unit.facts.environment for unit in compiled.units.values()))
    )
    beside = ["map", *(["cases"] if compiled.carries_cases else [])]
    summary = {
        "schema_version": 1,
        "compiler": VERSION,
        "flow": compiled.document.source.name,
        "ir_digest": compiled.digest,
        "name": flow.metadata.name,
        "description": flow.metadata.description or "",
        "module": compiled.module,
        "class": compiled.class_name,
        "sources": [file, *(f"{file.removesuffix('.py')}.{kind}.json" for kind in beside)],
        "imports": list(module.imports),
        "environment": environment,
        "writes_features": any(
            ("irc_runtime.features", "FeatureWrite") in unit.facts.imports
            for unit in compiled.units.values()
        ),
        "deployment": {"target": flow.deployment.target, "kserve": kserve},
    }
    return json.dumps(summary, indent=2) + "\n"
