"""A small repository of its own with one flow, and Pants in it, which shares nothing but a cache."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import requires
from pathlib import Path
from typing import Self

from checkout import ROOT, Repository, launcher_cache
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TARGET = "flows/greet:agent"
PACKAGE = "dist/flows.greet/agent"

#: A whole cold build, beside others at work.
TIMEOUT_S = 900.0

#: What compiler and agent import there. All that has to be installed is what these bring.
REQUIREMENTS = (
    "click", "cyclonedx-python-lib", "deflate", "fastapi", "grpc-interceptor", "grpcio", "httpx",
    "jinja2", "jsonschema", "kserve", "kubernetes", "networkx", "opentelemetry-api", "orjson",
    "packageurl-python", "packaging", "pex", "prometheus-client", "pydantic", "pydantic-core",
    "pyelftools", "pyyaml", "requests", "rich", "zstandard",
)  # fmt: skip

PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
backend_packages = ["pants.backend.python", "irc_pants"]
pythonpath = ["%(buildroot)s/pants-plugins"]
ignore_warnings = ["DEPRECATED: Running Pants in an external Python interpreter"]

[anonymous-telemetry]
enabled = false

[source]
root_patterns = ["/", "/src/python"]

[python]
enable_resolves = true
resolves_generate_lockfiles = false
interpreter_constraints = ["==3.11.*"]

[python.resolves]
python-default = "3rdparty/python/default.lock"
pytest = "3rdparty/python/pytest.lock"

[python-infer]
use_rust_parser = true
unowned_dependency_behavior = "ignore"

[pex]
executable_search_paths = ["/usr/bin", "/bin"]

[pytest]
install_from_resolve = "pytest"

[stats]
log = true
"""

BUILD_FILES = {
    "3rdparty/python": """\
python_requirements(
    name="default",
    source="default.txt",
    module_mapping={
        "cyclonedx-python-lib": ["cyclonedx"],
        "grpcio": ["grpc"],
        "packageurl-python": ["packageurl"],
        "pyelftools": ["elftools"],
        "pyyaml": ["yaml"],
    },
)
""",
    "src/python": """\
python_sources(sources=["irc/**/*.py", "irc_runtime/**/*.py"])
resources(name="pages", sources=["irc/*.md"])
""",
    "flows/greet": """\
python_sources()
agent_flow(name="agent")
""",
}

FLOW = """\
version: "1.0"
metadata:
  name: greet
  description: Greets whoever asks.
context:
  requires: [name]
nodes:
  greet:
    description: The greeting.
    inputs:
      - {name: name, type: string}
    outputs:
      - {name: text, type: string}
    transform:
      mode: code
      spec: {file: greeting.py}
edges:
  - {from: _input.name, to: greet.name}
  - {from: greet.text, to: _output.text}
tests:
  - name: it greets
    request: {name: Ada}
    expect:
      output: {text: "GREETING, Ada!"}
"""

GREETING = """\
async def transform(inputs, context, state):
    return {"text": f"GREETING, {inputs['name']}!"}
"""


@dataclass(frozen=True)
class Run:
    """What Pants said; its counters are those that `[stats] log` writes at the end."""

    exit_code: int
    log: str
    counters: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        counters = re.findall(r"^  ([a-z_]+): (\d+)$", self.log, re.MULTILINE)
        object.__setattr__(self, "counters", {name: int(count) for name, count in counters})

    def must_pass(self) -> Self:
        assert self.exit_code == 0, self.log
        return self


class SmallRepository(Repository):
    """A checkout with a daemon and caches of its own.

    Args:
        folder: gets the checkout and its caches; is made.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "repository", folder / "own", launcher_cache())
        self.environment["PANTS_PROCESS_EXECUTION_LOCAL_PARALLELISM"] = "2"
        for name in ("pants-plugins/irc_pants", "src/python/irc", "src/python/irc_runtime"):
            ignored = shutil.ignore_patterns("__pycache__", "BUILD")
            shutil.copytree(ROOT / name, self.root / name, ignore=ignored)
        shutil.copy(ROOT / "pants", self.root)
        self._write("pants.toml", PANTS_TOML)
        for place, text in BUILD_FILES.items():
            self._write(f"{place}/BUILD", text)
        locks = ROOT / "3rdparty/python"
        self._write("3rdparty/python/default.txt", "\n".join(REQUIREMENTS))
        self._write("3rdparty/python/default.lock", "".join(_needed(locks / "default.lock")))
        for name in ("pants", "pex", "pytest", "uv"):
            shutil.copy(locks / f"{name}.lock", self.root / "3rdparty/python")
        self.greet("Hello")

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def greet(self, greeting: str) -> None:
        """Edit the flow: it greets with another word."""
        self._write("flows/greet/flow.yaml", FLOW.replace("GREETING", greeting))
        self._write("flows/greet/greeting.py", GREETING.replace("GREETING", greeting))

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Pants, for `finish`."""
        return subprocess.Popen(
            ["./pants", *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> Run:
        """Wait for the end of what `start` gave."""
        try:
            log, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            self.stop_daemon()
            log, _ = process.communicate()
            raise AssertionError(f"Pants did not end within {TIMEOUT_S} s:\n{log}") from None
        print(log)  # pytest shows it where a test fails
        return Run(process.returncode, log)

    def run(self, *arguments: str) -> Run:
        """Run Pants to its end."""
        return self.finish(self.start(*arguments))

    def packaged(self) -> dict[str, bytes]:
        """All files of the flow's package, by their paths in it."""
        folder = self.root / PACKAGE
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _needed(lock: Path) -> Iterator[str]:
    """The entries of a lock that REQUIREMENTS need, as the installed distributions say."""
    names = set[str]()
    waiting = [Requirement(name) for name in REQUIREMENTS]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if f"{name}[{extra}]" not in names:
                names |= {name, f"{name}[{extra}]"}
                waiting.extend(
                    needed
                    for needed in map(Requirement, requires(name) or ())
                    if needed.marker is None or needed.marker.evaluate({"extra": extra})
                )
    for entry in re.split(r"(?m)^(?=[a-z0-9])", lock.read_text()):
        found = re.match(r"[a-z0-9._-]+", entry)
        if found and canonicalize_name(found[0]) in names:
            yield entry
