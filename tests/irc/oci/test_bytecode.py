"""Byte code: taken without a look at the source, the same whatever the process did before."""

import importlib.util
import marshal
import os
import subprocess
import sys
from pathlib import Path

from irc.oci import bytecode
from irc.oci.bytecode import compile_pyc, pyc_path

# What marshal writes for it depends on the process: a name that others use as well, a character
# that somebody may have interned, equal constants of two functions.
SOURCE = b"""\
import os

def first(argument):
    if argument in {"axis", "kwargs", "skipna"}:
        return "{", 1.5, ("a b", {"axis", "kwargs", "skipna", argument})
    return [x for x in argument if x not in {"engine", "engine_kwargs", "min_count"}]

def second(argument: "int") -> None:
    if argument:
        excluded = {"axis", "kwargs", "skipna"}
        excluded = {"engine", "engine_kwargs", "min_count"}
        return "{", -0.0, 0.0, 1, True, 1.0, b"", ("a b",), excluded
"""

COMPILE = """
import sys
{before}
from irc.oci.bytecode import compile_pyc
data = compile_pyc(sys.stdin.buffer.read(), "/opt/m.py")
sys.stdout.buffer.write(data)
"""


def compiled_after(before: str, hash_seed: str) -> bytes:
    source_root = str(Path(bytecode.__file__).parents[2])
    path = os.pathsep.join([source_root, *sys.path])
    return subprocess.run(
        [sys.executable, "-c", COMPILE.format(before=before)],
        input=SOURCE,
        env={"PYTHONPATH": path, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    ).stdout


def test_bytes_do_not_depend_on_what_the_process_did_before() -> None:
    quiet = compiled_after("", "1")
    busy = compiled_after(
        "import asyncio, decimal, email, unittest.mock; kept = [sys.intern(c) for c in '{} axis']\n"
        "excluded = argument = x = second = 'kept'\n"
        "other = compile('a in {\"axis\", \"kwargs\", \"skipna\"}', 'x', 'exec')",
        "2",
    )
    assert quiet == busy
    assert quiet == compile_pyc(SOURCE, "/opt/m.py")


def test_pyc_is_unchecked_and_names_its_source() -> None:
    data = compile_pyc(SOURCE, "/opt/m.py")
    assert data is not None
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == b"\1\0\0\0"
    assert data[8:16] == importlib.util.source_hash(SOURCE)
    assert marshal.loads(data[16:]).co_filename == "/opt/m.py"


def test_constants_keep_their_types_and_signs() -> None:
    data = compile_pyc(SOURCE, "/opt/m.py")
    assert data is not None
    namespace: dict[str, object] = {}
    exec(marshal.loads(data[16:]), namespace)  # noqa: S102  (our own byte code)
    second = namespace["second"]
    assert callable(second)
    result = second(1)
    assert repr(result[:7]) == repr(("{", -0.0, 0.0, 1, True, 1.0, b""))
    assert result[8] == {"engine", "engine_kwargs", "min_count"}


def test_what_does_not_compile_has_no_byte_code() -> None:
    assert compile_pyc(b"print 'python 2'\n", "/opt/m.py") is None
    assert compile_pyc(b"\0", "/opt/m.py") is None


def test_interpreter_takes_the_byte_code_alone(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("raise SystemExit('the source was read')\n")
    byte_code = tmp_path / pyc_path("module.py")
    byte_code.parent.mkdir()
    data = compile_pyc(b"VALUE = 1\n", str(module))
    assert data is not None
    byte_code.write_bytes(data)
    subprocess.run(
        [sys.executable, "-c", "import module; assert module.VALUE == 1"],
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
    )
