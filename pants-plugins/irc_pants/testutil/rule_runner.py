"""What tests of rules share: a Pants of this backend alone, on a repository with the stand-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from textwrap import dedent
from typing import Any

from pants.backend.python import register as python_backend
from pants.core import register as core_backend
from pants.engine.internals.scheduler import ExecutionError
from pants.testutil.rule_runner import RuleRunner
from pants.util.frozendict import FrozenDict

from irc_pants import register
from irc_pants.testutil.compiler import STAND_IN

# One requirement, so that a resolve has something to install; and the test runner of this build: the
# one that Pants brings along is locked to an address, which not every machine reaches.
LOCKS = {
    "default.lock": Path("3rdparty/python/pex.lock"),
    "pytest.lock": Path("3rdparty/python/pytest.lock"),
}

INHERITED = {
    "HOME",
    "PANTS_CA_CERTS_PATH",
    "PANTS_PEX_CLI_KNOWN_VERSIONS",
    "PANTS_PEX_CLI_URL_TEMPLATE",
    "PANTS_PEX_CLI_VERSION",
    "PANTS_PYTHON_BOOTSTRAP_SEARCH_PATH",
    "PATH",
}

OPTIONS = {
    "source-root-patterns": "['/', 'src']",
    "python-enable-resolves": "true",
    "python-resolves": "{'python-default': 'default.lock', 'pytest': 'pytest.lock'}",
    "pytest-install-from-resolve": "pytest",
    "python-resolves-generate-lockfiles": "false",
    "python-infer-use-rust-parser": "true",
    "python-infer-unowned-dependency-behavior": "error",
    "pex-executable-search-paths": "['/usr/bin', '/bin']",
}

FLOW = dedent(
    """\
    version: "1.0"
    metadata: {name: greeter}
    nodes:
      greet:
        transform: {mode: code, spec: {file: greet.py}}
    """
)


def cause_of(error: ExecutionError) -> Exception:
    """The exception that a rule raised."""
    causes: tuple[Exception, ...] = error.wrapped_exceptions
    (cause,) = causes
    return cause


def make_rule_runner(queries: Iterable[Any], *more_backends: Any) -> RuleRunner:
    """A Pants with this backend, the Python backend and the stand-in, on a repository of its own."""
    backends: tuple[Any, ...] = (core_backend, python_backend, register, *more_backends)
    rule_runner = RuleRunner(
        rules=[*chain.from_iterable(backend.rules() for backend in backends), *queries],
        target_types=[
            *chain.from_iterable(
                backend.target_types() for backend in backends if hasattr(backend, "target_types")
            )
        ],
    )
    locks = {name: lock.read_text() for name, lock in LOCKS.items()}
    rule_runner.write_files({**STAND_IN, **locks})
    set_options(rule_runner)
    return rule_runner


def set_options(
    rule_runner: RuleRunner,
    changed: Mapping[str, str] = FrozenDict(),
    environment: Mapping[str, str] = FrozenDict(),
) -> None:
    """Set the options that every test has, but for some that are changed, and variables besides."""
    options = {**OPTIONS, **changed}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    # On the command line, they would overrule the fields of targets.
    constraints = {"PANTS_PYTHON_INTERPRETER_CONSTRAINTS": "['==3.11.*']"}
    rule_runner.set_options(arguments, env={**constraints, **environment}, env_inherit=INHERITED)
