"""The real clients of all providers against servers that speak their protocols."""

import asyncio
import json
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from irc_runtime.chat import Message
from irc_runtime.context import Context
from irc_runtime.errors import LoadError, ModelError, ValidationFailedError
from irc_runtime.models import ChatModels
from irc_runtime.node import Inputs, Outputs
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from irc_runtime.streaming import TokenSink, TokenStream
from irc_runtime.tracing import carried
from tests.irc_runtime.providers import LOOSE, PROVIDERS, STOPS, STRICT, Asked, heard, tool
from tests.standins.openai_wire import Answer, CutConnection, Failure, Malformed, Reply


def test_a_text_is_asked_for_and_given_back(asked: Asked) -> None:
    asked.server.script(Answer("Hello there."))
    assert asked.complete(asked.prompt()) == "Hello there."
    said = json.dumps(asked.bodies[0])
    assert "Be brief." in said
    assert "secret" in said


@pytest.mark.parametrize("schema", [STRICT, LOOSE], ids=["strict", "loose"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_structured_output_is_asked_for_by_schema(
    asked: Asked, schema: dict[str, Any], stream: bool
) -> None:
    tokens = TokenStream()
    asked.server.script(Answer({"text": "Hello"}))
    prompt = asked.prompt(output_schema=Schema(schema), stream=stream)
    assert asked.complete(prompt, tokens) == {"text": "Hello"}
    assert json.dumps(schema)[1:-1] in json.dumps(asked.bodies[0])
    pieces = "".join(text for _, text in heard(tokens))
    assert pieces == ('{"text": "Hello"}' if stream else "")


def test_an_answer_that_does_not_fit_is_asked_for_once_more(asked: Asked) -> None:
    asked.server.script(Answer({"text": "much too long"}), Answer({"text": "Hello"}))
    assert asked.complete(asked.prompt(output_schema=Schema(LOOSE))) == {"text": "Hello"}
    assert len(asked.bodies) == 2
    assert "at 'text': longer than 9 characters" in json.dumps(asked.bodies[1]["messages"][-1])


def test_a_second_answer_that_does_not_fit_is_a_failed_validation(asked: Asked) -> None:
    asked.server.script(Answer("Sure!"), Answer({"txt": "x"}), Answer({"text": "late"}))
    with pytest.raises(ValidationFailedError, match='lacks "text"') as caught:
        asked.complete(asked.prompt(output_schema=Schema(LOOSE)))
    assert caught.value.retryable
    assert len(asked.bodies) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tools_run_side_by_side_and_their_results_go_back(asked: Asked, stream: bool) -> None:
    met = asyncio.Barrier(2)

    async def orders(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await met.wait()
        return {"orders": [dict(inputs)]}

    async def weather(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        await met.wait()
        raise ValueError("secret weather")

    calls: Any = [("orders", {"day": "today", "user": "u2"}), ("weather", {}), ("orders", {"day": 1}),
             ("nothing", {})]  # fmt: skip
    asked.server.script(Answer(tool_calls=calls), Answer("Done."))
    tools = (tool("orders", fields={"user": "user_id"}), tool("weather"))
    prompt = asked.prompt(tools=tools, stream=stream)
    assert asked.complete(prompt, orders=orders, weather=weather) == "Done."
    said = json.dumps(asked.bodies[1]["messages"]).replace("\\\\", "\\").replace('\\"', '"')
    assert '{"orders": [{"user": "u1", "day": "today"}]}' in said
    assert '"type": "error", "reason": "ValueError in' in said
    assert '"invalid_arguments", "reason": "at \'day\': expected string"' in said
    assert '"unknown_tool"' in said
    assert "secret weather" not in said
    if asked.provider.name == "anthropic":  # reasoning is sent back as it came
        assert asked.bodies[1]["messages"][1]["content"][0]["signature"] == "c2ln"


def test_rounds_of_tools_have_an_end(asked: Asked) -> None:
    asked.server.script(*[Answer(tool_calls=[("weather", {})])] * 5)

    async def weather(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"sky": "blue"}

    prompt = asked.prompt(tools=(tool("weather"),), max_tool_rounds=2)
    with pytest.raises(ModelError, match="in more than 2 rounds") as caught:
        asked.complete(prompt, weather=weather)
    assert not caught.value.retryable
    assert len(asked.bodies) == 3


def test_tools_and_a_structured_answer_go_together(asked: Asked) -> None:
    asked.server.script(Answer(tool_calls=[("answer", {"day": "x"})]), Answer({"text": "Hello"}))

    async def answer(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        return {"seen": inputs["day"]}

    prompt = asked.prompt(tools=(tool("answer"),), output_schema=Schema(LOOSE))
    assert asked.complete(prompt, answer=answer) == {"text": "Hello"}


def test_pieces_are_heard_as_they_come(asked: Asked) -> None:
    tokens = TokenStream()
    asked.server.script(Answer("Hello there, you."))
    assert asked.complete(asked.prompt(stream=True), tokens) == "Hello there, you."
    assert heard(tokens) == [("token", "Hello "), ("token", "there, "), ("token", "you.")]


def test_a_round_of_tools_voids_what_was_said_before(asked: Asked) -> None:
    sink = TokenSink(stream := TokenStream())
    for answer in (["One ", "moment."], ["Hello."]):
        speaker = sink.speaker("answer")
        for piece in answer:
            speaker(piece)
    assert [kind for kind, _ in heard(stream)] == ["token", "token", "restart", "token"]


def test_a_prompt_that_runs_as_a_tool_is_not_heard(asked: Asked) -> None:
    tokens = TokenStream()
    inner = asked.prompt(stream=True)

    async def expert(agent: Any, inputs: Inputs, context: Context) -> Outputs:
        models = ChatModels(inner, **{asked.provider.name: asked.provider.client})
        try:
            return {"said": await models.complete(inner, {"query": "tea"}, context)}
        finally:
            await models.close()

    asked.server.script(Answer(tool_calls=[("expert", {})]), Answer("Hot."), Answer("It is."))
    prompt = asked.prompt(tools=(tool("expert"),), stream=True)
    assert asked.complete(prompt, tokens, expert=expert) == "It is."
    assert "".join(text for kind, text in heard(tokens) if kind == "token") == "It is."


@pytest.mark.parametrize("error", [False, True], ids=["cut", "error"])
def test_a_stream_that_breaks_off_is_retryable(asked: Asked, error: bool) -> None:
    kind = asked.provider.overloaded if error else None
    asked.server.script(Answer("Hello there, you.", cut_after=3, error=kind))
    with pytest.raises(ModelError) as caught:
        asked.complete(asked.prompt(stream=True))
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        (Failure(400), False),
        (Failure(401), False),
        (Failure(403), False),
        (Failure(404), False),
        (Failure(429), True),
        (Failure(500), True),
        (Failure(503), True),
        (Malformed(), True),
        (Malformed(b"{}"), True),
        (
            Malformed(b'{"choices": [{"message": "Hi."}], "content": ["Hi."], "output": "Hi."}'),
            True,
        ),
        (Malformed(b'{"choices": "Hi.", "content": [{"text": "Hi."}], "output": []}'), True),
        (CutConnection(), True),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_failures_are_retryable_or_not(
    asked: Asked, reply: Reply, retryable: bool, stream: bool
) -> None:
    asked.server.script(reply)
    with pytest.raises(ModelError) as caught:
        asked.complete(asked.prompt(stream=stream))
    assert caught.value.retryable is retryable
    assert len(asked.bodies) == 1


IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"Retry-After": "2.5"}, 2.5, 2.5),
        ({"Retry-After": IN_AN_HOUR}, 1800, 3600),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"retry-after-ms": "250", "Retry-After": "1"}, 0.25, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "1"}, 1, 1),
    ],
)
def test_a_retry_after_is_kept_and_messages_are_not(
    asked: Asked, headers: dict[str, str], least_s: float, most_s: float
) -> None:
    asked.server.script(Failure(429, "secret limit", headers=headers))
    with pytest.raises(ModelError, match="answered 429") as caught:
        asked.complete(asked.prompt())
    assert caught.value.retry_after_s is not None
    assert least_s <= caught.value.retry_after_s <= most_s
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize("asked", PROVIDERS[:2], indirect=True, ids=lambda item: item.name)
def test_a_prompt_that_a_filter_takes_away_is_not_sent_again(asked: Asked) -> None:
    asked.server.script(Failure(400, "secret", code="content_filter"))
    with pytest.raises(ValidationFailedError, match="the prompt was held back") as caught:
        asked.complete(asked.prompt())
    assert not caught.value.retryable


