"""Bills of materials and provenance in a real registry, as what refers to the image."""

import json
from pathlib import Path
from typing import Any

import pytest

from irc.attestations.document import encoded
from irc.oci.blobs import blob_path
from irc.oci.errors import ImageError
from irc.publishing.attach import attestations
from irc.publishing.publish import publish
from irc.publishing.registry import Registry
from tests.irc.publishing.publishing import digest_of, name_of, options, run, tags_of
from tests.standins.registry_server import FaultyRegistry, RegistryServer

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def list_tag(packaged: Path) -> str:
    return digest_of(packaged).replace(":", "-")


def listed(registry: RegistryServer, repository: str, packaged: Path) -> list[dict[str, Any]]:
    """What the registry says refers to the image, as a client without the referrers API asks."""
    path = f"{name_of(repository)}/manifests/{list_tag(packaged)}"
    answer = registry.get(path, accept=INDEX)
    assert answer.headers["content-type"] == INDEX
    index: dict[str, Any] = answer.json()
    manifests: list[dict[str, Any]] = index["manifests"]
    return manifests


def put_list(repository: str, packaged: Path, folder: Path, *entries: dict[str, Any]) -> bytes:
    """What another tool would have listed; as the registry then holds it."""
    registry = Registry()
    registry.rewritten_index(
        encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}), folder
    )
    reference = f"{repository}:{list_tag(packaged)}"
    registry.push_index(folder, reference)
    held = registry.manifest(reference)
    assert held is not None
    return held


def other_artifact(repository: str, packaged: Path) -> dict[str, Any]:
    """An artifact that is in the registry, as another tool lists it."""
    name, entry = next(iter(attestations(packaged).items()))
    reference = f"{repository}@{entry['digest']}"
    Registry().push_artifact(packaged / "attestations", name, entry["digest"], reference)
    return {
        "mediaType": MANIFEST,
        "digest": entry["digest"],
        "size": entry["size"],
        "annotations": {"by": "another tool"},
    }


def test_what_is_attached_is_found_from_the_image(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    assert run(str(packaged), *options(repository, "main")).exit_code == 0
    entries = {
        entry["annotations"]["org.opencontainers.image.title"]: entry
        for entry in listed(registry, repository, packaged)
    }
    assert set(entries) == {
        "sbom-below-flow.cdx.json",
        "sbom-flow.cdx.json",
        "provenance.intoto.json",
    }
    for name, entry in entries.items():
        path = f"{name_of(repository)}/manifests/{entry['digest']}"
        raw = registry.get(path, accept=MANIFEST).content
        assert raw == blob_path(packaged / "attestations", entry["digest"]).read_bytes()
        manifest = json.loads(raw)
        assert manifest["subject"]["digest"] == digest_of(packaged)
        (layer,) = manifest["layers"]
        document = registry.get(f"{name_of(repository)}/blobs/{layer['digest']}").content
        assert document == blob_path(packaged / "attestations", layer["digest"]).read_bytes(), name


def test_what_is_attached_already_is_not_pushed_again(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run(str(packaged), *options(repository, "main"))
    with FaultyRegistry(registry, lambda method, path: None) as proxy:
        for name, value in proxy.environment(tmp_path / "proxy").items():
            monkeypatch.setenv(name, value)
        through = repository.replace(registry.address, proxy.address)
        result = run(str(packaged), *options(through, "main"))
        assert "unchanged, nothing pushed" in result.output
        assert proxy.asked
        assert {method for method, _ in proxy.asked} <= {"GET", "HEAD"}


def test_what_other_tools_have_attached_stays(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path
) -> None:
    (tmp_path / "list").mkdir()
    other = other_artifact(repository, packaged)
    put_list(repository, packaged, tmp_path / "list", other)
    result = run(str(packaged), *options(repository, "main"))
    assert result.exit_code == 0, result.output
    entries = listed(registry, repository, packaged)
    assert entries[0] == other
    assert {entry["digest"] for entry in entries} == {
        entry["digest"] for entry in attestations(packaged).values()
    }


def test_a_list_that_skopeo_would_damage_is_left_as_it_is(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    other = {**other_artifact(repository, packaged), "artifactType": "application/vnd.example"}
    before = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other]})
    tag = list_tag(packaged)
    registry.put(f"{name_of(repository)}/manifests/{tag}", before, INDEX)
    result = run(str(packaged), *options(repository, "main"))
    assert listed(registry, repository, packaged)[0] == other
    if result.exit_code == 0:  # a skopeo that knows the field
        assert len(listed(registry, repository, packaged)) == 3
    else:
        assert "publish with a newer skopeo" in result.output
        assert Registry().manifest(f"{repository}:{tag}") == before
        assert tags_of(registry, repository) == []


