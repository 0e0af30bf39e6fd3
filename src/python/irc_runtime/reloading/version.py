"""What a version of an agent is: its code, and ``irc-version.json``, which says what that must be.

``irc package`` writes the file (``irc/package/version.py`` has the same digests) into the code of an
agent, beside its top-level modules: into the image's layer of the flow and into ``context/app``.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

VERSION_FILE = "irc-version.json"
SCHEMA_VERSION = 2

#: Names of the OCI image specification, following Go, of machines that Linux calls otherwise.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class VersionError(Exception):
    """A version cannot be taken; the message says why.

    Attributes:
        hint: what to do.
    """

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True)
class Facts:
    """What ``irc-version.json`` says.

    Attributes:
        digest: of the file itself, which is the version's name.
        name: of the agent.
        module: the agent's module.
        platform_digest: of the layers below the code, base and third-party distributions, for this
            machine's platform; None where there are none for it.
        code_digest: of all files of the code but this one.
    """

    digest: str
    name: str
    module: str
    platform_digest: str | None
    code_digest: str


@dataclass(frozen=True)
class Version:
    """Code that can be started.

    Attributes:
        digest: names it in events.
        folder: goes first on the search path.
        module: the agent's module.
        is_copy: whether the folder is a private copy, to be deleted after use.
    """

    digest: str
    folder: Path
    module: str
    is_copy: bool


def read_facts(data: bytes) -> Facts:
    """What the content of the file says.

    Raises:
        VersionError: it is cut short, or of a packager whose agents another supervisor starts.
    """
    try:
        raw = json.loads(data)
        if raw["schema_version"] != SCHEMA_VERSION:
            raise VersionError(
                f"{VERSION_FILE} has schema_version {raw['schema_version']}, expected {SCHEMA_VERSION}",
                "roll out a new image: this version of irc_runtime cannot start it",
            )
        name, module, code = (str(raw[key]) for key in ("name", "module", "code_digest"))
        below = raw["platform_digests"].get(own_platform())
    except (AttributeError, KeyError, TypeError, ValueError):
        raise VersionError(f"{VERSION_FILE} is incomplete or damaged") from None
    return Facts(f"sha256:{hashlib.sha256(data).hexdigest()}", name, module, below, code)


def own_platform() -> str:
    """This machine's platform as the OCI image specification has it, without a variant."""
    machine = platform.machine()
    return f"linux/{ARCHITECTURES.get(machine, machine)}"


def own_facts(search_path: Iterable[str]) -> tuple[Path, Facts] | None:
    """The running agent's version and its folder; None where it was not packaged."""
    for entry in search_path:
        try:
            data = Path(entry, VERSION_FILE).read_bytes()
        except OSError:
            continue
        return Path(entry), read_facts(data)
    return None


def code_digest(files: Mapping[str, str]) -> str:
    """The digest of code.

    Args:
        files: hexadecimal SHA-256 of each file by its path from the root.
    """
    lines = (f"{name}\0{files[name]}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def platform_digest(layers: Iterable[str]) -> str:
    """The digest of the digests of layers' archives, from the lowest up."""
    return f"sha256:{hashlib.sha256(' '.join(layers).encode()).hexdigest()}"


def is_code(name: str) -> bool:
    """Whether a file counts as code; byte code does not, which Python makes again."""
    return not name.endswith(".pyc")
