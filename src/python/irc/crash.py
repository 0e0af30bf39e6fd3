"""What the compiler says and keeps when it crashes itself (E901)."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from irc.version import VERSION


def report_crash(error: BaseException) -> str:
    """Keep a report of the crash in the temporary folder.

    Returns:
        The text for the user: code E901, where the report is, and what to do with it.
    """
    handle, name = tempfile.mkstemp(prefix="irc-crash-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as report:
        report.write(f"irc {VERSION}, Python {platform.python_version()}, {sys.platform}\n")
        report.write(f"arguments: {sys.argv[1:]}\n\n")
        report.writelines(traceback.format_exception(error))
    return (
        f"error[E901]: irc crashed: {type(error).__name__}: {error}\n"
        f"note: the report is kept in {Path(name)}\n"
        "hint: this is a defect of irc, not of your flow; please send us the report"
    )
