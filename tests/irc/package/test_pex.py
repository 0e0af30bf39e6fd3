"""``agent.pex``: a real packed PEX with code added to it, run by a real interpreter."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pex.version  # type: ignore[import-untyped]  # pex has no py.typed
import pytest

from irc.oci.distributions import read_distributions, read_pex_info
from irc.oci.errors import ImageError
from irc.oci.thirdparty import build_third_party
from irc.package.pex import code_hash, compose_pex
from tests.irc.oci.listing import members
from tests.irc.package.agent_files import LOADER


def write_wheel(folder: Path, root: str, other: str) -> Path:
    """A wheel as its format (PEP 427) asks for, with all kinds of files.

    Args:
        root: what its own modules are, ``purelib`` or ``platlib``.
        other: what its module in ``.data`` is.
    """
    info = "greeter-1.0.dist-info"
    is_pure = "true" if root == "purelib" else "false"
    files = {
        "greeter.py": "def greet(name):\n    return f'hello {name}'\n",
        f"greeter-1.0.data/{other}/greeter_other.py": "",
        "greeter-1.0.data/scripts/greet": "#!python\n",
        "greeter-1.0.data/headers/greeter.h": "int greet();\n",
        "greeter-1.0.data/data/share/greeter.txt": "data",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {is_pure}\nTag: py3-none-any\n",
    }
    wheel = folder / "greeter-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        record = f"{info}/RECORD"
        archive.writestr(record, "".join(f"{name},,\n" for name in (*files, record)))
    return wheel


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("requirements")
    return packed_pex(folder, write_wheel(folder, "purelib", "platlib"))


def packed_pex(folder: Path, wheel: Path) -> Path:
    """A packed PEX of one distribution and no code, by pex itself."""
    command = [sys.executable, "-m", "pex", "--no-index", "--layout=packed", str(wheel)]
    subprocess.run(
        [*command, "--output-file", str(folder / "deps.pex")],
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "PEX_ROOT": str(folder / "pex_root"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
    )
    return folder / "deps.pex"


def composed(requirements: Path, code: Mapping[str, str], folder: Path) -> Path:
    """``agent.pex`` as the build puts it together: composed files beside the archives."""
    sources = {}
    for name, text in code.items():
        path = folder / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        sources[name] = path
    # Not written over: pex links files of a PEX into its cache.
    agent = folder / "agent.pex"
    shutil.rmtree(agent, ignore_errors=True)
    compose_pex(requirements, sources, "flows.demo.agent", agent)
    for name in (".deps", ".bootstrap"):
        (agent / name).symlink_to(requirements / name)
    return agent


def run(agent: Path, pex_root: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, str(agent), *arguments],
        env={"PATH": os.defpath, "HOME": str(pex_root), "PEX_ROOT": str(pex_root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


AGENT = "import sys\nimport greeter\nfrom flows.demo.name import NAME\n"
MAIN = "if __name__ == '__main__':\n    print(greeter.greet(NAME), *sys.argv[1:])\n"


def test_composed_pex_runs_its_code_and_every_edit_of_it(
    requirements: Path, tmp_path: Path
) -> None:
    code = {"flows/demo/agent.py": AGENT + MAIN, "flows/demo/name.py": "NAME = 'one'\n"}
    agent = composed(requirements, code, tmp_path)
    pex_root = tmp_path / "pex_root"
    assert run(agent, pex_root, "--http_port", "8080") == "hello one --http_port 8080"
    # The unpacked copy of the first run is in PEX_ROOT; same sizes, same times would not tell.
    composed(requirements, {**code, "flows/demo/name.py": "NAME = 'two'\n"}, tmp_path)
    assert run(agent, pex_root) == "hello two"
    composed(requirements, code, tmp_path)
    assert run(agent, pex_root) == "hello one"


def test_hashes_are_those_that_pex_computes(requirements: Path, tmp_path: Path) -> None:
    from pex.util import CacheHelper  # type: ignore[import-untyped]  # pex has no py.typed

    code = {"flows/demo/agent.py": "A = 1\n", "flows/demo-1/x.txt": "x", "a.py": ""}
    agent = composed(requirements, code, tmp_path)
    info = read_pex_info(agent)
    assert info["code_hash"] == CacheHelper.pex_code_hash(str(tmp_path / "sources"))
    assert info["entry_point"] == "flows.demo.agent"
    assert info["pex_hash"] != read_pex_info(requirements)["pex_hash"]
    for loader in ("__main__.py", "__pex__/__init__.py"):
        assert f"pex_hash={info['pex_hash']!r}" in (agent / loader).read_text()


def test_empty_code_has_the_hash_that_pex_gives_it(requirements: Path) -> None:
    assert code_hash({}) == read_pex_info(requirements)["code_hash"]


# Scripts and headers are left out.
INSTALLED = [
    f"opt/agent/site-packages/{name}"
    for name in (
        "greeter-1.0.dist-info/METADATA",
        "greeter-1.0.dist-info/WHEEL",
        "greeter.py",
        "__pycache__/greeter.cpython-311.pyc",
        "share/greeter.txt",
        "greeter_other.py",
        "__pycache__/greeter_other.cpython-311.pyc",
    )
]


def test_layers_read_what_pex_writes(requirements: Path, tmp_path: Path) -> None:
    """Guards the knowledge of ``.deps``; pex may change it with a new version."""
    assert pex.version.__version__.startswith("2.")
    (distribution,) = read_distributions(requirements)
    assert distribution.requirement == "greeter==1.0"
    (item,) = build_third_party(requirements, tmp_path)[0].layers
    names = [member.name for member in members(tmp_path, item.layer) if member.isreg()]
    assert names == INSTALLED


def test_modules_of_the_other_kind_are_there(tmp_path: Path) -> None:
    pex = packed_pex(tmp_path, write_wheel(tmp_path, "platlib", "purelib"))
    (item,) = build_third_party(pex, tmp_path)[0].layers
    names = [member.name for member in members(tmp_path, item.layer) if member.isreg()]
    assert names == INSTALLED


def test_loader_of_an_unknown_make_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "deps.pex"
    folder.mkdir()
    (folder / "PEX-INFO").write_text(f'{{"distributions": {{}}, "pex_hash": "{"a" * 40}"}}')
    (folder / "__main__.py").write_text(LOADER.format(pex_hash="b" * 40))
    with pytest.raises(ImageError, match="this version of pex is not known"):
        compose_pex(folder, {}, "agent", tmp_path / "agent.pex")


@pytest.mark.parametrize("name", ["__main__.py", ".deps/x.whl", "__pex__/y.py", "PEX-INFO"])
def test_code_must_not_take_the_place_of_the_pex_s_own_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="a PEX keeps a file of its own there"):
        compose_pex(tmp_path, {name: tmp_path}, "agent", tmp_path / "agent.pex")
