"""Images of an agent for several platforms: an index, what is said of each, and what they share."""

import json
from pathlib import Path
from typing import Any

import pytest

from irc.oci.blobs import blob_path
from irc.oci.errors import ImageError
from irc.package.build import package
from tests.irc.package.agent_files import write_inputs, write_two_platforms

PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("platforms")
    package(write_two_platforms(folder), folder / "out")
    return folder / "out"


def blob(out: Path, digest: str) -> Any:
    return json.loads(blob_path(out / "image", digest).read_bytes())


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_the_layout_names_an_index_of_one_image_for_each_platform(out: Path) -> None:
    (entry,) = read(out / "image/index.json")["manifests"]
    assert entry["mediaType"] == "application/vnd.oci.image.index.v1+json"
    index = blob(out, entry["digest"])
    assert index["annotations"] == {"org.opencontainers.image.title": "demo"}
    found = [
        f"{item['platform']['os']}/{item['platform']['architecture']}"
        for item in index["manifests"]
    ]
    assert tuple(found) == PLATFORMS
    for item in index["manifests"]:
        config = blob(out, blob(out, item["digest"])["config"]["digest"])
        assert config["architecture"] == item["platform"]["architecture"]


def test_manifests_name_the_index(out: Path) -> None:
    (entry,) = read(out / "image/index.json")["manifests"]
    described = read(out / "image.json")
    assert described["manifest_digest"] == entry["digest"]
    assert described["reference"] == f"demo-agent@{entry['digest']}"
    assert f"image: {described['reference']}\n" in (out / "inferenceservice.yaml").read_text()
    index = blob(out, entry["digest"])
    assert [item["platform"] for item in described["images"]] == list(PLATFORMS)
    assert [item["manifest_digest"] for item in described["images"]] == [
        item["digest"] for item in index["manifests"]
    ]
    assert "layers" not in described


def test_code_is_the_same_layers_and_what_lies_below_is_not(out: Path) -> None:
    amd64, arm64 = (
        {role: [item["digest"] for item in image["layers"] if item["role"] == role]
         for role in ("base", "third-party", "first-party", "flow")}
        for image in read(out / "image.json")["images"]
    )  # fmt: skip
    assert amd64["flow"] == arm64["flow"]
    assert amd64["first-party"] == arm64["first-party"]
    assert amd64["base"] != arm64["base"]


def test_each_image_has_bill_and_provenance_of_its_own(out: Path) -> None:
    assert not (out / "sbom.cdx.json").exists()
    for image in read(out / "image.json")["images"]:
        folder = out / "platforms" / image["platform"].replace("/", "-")
        statement = read(folder / "provenance.intoto.json")
        (subject,) = statement["subject"]
        assert f"sha256:{subject['digest']['sha256']}" == image["manifest_digest"]
        parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
        assert parameters["platform"] == image["platform"]
        bill = read(folder / "sbom.cdx.json")
        assert bill["metadata"]["component"]["version"] == image["manifest_digest"]
        for entry in read(folder / "attestations/index.json")["manifests"]:
            path = blob_path(folder / "attestations", entry["digest"])
            assert read(path)["subject"]["digest"] == image["manifest_digest"]


def test_the_version_says_what_lies_below_on_each_platform(out: Path) -> None:
    version = read(out / "agent/irc-version.json")
    assert tuple(version["platform_digests"]) == PLATFORMS
    assert len(set(version["platform_digests"].values())) == 2


def test_the_order_of_platforms_makes_no_difference(tmp_path: Path, out: Path) -> None:
    inputs = write_two_platforms(tmp_path, is_reversed=True)
    package(inputs, tmp_path / "out")
    assert read(tmp_path / "out/image.json") == read(out / "image.json")


def test_one_platform_is_no_index(tmp_path: Path) -> None:
    package(write_inputs(tmp_path), tmp_path / "out")
    (entry,) = read(tmp_path / "out/image/index.json")["manifests"]
    assert entry["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_two_bases_for_one_platform_are_refused(tmp_path: Path) -> None:
    inputs = write_two_platforms(tmp_path, foreign="amd64")
    with pytest.raises(ImageError, match="there are two base images for linux/amd64"):
        package(inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
