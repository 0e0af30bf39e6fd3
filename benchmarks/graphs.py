"""Flows of any size: a chain, and a random graph in which every node is needed."""

import random


def chain(nodes: int) -> str:
    """Nodes with code, each of which reads the one before."""
    lines = [
        'version: "1.0"', "metadata: {name: chain}", "context: {requires: [query]}", "nodes:",
    ]  # fmt: skip
    for number in range(nodes):
        lines += [
            f"  step_{number}:",
            f"    description: Step {number}.",
            "    inputs:",
            "      - {name: text, type: string}",
            "    outputs:",
            "      - {name: text, type: string}",
            "    transform:",
            "      mode: code",
            "      spec: |",
            "        def transform(inputs, context, state):",
            f'            return inputs["text"] + "{number}"',
            "    runtime: {timeout_ms: 500, retries: 2}",
        ]
    lines += ["edges:", "  - {from: _input.query, to: step_0.text}"]
    lines += [
        f"  - {{from: step_{number}.text, to: step_{number + 1}.text}}"
        for number in range(nodes - 1)
    ]
    lines.append(f"  - {{from: step_{nodes - 1}.text, to: _output}}")
    return "\n".join(lines) + "\n"


def random_graph(nodes: int, seed: int = 7) -> str:
    """Code, operations and prompts; each node reads up to three earlier ones, unread ones first.

    A tenth of the edges has a condition, and three nodes of ten have settings.
    """
    chance = random.Random(seed)
    lines = [
        'version: "1.0"', "metadata: {name: graph}", "context: {requires: [query]}", "nodes:",
    ]  # fmt: skip
    edges: list[str] = []
    unread: list[int] = []
    for number in range(nodes):
        reads = [unread.pop(0) for _ in range(min(len(unread), chance.choice([1, 1, 2, 3])))]
        ports = [f"in_{place}" for place in range(max(len(reads), 1))]
        lines += [f"  node_{number}:", "    inputs:"]
        lines += [f"      - {{name: {port}, type: string}}" for port in ports]
        lines += ["    outputs:", "      - {name: text, type: string}"]
        lines += _work(chance.choice(["code", "operation", "prompt"]), ports)
        if chance.random() < 0.3:
            lines.append("    runtime: {timeout_ms: 500, retries: 2}")
        for place, port in enumerate(ports):
            source = f"node_{reads[place]}.text" if reads else "_input.query"
            condition = ', condition: "len(value) > 3"' if chance.random() < 0.1 else ""
            edges.append(f"  - {{from: {source}, to: node_{number}.{port}{condition}}}")
        unread.append(number)
        if chance.random() < 0.3:  # read twice: the graph branches
            unread.append(number)
    edges += [
        f"  - {{from: node_{number}.text, to: _output.text_{number}}}"
        for number in sorted({*unread})
    ]
    return "\n".join([*lines, "edges:", *edges]) + "\n"


def _work(kind: str, ports: list[str]) -> list[str]:
    if kind == "code":
        body = " + ".join(f'inputs["{port}"]' for port in ports)
        return [
            "    transform:",
            "      mode: code",
            "      spec: |",
            "        def transform(inputs, context, state):",
            f"            return {body}",
        ]
    if kind == "prompt":
        return [
            "    prompt:",
            "      template: |",
            *(f"        {port}: {{{{ {port} }}}}" for port in ports),
            "      model: {provider: openai, name: gpt-4o-mini}",
            "      temperature: 0.2",
        ]
    template = " ".join(f"${{{port}}}" for port in ports)
    return [
        "    transform:",
        "      mode: declarative",
        "      spec:",
        "        op: io.format_response",
        f'        args: {{template: "{template}"}}',
    ]


GRAPHS = {"chain": chain, "random graph": random_graph}
