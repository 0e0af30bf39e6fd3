"""Running generated tests with pytest."""

from __future__ import annotations

import importlib.util
import posixpath
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from irc.emit.agent import Compiled
from irc.pipeline import generate
from irc.running.overlay import environment, lay_over

STATUSES = {0: 0, 1: 1, 2: 1, 3: 70, 4: 2, 5: 1}
"""Statuses of irc by those of pytest (docs.pytest.org/en/stable/reference/exit-codes.html)."""


class MissingToolError(Exception):
    """A package that is needed is not installed; the message names it."""


def run_tests(flows: Sequence[Compiled], source_root: Path, options: Sequence[str]) -> int:
    """Run the generated tests of flows; the exit status is irc's.

    Args:
        options: of pytest.
    Raises:
        MissingToolError: pytest or the runtime is not there.
    """
    for module in ("pytest", "irc_runtime"):
        if importlib.util.find_spec(module) is None:
            raise MissingToolError(f"generated tests need '{module}', which is not installed")
    files: dict[str, str] = {}
    for compiled in flows:
        files |= generate(compiled)
    tests = [name for name in files if posixpath.basename(name).startswith("test_")]
    with tempfile.TemporaryDirectory(prefix="irc-test-") as name:
        folder = Path(name).resolve()
        lay_over(source_root, files, folder)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
                *(f"--rootdir={folder}", "--import-mode=importlib"),
                *(str(folder / test) for test in tests),
                *options,
            ],
            env=environment(folder, source_root), check=False,
        )  # fmt: skip
    return STATUSES.get(done.returncode, 1)
