"""Which records the handlers of an agent write."""

import logging

import pytest

from irc_runtime.aws_lambda import configure_logging
from irc_runtime.events import from_warnings_on


@pytest.mark.parametrize(
    ("name", "level", "written"),
    [
        ("irc", logging.INFO, True),
        ("irc", logging.DEBUG, True),
        ("anthropic._base_client", logging.DEBUG, False),
        ("httpx", logging.INFO, False),
        ("httpx", logging.WARNING, True),
        ("kserve", logging.ERROR, True),
    ],
)
def test_libraries_are_heard_from_warnings_on(name: str, level: int, written: bool) -> None:
    assert from_warnings_on(logging.LogRecord(name, level, "x.py", 1, "said", (), None)) is written


def test_a_function_hears_them_from_warnings_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    handler, own = logging.NullHandler(), logging.getLogger("irc")
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(own, "handlers", [])
    monkeypatch.setattr(own, "level", own.level)
    monkeypatch.setattr(own, "propagate", own.propagate)
    configure_logging()
    assert handler.filters == [from_warnings_on]
