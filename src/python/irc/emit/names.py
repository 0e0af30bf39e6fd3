"""Names in generated code: the flow's own, made safe."""

from __future__ import annotations

import builtins
import keyword
import re

AGENT_ATTRIBUTES = frozenset(
    [
        "cache",
        "close",
        "environment",
        "features",
        "handle_error",
        "http",
        "limit",
        "load",
        "log",
        "models",
        "name",
        "nodes",
        "optional",
        "predict",
        "ready",
        "registry",
        "request_timeout_s",
        "requires",
        "run",
        "settings",
        "source",
        "states",
    ]
)
"""What ``irc_runtime.agent.Agent`` and the generated class use themselves."""

LOCALS = frozenset(["self", "request", "ctx", "branches", "error", "inputs", "state"])

IMPORTED = frozenset(
    [
        "ABSENT",
        "Agent",
        "AgentError",
        "Any",
        "Branches",
        "CacheSpec",
        "ChatModel",
        "ChatModels",
        "Context",
        "FeatureRead",
        "FeatureStore",
        "FeatureWrite",
        "HttpClient",
        "Inputs",
        "ModelRegistry",
        "Node",
        "Outputs",
        "Prompt",
        "RegisteredModel",
        "SKIPPED",
        "Schema",
        "State",
        "StateSpec",
        "StateStore",
        "annotations",
        "as_text",
        "by_port",
        "connect_features",
        "delivered",
        "edge",
        "fetch_models",
        "first_delivered",
        "named_output",
        "node",
        "output",
        "present",
        "serve",
        "settled",
        "single_row",
        "to_string",
        "variable",
    ]
)
"""What generated modules import."""

RESERVED = (
    frozenset(keyword.kwlist) | frozenset(dir(builtins)) | AGENT_ATTRIBUTES | LOCALS | IMPORTED
)


class Names:
    """Gives out names of one module, each once.

    Args:
        taken: names that are in use already.
    """

    def __init__(self, taken: frozenset[str] = RESERVED) -> None:
        self._taken = set(taken)
        self._imports: dict[tuple[str, str | None, str], str] = {("typing", "Any", "Any"): "Any"}

    def is_free(self, name: str) -> bool:
        return name not in self._taken

    def take_import(self, item: tuple[str, str | None, str], prefix: str) -> str:
        """The name for an import; equal imports share one.

        Args:
            item: module, imported name or None, and the name that the code binds it to.
            prefix: put before the name when another thing has it.
        """
        if item not in self._imports:
            module, name, bound = item
            dotted = name is None and "." in module and bound == module.partition(".")[0]
            root = next(
                (n for (m, x, b), n in self._imports.items() if x is None and b == bound), None
            )
            if dotted and root is not None:
                self._imports[item] = root
            else:
                self._imports[item] = self.take(
                    bound if self.is_free(bound) else f"{prefix}_{bound}"
                )
        return self._imports[item]

    def take(self, wanted: str, suffix: str = "node") -> str:
        """The wanted name, or one like it when that is taken."""
        name, number = wanted, 1
        while name in self._taken:
            name = f"{wanted}_{suffix}" if number == 1 else f"{wanted}_{suffix}_{number}"
            number += 1
        self._taken.add(name)
        return name


def class_name(flow: str) -> str:
    """``order-triage`` as ``OrderTriageAgent``."""
    words = re.findall(r"[A-Za-z0-9]+", flow)
    camel = "".join(word[0].upper() + word[1:] for word in words)
    return camel if camel.endswith("Agent") and camel != "Agent" else camel + "Agent"


def snake(text: str) -> str:
    """A sentence as a name: ``An invalid answer`` as ``an_invalid_answer``."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("'", "")).strip("_") or "case"


def dns_label(name: str) -> str:
    """A name in the form of a DNS label (RFC 1123): lower case, digits and hyphens, at most 63."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].rstrip("-")
