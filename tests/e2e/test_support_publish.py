"""What a registry is sent when an agent that it holds has changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from irc.oci.thirdparty import build_third_party
from irc.publishing.publish import publish
from irc.publishing.registry import Registry
from tests.e2e.repackaging import FLOW, Workshop, add_blobs, small_requirements
from tests.standins.registry_server import FaultyRegistry, RegistryServer, running_registry

EDIT_BYTES = 8_000
LOCK_CHANGE_BYTES = 1_000_000
REPOSITORY = "agents/support"


@pytest.fixture(scope="module")
def registry(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """One that holds the image."""
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment(folder / "login").items():
            patch.setenv(name, value)
        list(publish(package, [f"{server.address}/{REPOSITORY}"], ["main"], Registry()))
        yield server


@pytest.fixture
def workshop(package: Path, tmp_path: Path) -> Workshop:
    return Workshop(package, tmp_path)


def sent_bytes(
    registry: RegistryServer, package: Path, folder: Path, patch: pytest.MonkeyPatch
) -> dict[str, int]:
    """What publishing sends, in bytes: ``blobs`` and ``manifest`` of the image, the same manifest for
    its ``tag``, and what is ``attached``."""
    described = json.loads((package / "image.json").read_bytes())
    attached = {blob.name for blob in (package / "attestations/blobs/sha256").iterdir()}
    with FaultyRegistry(registry, lambda method, path: None) as proxy:
        for name, value in proxy.environment(folder / "proxy").items():
            patch.setenv(name, value)
        (done,) = publish(package, [f"{proxy.address}/{REPOSITORY}"], ["main"], Registry())
    assert done.changed
    sent = dict.fromkeys(("blobs", "manifest", "tag", "attached"), 0)
    for _, path, size in proxy.sent:
        place, name = path.partition("?")[0].rsplit("/", 1)
        if place.endswith("/uploads"):  # whose blob it is, a request without a body says at the end
            (digest,) = (
                parse_qs(urlsplit(ended).query)["digest"][0]
                for method, ended in proxy.asked
                if method == "PUT" and f"/uploads/{name}?" in ended
            )
            kind = "attached" if digest.removeprefix("sha256:") in attached else "blobs"
        elif name == described["manifest_digest"]:
            kind = "manifest"
        else:
            kind = "tag" if name == "main" else "attached"
        sent[kind] += size
    return sent


def test_what_is_packaged_anew_without_an_edit_is_the_same_image(
    workshop: Workshop, tmp_path: Path
) -> None:
    again = workshop.packaged(tmp_path / "again")
    digests = [
        json.loads((folder / "image.json").read_bytes())["manifest_digest"]
        for folder in (workshop.package, again)
    ]
    assert digests[0] == digests[1]


def test_an_edited_prompt_pushes_at_most_8_kb(
    registry: RegistryServer, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (workshop.sources / FLOW / "prompts/answer.j2").open("a") as prompt:
        prompt.write('Sign as "the Example team".\n')
    edited = workshop.packaged(tmp_path / "edited")
    add_blobs(edited, workshop.package / "image")
    sent = sent_bytes(registry, edited, tmp_path, monkeypatch)
    assert 0 < sent["blobs"] + sent["manifest"] <= EDIT_BYTES
    assert sent["tag"] == sent["manifest"]
    assert 0 < sent["attached"] <= EDIT_BYTES + 2_000


def test_a_changed_small_distribution_pushes_at_most_1_mb(
    registry: RegistryServer, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = workshop.third_party.layers[-1]
    deps = small_requirements(workshop.package / "agent.pex", tmp_path / "deps.pex")
    changed, _ = build_third_party(deps, tmp_path / "changed")
    (layer,) = changed.layers
    assert layer.distributions == small.distributions
    assert layer.layer.digest != small.layer.digest
    workshop.with_layer(small.layer, layer.layer)
    package = workshop.packaged(tmp_path / "relocked")
    add_blobs(package, tmp_path / "changed", workshop.package / "image")
    sent = sent_bytes(registry, package, tmp_path, monkeypatch)
    assert layer.layer.size < sent["blobs"] + sent["manifest"] <= LOCK_CHANGE_BYTES
