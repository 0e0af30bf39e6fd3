"""Which extra of irc-runtime brings what a module of it imports."""

from __future__ import annotations

from collections.abc import Iterable

EXTRAS = {
    "irc_runtime.anthropic_chat": "anthropic",
    "irc_runtime.azure_chat": "openai",
    "irc_runtime.bedrock_chat": "bedrock",
    "irc_runtime.http": "http",
    "irc_runtime.openai_chat": "openai",
    "irc_runtime.serving": "kserve",
    "irc_runtime.state.redis": "redis",
}


def needed_extras(modules: Iterable[str]) -> set[str]:
    """The extras that modules of irc_runtime need, as an agent imports them."""
    return {EXTRAS[module] for module in modules if module in EXTRAS}
