"""The Kustomize base and overlays, built by the real Kustomize that kubectl has."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from irc.cli.manifest import manifest
from irc.files import write_files
from irc.manifests.image import with_image
from irc.manifests.inference_service import inference_service
from irc.manifests.kustomize import kustomization
from irc.manifests.overlays import overlaid
from irc.oci.errors import ImageError
from tests.irc.package.agent_files import KSERVE

IMAGE = f"registry.example/demo@sha256:{'2' * 64}"

OVERLAYS: dict[str, dict[str, Any]] = {
    "same": {},
    "elsewhere": {"namespace": "agents-staging"},
    "smaller": {"min_replicas": 1, "max_replicas": 1, "target_rps": None},
    "renamed": {"service_name": "other-agent"},
    "moved": {
        "namespace": "canaries",
        "service_name": "canary",
        "secrets": {"LOG_LEVEL": {"secret": "logging", "key": "level"}},
        "env": {"OPENAI_API_KEY": "none"},
    },
    "production": {
        "namespace": "production",
        "canary_traffic_percent": 20,
        "resources": {"cpu": "4", "gpu": 1},
        "env": {"LOG_LEVEL": "warning", "REGION": "eu"},
        "secrets": {"REDIS_URL": {"secret": "redis", "key": "url"}},
        "labels": {"tier": "front"},
        "annotations": {"owner": "team"},
        "service_account": "reader",
    },
}


def manifests(overlays: Mapping[str, Mapping[str, Any]]) -> tuple[Any, dict[str, Any]]:
    base = with_image(inference_service(KSERVE), IMAGE)
    return base, {
        name: with_image(inference_service(overlaid(KSERVE, name, overlay)), IMAGE)
        for name, overlay in overlays.items()
    }


def built(folder: Path) -> Any:
    """What Kustomize makes of a folder."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl")
    run = subprocess.run(
        [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return yaml.safe_load(run.stdout)


def test_base_is_the_manifest(tmp_path: Path) -> None:
    base, _ = manifests({})
    write_files(tmp_path, kustomization(base, {}))
    assert built(tmp_path / "base") == base


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_is_the_manifest_of_its_environment(tmp_path: Path, name: str) -> None:
    base, overlays = manifests(OVERLAYS)
    write_files(tmp_path, kustomization(base, overlays))
    assert built(tmp_path / "overlays" / name) == overlays[name]


def test_overlay_names_only_what_differs() -> None:
    base, overlays = manifests({"smaller": {"min_replicas": 1}, "same": {}})
    files = kustomization(base, overlays)
    assert yaml.safe_load(files["overlays/smaller/patch.yaml"]) == {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "demo-agent", "namespace": "agents"},
        "spec": {"predictor": {"minReplicas": 1}},
    }
    assert "overlays/same/patch.yaml" not in files


def test_a_variable_of_the_flow_may_come_from_a_secret_and_the_other_way_round() -> None:
    merged = overlaid(KSERVE, "moved", OVERLAYS["moved"])
    assert (merged["env"], set(merged["secrets"])) == ({"OPENAI_API_KEY": "none"}, {"LOG_LEVEL"})


@pytest.mark.parametrize("key", ["namespace", "service_name"])
def test_what_a_resource_is_cannot_be_taken_away(key: str) -> None:
    with pytest.raises(ImageError, match=f"the overlay 'staging' has no {key}"):
        overlaid(KSERVE, "staging", {key: None})


def test_a_credential_is_refused_and_not_shown() -> None:
    key = "sk-" + "proj-abcdefghijklmnopqrstuvwxyz0123456789"
    with pytest.raises(ImageError, match="credential") as caught:
        overlaid(KSERVE, "staging", {"env": {"OPENAI_KEY": key}})
    assert key not in str(caught.value)


def test_items_of_the_environment_are_merged() -> None:
    merged = overlaid(KSERVE, "production", OVERLAYS["production"])
    assert merged["env"] == {"LOG_LEVEL": "warning", "REGION": "eu"}
    assert set(merged["secrets"]) == {"OPENAI_API_KEY", "REDIS_URL"}
    assert merged["resources"] == {"cpu": "4", "memory": "1Gi", "gpu": 1}


@pytest.mark.parametrize(
    ("overlay", "message", "hint"),
    [
        ({"min_replica": 1}, "unknown key 'min_replica'", "did you mean 'min_replicas'?"),
        ({"min_replicas": 9}, "min_replicas 9 is above max_replicas 4", None),
        ({"namespace": "Not DNS"}, "'Not DNS' is not a DNS label", "lower case letters"),
        ({"env": "LEVEL=debug"}, "env", None),
        ({"resources": {"memory": "much"}}, "'much' is not a quantity", "such as '512Mi'"),
        ({"env": {"PYTHONPATH": "/tmp"}}, "the image sets 'PYTHONPATH'", None),
        (
            {"env": {"A": "b"}, "secrets": {"A": {"secret": "a", "key": "a"}}},
            "env sets 'A' as well",
            "leave it out of one of the two",
        ),
        ({"canary_traffic_percent": 101}, "101 is above 100 percent", None),
    ],
)
def test_what_no_flow_could_say_is_refused(
    overlay: dict[str, Any], message: str, hint: str | None
) -> None:
    with pytest.raises(ImageError) as caught:
        overlaid(KSERVE, "staging", overlay)
    assert "<deployment with the overlay 'staging'>:" in str(caught.value)
    assert message in str(caught.value)
    assert hint is None or hint in str(caught.value)


@pytest.mark.parametrize("text", ['{"../out": {}}', '{"staging": "small"}', "[]", "{"])
def test_overlays_of_another_form_are_said_in_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.json").write_text(json.dumps({"deployment": {"kserve": KSERVE}}))
    (tmp_path / "overlays.json").write_text(text)
    options = [f"--{name}={tmp_path / f'{name}.json'}" for name in ("agent", "overlays")]
    result = CliRunner().invoke(manifest, [*options, f"--output-dir={tmp_path / 'out'}"])
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert "overlays.json: not as this version of irc writes it" in result.output
