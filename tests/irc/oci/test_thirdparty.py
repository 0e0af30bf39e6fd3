"""Layers of third-party distributions, from a packed PEX."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci import thirdparty
from irc.oci.blobs import Layer
from irc.oci.errors import ImageError
from irc.oci.thirdparty import ThirdParty, build_third_party
from tests.irc.oci.listing import assert_describes, content, listing
from tests.irc.oci.packed_pex import Distributions, write_packed_pex

DISTRIBUTIONS: Distributions = {
    "alpha-1.0": {
        "alpha/__init__.py": "VALUE = 1\n",
        "alpha/native.so": b"\x7fELF",
        "alpha/native.c": "int x;",
        "alpha/native.h": "int x;",
        "alpha/stubs.pyi": "VALUE: int",
        "alpha/py.typed": "",
        "alpha/template.py": "{% not python %}",
        "alpha/tests/test_alpha.py": "assert True",
        "alpha/data/tests.json": "{}",
        "alpha-1.0.dist-info/entry_points.txt": "",
        "alpha-1.0.dist-info/licenses/tests/LICENSE": "free",
    },
    "beta_b-2.0": {"beta.py": "import alpha\n"},
}


def test_listing_has_what_an_agent_needs_and_nothing_else(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    built, warnings = build_third_party(pex, tmp_path / "out")
    (layer,) = built.layers
    assert warnings == ()
    assert built.distributions == ("alpha==1.0", "beta-b==2.0")
    prefix = "opt/agent/site-packages"
    files = [line for line in listing(tmp_path / "out", layer) if line.startswith("-")]
    assert [line.split()[2].removeprefix(f"{prefix}/") for line in files] == [
        "alpha-1.0.dist-info/METADATA",
        "alpha-1.0.dist-info/entry_points.txt",
        "alpha-1.0.dist-info/licenses/tests/LICENSE",
        "alpha/__init__.py",
        "alpha/__pycache__/__init__.cpython-311.pyc",
        "alpha/data/tests.json",
        "alpha/native.so",
        "alpha/py.typed",
        "alpha/template.py",
        "beta.py",
        "__pycache__/beta.cpython-311.pyc",
        "beta_b-2.0.dist-info/METADATA",
    ]
    assert content(tmp_path / "out", layer, f"{prefix}/alpha/native.so") == b"\x7fELF"
    assert_describes(tmp_path / "out", layer)


def test_two_folders_and_orders_give_the_same_layers(tmp_path: Path) -> None:
    first = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    backwards = dict(reversed(list(DISTRIBUTIONS.items())))
    second = write_packed_pex(tmp_path / "elsewhere" / "pex", backwards)
    out = tmp_path / "out"
    assert build_third_party(first, out)[0] == build_third_party(second, out / "again")[0]


def test_heavy_distributions_have_layers_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thirdparty, "HEAVY_BYTES", 1_000)
    light: Distributions = {
        "light-1.0": {"light.py": "a = 1\n"},
        "small-1.0": {"small.py": "a = 1\n"},
    }
    heavy: Distributions = {"heavy-1.0": {"heavy.txt": "x" * 2_000}}
    before, _ = build_third_party(write_packed_pex(tmp_path / "1", {**light, **heavy}), tmp_path)
    changed: Distributions = {"small-1.1": {"small.py": "a = 2\n"}}
    after, _ = build_third_party(
        write_packed_pex(tmp_path / "2", {"light-1.0": light["light-1.0"], **changed, **heavy}),
        tmp_path,
    )
    assert len(before.layers) == 2
    assert before.layers[0] == after.layers[0]
    assert before.layers[1] != after.layers[1]


def test_file_of_two_distributions_has_one_owner_and_a_warning(tmp_path: Path) -> None:
    pex = write_packed_pex(
        tmp_path / "pex",
        {"zeta-1.0": {"shared.txt": "zeta"}, "alpha-1.0": {"shared.txt": "alpha"}},
    )
    built, warnings = build_third_party(pex, tmp_path)
    assert warnings == ("alpha and zeta both have shared.txt; alpha's is taken",)
    path = "opt/agent/site-packages/shared.txt"
    assert content(tmp_path, built.layers[0], path) == b"alpha"


def test_command_writes_deps_json(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    arguments = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 0, result.output
    raw = json.loads((tmp_path / "out" / "deps.json").read_text())
    assert list(raw) == ["layers", "python", "zlib", "distributions"]
    assert ThirdParty.from_json(raw).to_json() == raw
    assert {layer["digest"][7:] for layer in raw["layers"]} == {
        blob.name for blob in (tmp_path / "out" / "blobs" / "sha256").iterdir()
    }
    assert Layer.from_json(raw["layers"][0]).media_type.endswith("tar+gzip")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda pex: (pex / "PEX-INFO").unlink(), "not a packed PEX"),
        (lambda pex: (pex / "PEX-INFO").write_text("["), "not JSON"),
        (lambda pex: (pex / "PEX-INFO").write_text("[]"), "names no distributions"),
        (
            lambda pex: (pex / "PEX-INFO").write_text(
                '{"distributions": {}, "deps_are_wheel_files": true}'
            ),
            "--pre-install-wheels",
        ),
        (lambda pex: next((pex / ".deps").iterdir()).write_text("no zip"), "not a zip file"),
        (lambda pex: next((pex / ".deps").iterdir()).unlink(), "No such file"),
    ],
)
def test_damaged_pex_is_one_clear_line(tmp_path: Path, damage: object, message: str) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    assert callable(damage)
    damage(pex)
    arguments = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1
    assert not (tmp_path / "out" / "deps.json").exists()


def test_zip_file_is_not_a_packed_pex(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="layout 'packed'"):
        build_third_party(tmp_path, tmp_path / "out")
