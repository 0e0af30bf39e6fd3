"""The InferenceService, against the schema of KServe's own resource definition."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from irc.emit.documents import yaml_document
from irc.manifests.image import PLACEHOLDER, with_image
from irc.manifests.inference_service import inference_service
from irc.pipeline import check, generate
from tests.irc.package.agent_files import KSERVE

IMAGE = f"registry.example/demo@sha256:{'2' * 64}"
SCHEMA = "kserve/inferenceservice.v1beta1.schema.json"

EVERYTHING: dict[str, Any] = {
    **KSERVE,
    "canary_traffic_percent": 10,
    "resources": {"cpu": 1, "memory": "1Gi", "gpu": 2},
    "env": {"FLAG": True, "COUNT": 3, "RATIO": 0.5, "TEXT": "no"},
    "service_account": "reader",
    "annotations": {"owner": "team"},
    "labels": {"tier": "front", "app.kubernetes.io/part-of": "shop"},
}
NOTHING: dict[str, Any] = {
    **dict.fromkeys(KSERVE),
    "service_name": "demo-agent",
    "resources": {"cpu": None, "memory": None, "gpu": None},
    "env": {},
    "secrets": {},
}


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema, from ``IRC_KSERVE_SCHEMA`` or a folder beside the repository."""
    named = os.environ.get("IRC_KSERVE_SCHEMA")
    if named:
        return json.loads(Path(named).read_bytes())
    repository = Path(__file__).parents[3]
    if (repository / "pants.toml").is_file():
        for path in sorted(repository.parent.glob(f"*/{SCHEMA}")):
            return json.loads(path.read_bytes())
    pytest.skip(f"no {SCHEMA}: name it in IRC_KSERVE_SCHEMA")


def manifest(kserve: dict[str, Any]) -> Any:
    return with_image(inference_service(kserve), IMAGE)


def container(kserve: dict[str, Any]) -> Any:
    (only,) = manifest(kserve)["spec"]["predictor"]["containers"]
    return only


@pytest.mark.parametrize("kserve", [KSERVE, EVERYTHING, NOTHING])
def test_manifest_is_valid(schema: Any, kserve: dict[str, Any]) -> None:
    errors = list(jsonschema.Draft7Validator(schema).iter_errors(manifest(kserve)))
    assert errors == []


FLOWS = sorted([*Path("flows").glob("*/flow.yaml"), *Path("tests/golden").glob("good_*/flow.*")])


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.parent.name)
def test_manifests_of_flows_are_valid(schema: Any, flow: Path) -> None:
    result = check(flow.name, lambda name: (flow.parent / name).read_bytes())
    assert result.compiled is not None
    kserve = json.loads(generate(result.compiled)["agent.json"])["deployment"]["kserve"]
    document = manifest(kserve)
    assert list(jsonschema.Draft7Validator(schema).iter_errors(document)) == []


def test_schema_refuses_what_the_server_would_drop(schema: Any) -> None:
    document = manifest(KSERVE)
    document["spec"]["predictor"]["targetRps"] = 20
    assert list(jsonschema.Draft7Validator(schema).iter_errors(document))


def test_metadata() -> None:
    document = manifest(EVERYTHING)
    assert (document["apiVersion"], document["kind"]) == (
        "serving.kserve.io/v1beta1",
        "InferenceService",
    )
    assert document["metadata"] == {
        "name": "demo-agent",
        "namespace": "agents",
        "labels": {
            "app.kubernetes.io/name": "demo-agent",
            "tier": "front",
            "app.kubernetes.io/part-of": "shop",
        },
        "annotations": {
            "owner": "team",
            "prometheus.kserve.io/port": "8080",
            "prometheus.kserve.io/path": "/metrics",
        },
    }


def test_where_metrics_are_depends_on_who_is_scraped() -> None:
    standard = {"serving.kserve.io/deploymentMode": "Standard"}
    own = {**standard, "prometheus.io/scrape": "false"}
    assert manifest({**KSERVE, "annotations": standard})["metadata"]["annotations"] == {
        **standard,
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8080",
        "prometheus.io/path": "/metrics",
    }
    annotations = manifest({**KSERVE, "annotations": own})["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "false"


def test_scaling() -> None:
    predictor = manifest(EVERYTHING)["spec"]["predictor"]
    assert predictor["minReplicas"] == 0
    assert predictor["maxReplicas"] == 4
    assert (predictor["scaleMetric"], predictor["scaleTarget"]) == ("rps", 20)
    assert predictor["serviceAccountName"] == "reader"


def test_canary() -> None:
    assert manifest(EVERYTHING)["spec"]["predictor"]["canaryTrafficPercent"] == 10
    assert "canaryTrafficPercent" not in manifest(KSERVE)["spec"]["predictor"]
    assert (
        manifest({**KSERVE, "canary_traffic_percent": 0})["spec"]["predictor"][
            "canaryTrafficPercent"
        ]
        == 0
    )


def test_image_is_left_open() -> None:
    (only,) = inference_service(KSERVE)["spec"]["predictor"]["containers"]
    assert only["image"] == PLACEHOLDER


def test_container_and_its_image() -> None:
    assert container(KSERVE)["name"] == "kserve-container"
    assert container(KSERVE)["image"] == IMAGE
    assert container(KSERVE)["ports"] == [
        {"name": "http1", "containerPort": 8080, "protocol": "TCP"}
    ]


def test_requests_equal_limits() -> None:
    amounts = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "2"}
    assert container(EVERYTHING)["resources"] == {"requests": amounts, "limits": amounts}