def test_an_answer_that_is_cut_off_or_held_back_is_no_answer(asked: Asked) -> None:
    cut_off, held_back = STOPS[asked.provider.name]
    asked.server.script(Answer({"text": "Hel"}, stop=cut_off))
    with pytest.raises(ValidationFailedError, match="cut off"):
        asked.complete(asked.prompt(output_schema=Schema(LOOSE)))
    asked.server.script(Answer("I", stop=held_back))
    with pytest.raises(ValidationFailedError, match="refused|filter"):
        asked.complete(asked.prompt())
    assert len(asked.bodies) == 2


def test_a_missing_key_is_found_at_load(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(asked.provider.variable)
    model = ChatModel(
        asked.provider.name, "m", None if asked.provider.name == "openai" else "http://x"
    )
    with pytest.raises(LoadError, match=f"prompt 'answer'.*{asked.provider.variable}"):
        ChatModels(Prompt("answer", "", model), **{asked.provider.name: asked.provider.client})


def test_a_temperature_is_sent_where_it_is_set(asked: Asked) -> None:
    asked.server.script(Answer("Warm."), Answer("Warmer."))
    asked.complete(asked.prompt(temperature=0.2))
    asked.complete(asked.prompt())
    assert '"temperature": 0.2' in json.dumps(asked.bodies[0])
    assert "temperature" not in json.dumps(asked.bodies[1])


def test_a_callers_trace_is_passed_on(asked: Asked) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    request = copy_context()
    request.run(carried.set, {"traceparent": trace})
    asked.server.script(Answer("Hello there."), Answer("Hello there."))
    request.run(asked.complete, asked.prompt())
    asked.complete(asked.prompt())
    first, second = asked.server.requests[-2:]
    assert first.headers["traceparent"] == trace
    assert "traceparent" not in second.headers


def test_a_reply_says_why_it_ended(asked: Asked) -> None:
    async def main() -> str | None:
        prompt = asked.prompt()
        models = ChatModels(prompt, **{asked.provider.name: asked.provider.client})
        try:
            reply = await models.ask(prompt, [Message("user", "Hello")])
            return reply.finish_reason
        finally:
            await models.close()

    asked.server.script(Answer("Hello there."))
    assert asyncio.run(main()) in ("stop", "end_turn")
