"""Odd but valid Python in flows: compiled alone and beside its twin, and run."""

import json
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from irc.pipeline import check, generate
from irc_runtime.agent import Agent
from irc_runtime.testing import run_case
from tests.irc.compiling import BASE, check_text, code_node, codes, rendered, run_text
from tests.irc.odd_code import CASES

HEAD = "def transform(i, c, s):\n"


def flow(*sources: str) -> str:
    """A flow that runs each text in a node of its own, the first called a."""
    nodes, edges = "", []
    for name, source in zip("abc", sources, strict=False):
        nodes += code_node(
            name, "{name: query, type: string}", "{name: text, type: object}", source
        )
        edges += [f"{{from: _input.query, to: {name}}}", f"{{from: {name}, to: _output.{name}}}"]
    return f"{BASE}nodes:\n{nodes}edges: [{', '.join(edges)}]\n"


@pytest.mark.parametrize("name", CASES)
def test_odd_code_gives_what_it_would_by_itself(name: str) -> None:
    source, expected = CASES[name]
    assert run_text(flow(source), {"query": "x"}).output == {"a": expected}
    assert run_text(flow(source, source), {"query": "x"}).output == {"a": expected, "b": expected}


def test_all_odd_code_lives_in_one_module() -> None:
    names = [name for name in CASES if name not in {"global", "varargs", "default_mutable"}]
    for one, two, three in zip(names, names[1:], names[2:], strict=False):
        sources = [CASES[name][0] for name in (one, two, three)]
        expected = dict(zip("abc", (CASES[name][1] for name in (one, two, three)), strict=True))
        assert run_text(flow(*sources), {"query": "x"}).output == expected, (one, two, three)


def test_imports_under_conditions_keep_apart() -> None:
    other = f"try:\n    import fractions as json\nexcept ImportError:\n    json = None\n{HEAD}    return {{'text': json.__name__}}"
    plain = f"import json\n{HEAD}    return {{'text': json.__name__}}"
    beside = f"import os as json; X = 1\n{HEAD}    return {{'text': json.__name__}}"
    output = run_text(flow(other, plain, beside), {"query": "x"}).output
    assert output == {"a": "fractions", "b": "json", "c": "os"}


@pytest.mark.parametrize("end", ["\r\n", "\n\x0c\n"])
def test_other_ends_of_lines(end: str) -> None:
    node = {
        "inputs": [{"name": "query", "type": "string"}],
        "outputs": [{"name": "text", "type": "object"}],
        "transform": {"mode": "code", "spec": f"A = 1{end}{HEAD}    return A{end}"},
    }
    edges = "edges: [{from: _input.query, to: a}, {from: a, to: _output}]\n"
    text = f"{BASE}nodes: {{a: {json.dumps(node)}}}\n{edges}"
    assert run_text(text, {"query": "x"}).output == 1


# Relative imports


@pytest.fixture
def packages() -> Iterator[Mapping[str, types.ModuleType]]:
    """The packages flows and flows.shop, with modules that say their names."""
    names = ("flows", "flows.shop", "flows.shop.prices", "flows.common")
    modules = {name: types.ModuleType(name) for name in names}
    for name, module in modules.items():
        vars(module).update(__path__=[], said=name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(modules)
    yield modules
    for name, old in before.items():
        sys.modules.pop(name) if old is None else sys.modules.update({name: old})


def run_in_shop(source: str) -> Any:
    """Run code of the flow flows/shop/flow.yaml, whose source root is the repository's."""
    result = check("flows/shop/flow.yaml", lambda _: flow(source).encode())
    assert result.compiled is not None, rendered(result)
    module = types.ModuleType("flows.shop.agent")
    text = generate(result.compiled)["flows/shop/agent.py"]
    exec(compile(text, "agent.py", "exec"), vars(module))  # noqa: S102  (the product is code)
    agent = next(
        x for x in vars(module).values()
        if isinstance(x, type) and issubclass(x, Agent) and x is not Agent
    )  # fmt: skip
    return run_case(agent, {"query": "x"}, {}).output["a"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"from .prices import said\n{HEAD}    return said", "flows.shop.prices"),
        (f"from . import prices as p\n{HEAD}    return p.said", "flows.shop.prices"),
        (f"from ..common import said\n{HEAD}    return said", "flows.common"),
        (f"from .. import common, said\n{HEAD}    return common.said + said", "flows.commonflows"),
        (f"{HEAD}    from .import prices\n    return prices.said", "flows.shop.prices"),
        (f"{HEAD}    é = 1; from . prices import said\n    return said", "flows.shop.prices"),
        (f"{HEAD}    from . \\\n        prices import (\n        said)\n    return said", "flows.shop.prices"),
        (f"try:\n    from .. common import said\nexcept ImportError:\n    said = 0\n{HEAD}    return said", "flows.common"),
    ],
)  # fmt: skip
def test_relative_imports_are_made_absolute(
    source: str, expected: str, packages: Mapping[str, types.ModuleType]
) -> None:
    assert run_in_shop(source) == expected


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (f"from .x import y\n{HEAD}    return y", "E313"),
        (f"{HEAD}    from ... import y\n    return y", "E313"),
        (f"from json import *\n{HEAD}    return dumps(1)", "E501"),
    ],
)
def test_imports_that_lead_nowhere_are_refused(source: str, code: str) -> None:
    assert code in codes(check_text(flow(source)))