def test_a_package_without_attestations_is_said_to_be_made_anew(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    (packaged / "attestations/index.json").unlink()
    result = run(str(packaged), *options(repository, "main"))
    assert (result.exit_code, "package the agent anew" in result.output) == (1, True)
    assert tags_of(registry, repository) == []


def test_a_list_that_another_writer_replaces_is_told(
    registry: RegistryServer, repository: str, packaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writers at once: the other one's list stands where ours was just written."""
    push_index = Registry.push_index

    def overtaken(self: Registry, folder: Path, reference: str) -> None:
        push_index(self, folder, reference)
        name, _, tag = reference.removeprefix(f"{registry.address}/").rpartition(":")
        empty = encoded({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
        registry.put(f"{name}/manifests/{tag}", empty, INDEX)

    monkeypatch.setattr(Registry, "push_index", overtaken)
    result = run(str(packaged), *options(repository, "main"))
    assert (result.exit_code, "does not hold the list" in result.output) == (1, True)
    assert tags_of(registry, repository) == []


def test_the_tag_of_the_list_is_no_image(
    registry: RegistryServer, repository: str, packaged: Path
) -> None:
    digest = digest_of(packaged)
    Registry().push(packaged / "image", digest, f"{repository}:{list_tag(packaged)}")
    result = run(str(packaged), *options(repository, "main"))
    assert (result.exit_code, "names no index" in result.output) == (1, True)
    assert tags_of(registry, repository) == []


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"manifests": [{}]}', b'{"manifests": 1}'])
def test_a_list_that_is_none_is_told(
    registry: RegistryServer, repository: str, packaged: Path, monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
) -> None:  # fmt: skip
    asked = Registry.manifest
    monkeypatch.setattr(
        Registry,
        "manifest",
        lambda self, name: answer if name.endswith(list_tag(packaged)) else asked(self, name),
    )
    result = run(str(packaged), *options(repository, "main"))
    assert (result.exit_code, "names no index\nhint: " in result.output) == (1, True)
    assert tags_of(registry, repository) == []


def test_a_page_in_place_of_the_list_is_told(
    registry: RegistryServer, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a proxy answers that wants a person to sign in."""
    tag = list_tag(packaged)
    with FaultyRegistry(registry, lambda method, path: "page" if tag in path else None) as proxy:
        for name, value in proxy.environment(tmp_path / "faulty").items():
            monkeypatch.setenv(name, value)
        repository = f"{proxy.address}/{tmp_path.name.replace('_', '-').lower()}"
        result = run(str(packaged), *options(repository, "main"))
        assert (result.exit_code, "names no index" in result.output) == (1, True)
        assert tags_of(registry, repository) == []


def test_a_registry_that_dies_between_image_and_list_moves_no_tag(
    registry: RegistryServer, packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = list_tag(packaged)

    def fault(method: str, path: str) -> str | None:
        return "error" if method == "PUT" and path.endswith(f"/manifests/{tag}") else None

    with FaultyRegistry(registry, fault) as proxy:
        for name, value in proxy.environment(tmp_path / "faulty").items():
            monkeypatch.setenv(name, value)
        repository = f"{proxy.address}/{tmp_path.name.replace('_', '-').lower()}"
        with pytest.raises(ImageError, match="3 attempts"):
            list(publish(packaged, [repository], ["main"], Registry(pause_s=0.01)))
        assert registry.get(f"{name_of(repository)}/tags/list").json().get("tags") is None
        proxy.fault = lambda method, path: None
        (done,) = publish(packaged, [repository], ["main"], Registry(pause_s=0.01))
        assert done.changed
        assert tags_of(registry, repository) == ["main"]
        assert len(listed(registry, repository, packaged)) == 3
