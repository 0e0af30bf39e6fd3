"""Versions of an agent as ``irc package`` leaves them behind, and the agent served with reloading."""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from irc.files import write_files
from irc.package.build import package
from irc.package.shared_code import build_shared_code
from irc.pipeline import check, generate
from tests.irc.compiling import rendered
from tests.irc.package.agent_files import write_inputs, write_two_platforms
from tests.irc_runtime.served import START_TIMEOUT_S, Served

FLOW = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query], optional: [pause_s]}
nodes:
  say:
    inputs: [{name: query, type: string}]
    outputs: [{name: reply, type: object}]
    transform: {mode: code, spec: {file: saying.py}}
edges: [{from: _input.query, to: say}, {from: say, to: _output}]
tests:
  - name: it says what it hears
    request: {query: hi}
    expect: {output: {text: "VERSION hi"}}
"""
CODE = """\
import asyncio

async def transform(inputs, context, state):
    await asyncio.sleep(context.get("pause_s") or 0)
    return {"reply": {"text": "VERSION " + inputs["query"]}}
"""

#: A flow whose model needs a key, which its environment lacks.
ASKING = """\
version: "1.0"
metadata: {name: sample}
context: {requires: [query]}
nodes:
  say:
    inputs: [{name: query, type: string}]
    outputs: [{name: text, type: string}]
    prompt: {model: {provider: openai, name: m-1}, template: "{{ query }}"}
edges: [{from: _input.query, to: say.query}, {from: say, to: _output}]
"""


def flow_of(version: str, *, flow: str = FLOW, code: str = CODE) -> dict[str, str]:
    """The files of a flow that says which version it is."""
    texts = {"flow.yaml": flow, "saying.py": code}
    return {name: text.replace("VERSION", version) for name, text in texts.items()}


class Packages:
    """A folder of packaged versions that share base and requirements."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number = 0

    def package(
        self,
        files: Mapping[str, str],
        *,
        shared: Mapping[str, str] | None = None,
        other_base: bool = False,
        two_platforms: bool = False,
    ) -> Path:
        """Compile and package a flow; the result holds ``image`` and ``context/app``.

        Args:
            files: of the flow's folder.
            shared: first-party files that are not the flow's own.
        """
        self._number += 1
        root = self.folder / str(self._number)
        inputs = write_two_platforms(root) if two_platforms else write_inputs(root)
        sources, generated = root / "code", root / "compiled"
        write_files(sources, shared or {})
        shared_code = build_shared_code(sources, root / "code-layer")
        (root / "code.json").write_text(json.dumps(shared_code.to_json()))
        write_files(sources / "shop", files)
        result = check(
            "code/shop/flow.yaml", lambda name: (root / name).read_bytes(), source_root="code"
        )
        assert result.compiled is not None, rendered(result)
        write_files(generated, generate(result.compiled))
        summary = generated / "shop/agent.json"
        if other_base:
            described = (root / "base.json").read_text()
            layer = json.loads(described)["layers"][0]["diff_id"]
            other = described.replace(layer, f"sha256:{'f' * 64}")
            (root / "base.json").write_text(other)
        package(replace(inputs, agent=summary, generated=generated, sources=sources), root / "out")
        if shared:
            shutil.copytree(root / "code-layer", root / "out/image", dirs_exist_ok=True)
        return root / "out"


class Reloaded(Served):
    """An agent that is served with reloading; ``place`` is what it takes new versions from."""

    def __init__(self, first: Path, place: str, folder: Path, *flags: str) -> None:
        """Args:
        first: the package that it is started from.
        """
        search_path = os.pathsep.join([str(first / "context/app"), *filter(None, sys.path)])
        environment = {
            "PATH": os.environ["PATH"], "TMPDIR": str(folder), "PYTHONPATH": search_path,
        }  # fmt: skip
        flags = (f"--reload_from={place}", *flags)
        super().__init__(environment, folder, *flags, module="shop.agent", name="sample")

    def children(self) -> set[int]:
        """The processes of versions."""
        pid = self.process.pid
        return {
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        }

    def wait_for(self, name: str, times: int = 1) -> dict[str, Any]:
        """The last of so many events of a name, once they are there."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while len(found := [x for x in self.events if x.get("event") == name]) < times:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return found[times - 1]

    def said(self, **request: Any) -> str:
        """The text that a request is answered with."""
        response = self.predict({"query": "hi", **request})
        assert response.status_code == 200, response.text
        return str(response.json()["text"])


def put_link(link: Path, folder: Path) -> None:
    """Have a link lead to another folder, at once."""
    beside = link.with_name(f".{link.name}")
    beside.symlink_to(folder)
    beside.rename(link)


def cmdline(pid: int) -> str:
    """The command of a process; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
