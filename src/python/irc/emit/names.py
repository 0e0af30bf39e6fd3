"""Names in generated code: the flow's own, made safe."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from typing import Any

AGENT_ATTRIBUTES = frozenset(
    [
        "cache",
        "close",
        "context_of",
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
        "predict_in",
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
        "AnthropicChat",
        "Any",
        "AzureChat",
        "BedrockChat",
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
        "LambdaHandler",
        "ModelRegistry",
        "Node",
        "OpenAIChat",
        "Outputs",
        "Prompt",
        "RedisBackend",
        "RegisteredModel",
        "SKIPPED",
        "Schema",
        "State",
        "StateSpec",
        "StateStore",
        "Tool",
        "annotations",
        "as_text",
        "as_variables",
        "by_port",
        "connect_features",
        "delivered",
        "edge",
        "fetch_models",
        "first_delivered",
        "handler",
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
"""What generated modules import and define."""

RESERVED = (
    frozenset(keyword.kwlist) | frozenset(dir(builtins)) | AGENT_ATTRIBUTES | LOCALS | IMPORTED
)


Import = tuple[str, str | None, str]
"""Module, imported name (None for the module itself) and the name it is bound to."""


Answer = tuple[str, tuple[Any, ...], Any]
"""A question to ``Names``, its arguments and what was answered."""


class Names:
    """Gives out names of one module, each once.

    Args:
        taken: names that are in use already.
    Attributes:
        journal: all that was asked so far; ``replay`` asks a part of it again.
    """

    def __init__(self, taken: frozenset[str] = RESERVED) -> None:
        self._taken = dict.fromkeys(sorted(taken))
        self._imports: dict[Import, str] = {("typing", "Any", "Any"): "Any"}
        self.journal: list[Answer] = []

    def is_free(self, name: str) -> bool:
        free = name not in self._taken
        self.journal.append(("is_free", (name,), free))
        return free

    def take(self, wanted: str, suffix: str = "node") -> str:
        """The wanted name, or one like it when that is taken."""
        name = self._take(wanted, f"{wanted}_{suffix}")
        self.journal.append(("take", (wanted, suffix), name))
        return name

    def take_constant(self, wanted: str) -> str:
        """The wanted name in capitals, with a number behind it when that is taken."""
        name = self._take(wanted.upper(), None)
        self.journal.append(("take_constant", (wanted,), name))
        return name

    def take_import(self, item: Import, prefix: str) -> str:
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
                wanted = f"{prefix}_{bound}" if bound in self._taken else bound
                self._imports[item] = self._take(wanted, f"{wanted}_node")
        self.journal.append(("take_import", (item, prefix), self._imports[item]))
        return self._imports[item]

    def copy(self) -> Names:
        """The same names taken; taking more leaves these alone."""
        names = Names(frozenset())
        names._taken, names._imports = dict(self._taken), dict(self._imports)
        return names

    def _take(self, wanted: str, otherwise: str | None) -> str:
        name, number = wanted, 2
        if name in self._taken and otherwise is not None:
            name = wanted = otherwise
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken[name] = None
        return name

    def replay(self, answers: Iterable[Answer]) -> bool:
        """Ask again; where one answer differs, none of the names is taken."""
        taken, imports, asked = len(self._taken), len(self._imports), len(self.journal)
        for question, arguments, answer in answers:
            if getattr(self, question)(*arguments) != answer:
                while len(self._taken) > taken:
                    self._taken.popitem()
                while len(self._imports) > imports:
                    self._imports.popitem()
                del self.journal[asked:]
                return False
        return True


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
