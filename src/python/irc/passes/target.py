"""The target pass: what of a deployment its target would refuse.

The forms are those that the API server checks:
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from irc.diagnostics import Diagnostics
from irc.emit.names import dns_label
from irc.ir.graph import Graph
from irc.ir.model import Deployment, KServe
from irc.quantities import parse_quantity
from irc.source import Document, Path

AT: Path = ("deployment", "kserve")

_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
_SECRET_KEY = re.compile(r"[-._A-Za-z0-9]{1,253}")
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_LABEL_HINT = (
    "letters, digits, '-', '_' and '.', at most 63, starting and ending with a letter or digit"
)
_MAX_ANNOTATIONS_BYTES = 256 * 1024

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LAMBDA_MEMORY = (Decimal(128 * 2**20), Decimal(10240 * 2**20))


def check_target(document: Document, graph: Graph, report: Diagnostics) -> None:
    """Check the deployment.

    Reports:
        E502 values that the target would refuse.
    """
    check_deployment(document, graph.flow.deployment, graph.flow.metadata.name, report)


def check_deployment(
    document: Document, deployment: Deployment, flow_name: str, report: Diagnostics
) -> None:
    """Check a deployment that stands at ``deployment`` of a document; reports as ``check_target``."""
    _Check(document, deployment, report).run(flow_name)


class _Check:
    def __init__(self, document: Document, deployment: Deployment, report: Diagnostics) -> None:
        self.document = document
        self.target = deployment.target
        self.kserve: KServe = deployment.kserve
        self.report = report

    def run(self, flow_name: str) -> None:
        self._check_names(flow_name)
        self._check_replicas()
        self._check_resources()
        for key in ("env", "secrets"):
            for name in getattr(self.kserve, key):
                self._check_variable((*AT, key, name), name)
        for name, reference in self.kserve.secrets.items():
            at = (*AT, "secrets", name)
            if not _DNS_SUBDOMAIN.fullmatch(reference.secret):
                self._refuse((*at, "secret"), f"'{reference.secret}' is no name of a secret")
            if not _SECRET_KEY.fullmatch(reference.key):
                self._refuse((*at, "key"), f"'{reference.key}' is no key of a secret")
        self._check_labels(self.kserve.labels)
        self._check_annotations(self.kserve.annotations)

    def _refuse(
        self, path: Path, message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        span = self.document.key_span(path) if key else self.document.span(path)
        self.report.error("E502", span, message, hint=hint)

    def _check_names(self, flow_name: str) -> None:
        hint = "lower case letters, digits and '-', at most 63, starting with a letter"
        for key in ("namespace", "service_name"):
            value = getattr(self.kserve, key)
            if value is not None and not _DNS_LABEL.fullmatch(value):
                self._refuse((*AT, key), f"'{value}' is not a DNS label", hint)
        account = self.kserve.service_account
        if account is not None and not _DNS_SUBDOMAIN.fullmatch(account):
            self._refuse((*AT, "service_account"), f"'{account}' is no name of a service account")
        if self.kserve.service_name is None and not _DNS_LABEL.fullmatch(dns_label(flow_name)):
            self._refuse(
                ("metadata", "name"), f"'{flow_name}' gives no name for the service",
                "set deployment.kserve.service_name",
            )  # fmt: skip

    def _check_replicas(self) -> None:
        least, most = self.kserve.min_replicas, self.kserve.max_replicas
        if least is not None and most is not None and least > most:
            self._refuse(
                (*AT, "min_replicas"), f"min_replicas {least} is above max_replicas {most}"
            )
        percent = self.kserve.canary_traffic_percent
        if percent is not None and percent > 100:
            self._refuse((*AT, "canary_traffic_percent"), f"{percent} is above 100 percent")

    def _check_resources(self) -> None:
        resources = self.kserve.resources
        for key in ("cpu", "memory", "gpu"):
            value = getattr(resources, key)
            if value is None:
                continue
            path = (*AT, "resources", key)
            amount = parse_quantity(str(value))
            if amount is None:
                self._refuse(path, f"'{value}' is not a quantity", _example(key))
            elif amount == 0:
                self._refuse(path, f"no {key} at all", _example(key))
            elif key == "gpu" and amount != int(amount):
                self._refuse(path, f"'{value}' is not a whole number of GPUs", _example(key))
            elif key == "cpu" and amount * 1000 != int(amount * 1000):
                self._refuse(path, f"'{value}' is finer than a thousandth of a CPU", _example(key))
            elif key == "memory" and amount != int(amount):
                self._refuse(
                    path, f"'{value}' is not a whole number of bytes",
                    f"did you mean '{str(value)[:-1]}M'?" if str(value).endswith("m") else None,
                )  # fmt: skip
            elif key == "memory" and self.target == "lambda":
                least, most = _LAMBDA_MEMORY
                if not least <= amount <= most:
                    self._refuse(path, f"'{value}': AWS Lambda has 128 MB to 10240 MB")

    def _check_variable(self, path: Path, name: str) -> None:
        if not _ENVIRONMENT_NAME.fullmatch(name):
            hint = "letters, digits and '_', not starting with a digit"
            self._refuse(path, f"'{name}' is no name of a variable", hint, key=True)
        elif self.target == "lambda" and (len(name) == 1 or name.startswith("_")):
            hint = "AWS Lambda wants two characters or more, starting with a letter"
            self._refuse(path, f"'{name}' is no name of a variable", hint, key=True)

    def _check_labels(self, labels: Mapping[str, str]) -> None:
        for key, value in labels.items():
            self._check_key((*AT, "labels", key), key, "a label")
            if value and not _QUALIFIED_NAME.fullmatch(value):
                self._refuse((*AT, "labels", key), f"'{value}' is no value of a label", _LABEL_HINT)

    def _check_annotations(self, annotations: Mapping[str, str]) -> None:
        for key in annotations:
            self._check_key((*AT, "annotations", key), key, "an annotation")
        size = sum(len(key.encode()) + len(text.encode()) for key, text in annotations.items())
        if size > _MAX_ANNOTATIONS_BYTES:
            self._refuse((*AT, "annotations"), f"{size} bytes of annotations, of at most 262144")

    def _check_key(self, path: Path, key: str, kind: str) -> None:
        prefix, slash, name = key.rpartition("/")
        if slash and not _DNS_SUBDOMAIN.fullmatch(prefix):
            hint = "what stands before the '/' is a DNS name, in lower case"
            self._refuse(path, f"'{key}' is no key of {kind}", hint, key=True)
        elif not _QUALIFIED_NAME.fullmatch(name):
            self._refuse(path, f"'{key}' is no key of {kind}", _LABEL_HINT, key=True)


def _example(resource: str) -> str:
    examples = {
        "cpu": "'500m' is half a CPU",
        "memory": "such as '512Mi' or '1Gi'",
        "gpu": "such as 1",
    }
    return examples[resource]
