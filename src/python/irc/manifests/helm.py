"""An agent's manifest as a Helm chart: what a release may change stands in ``values.yaml``.

https://helm.sh/docs/topics/charts/
"""

import copy
from collections.abc import Mapping
from typing import Any

from irc.emit.documents import yaml_document

_TEMPLATE = """\
apiVersion: {{ .Values.apiVersion }}
kind: InferenceService
metadata:
  name: {{ .Values.name }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- toYaml .Values.labels | nindent 4 }}
  {{- with .Values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  predictor:
    {{- with .Values.predictor }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    containers:
      - image: {{ .Values.image }}
        {{- if or .Values.env .Values.secrets }}
        env:
          {{- range $name, $value := .Values.env }}
          - name: {{ $name }}
            value: {{ $value | quote }}
          {{- end }}
          {{- range $name, $reference := .Values.secrets }}
          - name: {{ $name }}
            valueFrom:
              secretKeyRef:
                {{- toYaml $reference | nindent 16 }}
          {{- end }}
        {{- end }}
        {{- toYaml .Values.container | nindent 8 }}
"""


def chart(manifest: Mapping[str, Any], description: str, version: str) -> dict[str, str]:
    """The chart's files, by path.

    Args:
        manifest: the ``InferenceService``, with its image.
        description: the flow's.
        version: of the chart, as SemVer 2 has it.
    """
    metadata = manifest["metadata"]
    predictor = copy.deepcopy(manifest["spec"]["predictor"])
    (container,) = predictor.pop("containers")
    environment = container.pop("env", [])
    values = {
        "apiVersion": manifest["apiVersion"],
        "name": metadata["name"],
        "image": container.pop("image"),
        "labels": metadata["labels"],
        "annotations": metadata.get("annotations", {}),
        "env": {item["name"]: item["value"] for item in environment if "value" in item},
        "secrets": {
            item["name"]: item["valueFrom"]["secretKeyRef"]
            for item in environment
            if "valueFrom" in item
        },
        "predictor": predictor,
        "container": container,
    }
    about = {
        "apiVersion": "v2",
        "name": metadata["name"],
        **({"description": description} if description else {}),
        "type": "application",
        "version": version,
    }
    return {
        "Chart.yaml": yaml_document(about),
        "values.yaml": yaml_document(values),
        "templates/inferenceservice.yaml": _TEMPLATE,
    }
