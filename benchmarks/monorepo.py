"""Repositories of many flows, as a team of teams has them; the same arguments give the same files.

Ten flows make a team: a folder with a Python helper and a prompt that its flows share, and a folder for
each flow with a prompt of its own. All teams share a folder of JSON Schemas. The compiler, the runtime
and the locks are copies of this repository's; the plugin is this repository's own.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEAM_SIZE = 10

FLOW = """\
version: "1.0"
metadata: {{name: {name}}}
context: {{requires: [question]}}

nodes:
  urgency:
    description: Edition 0.
    inputs: [{{name: question, type: string}}]
    outputs: [{{name: level, type: string, schema: {{$ref: ../../../schemas/level.json}}}}]
    transform: {{mode: code, spec: {{function: agents.{team}.urgency:urgency}}}}

  answer:
    description: Edition 0.
    inputs:
      - {{name: question, type: string}}
      - {{name: level, type: string}}
    outputs: [{{name: text, type: string}}]
    prompt:
      template: {{file: prompts/answer.j2}}
      model: {{provider: openai, name: gpt-4o-mini}}
      output_schema: {{$ref: ../../../schemas/answer.json}}
      fallback:
        on: [timeout, error, validation_fail]
        static_response: '{{"text": "Agent {number} cannot say right now."}}'
    runtime: {{timeout_ms: 20000, retries: 2}}

edges:
  - {{from: _input.question, to: urgency.question}}
  - {{from: _input.question, to: answer.question}}
  - {{from: urgency.level, to: answer.level}}
  - {{from: answer.text, to: _output.answer}}
  - {{from: urgency.level, to: _output.level}}

tests:
  - name: the model's answer is the response
    request: {{question: "How high is hill {number}?"}}
    mocks:
      answer: {{completion: '{{"text": "It is high."}}'}}
    expect:
      output: {{answer: It is high., level: low}}
"""

FLOW_BUILD = """\
resources(name="prompts", sources=["prompts/*.j2"])

agent_flow(name="agent"{fields})
"""

TEAM_BUILD = """\
python_sources({fields})

resources(name="prompts", sources=["prompts/*.j2"])
"""

HELPER = """\
def urgency(inputs, context, state):
    return {"level": "high" if "now" in inputs["question"] else "low"}
"""

SCHEMAS = {
    "level.json": {"enum": ["low", "high"]},
    "answer.json": {
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "properties": {"text": {"$ref": "text.json"}},
    },
    "text.json": {"type": "string", "minLength": 1},
}

PANTS_TOML = """\
[GLOBAL]
pants_version = "2.17.1"
backend_packages = ["pants.backend.python", "irc_pants"]
pythonpath = [{plugin}]
pantsd_max_memory_usage = "4GiB"
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
{resolves}
pytest = "3rdparty/python/pytest.lock"

[python.resolves_to_interpreter_constraints]
pytest = ["==3.9.*", "==3.11.*"]

[python-infer]
use_rust_parser = true
unowned_dependency_behavior = "error"

[pex]
executable_search_paths = ["/usr/bin", "/bin"]

[pytest]
install_from_resolve = "pytest"
"""

DEFAULT_RESOLVE = "python-default"
SECOND_RESOLVE = "second"

#: What `./pants` reads, and what the resolves are made of.
COPIED = (
    "default.lock",
    "default.txt",
    "pants.lock",
    "pex.lock",
    "pytest.lock",
    "uv.lock",
    "BUILD",
)


@dataclass(frozen=True)
class Monorepo:
    """A repository of flows that has been written.

    Attributes:
        second_resolve: whether the flows of the last team belong to a resolve of their own.
    """

    root: Path
    flow_count: int
    second_resolve: bool = False

    @property
    def folders(self) -> tuple[str, ...]:
        """Those of the flows, from the root."""
        return tuple(
            f"agents/{team_name(number)}/{flow_name(number)}" for number in range(self.flow_count)
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """Those of the flows."""
        return tuple(f"{folder}:agent" for folder in self.folders)


def team_name(number: int) -> str:
    """The folder of the team to which a flow belongs."""
    return f"team_{number // TEAM_SIZE:03d}"


def flow_name(number: int) -> str:
    """The folder of a flow within its team's."""
    return f"agent_{number:04d}"


