"""``irc compile --each``: many flows in one process, each as if it were alone.

For build tools, which ask for many flows and want what comes of each by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from irc.cli.flows import check_all
from irc.cli.reporting import Reporting
from irc.diagnostics import Severity
from irc.files import write_files
from irc.render.text import render_text

if TYPE_CHECKING:
    from irc.cache import Cache

FINDINGS = "findings.txt"
GENERATED = "generated"


def compile_each(
    flows: Sequence[str],
    source_root: str,
    cache: Cache | None,
    reporting: Reporting,
    output_dir: Path,
) -> None:
    """Write, into a folder of each flow's path, its findings as text, and its files unless it has errors.

    Raises:
        OSError: something cannot be written.
    """
    from irc.pipeline import generate

    for flow in flows:
        [result] = check_all([flow], source_root, cache, with_tests=True)
        items = reporting(result.report.sorted())
        files: dict[str, str] = {}
        if items:
            files[FINDINGS] = render_text(items, result.sources)
        if result.compiled is not None and not any(
            item.severity is Severity.ERROR for item in items
        ):
            generated = generate(result.compiled)
            files |= {f"{GENERATED}/{name}": text for name, text in generated.items()}
        write_files(output_dir / flow, files)
