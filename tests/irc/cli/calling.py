"""Calling the command line: in this process, and as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from irc.cli.main import main

IMPORT_PATH = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)


def status(*arguments: str) -> int:
    """The exit status of ``irc ARGUMENTS``, called in this process."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of a process that imports what this one does."""
    return {**os.environ, "PYTHONPATH": IMPORT_PATH, **(more or {})}


def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run ``irc ARGUMENTS`` as a process, in the working folder."""
    return subprocess.run(
        [sys.executable, "-m", "irc", *arguments],
        env=environment(variables), capture_output=True, text=True, check=False,
    )  # fmt: skip
