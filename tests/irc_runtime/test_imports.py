"""What the runtime's modules bring into an agent: Pants infers it from import statements, as done here."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path("src/python")
ALWAYS = ("irc_runtime.agent", "irc_runtime.serving")
#: What serving uses: of what kserve itself requires, and what sends traces.
OF_SERVING = {"httpx", "jwt", "opentelemetry", "prometheus_client"}
HEAVY = {
    "anthropic",
    "boto3",
    "botocore",
    "confluent_kafka",
    "fastavro",
    "hopsworks",
    "httpx",
    "jinja2",
    "jwt",
    "openai",
    "opentelemetry",
    "pandas",
    "prometheus_client",
    "pyarrow",
    "redis",
}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file may import, at any place in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(module: str) -> Path | None:
    """The file of a first-party module, or of the one that a name is imported from."""
    while module:
        base = SOURCES / module.replace(".", "/")
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        module = module.rpartition(".")[0]
    return None


def reached(*modules: str) -> tuple[set[str], set[Path]]:
    """The top-level names that modules bring along, and the first-party files."""
    waiting = list(modules)
    seen: set[Path] = set()
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        found.add(module.partition(".")[0])
        path = file_of(module)
        if path is not None and path not in seen:
            seen.add(path)
            waiting += imported(path)
    assert seen, f"no sources of {modules}"
    return found, seen


def carried(*modules: str) -> set[str]:
    """Those of the heavy libraries that modules bring along."""
    return reached(*modules)[0] & HEAVY


@pytest.mark.parametrize(
    ("modules", "libraries"),
    [
        ((), set()),
        (("features", "registry"), set()),
        (("http",), {"httpx"}),
        (("models", "prompt", "tools"), {"jinja2"}),
        (("openai_chat",), {"jinja2", "openai"}),
        (("azure_chat",), {"jinja2", "openai"}),
        (("anthropic_chat",), {"anthropic", "jinja2"}),
        (("bedrock_chat",), {"boto3", "botocore", "jinja2"}),
        (("state.redis",), {"redis"}),
        (
            ("hopsworks.features", "hopsworks.registry"),
            {"confluent_kafka", "fastavro", "hopsworks", "pandas", "pyarrow"},
        ),
    ],
)
def test_an_agent_carries_what_it_uses(modules: tuple[str, ...], libraries: set[str]) -> None:
    assert carried(*ALWAYS, *(f"irc_runtime.{module}" for module in modules)) == (
        libraries | OF_SERVING
    )


def test_a_function_carries_nothing_of_its_own() -> None:
    assert carried("irc_runtime.agent", "irc_runtime.aws_lambda") == set()


def test_an_agent_carries_the_processes_that_reload_it() -> None:
    _, files = reached(*ALWAYS)
    names = {path.name for path in files if path.parent.name == "reloading"}
    assert {"__main__.py", "supervisor.py", "worker.py"} <= names
