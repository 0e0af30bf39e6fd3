"""Flows that are compiled when a test starts, and served in processes of their own."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from irc.pipeline import check, generate
from irc.render.text import render_text
from tests.irc_runtime.served import Served


def compiled(flow: str, folder: Path, module: str) -> None:
    """Write the agent's module of a valid flow into a folder."""
    result = check("flow.yaml", {"flow.yaml": flow.encode()}.__getitem__)
    assert result.compiled is not None, render_text(result.report, result.sources)
    (folder / f"{module}.py").write_text(generate(result.compiled)["agent.py"], encoding="utf-8")


@contextmanager
def serving(
    flow: str, name: str, folder: Path, *flags: str, **environment: str
) -> Iterator[Served]:
    """A process that serves a flow, once it is ready.

    Args:
        name: the flow's.
        environment: besides ``PATH``.
    """
    module = f"{name}_agent"
    compiled(flow, folder, module)
    sys.path.append(str(folder))
    try:
        agent = Served(
            {"PATH": os.environ["PATH"], **environment}, folder, *flags, module=module, name=name
        )
    finally:
        sys.path.remove(str(folder))
    try:
        agent.wait_until_ready()
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.stop()
