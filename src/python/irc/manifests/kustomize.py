"""An agent's manifest as a Kustomize base, and overlays that patch it.

https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
"""

from collections.abc import Mapping
from typing import Any

from irc.emit.documents import yaml_document

_API_VERSION = "kustomize.config.k8s.io/v1beta1"
# What of its metadata tells a patch which resource it is for.
_TARGET = ("name", "namespace")
_MANIFEST = "inferenceservice.yaml"


def kustomization(
    base: Mapping[str, Any], overlays: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """The files of base and overlays, by path.

    An overlay's patch is a JSON merge patch (RFC 7386), as Kustomize has no schema of KServe's kinds:
    a list that differs, as that of the containers, stands in it whole.
    """
    files = {
        f"base/{_MANIFEST}": yaml_document(base),
        "base/kustomization.yaml": _kustomization(resources=[_MANIFEST]),
    }
    for name, manifest in overlays.items():
        patch = _merge_patch(base, manifest)
        namespace = patch.get("metadata", {}).pop("namespace", None)
        content: dict[str, Any] = {"resources": ["../../base"]}
        if namespace is not None:  # a part of what a resource is: no patch may change it
            content["namespace"] = namespace
        if patch.get("metadata") or patch.get("spec"):
            named = {key: base[key] for key in ("apiVersion", "kind")}
            target = {key: base["metadata"][key] for key in _TARGET if key in base["metadata"]}
            metadata = {**target, **patch.pop("metadata", {})}
            files[f"overlays/{name}/patch.yaml"] = yaml_document(
                {**named, "metadata": metadata, **patch}
            )
            content["patches"] = [_patch(base, metadata["name"])]
        files[f"overlays/{name}/kustomization.yaml"] = _kustomization(**content)
    return files


def _patch(base: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The entry of a patch: it finds its resource by the name in it, unless that is another one."""
    entry: dict[str, Any] = {"path": "patch.yaml"}
    if name != base["metadata"]["name"]:
        target = {"kind": base["kind"], "name": base["metadata"]["name"]}
        entry |= {"target": target, "options": {"allowNameChange": True}}
    return entry


def _kustomization(**content: Any) -> str:
    return yaml_document({"apiVersion": _API_VERSION, "kind": "Kustomization", **content})


def _merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What makes ``new`` of ``old``: null removes a key."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if changed := _merge_patch(before, value):
                patch[key] = changed
        elif value != before:
            patch[key] = value
    return patch
