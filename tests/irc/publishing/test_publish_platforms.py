"""An index of images for several platforms in a real registry."""

import json
import subprocess
from pathlib import Path
from typing import Any

from irc.publishing.attach import attestations
from tests.irc.publishing.publishing import digest_of, name_of, options, run, tags_of
from tests.standins.registry_server import RegistryServer

INDEX = "application/vnd.oci.image.index.v1+json"


def inspected(reference: str, architecture: str) -> Any:
    """What skopeo says of the image for a machine."""
    command = ["skopeo", f"--override-arch={architecture}", "inspect", f"docker://{reference}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_all_images_of_an_index_are_pushed_and_then_its_tags(
    registry: RegistryServer, repository: str, packaged_for_two: Path
) -> None:
    result = run(str(packaged_for_two), *options(repository, "1"))
    assert result.exit_code == 0, result.output
    digest = digest_of(packaged_for_two)
    assert result.output == f"{repository}:1: pushed {digest}\n"
    assert tags_of(registry, repository) == ["1"]
    answer = registry.get(f"{name_of(repository)}/manifests/1", accept=INDEX)
    assert answer.headers["docker-content-digest"] == digest
    images = json.loads((packaged_for_two / "image.json").read_bytes())["images"]
    for image in images:
        architecture = image["platform"].rpartition("/")[2]
        found = inspected(f"{repository}:1", architecture)
        assert found["Architecture"] == architecture
        assert found["Layers"] == [layer["digest"] for layer in image["layers"]]


def test_what_is_attached_is_attached_to_each_image(
    registry: RegistryServer, repository: str, packaged_for_two: Path
) -> None:
    assert run(str(packaged_for_two), *options(repository, "1")).exit_code == 0
    for image in json.loads((packaged_for_two / "image.json").read_bytes())["images"]:
        tag = image["manifest_digest"].replace(":", "-")
        answer = registry.get(f"{name_of(repository)}/manifests/{tag}", accept=INDEX)
        folder = packaged_for_two / "platforms" / image["platform"].replace("/", "-")
        assert {entry["digest"] for entry in answer.json()["manifests"]} == {
            entry["digest"] for entry in attestations(folder).values()
        }


def test_an_index_that_is_there_is_not_pushed_again(
    registry: RegistryServer, repository: str, packaged_for_two: Path
) -> None:
    assert run(str(packaged_for_two), *options(repository, "1")).exit_code == 0
    again = run(str(packaged_for_two), *options(repository, "1"))
    assert "unchanged, nothing pushed" in again.output
