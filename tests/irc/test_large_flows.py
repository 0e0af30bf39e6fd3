"""Flows of a thousand nodes: their code is still code that a person can read, and passes the tools."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graphs import GRAPHS

from irc.cache import Cache
from irc.files import write_files
from irc.pipeline import check, generate
from tests.irc.compiling import rendered

NODES = 1_000


@pytest.fixture(scope="module", params=GRAPHS)
def files(request: Any) -> dict[str, str]:
    """The generated files of a large flow."""
    text = GRAPHS[request.param](NODES).encode()
    result = check("flow.yaml", lambda name: text)
    assert result.compiled is not None
    assert rendered(result) == ""
    return generate(result.compiled)


def test_lines_fit_and_methods_are_short(files: dict[str, str]) -> None:
    lines = files["agent.py"].splitlines()
    assert max(map(len, lines)) <= 100
    starts = [at for at, line in enumerate(lines) if line.startswith("    async def ")]
    lengths = [end - start for start, end in zip(starts[1:], [*starts[2:], len(lines)], strict=True)]
    assert len(lengths) == NODES  # the first method is `run`
    assert max(lengths) < 30


def test_names_are_the_flow_s_own(files: dict[str, str]) -> None:
    methods = [line for line in files["agent.py"].splitlines() if line.startswith("    async def ")]
    named = {line.removeprefix("    async def ").partition("(")[0] for line in methods} - {"run"}
    assert named in ({f"step_{n}" for n in range(NODES)}, {f"node_{n}" for n in range(NODES)})


def test_code_passes_ruff(files: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, files)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--line-length", "100", "."],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("graph", GRAPHS)
def test_one_edit_of_a_thousand_nodes_compiles_one(graph: str, tmp_path: Path) -> None:
    lines = GRAPHS[graph](NODES).encode().split(b"\n")
    cache = Cache(tmp_path)
    check("flow.yaml", lambda name: b"\n".join(lines), cache=cache)
    at = [number for number, line in enumerate(lines) if line == b"    inputs:"][NODES // 2]
    lines.insert(at, b"    description: Edited.")
    if lines[at - 1].startswith(b"    description"):
        del lines[at - 1]
    edited = b"\n".join(lines)
    incremental = check("flow.yaml", lambda name: edited, cache=cache)
    clean = check("flow.yaml", lambda name: edited)
    assert sum(outcome.reason is not None for outcome in incremental.outcomes) == 1
    assert incremental.compiled is not None and clean.compiled is not None
    assert generate(incremental.compiled) == generate(clean.compiled)
