"""Base images of Debian packages: what is taken, and the real thing."""

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci import debian
from irc.oci.base import Base
from irc.oci.debian import Package, merged_path, reachable, unpack
from irc.oci.debian_root import INSTALLERS, is_needed
from irc.oci.errors import ImageError
from tests.irc.oci.listing import assert_describes, content, members


def package(name: str, *depends: str) -> Package:
    return Package(name, "1", "0" * 64, Path(f"{name}.deb"), f"Package: {name}\n", depends)


def test_paths_are_merged_into_usr() -> None:
    assert merged_path("./lib/x86_64-linux-gnu/libc.so.6") == "usr/lib/x86_64-linux-gnu/libc.so.6"
    assert merged_path("./lib64/ld-linux-x86-64.so.2") == "usr/lib64/ld-linux-x86-64.so.2"
    assert merged_path("./usr/lib/os-release") == "usr/lib/os-release"
    assert merged_path("./etc/hosts") == "etc/hosts"


def test_what_only_installers_need_is_left_out_with_them() -> None:
    packages = [
        package("python", "libssl", "ca-certificates"),
        package("ca-certificates", "openssl", "debconf"),
        package("openssl", "libssl", "libextra"),
        package("debconf"),
        package("libssl", "libc6"),
        package("libextra"),
        package("libc6"),
    ]
    kept = reachable(packages, ["python"], INSTALLERS)
    assert [item.name for item in kept] == ["ca-certificates", "libc6", "libssl", "python"]


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("usr/bin/python3.11", True),
        ("usr/bin/ldd", False),
        ("usr/bin/sh", False),
        ("usr/sbin/ldconfig", False),
        ("usr/lib/python3.11/json/__init__.py", True),
        ("usr/lib/python3.11/test/support/__init__.py", False),
        ("usr/lib/x86_64-linux-gnu/libssl.so.3", True),
        ("usr/lib/x86_64-linux-gnu/gconv/UTF-7.so", False),
        ("usr/lib64/ld-linux-x86-64.so.2", True),
        ("usr/share/zoneinfo/Europe/Berlin", True),
        ("usr/share/doc/libc6/copyright", True),
        ("usr/share/doc/libc6/changelog.Debian.gz", False),
        ("usr/share/man/man1/python3.11.1.gz", False),
        ("etc/os-release", True),
        ("etc/debconf.conf", False),
    ],
)
def test_files_of_packages(path: str, needed: bool) -> None:
    assert is_needed(path) is needed


def test_machine_without_apt_is_told_of_base_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "_SEARCH_PATH", str(tmp_path))
    result = CliRunner().invoke(image, ["base", "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: apt-get is missing")
    assert "set base_image to an OCI image by digest" in result.output
    assert len(result.output.splitlines()) == 1


def test_failing_apt_gives_its_own_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = "#!/bin/sh\necho 'W: a warning' >&2\necho 'E: no route to the mirror' >&2\nexit 100\n"
    for name in ("apt-get", "dpkg-deb"):
        (tmp_path / name).write_text(tool)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(debian, "_SEARCH_PATH", str(tmp_path))
    result = CliRunner().invoke(image, ["base", "--output-dir", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "apt-get failed: no route to the mirror" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "members",
    [
        {"./usr/lib/python3/../../../../secret": b"x"},
        {"./usr/lib/python3/out": "/outside", "./usr/lib/python3/out/file": b"x"},
        {"./usr/lib/python3/copy": "hard ../../secret"},
    ],
    ids=["a path", "through a link", "a hard link"],
)
def test_no_package_reaches_out_of_the_folder_that_it_is_unpacked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, str | bytes]
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret").write_text("of the machine")
    with tarfile.open(tmp_path / "example.deb", "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
                continue
            kind, _, target = content.rpartition(" ")
            member.type = tarfile.LNKTYPE if kind else tarfile.SYMTYPE
            member.linkname = target if kind else f"{tmp_path}{target}"
            archive.addfile(member)
    (tmp_path / "dpkg-deb").write_text('#!/bin/sh\nexec cat "$2"\n')
    (tmp_path / "dpkg-deb").chmod(0o755)
    monkeypatch.setattr(debian, "_SEARCH_PATH", str(tmp_path))
    example = replace(package("example"), archive=tmp_path / "example.deb")
    root = tmp_path / "build" / "root"
    root.mkdir(parents=True)
    with pytest.raises(ImageError, match="example.deb: .* leads out of it"):
        unpack(example, root, is_needed)
    assert list((tmp_path / "outside").iterdir()) == []
    assert (tmp_path / "secret").read_text() == "of the machine"
    assert [path.read_text() for path in root.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="module")
def real_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default base image, made of this machine's suite."""
    missing = [
        name for name in ("apt-get", "dpkg-deb") if shutil.which(name, path="/usr/bin") is None
    ]
    if missing:
        pytest.skip(f"not a Debian machine: it has no {', '.join(missing)}")
    output = tmp_path_factory.mktemp("base")
    result = CliRunner().invoke(image, ["base", "--output-dir", str(output)])
    if "Unable to locate package" in result.output:
        pytest.skip(result.output)
    assert result.exit_code == 0, result.output
    return output


def test_real_base_has_an_interpreter_and_nothing_else_to_run(real_base: Path) -> None:
    raw = json.loads((real_base / "base.json").read_text())
    base = Base.from_json(raw)
    assert base.to_json() == raw
    (layer,) = base.layers
    assert_describes(real_base, layer)
    names = {member.name: member for member in members(real_base, layer)}
    programs = [name for name in names if name.startswith(("usr/bin/", "usr/sbin/"))]
    assert programs == ["usr/bin/python3.11"]
    assert names["usr/bin/python3.11"].mode == 0o755
    assert names["tmp"].mode == 0o1777
    assert not [member for member in names.values() if member.mode & 0o6000]
    assert base.python is not None and base.python.startswith("3.11.")
    assert not INSTALLERS & {item.name for item in base.packages}


def test_real_base_has_users_authorities_and_byte_code(real_base: Path) -> None:
    (layer,) = Base.from_json(json.loads((real_base / "base.json").read_text())).layers
    passwd = content(real_base, layer, "etc/passwd").decode()
    assert "nonroot:x:65532:65532:" in passwd
    bundle = content(real_base, layer, "etc/ssl/certs/ca-certificates.crt")
    assert bundle.count(b"-----BEGIN CERTIFICATE-----") > 50
    code = content(real_base, layer, "usr/lib/python3.11/json/__pycache__/__init__.cpython-311.pyc")
    assert code[4:8] == b"\1\0\0\0"


def test_real_base_names_no_mirror(real_base: Path) -> None:
    text = (real_base / "base.json").read_text()
    assert "http" not in text
    assert "/tmp" not in text


def test_real_base_can_be_unpacked_and_its_links_lead_somewhere(
    real_base: Path, tmp_path: Path
) -> None:
    (layer,) = Base.from_json(json.loads((real_base / "base.json").read_text())).layers
    with tarfile.open(real_base / "blobs" / "sha256" / layer.digest[7:]) as archive:
        archive.extractall(tmp_path)
    for name in ("bin/python3.11", "lib/os-release", "lib64"):
        assert (tmp_path / name).exists()
