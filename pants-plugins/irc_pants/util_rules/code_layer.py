"""The layer of first-party code that flows share, which an edit of a flow leaves as it is."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass

from pants.engine.fs import AddPrefix, Digest, DigestSubset, PathGlobs
from pants.engine.rules import Get, Rule, collect_rules, rule
from pants.util.logging import LogLevel

from irc_pants.util_rules.agent_code import AgentSources
from irc_pants.util_rules.irc_process import IrcOutput, IrcProcess


@dataclass(frozen=True)
class CodeLayerRequest:
    """An agent's first-party files, of which those beside the flow are its own.

    Attributes:
        flow: its path among them.
    """

    sources: AgentSources
    flow: str


@dataclass(frozen=True)
class CodeLayer:
    """`code.json` and `blobs/`."""

    digest: Digest


@rule(desc="Make the image layer of code that flows share", level=LogLevel.DEBUG)
async def make_code_layer(request: CodeLayerRequest) -> CodeLayer:
    # As `irc package` parts them: what lies in the flow's folder is its own.
    folder = os.path.dirname(request.flow)
    own = f"{glob.escape(folder)}/**" if folder else glob.escape(request.flow)
    shared = await Get(Digest, DigestSubset(request.sources.digest, PathGlobs(["**", f"!{own}"])))
    output = await Get(
        IrcOutput,
        IrcProcess(
            ("image", "code", "--sources=sources"),
            description="Make the image layer of code that flows share",
            input_digest=await Get(Digest, AddPrefix(shared, "sources")),
        ),
    )
    return CodeLayer(output.digest)


def rules() -> Iterable[Rule]:
    return collect_rules()
