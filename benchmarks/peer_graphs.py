"""The graphs of `graphs.py` in the languages of peers: the same nodes and edges, a function each.

Conditions, prompts and settings are left out: every node is Python that joins its texts.
"""

import re

#: The files of a flow, by name; the first one is what the peer's check is given.
Files = dict[str, str]

#: The nodes that each node reads, before it in this order; one that reads none reads the request.
Graph = dict[str, list[str]]

_EDGE = re.compile(r"from: (\w+)\.\w+.* to: (\w+)")


def graph_of(flow: str) -> Graph:
    """The graph of a flow that `graphs.py` wrote."""
    graph: Graph = {}
    for source, target in _EDGE.findall(flow):
        if target != "_output":
            graph.setdefault(target, []).extend([source] if source != "_input" else [])
    return graph


def promptflow(graph: Graph) -> Files:
    """A folder: the flow, and a file for each function."""
    lines = ["inputs:", "  query: {type: string}", "outputs:"]
    last = next(reversed(graph))
    lines += [f'  text: {{type: string, reference: "${{{last}.output}}"}}', "nodes:"]
    files = {"flow.dag.yaml": ""}
    for name, sources in graph.items():
        values = [f"${{{source}.output}}" for source in sources] or ["${inputs.query}"]
        inputs = ", ".join(f'in_{at}: "{value}"' for at, value in enumerate(values))
        lines += [
            f"  - name: {name}", "    type: python",
            f"    source: {{type: code, path: {name}.py}}", f"    inputs: {{{inputs}}}",
        ]  # fmt: skip
        files[f"{name}.py"] = (
            f"from promptflow.core import tool\n\n\n@tool\n{_function(name, sources)}"
        )
    return {**files, "flow.dag.yaml": "\n".join(lines) + "\n"}


def langgraph(graph: Graph) -> Files:
    """A state with a key for each node; an edge for each read."""
    names = list(graph)
    lines = ["from typing import TypedDict", "from langgraph.graph import END, START, StateGraph"]
    lines += ["class State(TypedDict):", "    query: str", *(f"    {name}: str" for name in names)]
    for name, sources in graph.items():
        text = " + ".join(f'state["{source}"]' for source in sources or ["query"])
        lines += [
            f"def {name}(state: State) -> dict[str, str]:",
            f'    return {{"{name}": {text}}}',
        ]
    lines += ["graph = StateGraph(State)", *(f'graph.add_node("{name}", {name})' for name in names)]
    for name, sources in graph.items():
        unique = list(dict.fromkeys(sources))
        start = "START" if not unique else f'"{unique[0]}"' if len(unique) == 1 else repr(unique)
        lines.append(f'graph.add_edge({start}, "{name}")')
    lines += [f'graph.add_edge("{name}", END)' for name in _ends(graph)]
    return {"flow.py": "\n".join([*lines, "graph.compile()"]) + "\n"}


def haystack(graph: Graph) -> Files:
    """A component for each node; a connection for each read."""
    lines = ["from haystack import Pipeline, component", "pipeline = Pipeline()"]
    for name, sources in graph.items():
        ports = _ports(sources)
        parameters = "".join(f", {port}: str" for port in ports)
        lines += [
            "@component", f"class {name.title()}:", "    @component.output_types(text=str)",
            f"    def run(self{parameters}) -> dict[str, str]:",
            f'        return {{"text": {" + ".join(ports)}}}',
            f'pipeline.add_component("{name}", {name.title()}())',
        ]  # fmt: skip
        for port, source in zip(ports, sources, strict=False):
            lines.append(f'pipeline.connect("{source}.text", "{name}.{port}")')
    return {"flow.py": "\n".join([*lines, "pipeline.warm_up()"]) + "\n"}


def kfp(graph: Graph) -> Files:
    """A component for each node, and a pipeline that calls them."""
    lines = ["from kfp import compiler, dsl"]
    for name, sources in graph.items():
        lines += ["@dsl.component", _function(name, sources)]
    lines += ["@dsl.pipeline", "def graph(query: str):"]
    for name, sources in graph.items():
        values = [f"{source}_task.output" for source in sources] or ["query"]
        arguments = ", ".join(f"in_{at}={value}" for at, value in enumerate(values))
        lines.append(f"    {name}_task = {name}({arguments})")
    lines.append('compiler.Compiler().compile(graph, "pipeline.yaml")')
    return {"flow.py": "\n".join(lines) + "\n"}


def pyagentspec(graph: Graph) -> Files:
    """A tool for each node, which the language declares and leaves to a server, one after the other."""
    last = next(reversed(graph))
    lines = [
        "from pyagentspec.flows.flowbuilder import FlowBuilder",
        "from pyagentspec.flows.nodes import ToolNode",
        "from pyagentspec.property import StringProperty",
        "from pyagentspec.tools import ServerTool",
        "def node(name, *ports):",
        "    inputs = [StringProperty(title=port) for port in ports]",
        '    outputs = [StringProperty(title="text")]',
        "    return ToolNode(name=name, tool=ServerTool(name=name, inputs=inputs, outputs=outputs))",
        "flow = FlowBuilder()",
        "flow.add_sequence([",
    ]
    for name, sources in graph.items():
        lines.append(f"    node({', '.join(map(repr, [name, *_ports(sources)]))}),")
    lines += [
        "])",
        f'flow.set_entry_point("{next(iter(graph))}", inputs=[StringProperty(title="query")])',
        f'flow.set_finish_points("{last}", outputs=[StringProperty(title="text")])',
        f'flow.add_data_edge("{last}", "EndNode_1", "text")',
    ]
    for name, sources in graph.items():
        edges = [(source, "text") for source in sources] or [("StartNode", "query")]
        for at, (source, port) in enumerate(edges):
            lines.append(f'flow.add_data_edge("{source}", "{name}", ("{port}", "in_{at}"))')
    return {"flow.py": "\n".join([*lines, "flow.build()"]) + "\n"}


#: How each peer's flow is written.
WRITERS = {
    "promptflow": promptflow,
    "langgraph": langgraph,
    "haystack": haystack,
    "kfp": kfp,
    "pyagentspec": pyagentspec,
}


def _ports(sources: list[str]) -> list[str]:
    return [f"in_{at}" for at in range(max(len(sources), 1))]


def _function(name: str, sources: list[str]) -> str:
    ports = _ports(sources)
    parameters = ", ".join(f"{port}: str" for port in ports)
    return f"def {name}({parameters}) -> str:\n    return {' + '.join(ports)}\n"


def _ends(graph: Graph) -> list[str]:
    """The nodes that no other node reads."""
    read = {source for sources in graph.values() for source in sources}
    return [name for name in graph if name not in read]
