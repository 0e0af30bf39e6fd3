"""The image of flows/support: what it is made of, and how it runs."""

import json
import subprocess
from pathlib import Path
from stat import S_ISGID, S_ISUID, S_IWOTH
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.e2e.oci_layout import Layout, sha256
from tests.e2e.running import SEARCH_PATH, Podman, RunningAgent, tool

USER_ID = "65532"
FLOW_LAYER_BYTES = 20_000
IMAGE_BYTES = 130_000_000


def skopeo(*arguments: str) -> Any:
    program = tool("skopeo")
    if program is None:
        pytest.skip("not installed: skopeo")
    done = subprocess.run(
        [program, *arguments],
        env={"PATH": SEARCH_PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout


def test_every_blob_is_what_its_name_says(layout: Layout) -> None:
    for digest, file in layout.blobs().items():
        assert sha256(file) == digest


def test_layout_holds_the_image_and_nothing_else(layout: Layout) -> None:
    sizes = {descriptor["digest"]: descriptor["size"] for descriptor in layout.descriptors()}
    assert {digest: file.stat().st_size for digest, file in layout.blobs().items()} == sizes
    assert {entry.name for entry in layout.folder.iterdir()} == {
        "blobs",
        "index.json",
        "oci-layout",
    }


def test_diff_ids_are_those_of_the_unpacked_layers(layout: Layout) -> None:
    layers = [layout.blob(layer["digest"]) for layer in layout.manifest["layers"]]
    assert [sha256(layer, unzip=True) for layer in layers] == layout.config["rootfs"]["diff_ids"]


def test_entries_carry_neither_times_nor_owners(layout: Layout) -> None:
    for index in range(len(layout.manifest["layers"])):
        for entry in layout.layer_members(index):
            assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0), entry.name
            assert not (entry.uname or entry.gname), entry.name


def test_no_file_is_writable_for_others_or_changes_its_user(layout: Layout) -> None:
    for index in range(len(layout.manifest["layers"])):
        for entry in layout.layer_members(index):
            if entry.isfile():
                assert not entry.mode & (S_ISUID | S_ISGID | S_IWOTH), entry.name


def test_top_layer_is_small_and_holds_the_generated_agent(layout: Layout) -> None:
    assert layout.manifest["layers"][-1]["size"] < FLOW_LAYER_BYTES
    assert "opt/agent/app/flows/support/agent.py" in {
        entry.name for entry in layout.layer_members(-1)
    }


def test_image_stays_below_its_size(layout: Layout) -> None:
    assert sum(layer["size"] for layer in layout.manifest["layers"]) < IMAGE_BYTES


def test_image_json_describes_the_layout(package: Path, layout: Layout) -> None:
    described = json.loads((package / "image.json").read_text())
    digests = [layer["digest"] for layer in layout.manifest["layers"]]
    assert described["manifest_digest"] == layout.manifest_digest
    assert described["config_digest"] == layout.manifest["config"]["digest"]
    assert [layer["digest"] for layer in described["layers"]] == digests


def test_bill_of_materials_names_what_lies_in_the_layers(package: Path, layout: Layout) -> None:
    text = (package / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    named = {
        occurrence["location"]
        for component in components
        for occurrence in component.get("evidence", {}).get("occurrences", ())
    } | {component["name"] for component in components if component["type"] == "file"}
    paths = (
        f"/{entry.name}"
        for index in range(len(layout.manifest["layers"]))
        for entry in layout.layer_members(index)
        if entry.isfile()
    )
    assert named == {
        path
        for path in paths
        if path.endswith(".dist-info/METADATA")
        or path.startswith("/var/lib/dpkg/status.d/")
        or (path.startswith("/opt/agent/app/") and not path.endswith(".pyc"))
    }


def test_what_is_attached_is_about_the_image(package: Path, layout: Layout) -> None:
    attached = Layout(package / "attestations")
    for digest, file in attached.blobs().items():
        assert sha256(file) == digest
    manifests = [attached.json(entry["digest"]) for entry in attached.index["manifests"]]
    assert {item["subject"]["digest"] for item in manifests} == {layout.manifest_digest}
    assert sorted(item["artifactType"] for item in manifests) == [
        "application/vnd.cyclonedx+json",
        "application/vnd.cyclonedx+json",
        "application/vnd.in-toto+json",
    ]


def test_skopeo_reads_the_image_and_copies_it_unchanged(layout: Layout, tmp_path: Path) -> None:
    assert skopeo("inspect", f"oci:{layout.folder}")["Digest"] == layout.manifest_digest
    skopeo("copy", "--quiet", f"oci:{layout.folder}", f"oci:{tmp_path / 'copy'}")
    assert Layout(tmp_path / "copy").manifest_digest == layout.manifest_digest


def test_podman_knows_the_image_by_its_config(podman: Podman, layout: Layout) -> None:
    image = podman.pull(layout.folder)
    assert f"sha256:{image}" == layout.manifest["config"]["digest"]


def test_container_runs_without_privileges(podman: Podman, container: RunningAgent) -> None:
    pid = podman.output("inspect", "--format={{.State.Pid}}", "support")
    status = dict(
        line.split(":\t", 1) for line in Path("/proc", pid, "status").read_text().splitlines()
    )
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {USER_ID}
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    mounts = [line.split() for line in Path("/proc", pid, "mountinfo").read_text().splitlines()]
    (root,) = [mount for mount in mounts if mount[4] == "/"]
    assert "ro" in root[5].split(",")


def test_image_has_no_shell(podman: Podman, container: RunningAgent) -> None:
    for shell in ("/bin/sh", "/bin/bash", "/usr/bin/dash"):
        done = subprocess.run(
            podman.command("exec", "support", shell, "-c", "true"),
            env=podman.environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 127, shell
