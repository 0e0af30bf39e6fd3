"""No bytes make a traceback, a hang or a full memory: a flow, and each file that a flow refers to.

atheris, guided by the coverage of the compiler, in a process of its own. The number of runs bounds it,
and the seed makes it the same each time. What breaks the compiler stands in the failure's text.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.irc.fuzzing.seeds import dictionary, seeds, write_seeds

TARGET = Path("tests/irc/fuzzing/target.py")
RUNS = {"flow": 6000, "json": 2000, "template": 2000, "code": 2000, "schema": 1500}
"""More than there are seeds, which count as runs; about a minute in all."""


def fuzzed(kind: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the fuzzer; what breaks the compiler is left as ``crash-…`` in the folder."""
    corpus = folder / "corpus"
    if not corpus.exists():
        write_seeds(kind, corpus)
    (folder / "words").write_text(dictionary())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    return subprocess.run(
        [
            sys.executable, str(TARGET), kind, "-seed=1", "-timeout=60", "-rss_limit_mb=1024",
            "-print_final_stats=1", f"-dict={folder / 'words'}", f"-artifact_prefix={folder}/",
            *options, str(corpus),
        ],
        env=environment, capture_output=True, text=True, errors="replace", check=False, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("kind", RUNS)
def test_bytes_compile_or_are_told(kind: str, tmp_path: Path) -> None:
    assert RUNS[kind] > 3 * len(list(seeds(kind)))
    done = fuzzed(kind, tmp_path, f"-runs={RUNS[kind]}", "-max_len=8192")
    broken = [path for path in tmp_path.iterdir() if "-" in path.name]
    if broken or done.returncode:
        inputs = "\n".join(f"{path.name}: {path.read_bytes()!r}" for path in broken)
        pytest.fail(f"{inputs}\nstatus {done.returncode}\n{done.stderr[-6000:]}")
    assert f"stat::number_of_executed_units: {RUNS[kind]}" in done.stderr, done.stderr[-6000:]
