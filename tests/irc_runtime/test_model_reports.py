"""What is reported of calls of models: tokens always, content where it is asked for."""

import logging
from typing import Any

import pytest

from irc_runtime.errors import LoadError, ValidationFailedError
from irc_runtime.models import ChatModels
from irc_runtime.schema import Schema
from tests.irc_runtime.providers import LOOSE, STOPS, Asked, tool
from tests.standins.openai_wire import Answer


def reported(caplog: pytest.LogCaptureFixture, event: str) -> list[Any]:
    """The fields of all events of a name."""
    return [record.fields for record in caplog.records if record.event == event]  # type: ignore[attr-defined]


def tokens(caplog: pytest.LogCaptureFixture) -> list[tuple[int, int]]:
    """What each call of a model was charged for."""
    calls = reported(caplog, "model_called")
    return [(call["input_tokens"], call["output_tokens"]) for call in calls]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tokens_are_counted(asked: Asked, caplog: pytest.LogCaptureFixture, stream: bool) -> None:
    asked.server.script(Answer("Hello there."))
    with caplog.at_level(logging.INFO, "irc"):
        asked.complete(asked.prompt(stream=stream))
    assert tokens(caplog) == [(7, 3)]
    assert reported(caplog, "model_called")[0]["provider"] == asked.provider.name
    assert "Hello" not in caplog.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tokens_of_answers_of_no_use_are_counted(
    asked: Asked, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    cut_off, held_back = STOPS[asked.provider.name]
    structured = asked.prompt(output_schema=Schema(LOOSE), stream=stream)
    with caplog.at_level(logging.INFO, "irc"):
        asked.server.script(Answer({"txt": ""}), Answer({"text": "Hello"}))
        asked.complete(structured)
        assert tokens(caplog) == [(7, 3)] * 2  # the round that was repaired, and the repair
        asked.server.script(Answer({"text": "Hel"}, stop=cut_off), Answer("I", stop=held_back))
        for prompt in (structured, asked.prompt(stream=stream)):
            with pytest.raises(ValidationFailedError):
                asked.complete(prompt)
    assert tokens(caplog) == [(7, 3)] * 4


def test_a_text_that_is_cut_is_given_and_told(
    asked: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    asked.server.script(Answer("Hello the", stop=STOPS[asked.provider.name][0]))
    assert asked.complete(asked.prompt()) == "Hello the"
    [fields] = reported(caplog, "answer_cut")
    assert fields["node"] == "answer"


def test_content_is_logged_where_it_is_asked_for_and_secrets_are_not(
    asked: Asked, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "SHOP_TOKEN": "s3cr3t-token", "REDIS_URL": "redis://:s3cr3t%2Fword@h:6379/0",
        asked.provider.variable: "s3cr3t-key",
    }  # fmt: skip
    for name, value in {**secrets, "IRC_LOG_CONTENT": "true"}.items():
        monkeypatch.setenv(name, value)
    asked.server.script(Answer("You wrote s3cr3t/word."))
    prompt = asked.prompt(tools=(tool("orders"),), stream=True)
    question = "Is it s3cr3t-token, s3cr3t%2Fword or s3cr3t-key?"
    with caplog.at_level(logging.INFO, "irc"):
        assert asked.complete(prompt, query=question) == "You wrote s3cr3t/word."
    [before], [after] = reported(caplog, "model_asked"), reported(caplog, "model_answered")
    assert before["messages"] == [
        {"role": "system", "text": "Be brief."},
        {"role": "user", "text": "Is it [redacted], [redacted] or [redacted]?"},
    ]
    assert (after["node"], after["text"]) == ("answer", "You wrote [redacted].")
    assert "s3cr3t" not in caplog.text


def test_content_is_logged_or_not_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRC_LOG_CONTENT", "some")
    with pytest.raises(LoadError, match="IRC_LOG_CONTENT has to be true or false"):
        ChatModels()
