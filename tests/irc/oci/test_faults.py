"""Full disks, files in the way, two builds at once: clear errors, and a second try that is safe."""

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci import thirdparty
from irc.oci.errors import ImageError
from irc.oci.thirdparty import ThirdParty, build_third_party
from irc.package.build import package
from tests.irc.oci.packed_pex import Distributions, write_packed_pex
from tests.irc.package.agent_files import arguments, write_inputs

DISTRIBUTIONS: Distributions = {
    "engine-1.0": {"engine.txt": "".join(f"line {n}\n" for n in range(1_500_000))},
    "yaml-1.0": {"yaml.py": "a = 1\n"},
}

# Python's own byte code would be cut short as well.
ENVIRONMENT = {"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


def command(*line: str) -> list[str]:
    return [sys.executable, "-c", "from irc.cli.main import main; main()", *line]


def limited(size_bytes: int) -> Callable[[], None]:
    """What makes every file of a process end at a size, as the end of a disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def run(line: list[str], *, size_bytes: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        env=ENVIRONMENT,
        preexec_fn=limited(size_bytes),
        capture_output=True,
        text=True,
        check=False,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# What compresses too little, and a copy that is too large.
TOO_LARGE: dict[str, Distributions] = {
    "layer": DISTRIBUTIONS,
    "library": {"engine-1.0": {"engine.so": b"\x7fELF" + bytes(200_000)}},
}


@pytest.mark.parametrize("distributions", TOO_LARGE.values(), ids=TOO_LARGE)
def test_full_disk_leaves_no_layers_that_look_whole(
    tmp_path: Path, distributions: Distributions
) -> None:
    pex = write_packed_pex(tmp_path / "pex", distributions)
    line = command("image", "deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out"))
    full = run(line, size_bytes=100_000)
    assert full.returncode == 1
    assert full.stderr == f"Error: {tmp_path / 'out/blobs/sha256'}: File too large\n"
    assert not (tmp_path / "out/deps.json").exists()
    assert not [name for name in files(tmp_path / "out") if ".new-" in name]

    again = run(line, size_bytes=100_000_000)
    assert again.returncode == 0, again.stderr
    built = ThirdParty.from_json(json.loads((tmp_path / "out/deps.json").read_text()))
    assert built == build_third_party(pex, tmp_path / "elsewhere")[0]


def test_full_disk_leaves_no_package(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path / "in")
    line = command("package", *arguments(inputs, tmp_path / "out"))
    full = run(line, size_bytes=400)
    assert full.returncode == 1
    assert full.stderr.startswith("Error: ")
    assert "File too large" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]

    again = run(line, size_bytes=1_000_000)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out/image/index.json").is_file()


def test_full_disk_leaves_the_archive_that_was_there(tmp_path: Path) -> None:
    package(write_inputs(tmp_path / "in"), tmp_path / "out")
    blobs = tmp_path / "out/image/blobs"
    shutil.copytree(tmp_path / "in/shared/blobs", blobs, dirs_exist_ok=True)
    archive = tmp_path / "archives/image.tar"
    line = command("image", "archive", str(tmp_path / "out"), "--output", str(archive))
    assert run(line, size_bytes=1_000_000).returncode == 0
    whole = archive.read_bytes()
    full = run([*line, "--name", "localhost/demo:next"], size_bytes=2_000)
    assert full.returncode == 1
    assert full.stderr == f"Error: {archive}: File too large\n"
    assert archive.read_bytes() == whole
    assert files(tmp_path / "archives") == ["image.tar"]


@pytest.mark.parametrize("name", ["out", "out/blobs", "out/blobs/sha256"])
def test_file_in_the_place_of_a_folder_is_named(tmp_path: Path, name: str) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    line = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, line)
    assert result.exit_code in (1, 2)
    assert str(tmp_path / name) in result.output
    assert (tmp_path / name).read_text() == "mine"


def test_file_in_the_place_of_the_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("mine")
    inputs = write_inputs(tmp_path / "in")
    line = command("package", *arguments(inputs, tmp_path / "dist/agent"))
    done = run(line, size_bytes=1_000_000)
    assert done.returncode == 1
    assert str(tmp_path / "dist") in done.stderr
    assert (tmp_path / "dist").read_text() == "mine"


def at_once(line: list[str]) -> list[tuple[int, str]]:
    """Exit status and errors of two processes that do the same at the same time."""
    processes = [
        subprocess.Popen(line, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    return [(process.wait(), process.communicate()[1]) for process in processes]


def test_two_builds_of_one_set_of_layers_do_not_harm_each_other(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    out = tmp_path / "out"
    assert at_once(command("image", "deps", "--pex", str(pex), "--output-dir", str(out))) == [
        (0, ""),
        (0, ""),
    ]
    built = ThirdParty.from_json(json.loads((out / "deps.json").read_text()))
    blobs = {f"blobs/sha256/{item.layer.digest[7:]}" for item in built.layers}
    assert set(files(out)) == {"deps.json", *blobs}


def test_of_two_builds_of_one_package_one_is_there_whole(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path / "in")
    results = at_once(command("package", *arguments(inputs, tmp_path / "out")))
    assert 0 in dict(results)
    for status, error in results:
        assert status == 0 or "not empty" in error, error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    alone = run(command("package", *arguments(inputs, tmp_path / "alone")), size_bytes=10**6)
    assert alone.returncode == 0
    assert files(tmp_path / "out") == files(tmp_path / "alone")


def test_archive_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", {"alpha-1.0": {"alpha.txt": "marked" * 1_000}})
    (archive,) = (pex / ".deps").iterdir()
    data = bytearray(archive.read_bytes())
    place = data.index(b"alpha.txt") + len(b"alpha.txt") + 4
    data[place] ^= 0xFF
    archive.write_bytes(data)
    line = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, line)
    assert result.exit_code == 1
    assert result.output.startswith("Error: damaged among alpha-1.0-py3-none-any.whl: ")
    assert not (tmp_path / "out/deps.json").exists()


def test_process_that_the_system_ends_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)

    def killed(*_: object) -> object:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr(thirdparty, "write_layer", killed)
    with pytest.raises(ImageError, match="has ended a process that writes layers"):
        build_third_party(pex, tmp_path / "out")
