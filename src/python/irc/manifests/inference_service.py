"""The KServe manifest of an agent: an ``InferenceService`` of ``serving.kserve.io/v1beta1``.

It is made of the models of the ``kserve`` package and of Kubernetes' own client, which know the names
of all fields. Importing them takes a second of CPU, so manifests are made apart from all else, without
their image, and again only when the deployment changes.
"""

import math
from typing import Any

from kserve import (  # type: ignore[import-untyped]  # it says nothing of its types
    ApiClient,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1PredictorSpec,
    constants,
)
from kubernetes.client import (
    V1Capabilities,
    V1Container,
    V1ContainerPort,
    V1EnvVar,
    V1EnvVarSource,
    V1HTTPGetAction,
    V1ObjectMeta,
    V1Probe,
    V1ResourceRequirements,
    V1SeccompProfile,
    V1SecretKeySelector,
    V1SecurityContext,
)

from irc.emit.documents import variable_text
from irc.manifests.image import PLACEHOLDER
from irc.oci.conventions import PORT, USER_ID

# KServe takes the container of this name for the predictor.
_CONTAINER = "kserve-container"

# What says how KServe runs the agent, and the values with which that is a Deployment.
_MODE = "serving.kserve.io/deploymentMode"
_DEPLOYMENTS = ("Standard", "RawDeployment")

# From SIGTERM, in seconds (docs/serving.md): until endpoints are removed, and for requests under way.
_DELAY, _GRACE = "IRC_DRAIN_DELAY_S", "IRC_DRAIN_GRACE_S"
_DELAY_S = 5
_GRACE_S = 60

# The same where the pod's own time cannot be set: Knative refuses it, and a cluster's default is 30.
_SHORT_GRACE_S = 12

# What the agent needs beyond these two to close what it has open, and to spare.
_END_S = 15


def inference_service(kserve: dict[str, Any]) -> dict[str, Any]:
    """The manifest, with a placeholder for the image.

    Args:
        kserve: ``deployment.kserve`` of the agent's summary; keys that are null are left out.
    """
    name = kserve["service_name"]
    target_rps = kserve.get("target_rps")
    service = V1beta1InferenceService(
        api_version=constants.KSERVE_V1BETA1,
        kind=constants.KSERVE_KIND_INFERENCESERVICE,
        metadata=V1ObjectMeta(
            name=name,
            namespace=kserve.get("namespace"),
            labels={"app.kubernetes.io/name": name, **(kserve.get("labels") or {})},
            annotations={**_scraping(kserve), **(kserve.get("annotations") or {})},
        ),
        spec=V1beta1InferenceServiceSpec(
            predictor=V1beta1PredictorSpec(
                min_replicas=kserve.get("min_replicas"),
                max_replicas=kserve.get("max_replicas"),
                scale_metric=None if target_rps is None else "rps",
                scale_target=target_rps,
                canary_traffic_percent=kserve.get("canary_traffic_percent"),
                service_account_name=kserve.get("service_account"),
                termination_grace_period_seconds=_termination_s(kserve),
                containers=[_container(kserve)],
            )
        ),
    )
    document: dict[str, Any] = ApiClient().sanitize_for_serialization(service)
    return document


def _scraping(kserve: dict[str, Any]) -> dict[str, str]:
    """Where metrics are: for Prometheus itself, or with Knative for its proxy, which is scraped."""
    if _is_deployment(kserve):
        prefix, scrape = "prometheus.io", {"prometheus.io/scrape": "true"}
    else:
        prefix, scrape = "prometheus.kserve.io", {}
    return {**scrape, f"{prefix}/port": str(PORT), f"{prefix}/path": "/metrics"}


def _container(kserve: dict[str, Any]) -> V1Container:
    return V1Container(
        name=_CONTAINER,
        image=PLACEHOLDER,
        ports=[V1ContainerPort(name="http1", container_port=PORT, protocol="TCP")],
        env=_environment(kserve) or None,
        resources=_resources(kserve.get("resources") or {}),
        # An agent imports for seconds where its share of a processor is small, and is not dead then.
        readiness_probe=V1Probe(
            http_get=V1HTTPGetAction(path="/v2/health/ready", port=PORT),
            period_seconds=2,
            failure_threshold=3,
        ),
        liveness_probe=V1Probe(
            http_get=V1HTTPGetAction(path="/v2/health/live", port=PORT),
            initial_delay_seconds=30,
            period_seconds=10,
            timeout_seconds=5,
            failure_threshold=6,
        ),
        security_context=V1SecurityContext(
            run_as_non_root=True,
            run_as_user=USER_ID,
            run_as_group=USER_ID,
            read_only_root_filesystem=True,
            allow_privilege_escalation=False,
            capabilities=V1Capabilities(drop=["ALL"]),
            seccomp_profile=V1SeccompProfile(type="RuntimeDefault"),
        ),
    )


def _drain(kserve: dict[str, Any]) -> dict[str, int]:
    """The agent's settings for its end."""
    return {_DELAY: _DELAY_S, _GRACE: _GRACE_S if _is_deployment(kserve) else _SHORT_GRACE_S}


def _termination_s(kserve: dict[str, Any]) -> int | None:
    """The pod's time to end: what the agent may take, also where the flow sets other times."""
    if not _is_deployment(kserve):
        return None
    settings = {**_drain(kserve), **(kserve.get("env") or {})}
    try:
        taken_s = float(settings[_DELAY]) + float(settings[_GRACE])
    except ValueError:  # the agent says what is wrong with it
        taken_s = _DELAY_S + _GRACE_S
    return math.ceil(taken_s) + _END_S


def _is_deployment(kserve: dict[str, Any]) -> bool:
    return (kserve.get("annotations") or {}).get(_MODE) in _DEPLOYMENTS


def _environment(kserve: dict[str, Any]) -> list[V1EnvVar]:
    plain = [
        V1EnvVar(name=name, value=variable_text(value))
        for name, value in {**_drain(kserve), **(kserve.get("env") or {})}.items()
    ]
    secret = [
        V1EnvVar(
            name=name,
            value_from=V1EnvVarSource(
                secret_key_ref=V1SecretKeySelector(name=reference["secret"], key=reference["key"])
            ),
        )
        for name, reference in (kserve.get("secrets") or {}).items()
    ]
    return plain + secret


def _resources(resources: dict[str, Any]) -> V1ResourceRequirements | None:
    """Requests equal to limits: the guaranteed class, evicted last."""
    amounts = {
        key: str(resources[field])
        for field, key in (("cpu", "cpu"), ("memory", "memory"), ("gpu", "nvidia.com/gpu"))
        if resources.get(field) is not None
    }
    return V1ResourceRequirements(requests=amounts, limits=dict(amounts)) if amounts else None
