"""Locks of Debian packages, against the real archive: pinned, repeatable, and clear when one is gone."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from irc.cli.image import image
from irc.oci.base import Base
from irc.oci.debian import architecture
from irc.oci.debian_lock import read_lock
from irc.oci.debian_root import INSTALLERS
from tests.irc.oci.listing import members


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lock of this machine's suite, with one library more than the interpreter needs."""
    missing = [
        name for name in ("apt-get", "dpkg-deb") if shutil.which(name, path="/usr/bin") is None
    ]
    if missing:
        pytest.skip(f"not a Debian machine: it has no {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("lock")
    arguments = ["lock", "--output-dir", str(folder), "--package", "libgomp1"]
    result = CliRunner().invoke(image, arguments)
    if "Unable to locate package" in result.output:
        pytest.skip(result.output)
    assert result.exit_code == 0, result.output
    return folder / "debian.lock.json"


def test_lock_pins_names_versions_and_hashes_and_names_no_mirror(lock: Path) -> None:
    raw = json.loads(lock.read_text())
    assert read_lock(lock).to_json() == raw
    assert raw["extra"] == ["libgomp1"]
    (packages,) = raw["packages"].values()
    names = [item["name"] for item in packages]
    assert {"libgomp1", "python3.11-minimal", "libc6"} <= set(names)
    assert names == sorted(names)
    assert not INSTALLERS & set(names)
    assert all(len(item["sha256"]) == 64 for item in packages)
    assert "http" not in lock.read_text()


def base_of(lock: Path, output: Path) -> Result:
    return CliRunner().invoke(image, ["base", "--lock", str(lock), "--output-dir", str(output)])


def test_locked_base_is_the_same_twice_and_holds_what_is_locked(lock: Path, tmp_path: Path) -> None:
    bases = []
    for name in ("one", "two"):
        result = base_of(lock, tmp_path / name)
        assert result.exit_code == 0, result.output
        bases.append(Base.from_json(json.loads((tmp_path / name / "base.json").read_text())))
    assert bases[0] == bases[1]
    assert bases[0].packages == read_lock(lock).packages[architecture()]
    names = {member.name for member in members(tmp_path / "one", bases[0].layers[0])}
    assert any(name.endswith("/libgomp.so.1") for name in names)


def edited(lock: Path, folder: Path, name: str, **changed: str) -> Path:
    """The lock with some fields of a package changed."""
    raw = json.loads(lock.read_text())
    for item in raw["packages"][architecture()]:
        if item["name"] == name:
            item.update(changed)
    (folder / "debian.lock.json").write_text(json.dumps(raw))
    return folder / "debian.lock.json"


def test_versions_that_are_gone_are_named_with_the_way_out(lock: Path, tmp_path: Path) -> None:
    gone = edited(lock, tmp_path, "tzdata", version="2001a-1")
    gone = edited(gone, tmp_path, "libc6", version="2.1-1")
    result = base_of(gone, tmp_path / "out")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {gone}: no mirror has libc6=2.1-1, tzdata=2001a-1 any more; refresh the lock: irc "
        f"image lock --output-dir {tmp_path} --package libgomp1, or under Pants generate-lockfiles "
        f"--resolve={gone}\n"
    )
    assert not (tmp_path / "out").exists()


def test_lock_that_lacks_a_package_is_stale(lock: Path, tmp_path: Path) -> None:
    arguments = ["--lock", str(lock), "--package", "libgomp1", "--package", "libpq5"]
    result = CliRunner().invoke(image, ["base", *arguments, "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "was written without libpq5; refresh the lock" in result.output
    assert "--package libgomp1 --package libpq5" in result.output


def test_package_of_another_content_is_refused(lock: Path, tmp_path: Path) -> None:
    result = base_of(edited(lock, tmp_path, "tzdata", sha256="0" * 64), tmp_path / "out")
    assert result.exit_code == 1
    assert f"and is locked with {'0' * 64}: the archive or the lock was tampered" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not a lock of Debian packages"),
        ("{}", "not a lock of Debian packages"),
        ('{"schema_version": 0}', "schema_version 0, expected 2"),
        (
            '{"schema_version": 2, "suite": "sid", "extra": [], "packages": {"s390x": []}}',
            "locks packages for s390x, the base image is for",
        ),
    ],
)
def test_lock_that_does_not_fit_is_told_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    result = base_of(tmp_path / "x.json", tmp_path / "out")
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1


def test_lock_that_is_missing_says_how_to_write_it(tmp_path: Path) -> None:
    result = base_of(tmp_path / "none.json", tmp_path / "out")
    assert result.exit_code == 1
    assert "No such file or directory; refresh the lock: irc image lock" in result.output
    assert "--name none.json" in result.output


def test_name_that_is_no_package_is_refused(tmp_path: Path) -> None:
    arguments = ["lock", "--output-dir", str(tmp_path), "--package", "libc6; id"]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert "'libc6; id' is not the name of a Debian package" in result.output
