"""The flow's own cases, run in a copy of the process: what they leave behind goes away with it."""

import contextlib
import importlib
import logging
import os
from pathlib import Path
from types import ModuleType

from irc_runtime.agent import Agent
from irc_runtime.errors import AgentError, public_reason

#: By its name, as it brings along what only agents with cases need.
CASES = "irc_runtime.cases"


class CheckFailedError(AgentError):
    """A version does not do what its flow says."""

    type = "check_failed"


def check_cases(module: ModuleType, agent_type: type[Agent]) -> None:
    """Run the cases beside a module, where there are any.

    Raises:
        CheckFailedError: one of them does not come out as the flow says.
    """
    assert module.__file__ is not None
    path = Path(module.__file__).with_suffix(".cases.json")
    if not path.is_file():
        return
    reading, writing = os.pipe()
    pid = os.fork()  # before anything of the agent is connected, and with one thread
    if pid == 0:
        status = 1
        try:
            problem = _problem(path, agent_type)
            os.write(writing, problem.encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as said:
        problem = said.read().decode()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        problem = f"the cases ended with status {os.waitstatus_to_exitcode(status)}"
    if problem:
        raise CheckFailedError(problem)


def _problem(path: Path, agent_type: type[Agent]) -> str:
    """What is wrong, without content; empty where all is well."""
    logging.disable()  # cases provoke failures, which are no events
    with (
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        try:
            cases = importlib.import_module(CASES)
            cases.run_cases(agent_type, cases.read_cases(path))
        except Exception as error:  # noqa: BLE001  # the boundary: any failure is told
            return public_reason(error) or type(error).__name__
    return ""
