"""The layouts of flows/support before the judges that others have written.

Debian's packages umoci, oci-image-tool and golang-github-opencontainers-image-spec-dev: the last holds
the JSON schemas of the OCI image specification, 1.1 in its second draft.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.e2e.oci_layout import Layout
from tests.e2e.running import SEARCH_PATH, tool

ADDRESS = "https://opencontainers.org/schema/"
# Parts of the schemas have addresses of their own, from which they refer to files beside them.
FOLDERS = ("", "descriptor/", "image/", "image/descriptor/", "image/index/", "image/manifest/")
SCHEMAS = Path("/usr/share/gocode/src/github.com/opencontainers/image-spec/schema")


def judged(*command: str, folder: Path) -> str:
    """What a validator prints; skips the test where it is not installed."""
    if tool(command[0]) is None:
        pytest.skip(f"not installed: {command[0]}")
    done = subprocess.run(
        command, cwd=folder, env={"PATH": SEARCH_PATH}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_oci_image_tool_finds_the_image_valid(layout: Layout) -> None:
    said = judged(
        *("oci-image-tool", "validate", "--type=image", "--ref=name=latest", layout.folder.name),
        folder=layout.folder.parent,
    )
    assert "Validation succeeded" in said


def test_oci_image_tool_finds_a_damaged_image_invalid(layout: Layout, tmp_path: Path) -> None:
    """So that its word counts for something."""
    if tool("oci-image-tool") is None:
        pytest.skip("not installed: oci-image-tool")
    damaged = tmp_path / "image"
    (damaged / "blobs/sha256").mkdir(parents=True)
    for name in ("index.json", "oci-layout"):
        (damaged / name).write_bytes((layout.folder / name).read_bytes())
    for digest, blob in layout.blobs().items():
        (damaged / "blobs/sha256" / digest.removeprefix("sha256:")).symlink_to(blob.resolve())
    config = damaged / "blobs/sha256" / layout.manifest["config"]["digest"].removeprefix("sha256:")
    text = config.read_bytes()
    config.unlink()
    config.write_bytes(text.replace(b"linux", b"lunix"))
    done = subprocess.run(
        ["oci-image-tool", "validate", "--type=image", "--ref=name=latest", "image"],
        cwd=tmp_path,
        env={"PATH": SEARCH_PATH},
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_umoci_unpacks_the_image(layout: Layout, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    rootless = ["--rootless"] if os.geteuid() else []
    judged(
        *("umoci", "unpack", *rootless, f"--image={layout.folder.name}:latest", str(bundle)),
        folder=layout.folder.parent,
    )
    process = json.loads((bundle / "config.json").read_bytes())["process"]
    assert process["args"] == layout.config["config"]["Entrypoint"]
    modules = (layout.folder.parent / "context/app").rglob("*.py")
    for module in modules:
        name = module.relative_to(layout.folder.parent / "context/app")
        assert (bundle / "rootfs/opt/agent/app" / name).read_bytes() == module.read_bytes()
    shutil.rmtree(bundle)  # 400 MB


@pytest.fixture(scope="module")
def schemas() -> Registry[Any]:
    """Schemas by their addresses, whose last part is the name of their file."""
    if not SCHEMAS.is_dir():
        pytest.skip("not installed: golang-github-opencontainers-image-spec-dev")

    return Registry[Any]().with_resources(
        (f"{ADDRESS}{folder}{path.name}", DRAFT4.create_resource(json.loads(path.read_bytes())))
        for path in sorted(SCHEMAS.glob("*.json"))
        for folder in FOLDERS
    )


def check(document: Any, kind: str, schemas: Registry[Any]) -> None:
    """Hold a document against a schema.

    Raises:
        ValidationError: it is not as the specification says.
    """
    schema = schemas.contents(f"{ADDRESS}{kind}.json")
    Draft4Validator(schema, registry=schemas).validate(document)


def documents(layout: Layout) -> Iterator[tuple[str, Any]]:
    """All of a layout's documents and descriptors, each with the name of its schema."""
    yield "image-layout-schema", json.loads((layout.folder / "oci-layout").read_bytes())
    yield "image-index-schema", layout.index
    for entry in layout.index["manifests"]:
        manifest = layout.json(entry["digest"])
        yield "image-manifest-schema", manifest
        for descriptor in (entry, manifest["config"], *manifest["layers"]):
            yield "content-descriptor", descriptor
        if manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json":
            yield "config-schema", layout.json(manifest["config"]["digest"])


@pytest.mark.parametrize(
    ("folder", "kinds"),
    [
        (
            "image",
            {
                "image-layout-schema",
                "image-index-schema",
                "image-manifest-schema",
                "content-descriptor",
                "config-schema",
            },
        ),
        (
            "attestations",
            {
                "image-layout-schema",
                "image-index-schema",
                "image-manifest-schema",
                "content-descriptor",
            },
        ),
    ],
)
def test_documents_are_as_the_specification_says(
    package: Path, schemas: Registry[Any], folder: str, kinds: set[str]
) -> None:
    checked = set()
    for kind, document in documents(Layout(package / folder)):
        check(document, kind, schemas)
        checked.add(kind)
    assert checked == kinds


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("image-manifest-schema", {"schemaVersion": 2, "layers": []}),
        ("image-index-schema", {"schemaVersion": 2, "manifests": [{"digest": "sha256:1"}]}),
        ("config-schema", {"architecture": "amd64", "os": "linux"}),
        ("content-descriptor", {"mediaType": "text/plain", "digest": "1", "size": 1}),
        ("image-layout-schema", {"imageLayoutVersion": "2"}),
    ],
)
def test_schemas_refuse_what_is_wrong(schemas: Registry[Any], kind: str, document: Any) -> None:
    with pytest.raises(ValidationError):
        check(document, kind, schemas)
