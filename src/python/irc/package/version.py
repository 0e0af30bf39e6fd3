"""``irc-version.json``: what a running agent checks of a version before it takes its place.

``irc_runtime/reloading/version.py`` reads the file and makes the same digests.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from irc.package.agent import Agent
from irc.package.code import Files, files_digest

VERSION_FILE = "irc-version.json"
SCHEMA_VERSION = 2


def version_file(agent: Agent, code: Files, layers_below: Mapping[str, Iterable[str]]) -> str:
    """The file's text.

    Args:
        code: all files of the agent but this one.
        layers_below: by platform, ``linux/arm64``, digests of the archives in the layers below the
            code, from the lowest up.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "name": agent.name,
        "module": agent.module,
        "compiler": agent.compiler,
        "ir_digest": agent.ir_digest,
        "platform_digests": {
            platform: _sha256(" ".join(layers_below[platform])) for platform in sorted(layers_below)
        },
        "code_digest": files_digest(code),
    }
    return json.dumps(document, indent=2) + "\n"


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
