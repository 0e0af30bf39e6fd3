"""The bill of materials of shared layers against what these layers hold."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import irc.cli.sbom
from irc.attestations.libraries import libraries
from irc.oci.base import Base, Platform
from irc.oci.blobs import Layer, blob_path
from irc.oci.compression import Compression
from irc.oci.debian_lock import LockedPackage
from irc.oci.errors import ImageError
from irc.oci.layer import bytes_file, write_layer
from irc.oci.thirdparty import ThirdParty, ThirdPartyLayer
from tests.irc.oci.listing import members

PACKAGES = {
    "usr/lib/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    "usr/share/doc/zlib1g/copyright": (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nLicense: Zlib\n\nFiles: debian/*\nLicense: GPL-2+\n Text.\n"
    ),
    "usr/share/doc/libc6/copyright": "This is the GNU C library.\nLicense: by hand\n",
    "var/lib/dpkg/status.d/libc6": (
        "Package: libc6\nSource: glibc (2.36)\nVersion: 2.36-9+deb12u14\nArchitecture: amd64\n"
        "Description: a library\n of one line more\n"
    ),
    "var/lib/dpkg/status.d/zlib1g": (
        "Package: zlib1g\nVersion: 1:1.2.13.dfsg-1\nArchitecture: amd64\n"
    ),
}
DISTRIBUTIONS = {
    "alpha-1.0.dist-info/METADATA": (
        "Metadata-Version: 2.4\nName: Alpha.One\nVersion: 1.0\nLicense-Expression: MIT OR Apache-2.0\n"
    ),
    "beta-2.0.dist-info/METADATA": (
        "Name: beta\nVersion: 2.0\nLicense: Modified\n"
        "Classifier: License :: OSI Approved :: MIT License\n\nName: not this\n"
    ),
    "beta/_vendor/gamma-3.dist-info/METADATA": "Name: gamma\nVersion: 3\nLicense: a\n b\n c\n",
    "beta/code.py": "",
}


def layer_of(root: Path, files: dict[str, str], compression: Compression = "gzip") -> Layer:
    entries = (bytes_file(name, text.encode()) for name, text in sorted(files.items()))
    return write_layer(root, entries, compression)


def base_of(*layers: Layer) -> Base:
    archive = LockedPackage("zlib1g", "1:1.2.13.dfsg-1", "ab" * 32)
    return Base("debian", Platform("linux", "amd64"), layers, {}, "3.11.2", packages=(archive,))


def deps_of(*layers: Layer) -> ThirdParty:
    third_party = tuple(ThirdPartyLayer(layer, ()) for layer in layers)
    return ThirdParty(third_party, "3.11.2", "zlib", (), ())


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Base, ThirdParty]:
    installed = {f"opt/site-packages/{name}": text for name, text in DISTRIBUTIONS.items()}
    return (
        base_of(layer_of(tmp_path, PACKAGES)),
        deps_of(layer_of(tmp_path, installed, "zstd")),
    )


def by_name(bill: dict[str, Any]) -> dict[str, Any]:
    return {component["name"]: component for component in bill["components"]}


def test_bill_of_a_small_base_and_three_distributions(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    base, deps = shared
    bill = libraries(base, tmp_path, deps, tmp_path)
    below, above = base.layers[0].diff_id, deps.layers[0].layer.diff_id
    site_packages = "opt/site-packages"
    assert by_name(bill) == {
        "debian": {
            "bom-ref": "operating-system",
            "type": "operating-system",
            "name": "debian",
            "version": "12",
            "description": "Debian GNU/Linux 12 (bookworm)",
        },
        "libc6": {
            "bom-ref": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
            "type": "library",
            "name": "libc6",
            "version": "2.36-9+deb12u14",
            "purl": "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
            "evidence": {"occurrences": [{"location": "/var/lib/dpkg/status.d/libc6"}]},
            "properties": [
                {"name": "irc:debian:source", "value": "glibc"},
                {"name": "irc:layer", "value": below},
            ],
        },
        "zlib1g": {
            "bom-ref": "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12",
            "type": "library",
            "name": "zlib1g",
            "version": "1:1.2.13.dfsg-1",
            "purl": "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12",
            "hashes": [{"alg": "SHA-256", "content": "ab" * 32}],
            "licenses": [
                {"license": {"id": "GPL-2.0-or-later"}},
                {"license": {"id": "Zlib"}},
            ],
            "evidence": {"occurrences": [{"location": "/var/lib/dpkg/status.d/zlib1g"}]},
            "properties": [
                {"name": "irc:debian:source", "value": "zlib1g"},
                {"name": "irc:layer", "value": below},
            ],
        },
        "Alpha.One": {
            "bom-ref": f"pkg:pypi/alpha-one@1.0#{site_packages}/alpha-1.0.dist-info",
            "type": "library",
            "name": "Alpha.One",
            "version": "1.0",
            "purl": "pkg:pypi/alpha-one@1.0",
            "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "evidence": {
                "occurrences": [{"location": f"/{site_packages}/alpha-1.0.dist-info/METADATA"}]
            },
            "properties": [{"name": "irc:layer", "value": above}],
        },
        "beta": {
            "bom-ref": f"pkg:pypi/beta@2.0#{site_packages}/beta-2.0.dist-info",
            "type": "library",
            "name": "beta",
            "version": "2.0",
            "purl": "pkg:pypi/beta@2.0",
            "licenses": [{"license": {"id": "MIT"}}],
            "evidence": {
                "occurrences": [{"location": f"/{site_packages}/beta-2.0.dist-info/METADATA"}]
            },
            "properties": [{"name": "irc:layer", "value": above}],
        },
        "gamma": {
            "bom-ref": f"pkg:pypi/gamma@3#{site_packages}/beta/_vendor/gamma-3.dist-info",
            "type": "library",
            "name": "gamma",
            "version": "3",
            "purl": "pkg:pypi/gamma@3",
            "evidence": {
                "occurrences": [
                    {"location": f"/{site_packages}/beta/_vendor/gamma-3.dist-info/METADATA"}
                ]
            },
            "properties": [{"name": "irc:layer", "value": above}],
        },
    }
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_what_is_named_is_what_lies_in_the_layers(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    base, deps = shared
    bill = libraries(base, tmp_path, deps, tmp_path)
    named = {
        (component["properties"][-1]["value"], occurrence["location"])
        for component in bill["components"]
        for occurrence in component.get("evidence", {}).get("occurrences", ())
    }
    held = {
        (layer.diff_id, f"/{member.name}")
        for layer in (*base.layers, deps.layers[0].layer)
        for member in members(tmp_path, layer)
        if member.isfile() and ("METADATA" in member.name or "status.d/" in member.name)
    }
    assert named == held
    assert len(held) == len(bill["components"]) - 1  # but for the operating system


def test_a_base_image_has_what_its_upper_layers_leave(tmp_path: Path) -> None:
    status = (
        "Package: kept\nVersion: 1\nStatus: install ok installed\n\n"
        "Package: removed\nVersion: 1\nStatus: deinstall ok config-files\n"
    )
    site = "usr/local/lib/python3.11/site-packages"
    lower = layer_of(
        tmp_path,
        {
            "var/lib/dpkg/status": status.replace("kept", "older"),
            f"{site}/pip-1.dist-info/METADATA": "Name: pip\nVersion: 1\n",
            f"{site}/wheel-1.dist-info/METADATA": "Name: wheel\nVersion: 1\n",
            f"{site}/gone-1.dist-info/METADATA": "Name: gone\nVersion: 1\n",
            "opt/tool/tool-1.dist-info/METADATA": "Name: tool\nVersion: 1\n",
            "opt/data/data-1.egg-info/PKG-INFO": "Name: data\nVersion: 1\n",
        },
    )
    upper = layer_of(
        tmp_path,
        {
            "var/lib/dpkg/status": status,
            f"{site}/.wh.pip-1.dist-info": "",
            f"{site}/gone-1.dist-info/.wh.METADATA": "",
            f"{site}/pip-2.dist-info/METADATA": "Name: pip\nVersion: 2\n",
            "opt/tool/.wh..wh..opq": "",
        },
    )
    base = replace(base_of(lower, upper), kind="oci", packages=())
    bill = libraries(base, tmp_path, deps_of(), tmp_path)
    assert {(item["name"], item["version"]) for item in bill["components"]} == {
        ("data", "1"),
        ("kept", "1"),
        ("pip", "2"),
        ("python", "3.11.2"),
        ("wheel", "1"),
    }


def test_a_layer_that_is_not_what_it_says_is_an_error(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    base, deps = shared
    (layer,) = base.layers
    other = replace(layer, diff_id=f"sha256:{'0' * 64}")
    with pytest.raises(ImageError, match=f"holds {layer.diff_id}, not {other.diff_id}"):
        libraries(replace(base, layers=(other,)), tmp_path, deps, tmp_path)
    blob = blob_path(tmp_path, layer.digest)
    blob.write_bytes(blob.read_bytes()[:-20])
    with pytest.raises(ImageError, match=f"layer {layer.digest} is damaged"):
        libraries(base, tmp_path, deps, tmp_path)
    blob.unlink()
    with pytest.raises(ImageError, match="No such file"):
        libraries(base, tmp_path, deps, tmp_path)


def written(folder: Path, shared: tuple[Base, ThirdParty]) -> list[str]:
    """The options of ``irc sbom`` for the layers in ``folder``."""
    base, deps = shared
    for name, document in (("base", base.to_json()), ("deps", deps.to_json())):
        (folder / f"{name}.json").write_text(json.dumps(document))
    return [f"--base={folder / 'base.json'}", f"--deps={folder / 'deps.json'}"]


def test_the_command_writes_the_same_bytes_whatever_the_hash_seed(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    options = written(tmp_path, shared)
    program = "from irc.cli.sbom import sbom; sbom()"
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, *options, f"--output-dir={tmp_path / seed}"],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            check=True,
            timeout=60,
        )
    first, second = ((tmp_path / seed / "libraries.cdx.json").read_bytes() for seed in ("1", "2"))
    assert first == second
    assert json.loads(first) == libraries(shared[0], tmp_path, shared[1], tmp_path)


def test_the_command_says_in_a_line_what_is_wrong(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    options = written(tmp_path, shared)
    blob_path(tmp_path, shared[0].layers[0].digest).unlink()
    result = CliRunner().invoke(irc.cli.sbom.sbom, [*options, f"--output-dir={tmp_path / 'out'}"])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "No such file" in result.output


def test_a_document_of_another_form_is_said_in_a_line(
    tmp_path: Path, shared: tuple[Base, ThirdParty]
) -> None:
    options = written(tmp_path, shared)
    (tmp_path / "base.json").write_text('{"kind": "debian"}')
    result = CliRunner().invoke(irc.cli.sbom.sbom, [*options, f"--output-dir={tmp_path / 'out'}"])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "base.json: not as this version of irc writes it" in result.output
