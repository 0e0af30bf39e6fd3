"""Signing by ``cosign``: a stand-in that records how it is called, and fails when told to.

It knows no cryptography: it leaves in the registry what cosign would, an artifact under a tag.
"""

import json
import stat
from pathlib import Path

import pytest

from irc.oci.blobs import MEDIA_TYPE_INDEX
from irc.package.described import attested_images
from irc.publishing.attach import attestations
from irc.publishing.registry import Registry
from tests.irc.publishing.publishing import digest_of, name_of, options, run, tags_of
from tests.standins.registry_server import RegistryServer

_COSIGN = """\
#!/bin/sh
printf '%s\\n' "$@" >> '{folder}/arguments'
printf '%s\\n' "$COSIGN_PASSWORD" >> '{folder}/password'
echo 'Enter verification code 1234' >&2
if [ -e '{folder}/fail' ]; then
  echo 'Error: signing: no key' >&2
  exit 1
fi
"""


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the stand-in records."""
    folder = tmp_path / "cosign"
    folder.mkdir()
    program = folder / "cosign"
    program.write_text(_COSIGN.format(folder=folder))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/local/bin:/usr/bin:/bin")
    monkeypatch.setenv("COSIGN_PASSWORD", "open-sesame")
    return folder


def calls(cosign: Path) -> list[str]:
    return (cosign / "arguments").read_text().splitlines()


def references(repository: str, packaged: Path) -> list[str]:
    digests = [entry["digest"] for entry in attestations(packaged).values()]
    return [f"{repository}@{digest}" for digest in (digest_of(packaged), *digests)]


def put_signature(repository: str, packaged: Path, digest: str) -> None:
    """What a signature is to the registry: an artifact under a tag made of the digest."""
    name, entry = next(iter(attestations(packaged).items()))
    tag = f"{repository}:{digest.replace(':', '-')}.sig"
    Registry().push_artifact(packaged / "attestations", name, entry["digest"], tag)


def test_image_and_what_is_attached_are_signed_by_digest(
    registry: RegistryServer, repository: str, packaged: Path, cosign: Path
) -> None:
    arguments = ("--sign", "--cosign-arg=--key=cosign.key", "--cosign-arg=--tlog-upload=false")
    result = run(str(packaged), *options(repository, "main"), *arguments)
    assert result.exit_code == 0, result.output
    assert calls(cosign) == [
        *("sign", "--yes", "--key=cosign.key", "--tlog-upload=false"),
        *references(repository, packaged),
    ]
    assert (cosign / "password").read_text() == "open-sesame\n"
    assert tags_of(registry, repository) == ["main"]


def test_an_index_is_signed_and_each_of_its_images_with_what_is_attached(
    registry: RegistryServer, repository: str, packaged_for_two: Path, cosign: Path
) -> None:
    result = run(str(packaged_for_two), *options(repository, "main"), "--sign")
    assert result.exit_code == 0, result.output
    expected = [digest_of(packaged_for_two)]
    for folder, image in attested_images(packaged_for_two):
        expected += [image, *(entry["digest"] for entry in attestations(folder).values())]
    assert calls(cosign) == ["sign", "--yes", *(f"{repository}@{item}" for item in expected)]
    assert len(set(expected)) == len(expected) == 9


def test_a_failure_moves_no_tag_and_a_second_try_signs(
    registry: RegistryServer, repository: str, packaged: Path, cosign: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (cosign / "fail").touch()
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert result.exit_code == 1
    assert "cosign sign failed with status 1" in result.output
    assert "no tag was moved" in result.output
    said = capfd.readouterr().err  # as it says it: it may have asked for something
    assert said.splitlines() == ["Enter verification code 1234", "Error: signing: no key"]
    assert "open-sesame" not in result.output
    assert tags_of(registry, repository) == []
    (cosign / "fail").unlink()
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert result.exit_code == 0, result.output
    signed = ["sign", "--yes", *references(repository, packaged)]
    assert calls(cosign) == [*signed, *signed]
    assert tags_of(registry, repository) == ["main"]


def test_what_is_signed_gets_no_second_signature(
    repository: str, packaged: Path, cosign: Path
) -> None:
    run(str(packaged), *options(repository, "main"))
    image, *others = references(repository, packaged)
    put_signature(repository, packaged, digest_of(packaged))
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert result.exit_code == 0, result.output
    assert calls(cosign) == ["sign", "--yes", *others]
    for reference in others:
        put_signature(repository, packaged, reference.partition("@")[2])
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert "unchanged, nothing pushed" in result.output
    assert calls(cosign) == ["sign", "--yes", *others]
    assert image not in calls(cosign)


def test_a_bundle_in_the_list_is_a_signature(
    registry: RegistryServer, repository: str, packaged: Path, cosign: Path
) -> None:
    """As cosign 3 leaves one: an artifact of its type, listed under the image's tag."""
    run(str(packaged), *options(repository, "main"))
    image, *others = references(repository, packaged)
    digest = digest_of(packaged)
    tag = f"{name_of(repository)}/manifests/{digest.replace(':', '-')}"
    index = registry.get(tag, accept=MEDIA_TYPE_INDEX).json()
    bundle = "application/vnd.dev.sigstore.bundle.v0.3+json"
    index["manifests"].append({**index["manifests"][0], "artifactType": bundle})
    registry.put(tag, json.dumps(index).encode(), MEDIA_TYPE_INDEX)
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert result.exit_code == 0, result.output
    assert calls(cosign) == ["sign", "--yes", *others]
    assert image not in calls(cosign)


def test_without_cosign_nothing_is_pushed(
    registry: RegistryServer, repository: str, packaged: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/skopeo").symlink_to("/usr/bin/skopeo")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    result = run(str(packaged), *options(repository, "main"), "--sign")
    assert result.exit_code == 1
    assert "signing needs cosign, which is not installed" in result.output
    listed = registry.get(f"{name_of(repository)}/tags/list")
    assert json.loads(listed.content)["errors"][0]["code"] == "NAME_UNKNOWN"


def test_arguments_of_cosign_go_with_signing(packaged: Path) -> None:
    result = run(str(packaged), *options("registry.example/demo"), "--cosign-arg=--key=x")
    assert (result.exit_code, "goes with --sign" in result.output) == (2, True)
