"""What the process of an agent writes to standard error: events, as JSON lines."""

import logging.config
from typing import Any

from irc_runtime.events import from_warnings_on

#: KServe's per-request log lines cost a third of the throughput, so its loggers start at warnings.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "irc_runtime.events.JsonLines"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "json",
            "filters": [from_warnings_on],
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "irc": {"level": "INFO"},
        "py.warnings": {"level": "ERROR"},
        # A handler of its own keeps kserve from installing its defaults.
        "kserve": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "kserve.trace": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        # It quotes headers that are malformed, keys among them.
        "opentelemetry.util.re": {"level": "ERROR"},
        "uvicorn.access": {"handlers": [], "propagate": False},
    },
}


def configure_logging() -> None:
    """Write events, and what kserve and uvicorn have to say, as JSON lines to stderr."""
    logging.config.dictConfig(LOGGING)
    logging.captureWarnings(True)
