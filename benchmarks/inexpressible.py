"""Defects that a peer's language has no words for, with the reason.

A defect counts as written in a language where what the graph declares (schemas, ports, edges,
templates) is at odds with itself. What stands in the body of a function is no part of that.
"""

_LOOPS = "loops are part of the language"
_NO_SCHEMA = "types are Python's; no JSON Schema is part of a graph"

INEXPRESSIBLE: dict[str, dict[str, str]] = {
    "promptflow": {
        "dead_node": "every node is run, whether or not an output needs it",
        "bad_schema": "inputs and outputs have types by name; no JSON Schema is part of a flow",
    },
    "langgraph": {
        "unknown_port": "edges name nodes alone; values pass through the state, which nodes read in Python",
        "cycle": _LOOPS,
        "undeclared_context": "what a node reads of the context stands in its Python code",
        "bad_schema": _NO_SCHEMA,
        "double_delivery": "a node does not declare which keys it writes; two writes in one step fail when they run",
    },
    "haystack": {
        "missing_input": "an input without a connection is an input of the pipeline, given when it runs",
        "cycle": _LOOPS,
        "dead_node": "an output without a connection is an output of the pipeline",
        "undeclared_context": "a pipeline declares no fields of its requests",
    },
    "kfp": {
        "dead_node": "every task is run, whether or not an output needs it",
        "bad_template": "the language has no templates",
        "bad_schema": _NO_SCHEMA,
    },
    "pyagentspec": {
        "cycle": _LOOPS,
        "double_delivery": "several edges to one input are allowed; the value of the last node run counts",
    },
}
