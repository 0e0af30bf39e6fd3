"""The KServe manifest of an agent: an ``InferenceService`` of ``serving.kserve.io/v1beta1``."""

from typing import Any

from irc.emit.documents import variable_text, yaml_document
from irc.oci.conventions import PORT, USER_ID

# KServe takes the container of this name for the predictor.
_CONTAINER = "kserve-container"

_SECURITY_CONTEXT = {
    "runAsNonRoot": True,
    "runAsUser": USER_ID,
    "runAsGroup": USER_ID,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

# An agent imports for seconds where its share of a processor is small, and is not dead then.
_READINESS_PROBE = {
    "httpGet": {"path": "/v2/health/ready", "port": PORT},
    "periodSeconds": 2,
    "failureThreshold": 3,
}
_LIVENESS_PROBE = {
    "httpGet": {"path": "/v2/health/live", "port": PORT},
    "initialDelaySeconds": 30,
    "periodSeconds": 10,
    "timeoutSeconds": 5,
    "failureThreshold": 6,
}


def inference_service(service_name: str, kserve: dict[str, Any], image: str) -> str:
    """The manifest as YAML.

    Args:
        service_name: the agent's name in DNS form, or another that the flow chose.
        kserve: ``deployment.kserve`` of the agent's summary; keys that are null are left out.
        image: the reference to the image, by digest.
    """
    metadata: dict[str, Any] = {"name": service_name}
    _add(metadata, "namespace", kserve.get("namespace"))
    labels = {"app.kubernetes.io/name": service_name, **(kserve.get("labels") or {})}
    _add(metadata, "labels", labels)
    _add(metadata, "annotations", kserve.get("annotations"))
    predictor: dict[str, Any] = {}
    _add(predictor, "minReplicas", kserve.get("min_replicas"))
    _add(predictor, "maxReplicas", kserve.get("max_replicas"))
    if kserve.get("target_rps") is not None:
        predictor["scaleMetric"] = "rps"
        predictor["scaleTarget"] = kserve["target_rps"]
    _add(predictor, "serviceAccountName", kserve.get("service_account"))
    predictor["containers"] = [_container(kserve, image)]
    document = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": {"predictor": predictor},
    }
    return yaml_document(document)


def _container(kserve: dict[str, Any], image: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": _CONTAINER,
        "image": image,
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
    }
    _add(container, "env", _environment(kserve))
    _add(container, "resources", _resources(kserve.get("resources") or {}))
    container["readinessProbe"] = _READINESS_PROBE
    container["livenessProbe"] = _LIVENESS_PROBE
    container["securityContext"] = _SECURITY_CONTEXT
    return container


def _environment(kserve: dict[str, Any]) -> list[dict[str, Any]]:
    plain = [
        {"name": name, "value": variable_text(value)}
        for name, value in (kserve.get("env") or {}).items()
    ]
    secret = [
        {
            "name": name,
            "valueFrom": {
                "secretKeyRef": {"name": reference["secret"], "key": reference["key"]},
            },
        }
        for name, reference in (kserve.get("secrets") or {}).items()
    ]
    return plain + secret


def _resources(resources: dict[str, Any]) -> dict[str, Any] | None:
    """Requests equal to limits: the guaranteed class, evicted last."""
    amounts = {
        key: str(resources[field])
        for field, key in (("cpu", "cpu"), ("memory", "memory"), ("gpu", "nvidia.com/gpu"))
        if resources.get(field) is not None
    }
    return {"requests": amounts, "limits": dict(amounts)} if amounts else None


def _add(target: dict[str, Any], key: str, value: Any) -> None:
    if value is not None and value != {} and value != []:
        target[key] = value
