"""What an agent reports about itself: one event a line, with named fields and never with content.

Events go to the logger ``irc``; ``irc_runtime.serving`` writes them as JSON lines. Where the host
program configures logging itself, the fields are in the record's ``fields``.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from irc_runtime import tracing
from irc_runtime.errors import raised_at

DEBUG = logging.DEBUG
INFO = logging.INFO
WARNING = logging.WARNING
ERROR = logging.ERROR

logger = logging.getLogger("irc")


def event(level: int, name: str, /, **fields: Any) -> None:
    """Report that something happened; fields that are None are left out.

    What belongs to a request has its ``trace_id``; where it is traced, the ``span_id`` is added.
    """
    if logger.isEnabledFor(level):
        if "trace_id" in fields:
            fields["span_id"] = tracing.span_id()
        known = {key: value for key, value in fields.items() if value is not None}
        text = " ".join(f"{key}={value}" for key, value in known.items())
        logger.log(level, "%s %s", name, text, extra={"event": name, "fields": known})


def from_warnings_on(record: logging.LogRecord) -> bool:
    """A filter of handlers: of libraries, only warnings and what is worse.

    What they say below holds content, and some have variables that turn it on, as ``ANTHROPIC_LOG``.
    """
    return record.name == logger.name or record.levelno >= WARNING


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event or message, and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; exceptions by class and place, as their text may hold content."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        name = getattr(record, "event", None)
        if name is None:
            line["message"] = record.getMessage()
        else:
            line["event"] = name
            line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = type(record.exc_info[1]).__name__
            line["raised_at"] = raised_at(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)
