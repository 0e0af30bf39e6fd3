"""Literals that look like credentials; secrets come from the environment."""

from __future__ import annotations

import re

from irc.diagnostics import Diagnostics
from irc.source import SourceFile

_CREDENTIALS = (
    ("sk-", r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic
    ("AKIA", r"\bAKIA[0-9A-Z]{16}\b"),  # AWS
    ("ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    ("gh", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),  # GitHub
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,}"),
    ("glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),  # GitLab
    ("npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi-AgE", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("hf_", r"\bhf_[A-Za-z0-9]{34}\b"),  # Hugging Face
    ("k_live_", r"\b[sr]k_live_[A-Za-z0-9]{20,}"),  # Stripe
    ("SG.", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"),  # SendGrid
    ("hooks.slack.com", r"\bhttps://hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{24}"),
    ("xox", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),  # Slack
    ("AIza", r"\bAIza[0-9A-Za-z_-]{35}"),  # Google
    ("-----BEGIN ", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("earer ", r"\b[Bb]earer [A-Za-z0-9._~+/-]{24,}"),
    ("eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),  # a JWT
    # A password in a URL.
    ("://", r"\b[a-z][a-z0-9+]{0,20}://[^\s/:@${}]{1,200}:[^\s/:@${}]{1,200}@"),
)
"""A part of each kind of credential, which is quickly looked for, and the pattern of the whole."""


def _credentials(text: str) -> re.Pattern[str]:
    """What looks like a credential of any kind that may be in a text."""
    return re.compile("|".join(p for part, p in _CREDENTIALS if part in text) or r"(?!)")


def check_credentials(source: SourceFile, report: Diagnostics) -> None:
    """Report E207 for each literal that looks like a credential."""
    for match in _credentials(source.text).finditer(source.text):
        report.error(
            "E207", source.span(*match.span()), "this looks like a credential",
            hint="read it from the environment: ${env.NAME}, with deployment.kserve.secrets",
        )  # fmt: skip


def masked_lines(source: SourceFile) -> list[str]:
    """The lines of a file as they may be shown: what looks like a credential is starred out."""
    pattern = _credentials(source.text)
    return pattern.sub(lambda match: "*" * len(match[0]), source.text).split("\n")
