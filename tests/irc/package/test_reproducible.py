"""From the flow to the image in two surroundings that share nothing: the same bytes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from irc.oci.base import Platform
from irc.oci.image import ImageLayer
from irc.oci.layer import bytes_file, write_layer
from irc.package.build import package
from tests.irc.oci.packed_pex import write_packed_pex
from tests.irc.oci.single_image import write_single_image
from tests.irc.package.agent_files import KSERVE, LOADER, arguments, summary, write_inputs

# Starts `irc` with a clock that is off by so many seconds.
PROGRAM = """\
import sys, time
offset = float(sys.argv.pop(1))
now, now_ns = time.time, time.time_ns
time.time = lambda: now() + offset
time.time_ns = lambda: now_ns() + int(offset * 1e9)
from irc.cli.main import main
main()
"""
PATH = os.pathsep.join(map(os.path.abspath, sys.path))  # commands run in folders of their own
DISTRIBUTIONS = {
    "alpha-1.0": {"alpha.py": "VALUE = {'a', 'b', 'c'}\n", "data.bin": "x" * 300_000},
    "beta_b-2.0": {"beta/__init__.py": "import alpha\n", "beta/tests/test_b.py": ""},
}


@dataclass(frozen=True)
class Surroundings:
    """Where and how commands run."""

    folder: Path
    environment: Mapping[str, str]
    clock_offset_s: float
    prefix: tuple[str, ...]
    umask: int

    def irc(self, *arguments: str) -> None:
        command = [*self.prefix, sys.executable, "-c", PROGRAM, str(self.clock_offset_s)]
        done = subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": PATH, **self.environment},
            umask=self.umask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def other_user() -> tuple[str, ...]:
    """What runs a command as a user of another number, in a namespace of its own; or nothing."""
    unshare = shutil.which("unshare")
    prefix = (unshare or "", "--user", "--map-user=1234", "--map-group=1234")
    if unshare is None or subprocess.run([*prefix, "true"], check=False).returncode != 0:
        return ()
    return prefix


def build(at: Surroundings) -> Path:
    """Write the inputs and run all commands that lead to a package; returns its folder."""
    folder = at.folder
    folder.mkdir(parents=True)
    at.irc("new", "flows/demo")
    inputs = write_inputs(folder / "in")
    shutil.rmtree(folder / "in" / "generated")
    at.irc("compile", "flows/demo/flow.yaml", "--output-dir", "in/generated")
    shutil.copytree(folder / "flows", folder / "in/sources/flows", dirs_exist_ok=True)
    shutil.rmtree(folder / "in/deps.pex")
    pex = write_packed_pex(folder / "in/deps.pex", DISTRIBUTIONS)
    (pex / "__main__.py").write_text(LOADER.format(pex_hash="a" * 40))
    at.irc("image", "deps", "--pex", "in/deps.pex", "--output-dir", "deps")
    layer = write_layer(folder / "image", [bytes_file("usr/bin/python3.11", b"\x7fELF")])
    write_single_image(
        folder / "image", Platform("linux", "amd64"), [ImageLayer(layer, "base")], {}, {}
    )
    at.irc(
        *("image", "base", "--from", "oci:image", "--platform", "linux/amd64"),
        *("--output-dir", "base"),
    )
    assert inputs.image is not None
    at.irc("image", "code", "--sources", "in/shared_sources", "--output-dir", "code")
    shared_layers = ("--base", "base/base.json", "--deps", "deps/deps.json")
    at.irc("sbom", *shared_layers, "--output-dir", "bill")
    at.irc(
        *(
            "package",
            "--agent",
            "in/generated/flows/demo/agent.json",
            "--generated",
            "in/generated",
        ),
        *("--sources", "in/sources", "--deps-pex", "in/deps.pex", *shared_layers),
        *("--code", "code/code.json"),
        *("--lock", "in/default.lock", "--libraries", "bill/libraries.cdx.json"),
        *("--manifest", "in/manifest.json", "--output-dir", "out"),
    )
    for shared in ("base", "deps", "code"):
        shutil.copytree(folder / shared / "blobs", folder / "out/image/blobs", dirs_exist_ok=True)
    return folder / "out"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """One package made in two surroundings."""
    here = tmp_path_factory.mktemp("one")
    plain = Surroundings(
        here / "repository",
        {
            "PYTHONHASHSEED": "1",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "USER": "root",
            "HOME": str(here),
            "IRC_CACHE_DIR": str(here / "cache"),
        },
        clock_offset_s=0,
        prefix=(),
        umask=0o022,
    )
    there = tmp_path_factory.mktemp("another") / "much" / "longer folder"
    other = Surroundings(
        there / "checkout",
        {
            "PYTHONHASHSEED": "4000000000",
            "TZ": "XYZ-13:45",
            "LC_ALL": "C",
            "USER": "other",
            "HOME": "/nonexistent",
            "IRC_CACHE_DIR": str(there / "cache"),
            "LANG": "de_DE",
        },
        clock_offset_s=400 * 24 * 3600.0,
        prefix=other_user(),
        umask=0o077,
    )
    yield build(plain), build(other)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_packages_of_two_surroundings_are_the_same_bytes(packages: tuple[Path, Path]) -> None:
    first, second = map(tree, packages)
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name]] == []
    roles = [layer["role"] for layer in json.loads(first["image.json"])["layers"]]
    assert roles == ["base", "third-party", "third-party", "first-party", "flow"]


def test_files_are_for_all_to_read_whatever_the_umask(packages: tuple[Path, Path]) -> None:
    """A layout is read by whoever pushes or runs it, not by its builder alone."""
    for package_folder in packages:
        files = [path for path in (package_folder / "image").rglob("*") if path.is_file()]
        assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_nothing_differs_between_their_images(packages: tuple[Path, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "0", "image", "diff", *map(str, packages)],
        env={"PYTHONPATH": PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("target", ["kserve", "local", "lambda"])
def test_texts_are_utf_8_in_every_locale(tmp_path: Path, target: str) -> None:
    inputs = write_inputs(tmp_path)
    kserve = {**KSERVE, "env": {"GREETING": "Grüße"}}
    described = summary(description="Grüßt", deployment={"target": target, "kserve": kserve})
    inputs.agent.write_text(json.dumps(described))
    settings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    there = Surroundings(tmp_path, settings, 0, (), 0o022)
    there.irc("package", *arguments(inputs, tmp_path / "out"))
    package(inputs, tmp_path / "expected")
    assert tree(tmp_path / "out") == tree(tmp_path / "expected")
