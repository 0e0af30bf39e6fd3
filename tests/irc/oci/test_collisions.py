"""What two distributions both have: harmless, warned of, or refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci.thirdparty import build_third_party
from tests.irc.oci.listing import content, members
from tests.irc.oci.packed_pex import write_packed_pex

SITE_PACKAGES = "opt/agent/site-packages"
NAMESPACE = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"


def write(folder: Path, alpha: Mapping[str, str], zeta: Mapping[str, str]) -> Path:
    return write_packed_pex(folder / "pex", {"alpha-1.0": alpha, "zeta-2.0": zeta})


def test_equal_files_are_there_once_and_need_no_word(tmp_path: Path) -> None:
    files = {"shared/__init__.py": "", "LICENSE": "free"}
    built, warnings = build_third_party(write(tmp_path, files, files), tmp_path)
    assert warnings == ()
    names = [member.name for member in members(tmp_path, built.layers[0].layer)]
    assert len(names) == len(set(names))
    assert f"{SITE_PACKAGES}/shared/__init__.py" in names


def test_of_data_that_differ_one_is_taken_with_a_warning(tmp_path: Path) -> None:
    pex = write(
        tmp_path,
        {"README.md": "alpha", "data.json": "1"},
        {"README.md": "zeta", "data.json": "2"},
    )
    built, warnings = build_third_party(pex, tmp_path)
    assert warnings == (
        "alpha and zeta both have README.md and 1 more file, and not the same; zeta's is taken",
    )
    layer = built.layers[0].layer
    assert content(tmp_path, layer, f"{SITE_PACKAGES}/README.md") == b"zeta"
    assert content(tmp_path, layer, f"{SITE_PACKAGES}/data.json") == b"2"


def test_packages_in_several_distributions_may_say_so_each_in_its_way(tmp_path: Path) -> None:
    pex = write(
        tmp_path,
        {"shared/__init__.py": NAMESPACE},
        {"shared/__init__.py": f"# A namespace.\n{NAMESPACE}"},
    )
    _, warnings = build_third_party(pex, tmp_path)
    assert len(warnings) == 1


@pytest.mark.parametrize("path", ["shared/module.py", "shared/__init__.py", "native.so"])
def test_code_that_differs_is_refused_and_names_both(tmp_path: Path, path: str) -> None:
    pex = write(tmp_path, {path: "a = 1"}, {path: "a = 2"})
    arguments = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert result.output == (
        f"Error: alpha==1.0 and zeta==2.0 both have {path}, and not the same: an agent can carry "
        "only one of them; take the other out of its requirements\n"
    )
    assert not (tmp_path / "out").exists()


def test_commands_of_one_name_are_warned_of(tmp_path: Path) -> None:
    scripts = "[console_scripts]\nTool = {0}:main\n{0} = {0}:main\n[other]\nTool = x\n"
    pex = write(
        tmp_path,
        {"alpha-1.0.dist-info/entry_points.txt": scripts.format("alpha")},
        {"zeta-2.0.dist-info/entry_points.txt": scripts.format("zeta")},
    )
    _, warnings = build_third_party(pex, tmp_path)
    assert warnings == (
        (
            "alpha and zeta both install the command 'Tool': the image has neither, and with the "
            "build context pip keeps one of them"
        ),
    )
