"""A base of Debian packages for an architecture that this machine does not run, from the real archive."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci import debian_root
from irc.oci.base import Base
from irc.oci.debian import architecture
from irc.oci.debian_lock import read_lock
from irc.oci.errors import ImageError
from tests.irc.oci.listing import content, members

# ``e_machine`` of an ELF header, at byte 18.
MACHINES = {"amd64": 62, "arm64": 183}

BYTE_CODE = "usr/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def foreign_name() -> str:
    return "arm64" if architecture() == "amd64" else "amd64"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock for both architectures, the other's base of it, and this machine's own base."""
    missing = [
        name for name in ("apt-get", "dpkg-deb") if shutil.which(name, path="/usr/bin") is None
    ]
    if missing:
        pytest.skip(f"not a Debian machine: it has no {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("foreign")
    result = CliRunner().invoke(image, ["base", "--output-dir", str(folder / "own")])
    if "Unable to locate package" in result.output:
        pytest.skip(result.output)
    assert result.exit_code == 0, result.output
    platform = ("--platform", f"linux/{foreign_name()}")
    both = (f"--platform=linux/{name}" for name in MACHINES)
    run("lock", "--output-dir", str(folder), "--package", "libgomp1", *both)
    lock = str(folder / "debian.lock.json")
    run("base", "--lock", lock, "--output-dir", str(folder / "foreign"), *platform)
    return folder


def base(folder: Path) -> Base:
    return Base.from_json(json.loads((folder / "base.json").read_bytes()))


def test_base_is_of_the_other_architecture_and_of_the_lock(made: Path) -> None:
    foreign = base(made / "foreign")
    assert str(foreign.platform) == f"linux/{foreign_name()}"
    lock = read_lock(made / "debian.lock.json")
    assert foreign.packages == lock.packages[foreign_name()]
    assert lock.packages.keys() == MACHINES.keys()
    assert foreign.glibc == base(made / "own").glibc
    (layer,) = foreign.layers
    program = content(made / "foreign", layer, "usr/bin/python3.11")
    assert program[:4] == b"\x7fELF"
    assert int.from_bytes(program[18:20], "little") == MACHINES[foreign_name()]
    libraries = {member.name.rpartition("/")[2] for member in members(made / "foreign", layer)}
    assert {"libc.so.6", "libgomp.so.1", "libstdc++.so.6"} <= libraries


def test_version_and_byte_code_are_those_of_the_same_python_elsewhere(made: Path) -> None:
    foreign, own = base(made / "foreign"), base(made / "own")
    assert foreign.python == own.python
    codes = [
        content(made / name, made_base.layers[0], BYTE_CODE)
        for name, made_base in (("foreign", foreign), ("own", own))
    ]
    assert codes[0] == codes[1]


def test_lock_of_another_architecture_names_both(made: Path, tmp_path: Path) -> None:
    raw = json.loads((made / "debian.lock.json").read_bytes())
    del raw["packages"][architecture()]
    (tmp_path / "debian.lock.json").write_text(json.dumps(raw))
    arguments = ["base", "--lock", f"{tmp_path}/debian.lock.json", "--output-dir", f"{tmp_path}/x"]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {tmp_path}/debian.lock.json: locks packages for {foreign_name()}, the base image is "
        f"for {architecture()}; refresh the lock: irc image lock --output-dir {tmp_path} --package "
        "libgomp1 --platform linux/amd64 --platform linux/arm64, or under Pants generate-lockfiles "
        f"--resolve={tmp_path}/debian.lock.json, with 'linux/{architecture()}' in the target's field "
        "'platforms'\n"
    )


def test_stale_lock_is_refreshed_for_its_platform(made: Path) -> None:
    platform = ("--platform", f"linux/{foreign_name()}")
    lock = ("--lock", str(made / "debian.lock.json"), "--package", "libpq5")
    result = CliRunner().invoke(image, ["base", *lock, *platform, "--output-dir", str(made / "x")])
    assert result.exit_code == 1
    assert "was written without libpq5" in result.output
    assert "--package libpq5 --platform linux/amd64 --platform linux/arm64, or" in result.output


def test_platform_without_packages_is_told_with_the_choices(tmp_path: Path) -> None:
    arguments = ["base", "--platform", "windows/amd64", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert "made for windows/amd64, only for linux/amd64, linux/arm64" in result.output


def test_byte_code_is_not_made_by_another_version() -> None:
    with pytest.raises(
        ImageError, match=r"the base image has Python 3\.11\.999, this machine 3\.11"
    ):
        debian_root._interpreter_of("3.11.999")