def test_environment_is_text_and_secrets_are_references() -> None:
    assert container(EVERYTHING)["env"][2:] == [
        {"name": "FLAG", "value": "true"},
        {"name": "COUNT", "value": "3"},
        {"name": "RATIO", "value": "0.5"},
        {"name": "TEXT", "value": "no"},
        {
            "name": "OPENAI_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "openai", "key": "api-key"}},
        },
    ]


def test_probes_ask_kserve_itself() -> None:
    assert container(KSERVE)["readinessProbe"]["httpGet"] == {
        "path": "/v2/health/ready",
        "port": 8080,
    }
    assert container(KSERVE)["livenessProbe"]["httpGet"] == {
        "path": "/v2/health/live",
        "port": 8080,
    }


STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}


@pytest.mark.parametrize(
    ("annotations", "env", "drain", "termination_s"),
    [
        ({}, {}, ("5", "12"), None),
        (STANDARD, {}, ("5", "60"), 80),
        (STANDARD, {"IRC_DRAIN_GRACE_S": 300}, ("5", "300"), 320),
        (STANDARD, {"IRC_DRAIN_DELAY_S": "0.5"}, ("0.5", "60"), 76),
        (STANDARD, {"IRC_DRAIN_DELAY_S": "soon"}, ("soon", "60"), 80),
    ],
)
def test_a_pod_has_the_time_that_its_agent_takes_to_end(
    annotations: dict[str, str], env: dict[str, Any], drain: Any, termination_s: int | None
) -> None:
    """Knative refuses a time of the pod; without one, all has to be done within 30 seconds."""
    kserve = {**KSERVE, "annotations": annotations, "env": env}
    set_to = {item["name"]: item.get("value") for item in container(kserve)["env"]}
    assert (set_to["IRC_DRAIN_DELAY_S"], set_to["IRC_DRAIN_GRACE_S"]) == drain
    predictor = manifest(kserve)["spec"]["predictor"]
    assert predictor.get("terminationGracePeriodSeconds") == termination_s


@pytest.mark.parametrize("annotations", [{}, STANDARD])
def test_the_longest_end_fits_into_the_pods_time(annotations: dict[str, str]) -> None:
    from irc_runtime.serving.server import longest_end_s

    kserve = {**KSERVE, "annotations": annotations}
    set_to = {item["name"]: item.get("value") for item in container(kserve)["env"]}
    longest_s = longest_end_s(
        float(set_to["IRC_DRAIN_DELAY_S"]), float(set_to["IRC_DRAIN_GRACE_S"])
    )
    predictor = manifest(kserve)["spec"]["predictor"]
    assert longest_s <= predictor.get("terminationGracePeriodSeconds", 30)


def test_a_stuck_agent_is_restarted_by_itself_before_its_probe_does() -> None:
    """The event names the place; the probe is what is left where the process cannot even do that."""
    from irc_runtime.serving.options import Limits

    probe = container(KSERVE)["livenessProbe"]
    assert Limits().blocked_limit_s < probe["periodSeconds"] * probe["failureThreshold"]


def test_container_is_locked_down() -> None:
    assert container(KSERVE)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_what_the_flow_does_not_set_is_left_to_the_cluster() -> None:
    document = manifest(NOTHING)
    assert set(document["metadata"]) == {"name", "labels", "annotations"}
    assert set(document["spec"]["predictor"]) == {"containers"}
    assert "resources" not in container(NOTHING)
    assert {item["name"] for item in container(NOTHING)["env"]} == {
        "IRC_DRAIN_DELAY_S",
        "IRC_DRAIN_GRACE_S",
    }


def test_no_aliases_for_readers_to_follow() -> None:
    text = yaml_document(manifest(EVERYTHING))
    assert "&" not in text
    assert "*" not in text
