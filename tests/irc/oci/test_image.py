"""Configuration, manifest and index, and what other tools make of them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from irc.oci.base import Platform
from irc.oci.blobs import blob_path
from irc.oci.image import ImageLayer, Role, merged_environment
from irc.oci.layer import bytes_file, write_layer
from tests.irc.oci.listing import sha256
from tests.irc.oci.single_image import write_single_image

PLATFORM = Platform("linux", "arm64", "v8")


def test_documents_refer_to_each_other_by_digest(tmp_path: Path) -> None:
    roles: tuple[Role, ...] = ("base", "flow")
    layers = [ImageLayer(write_layer(tmp_path, [bytes_file(role, b"x")]), role) for role in roles]
    image = write_single_image(tmp_path, PLATFORM, layers, {"User": "1:1"}, {"title": "x"})

    index = json.loads((tmp_path / "index.json").read_bytes())
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = index["manifests"]
    assert entry["digest"] == image.manifest.digest
    assert entry["platform"] == {"os": "linux", "architecture": "arm64", "variant": "v8"}

    manifest_bytes = blob_path(tmp_path, image.manifest.digest).read_bytes()
    assert sha256(manifest_bytes) == image.manifest.digest
    manifest = json.loads(manifest_bytes)
    assert manifest["config"]["digest"] == image.config.digest
    assert [layer["digest"] for layer in manifest["layers"]] == [
        item.layer.digest for item in layers
    ]
    assert manifest["annotations"] == {"title": "x", "irc.layers": "base:1,flow:1"}

    config = json.loads(blob_path(tmp_path, image.config.digest).read_bytes())
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")
    assert config["config"] == {"User": "1:1"}
    assert config["rootfs"]["diff_ids"] == [item.layer.diff_id for item in layers]


def test_environment_of_the_base_is_overridden_in_place() -> None:
    merged = merged_environment(["PATH=/bin", "LANG=C", "EMPTY="], {"LANG": "C.UTF-8", "NEW": "1"})
    assert merged == ["PATH=/bin", "LANG=C.UTF-8", "EMPTY=", "NEW=1"]


@pytest.mark.parametrize(
    "command",
    [
        ["skopeo", "inspect", "oci:image"],
        ["skopeo", "copy", "--quiet", "oci:image", "oci-archive:copy.tar"],
        ["umoci", "stat", "--image", "image:latest"],
    ],
)
def test_other_tools_read_the_layout(tmp_path: Path, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"not installed: {command[0]}")
    root = tmp_path / "image"
    layer = write_layer(root, [bytes_file("etc/name", b"x")])
    write_single_image(root, PLATFORM, [ImageLayer(layer, "flow")], {"User": "1:1"}, {})
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
