"""Findings in SARIF 2.1.0 (OASIS), as code scanning takes them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from irc.codes import CODES
from irc.diagnostics import Diagnostic, Span
from irc.explanations import explanation
from irc.version import VERSION

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ROOT = "SRCROOT"
"""What paths are relative to: the folder in which irc ran; a reader says where that is."""

FINGERPRINT = "irc/v1"


def render_sarif(items: Iterable[Diagnostic], sources: Mapping[str, Sequence[str]]) -> str:
    """A log with one run.

    Args:
        items: the findings.
        sources: the lines of each file by its name, which fingerprints are made of.
    """
    found = list(items)
    codes = sorted({item.code for item in found})
    prints = _fingerprints(found, sources)
    run = {
        "tool": {
            "driver": {
                "name": "irc",
                "version": VERSION,
                "semanticVersion": VERSION,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(item, codes.index(item.code), fingerprint)
            for item, fingerprint in zip(found, prints, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    page = explanation(code)
    title = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": title[0].upper() + title[1:]},
        "fullDescription": {"text": page.summary},
        "help": {"text": page.text, "markdown": page.text},
        "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
    }


def _result(item: Diagnostic, rule: int, fingerprint: str) -> dict[str, Any]:
    message = item.message if item.hint is None else f"{item.message}\n{item.hint}"
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": item.severity.value,
        "message": {"text": message},
        "locations": [{"physicalLocation": _location(item.span)}],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if item.related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _location(span), "message": {"text": note}}
            for number, (span, note) in enumerate(item.related, 1)
        ]
    return result


def _location(span: Span) -> dict[str, Any]:
    path = PurePosixPath(span.file)
    artifact = (
        {"uri": path.as_uri()}
        if path.is_absolute()
        else {"uri": quote(span.file), "uriBaseId": ROOT}
    )
    return {
        "artifactLocation": artifact,
        "region": {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
        },
    }


def _fingerprints(items: Sequence[Diagnostic], sources: Mapping[str, Sequence[str]]) -> list[str]:
    """What makes each finding the same one after lines have moved: all but its position.

    That is the code, the file, the message and the text of its line without indentation; equal
    ones are counted in their order.
    """
    seen: Counter[str] = Counter()
    prints = []
    for item in items:
        lines = sources.get(item.span.file, ())
        line = lines[item.span.line - 1].strip() if item.span.line <= len(lines) else ""
        message = re.sub(r"\bline \d+", "line", item.message)
        text = f"{item.code}\0{item.span.file}\0{message}\0{line}"
        seen[text] += 1
        prints.append(hashlib.sha256(f"{text}\0{seen[text]}".encode()).hexdigest())
    return prints
