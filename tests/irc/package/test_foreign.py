"""What an agent requires on another platform than this machine's, and which wheels run there."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.tags import parse_tag

from irc.cli.image import image
from irc.oci.base import Base, Platform
from irc.oci.errors import ImageError
from irc.package.foreign import complete_platform, requirements_for

ARM64 = Base("debian", Platform("linux", "arm64"), (), {}, "3.11.2", glibc="2.36")
AMD64 = replace(ARM64, platform=Platform("linux", "amd64"))

# ``name-version`` → what it requires.
DISTRIBUTIONS = {
    "agent_kit-1.0": ["tokens[fast]>=2", "winner; sys_platform == 'win32'", "extra-only; extra == 'x'"],
    "tokens-2.1": [
        "speed; extra == 'fast'",
        "slow; extra == 'other'",
        "x86-tricks; platform_machine == 'x86_64'",
        "arm-tricks; platform_machine == 'aarch64'",
    ],
    "speed-3.0": [],
    "x86_tricks-1.0": [],
}  # fmt: skip
LOCK = """\
agent-kit==1.0 --hash=sha256:aa
arm-tricks==1.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
base-of-tricks==1.0 --hash=sha256:dd
slow==1.0 --hash=sha256:ee
speed==3.0 ; platform_machine != 'aarch64' --hash=sha256:ff
speed==2.0 ; platform_machine == 'aarch64' --hash=sha256:gg
tokens==2.1 --hash=sha256:hh
x86-tricks==1.0 --hash=sha256:ii
"""


def write_pex(
    folder: Path,
    distributions: dict[str, list[str]],
    requirements: tuple[str, ...] = ("Agent.Kit",),
) -> Path:
    """A packed PEX, as far as it says what distributions require."""
    (folder / ".deps").mkdir(parents=True)
    for name, required in distributions.items():
        lines = [f"Name: {name}", *(f"Requires-Dist: {item}" for item in required)]
        with zipfile.ZipFile(folder / ".deps" / f"{name}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.dist-info/METADATA", "\n".join([*lines, "", "Words."]))
            archive.writestr(f"vendored/{name}.dist-info/METADATA", "Requires-Dist: none\n")
    info = {
        "requirements": list(requirements),
        "distributions": {f"{name}-py3-none-any.whl": "0" for name in distributions},
    }
    (folder / "PEX-INFO").write_text(json.dumps(info))
    return folder


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]


def test_markers_are_those_of_the_platform(tmp_path: Path) -> None:
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS)
    assert names(requirements_for(AMD64, pex, LOCK)) == [
        *("agent-kit==1.0", "speed==3.0", "tokens==2.1", "x86-tricks==1.0")
    ]
    text = requirements_for(ARM64, pex, LOCK)
    assert names(text) == ["agent-kit==1.0", "arm-tricks==1.0", "speed==2.0", "tokens==2.1"]
    assert "arm-tricks==1.0 ; platform_machine == 'aarch64' \\\n    --hash=sha256:bb \\\n" in text


def test_what_only_that_platform_needs_tells_what_it_requires_once_it_is_there(
    tmp_path: Path,
) -> None:
    foreign = {name: DISTRIBUTIONS[name] for name in ("agent_kit-1.0", "tokens-2.1")}
    foreign |= {"speed-2.0": [], "arm_tricks-1.0": ["base-of-tricks"]}
    text = requirements_for(ARM64, write_pex(tmp_path / "deps.pex", foreign), LOCK)
    assert "base-of-tricks==1.0" in names(text)


def test_roots_have_markers_and_extras(tmp_path: Path) -> None:
    roots = ("tokens[other]", "agent-kit; platform_machine == 'x86_64'")
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS, roots)
    assert names(requirements_for(ARM64, pex, LOCK)) == [
        *("arm-tricks==1.0", "slow==1.0", "tokens==2.1")
    ]


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        (
            LOCK.replace("tokens==2.1", "other==2.1"),
            "the agent needs tokens on linux/arm64, and the lock lacks it",
        ),
        (
            f"{LOCK}tokens==2.2 --hash=sha256:jj\n",
            "the agent needs tokens on linux/arm64, and the lock has it in versions 2.1, 2.2",
        ),
    ],
)
def test_a_lock_that_does_not_say_which(tmp_path: Path, lock: str, message: str) -> None:
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS)
    with pytest.raises(ImageError) as error:
        requirements_for(ARM64, pex, lock)
    assert str(error.value) == message


def test_a_damaged_distribution_is_named(tmp_path: Path) -> None:
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS)
    damaged = pex / ".deps/speed-3.0-py3-none-any.whl"
    damaged.write_bytes(b"none")
    with pytest.raises(ImageError, match=f"{damaged}: not a distribution of a packed PEX"):
        requirements_for(ARM64, pex, LOCK)


@pytest.mark.parametrize(
    ("base", "wheel", "runs"),
    [
        (ARM64, "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64", True),
        (ARM64, "cp311-cp311-manylinux2014_aarch64", True),
        (ARM64, "cp38-abi3-manylinux_2_36_aarch64", True),
        (ARM64, "cp311-cp311-linux_aarch64", True),
        (ARM64, "py3-none-any", True),
        (ARM64, "py3-none-manylinux_2_17_aarch64", True),
        (ARM64, "cp311-cp311-manylinux_2_37_aarch64", False),
        (ARM64, "cp311-cp311-manylinux_2_17_x86_64", False),
        (ARM64, "cp311-cp311-manylinux_2_5_aarch64", False),
        (ARM64, "cp312-cp312-manylinux_2_17_aarch64", False),
        (ARM64, "cp311-cp311-musllinux_1_2_aarch64", False),
        (AMD64, "cp311-cp311-manylinux1_x86_64", True),
        (AMD64, "cp311-cp311-manylinux2010_x86_64", True),
    ],
)
def test_wheels_are_for_python_and_c_library_of_the_base(
    base: Base, wheel: str, runs: bool
) -> None:
    tags = complete_platform(base)["compatible_tags"]
    assert bool({str(tag) for tag in parse_tag(wheel)} & set(tags)) == runs


def test_markers_of_the_base() -> None:
    environment = complete_platform(ARM64)["marker_environment"]
    assert environment["platform_machine"] == "aarch64"
    assert environment["python_full_version"] == "3.11.2"
    unknown = complete_platform(replace(ARM64, python=None))["marker_environment"]
    assert unknown["python_full_version"] == "3.11.0"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (
            replace(ARM64, glibc=None),
            (
                "the base image for linux/arm64 holds no glibc, and wheels for another C library are "
                "not told: take a base with glibc, as of Debian"
            ),
        ),
        (
            replace(ARM64, platform=Platform("linux", "loong64")),
            "no wheels are known for linux/loong64: only for machines of Linux",
        ),
    ],
)
def test_platforms_without_wheels(tmp_path: Path, base: Base, message: str) -> None:
    (tmp_path / "base.json").write_text(json.dumps(base.to_json()))
    (tmp_path / "lock").write_text(LOCK)
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS)
    options = ("--base", tmp_path / "base.json", "--lock", tmp_path / "lock", "--pex", pex)
    arguments = [*map(str, options), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, ["requirements", *arguments])
    assert result.exit_code == 1
    assert result.output == f"Error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_the_command_writes_both_for_pex(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text(json.dumps(ARM64.to_json()))
    (tmp_path / "lock").write_text(LOCK)
    pex = write_pex(tmp_path / "deps.pex", DISTRIBUTIONS)
    options = ("--base", tmp_path / "base.json", "--lock", tmp_path / "lock", "--pex", pex)
    arguments = [*map(str, options), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, ["requirements", *arguments])
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads((tmp_path / "out/platform.json").read_bytes()) == complete_platform(ARM64)
    text = (tmp_path / "out/requirements.txt").read_text()
    assert text == requirements_for(ARM64, pex, LOCK)
