"""Where the variables of an agent come from: those that it reads, and those that it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irc.diagnostics import Diagnostics, Span
from irc.ir.graph import Graph
from irc.ir.lowered import Facts
from irc.ir.model import Deployment
from irc.passes.target import AT
from irc.references import find_references
from irc.source import Document, Path

# What the image of an agent sets for itself.
_OF_THE_IMAGE = frozenset(
    ["MODEL_NAME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"]
)

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_OF_LAMBDA = frozenset(
    [
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ]
)


def check_variables(document: Document, deployment: Deployment, report: Diagnostics) -> None:
    """Check that each variable of a deployment, at ``deployment`` of a document, has one origin.

    Reports:
        E503 a name in both env and secrets, or one that the target sets.
    """
    env, secrets = deployment.kserve.env, deployment.kserve.secrets
    for name in secrets:
        if name in env:
            report.error(
                "E503", document.key_span((*AT, "secrets", name)), f"env sets '{name}' as well",
                related=[(document.key_span((*AT, "env", name)), "here")],
                hint="leave it out of one of the two",
            )  # fmt: skip
    by, names = _set_by_the_target(deployment)
    for key, given in (("env", env), ("secrets", secrets)):
        for name in given:
            if name in names:
                report.error("E503", document.key_span((*AT, key, name)), f"{by} sets '{name}'")


def warn_of_variables(
    document: Document, graph: Graph, nodes: Mapping[str, Facts], report: Diagnostics
) -> None:
    """Say which variables the flow reads and its deployment does not give.

    Reports:
        W501, once for each; not where the flow says nothing of a deployment, and not for the
        target ``local``, whose Compose file asks for them.
    """
    deployment = graph.flow.deployment
    if deployment.target == "local" or "deployment" not in graph.flow.model_fields_set:
        return
    given = {*deployment.kserve.env, *deployment.kserve.secrets}
    given |= _set_by_the_target(deployment)[1]
    for name, facts in nodes.items():
        for variable in sorted(facts.environment - given):
            given.add(variable)
            report.warning(
                "W501", _read_at(document, graph, name, variable),
                f"'{name}' reads the variable '{variable}', which nothing sets",
                related=[(document.key_span(("deployment",)), "the deployment sets no such variable")],
                hint=f"add '{variable}' to deployment.kserve.env or .secrets",
            )  # fmt: skip


def _set_by_the_target(deployment: Deployment) -> tuple[str, frozenset[str]]:
    if deployment.target == "lambda":
        return "AWS Lambda", _OF_LAMBDA
    return "the image", _OF_THE_IMAGE


def _read_at(document: Document, graph: Graph, node: str, variable: str) -> Span:
    """Where a node's operation first refers to a variable."""
    transform = graph.flow.nodes[node].transform
    at: Path = ("nodes", node, "transform", "spec")
    for path, text in _texts(transform.spec if transform is not None else None, at):
        for reference in find_references(text, lambda start, end: None):
            if (reference.root, reference.path) == ("env", (variable,)):
                return document.text_span(path, reference.start, reference.end)
    return document.key_span(("nodes", node))


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