def write_monorepo(root: Path, flow_count: int, *, second_resolve: bool = False) -> Monorepo:
    """Write a repository, without git.

    Args:
        root: of the repository; is made.
        second_resolve: give the flows of the last team a resolve of their own.
    """
    monorepo = Monorepo(root, flow_count, second_resolve)
    root.mkdir(parents=True)
    _copy(root)
    resolves = [DEFAULT_RESOLVE, *([SECOND_RESOLVE] if second_resolve else [])]
    locks = {DEFAULT_RESOLVE: "default.lock", SECOND_RESOLVE: "second.lock"}
    lines = [f'{name} = "3rdparty/python/{locks[name]}"' for name in resolves]
    plugin = json.dumps(str(ROOT / "pants-plugins"))
    _write(root / "pants.toml", PANTS_TOML.format(plugin=plugin, resolves="\n".join(lines)))
    _write(root / ".gitignore", "/.pants.d/\n/.pids/\n/dist/\n")
    if second_resolve:
        _add_second_resolve(root)
    for name, schema in SCHEMAS.items():
        _write(root / "schemas" / name, json.dumps(schema, indent=2) + "\n")
    _write(root / "schemas/BUILD", 'resources(sources=["*.json"])\n')
    for number, folder in enumerate(monorepo.folders):
        in_second = second_resolve and number // TEAM_SIZE == (flow_count - 1) // TEAM_SIZE
        _write_flow(root / folder, number, f'resolve="{SECOND_RESOLVE}"' if in_second else "")
    return monorepo


def _write_flow(folder: Path, number: int, field: str) -> None:
    if number % TEAM_SIZE == 0:
        team = folder.parent
        _write(team / "BUILD", TEAM_BUILD.format(fields=field))
        _write(team / "urgency.py", HELPER)
        _write(team / "prompts/tone.j2", f"Answer as {team.name} does.\n")
    flow = FLOW.format(name=f"agent-{number}", number=number, team=team_name(number))
    _write(folder / "flow.yaml", flow)
    _write(folder / "BUILD", FLOW_BUILD.format(fields=f", {field}" if field else ""))
    prompt = '{% include "../prompts/tone.j2" %}\nQuestion ({{ level }}): {{ question }}\n'
    _write(folder / "prompts/answer.j2", prompt)


def _copy(root: Path) -> None:
    """What the flows are compiled by, what agents need, and what `./pants` reads."""
    shutil.copy(ROOT / "pants", root / "pants")
    for name in COPIED:
        target = root / "3rdparty/python" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "3rdparty/python" / name, target)
    for package in ("irc", "irc_runtime"):
        shutil.copytree(
            ROOT / "src/python" / package,
            root / "src/python" / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )


def _add_second_resolve(root: Path) -> None:
    """The same requirements once more, and a runtime that is code of both resolves."""
    locks = root / "3rdparty/python"
    for suffix in ("lock", "txt"):
        shutil.copy(locks / f"default.{suffix}", locks / f"second.{suffix}")
    build = (locks / "BUILD").read_text()
    second = build.partition("\nfiles(")[0]
    for name, value in (("name", SECOND_RESOLVE), ("source", f"{SECOND_RESOLVE}.txt")):
        default = {"name": "default", "source": "default.txt"}[name]
        second = second.replace(f'{name}="{default}"', f'{name}="{value}"')
    second = second.replace(
        f'name="{SECOND_RESOLVE}"', f'name="{SECOND_RESOLVE}", resolve="second"'
    )
    _write(locks / "BUILD", f"{build}\n{second}")
    _write(
        root / "src/python/BUILD",
        "__defaults__({(python_source, python_sources): "
        f'dict(resolve=parametrize("{DEFAULT_RESOLVE}", "{SECOND_RESOLVE}"))}})\n',
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
