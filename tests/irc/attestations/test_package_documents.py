"""Bill of materials, provenance and what is attached, as ``irc package`` writes them."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from irc.oci.blobs import Layer, blob_path
from irc.package.build import Inputs, package
from tests.irc.oci.listing import unpacked
from tests.irc.package.agent_files import write_inputs

REPOSITORY = "registry.example:5000/agents/demo"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return write_inputs(tmp_path, repository=REPOSITORY)


@pytest.fixture
def out(inputs: Inputs, tmp_path: Path) -> Path:
    package(inputs, tmp_path / "out")
    shutil.copytree(tmp_path / "shared/blobs", tmp_path / "out/image/blobs", dirs_exist_ok=True)
    return tmp_path / "out"


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def attached(out: Path) -> dict[str, Any]:
    """Manifests of what is attached, by the name of what they hold."""
    index = read(out / "attestations/index.json")
    return {
        entry["annotations"]["org.opencontainers.image.ref.name"]: read(
            blob_path(out / "attestations", entry["digest"])
        )
        for entry in index["manifests"]
    }


def content(out: Path, name: str) -> bytes:
    (layer,) = attached(out)[name]["layers"]
    return blob_path(out / "attestations", layer["digest"]).read_bytes()


def assert_valid(text: str) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_bill_is_that_of_this_image(out: Path) -> None:
    text = (out / "sbom.cdx.json").read_text()
    assert_valid(text)
    digest = read(out / "image.json")["manifest_digest"]
    assert json.loads(text)["metadata"] == {
        "component": {
            "type": "container",
            "bom-ref": "image",
            "name": "demo",
            "version": digest,
            "description": "Shows how: é.",
            "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
            "purl": f"pkg:oci/demo@{digest}?repository_url={REPOSITORY}",
            "properties": [
                {"name": "irc:compiler", "value": "0.1.0"},
                {"name": "irc:flow", "value": "flows/demo/flow.yaml"},
                {"name": "irc:ir_digest", "value": f"sha256:{'1' * 64}"},
            ],
        }
    }


def test_the_bill_has_libraries_and_every_file_of_the_layers_of_code(
    out: Path, inputs: Inputs
) -> None:
    bill = read(out / "sbom.cdx.json")
    assert inputs.image is not None
    libraries = read(inputs.image.platforms[0].libraries)["components"]
    assert [item["name"] for item in libraries] == ["alpha-1.0", "beta_b-2.0"]
    assert bill["components"][: len(libraries)] == libraries
    named = {
        item["name"]: item["hashes"][0]["content"] for item in bill["components"][len(libraries) :]
    }
    held = {}
    for raw in read(out / "image.json")["layers"][2:]:
        archive = io.BytesIO(unpacked(out / "image", Layer.from_json(raw)))
        with tarfile.open(fileobj=archive) as layer:
            for member in layer.getmembers():
                source = layer.extractfile(member)
                if source is not None and not member.name.endswith(".pyc"):
                    held[f"/{member.name}"] = sha256(source.read())
    assert named == held
    assert len(held) == 5


def test_the_parts_that_are_attached_are_the_bill(out: Path) -> None:
    below, flow = (
        content(out, name).decode() for name in ("sbom-below-flow.cdx.json", "sbom-flow.cdx.json")
    )
    assert_valid(below)
    assert_valid(flow)
    whole, first, second = (
        json.loads(text) for text in ((out / "sbom.cdx.json").read_text(), below, flow)
    )
    assert first["components"] + second["components"] == whole["components"]
    component = dict(second["metadata"]["component"])
    (link,) = component.pop("externalReferences")
    serial = first["serialNumber"].removeprefix("urn:uuid:")
    assert link == {"type": "bom", "url": f"urn:cdx:{serial}/1"}
    assert component == whole["metadata"]["component"]


def test_an_edit_of_the_flow_adds_little_to_a_registry(
    out: Path, inputs: Inputs, tmp_path: Path
) -> None:
    (inputs.sources / "flows/demo/prompts/answer.j2").write_text("Hello again")
    package(inputs, tmp_path / "after")
    before, after = (
        {
            path.name: path.stat().st_size
            for path in (folder / "attestations/blobs/sha256").iterdir()
        }
        for folder in (out, tmp_path / "after")
    )
    below = attached(out)["sbom-below-flow.cdx.json"]["layers"][0]["digest"]
    assert below.removeprefix("sha256:") in after
    assert sum(size for name, size in after.items() if name not in before) < 6_000


def test_artifacts_refer_to_the_image(out: Path) -> None:
    image = read(out / "image.json")
    manifests = attached(out)
    assert {name: item["artifactType"] for name, item in manifests.items()} == {
        "sbom-below-flow.cdx.json": "application/vnd.cyclonedx+json",
        "sbom-flow.cdx.json": "application/vnd.cyclonedx+json",
        "provenance.intoto.json": "application/vnd.in-toto+json",
    }
    subject = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": image["manifest_digest"],
        "size": blob_path(out / "image", image["manifest_digest"]).stat().st_size,
    }
    for name, manifest in manifests.items():
        assert manifest["subject"] == subject
        assert manifest["config"] == {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": f"sha256:{sha256(b'{}')}",
            "size": 2,
        }
        (layer,) = manifest["layers"]
        assert layer["mediaType"] == manifest["artifactType"]
        assert manifest["annotations"] == {"org.opencontainers.image.title": name}
        data = content(out, name)
        assert (layer["size"], layer["digest"]) == (len(data), f"sha256:{sha256(data)}")


def test_provenance_names_what_the_image_was_made_of(out: Path, inputs: Inputs) -> None:
    statement = read(out / "provenance.intoto.json")
    assert json.loads(content(out, "provenance.intoto.json")) == statement
    assert inputs.image is not None
    image = read(out / "image.json")
    sources = {
        name: sha256((inputs.sources / name).read_bytes())
        for name in ("flows/demo/flow.yaml", "flows/demo/prompts/answer.j2", "shared/code.py")
    }
    tree = sha256(f"{sources['shared/code.py']}  shared/code.py\n".encode())
    digests = [layer["diff_id"].removeprefix("sha256:") for layer in image["layers"]]
    assert statement == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {
                "name": REPOSITORY,
                "digest": {"sha256": image["manifest_digest"].removeprefix("sha256:")},
            }
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:irc:package:v1",
                "externalParameters": {
                    "flow": "flows/demo/flow.yaml",
                    "target": "kserve",
                    "platform": "linux/amd64",
                },
                "internalParameters": {
                    "compiler": "0.1.0",
                    "python": image["python"],
                    "compressor": image["compressor"],
                },
                "resolvedDependencies": [
                    {"name": "flow", "digest": {"sha256": "1" * 64}},
                    *(
                        {"name": name, "digest": {"sha256": sources[name]}}
                        for name in ("flows/demo/flow.yaml", "flows/demo/prompts/answer.j2")
                    ),
                    {"name": "shared-code", "digest": {"sha256": tree}},
                    {
                        "name": "requirements-lock",
                        "digest": {"sha256": sha256(inputs.image.lock.read_bytes())},
                    },
                    {"name": "layer/base", "digest": {"sha256": digests[0]}},
                    {"name": "layer/third-party", "digest": {"sha256": digests[1]}},
                ],
            },
            "runDetails": {"builder": {"id": "urn:irc:builder", "version": {"irc": "0.1.0"}}},
        },
    }


def test_provenance_names_the_base_by_its_digest_or_its_packages(
    inputs: Inputs, tmp_path: Path
) -> None:
    assert inputs.image is not None
    packages = [
        {"name": name, "version": "1.0", "sha256": name[0] * 64} for name in ("alpha", "beta")
    ]
    lines = f"{'a' * 64}  alpha=1.0\n{'b' * 64}  beta=1.0\n"
    base = read(inputs.image.platforms[0].base)
    inputs.image.platforms[0].base.write_text(
        json.dumps({**base, "digest": f"sha256:{'2' * 64}", "packages": packages})
    )
    package(inputs, tmp_path / "out")
    predicate = read(tmp_path / "out/provenance.intoto.json")["predicate"]
    dependencies = {
        item["name"]: item["digest"]["sha256"]
        for item in predicate["buildDefinition"]["resolvedDependencies"]
    }
    assert dependencies["base-image"] == "2" * 64
    assert dependencies["debian-packages"] == sha256(lines.encode())
