"""The colours of drawings."""

from __future__ import annotations

from irc.graphs.drawing import Kind

FILLS = {
    Kind.CODE: "#e3f2fd",
    Kind.PROMPT: "#ede7f6",
    Kind.OPERATION: "#e8f5e9",
    Kind.EFFECT: "#fff3e0",
    Kind.STATE: "#fffde7",
    Kind.TERMINAL: "#ffffff",
}
DEAD = "#f5f5f5"
