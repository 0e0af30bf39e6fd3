"""Layers of third-party distributions, from a packed PEX."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner

from irc.cli.image import image
from irc.oci import thirdparty
from irc.oci.blobs import Layer
from irc.oci.errors import ImageError
from irc.oci.thirdparty import ThirdParty, build_third_party
from tests.irc.oci.listing import assert_describes, content, listing, members
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
    (item,) = built.layers
    layer = item.layer
    assert warnings == ()
    assert built.distributions == ("alpha==1.0", "beta-b==2.0")
    prefix = "opt/agent/site-packages"
    files = [line for line in listing(tmp_path / "out", layer) if line.startswith("-")]
    assert [line.split()[2].removeprefix(f"{prefix}/") for line in files] == [
        "alpha-1.0.dist-info/licenses/tests/LICENSE",
        "alpha-1.0.dist-info/METADATA",
        "alpha/__init__.py",
        "alpha/__pycache__/__init__.cpython-311.pyc",
        "alpha-1.0.dist-info/entry_points.txt",
        "alpha/native.so",
        "alpha/py.typed",
        "alpha/template.py",
        "alpha/data/tests.json",
        "beta_b-2.0.dist-info/METADATA",
        "beta.py",
        "__pycache__/beta.cpython-311.pyc",
    ]
    assert content(tmp_path / "out", layer, f"{prefix}/alpha/native.so") == b"\x7fELF"
    assert_describes(tmp_path / "out", layer)


def test_libraries_and_programs_lack_symbols(tmp_path: Path) -> None:
    (path_of_library,) = Path(zstandard.__file__).parent.glob("backend_c.*.so")
    library = path_of_library.read_bytes()
    paths = ("native.so", "alpha.libs/liba-0a1b.so.1.1.1k", "alpha/bin/encode")
    files: dict[str, str | bytes] = dict.fromkeys(paths, library)
    files |= {"alpha/.fips.so.hmac": "c0ffee", "alpha/fips.so": library}
    pex = write_packed_pex(tmp_path / "pex", {"alpha-1.0": files})
    built, _ = build_third_party(pex, tmp_path / "out")
    layer = built.layers[0].layer
    prefix = "opt/agent/site-packages"
    for path in paths:
        found = content(tmp_path / "out", layer, f"{prefix}/{path}")
        assert 0 < len(found) < len(library) / 5
    assert content(tmp_path / "out", layer, f"{prefix}/alpha/fips.so") == library


def test_a_program_within_a_package_can_be_run(tmp_path: Path) -> None:
    files = {"alpha/bin/encode": b"\x7fELF", "alpha/data.bin": b"\x7fELF"}
    pex = write_packed_pex(tmp_path / "pex", {"alpha-1.0": files})
    built, _ = build_third_party(pex, tmp_path / "out")
    modes = {item.name: item.mode for item in members(tmp_path / "out", built.layers[0].layer)}
    assert modes["opt/agent/site-packages/alpha/bin/encode"] == 0o755
    assert modes["opt/agent/site-packages/alpha/data.bin"] == 0o644


def test_two_folders_and_orders_give_the_same_layers(tmp_path: Path) -> None:
    first = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    backwards = dict(reversed(list(DISTRIBUTIONS.items())))
    second = write_packed_pex(tmp_path / "elsewhere" / "pex", backwards)
    out = tmp_path / "out"
    assert build_third_party(first, out)[0] == build_third_party(second, out / "again")[0]


# One of each size.
SIZES: Distributions = {
    "engine-1.0": {"engine.bin": bytes(30_000_000)},
    "graphics-1.0": {"graphics.bin": bytes(34_000_000)},
    "server-1.0": {"server.bin": bytes(1_000_000)},
    "client-1.0": {"client.bin": bytes(200_000)},
    "yaml-1.0": {"yaml.py": "a = 1\n"},
    "zone-1.0": {"zone.py": "a = 1\n"},
}


def layers_by_content(folder: Path, distributions: Distributions) -> dict[tuple[str, ...], Layer]:
    """Layers by what is in them."""
    pex = write_packed_pex(folder / "pex", distributions)
    built, _ = build_third_party(pex, folder / "out")
    return {item.distributions: item.layer for item in built.layers}


def test_heavy_distributions_lie_alone_and_the_others_with_those_of_their_size(
    tmp_path: Path,
) -> None:
    assert list(layers_by_content(tmp_path, SIZES)) == [
        ("engine==1.0",),
        ("graphics==1.0",),
        ("server==1.0",),
        ("client==1.0",),
        ("yaml==1.0", "zone==1.0"),
    ]


def test_a_change_moves_the_layer_of_what_changed(tmp_path: Path) -> None:
    before = layers_by_content(tmp_path / "before", SIZES)
    changed: Distributions = {**SIZES, "added-1.0": {"added.py": "a = 1\n"}}
    after = layers_by_content(tmp_path / "after", changed)
    assert set(before.items()) - set(after.items()) == {
        (("yaml==1.0", "zone==1.0"), before["yaml==1.0", "zone==1.0"])
    }


def test_a_heavy_distribution_is_one_layer_for_all_agents(tmp_path: Path) -> None:
    """Also beside another one that has one of its files."""
    own = {"shared.txt": "engine", **SIZES["engine-1.0"]}
    some = layers_by_content(tmp_path / "some", {"engine-1.0": own})
    other: Distributions = {"engine-1.0": own, "alpha-1.0": {"shared.txt": "alpha"}}
    others = layers_by_content(tmp_path / "others", other)
    assert some["engine==1.0",] == others["engine==1.0",]


def test_layers_of_many_heavy_distributions_stay_below_what_engines_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thirdparty, "MAX_HEAVY", 1)
    assert list(layers_by_content(tmp_path, SIZES))[:2] == [
        ("graphics==1.0",),
        ("engine==1.0", "server==1.0"),
    ]


def test_zstd_layers_hold_the_same(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    (gzip,) = build_third_party(pex, tmp_path / "out")[0].layers
    built, _ = build_third_party(pex, tmp_path / "out", "zstd")
    (zstd,) = built.layers
    assert built.compressor.startswith("zstandard ")
    assert zstd.layer.diff_id == gzip.layer.diff_id
    assert zstd.layer.digest != gzip.layer.digest
    assert_describes(tmp_path / "out", zstd.layer)


MEASURED = """\
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "irc", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_memory_does_not_grow_with_distributions(tmp_path: Path, compression: str) -> None:
    """Of the command and both processes that it starts; each may take a third of 200 MB."""
    large: Distributions = {
        f"{name}-1.0": {f"{name}.bin": bytes(150_000_000)} for name in ("one", "two")
    }
    pex = write_packed_pex(tmp_path / "pex", large)
    command = ["image", "deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command, f"--compression={compression}"],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) * 1024 < 200_000_000 / 3


def test_command_writes_deps_json(tmp_path: Path) -> None:
    pex = write_packed_pex(tmp_path / "pex", DISTRIBUTIONS)
    arguments = ["deps", "--pex", str(pex), "--output-dir", str(tmp_path / "out")]
    result = CliRunner().invoke(image, arguments)
    assert result.exit_code == 0, result.output
    raw = json.loads((tmp_path / "out" / "deps.json").read_text())
    assert list(raw) == [*("layers", "python", "compressor", "wheels", "interpreter_constraints")]
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
