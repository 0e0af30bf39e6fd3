"""OpenAI's chat completions of a served flow: its official client against the real KServe server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.irc_runtime.compiled_agents import serving
from tests.irc_runtime.served import Served
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer, CutConnection, Failure

CONCIERGE = Path("tests/golden/good_conversation/flow.yaml")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKED: Any = [
    {"role": "system", "content": "Be quick."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "When is "}, {"type": "text", "text": "tea?"}],
    },
]

ECHO = """\
version: "1.0"
metadata: {name: echo}
context: {optional: [messages, form, temperature]}
nodes:
  tell:
    inputs: [{name: messages, type: array}]
    outputs: [{name: told, type: object}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            count = len(inputs["messages"])
            if context.form == "content":
                return {"told": {"content": f"{count} messages", "count": count}}
            if context.form == "fields":
                kept = ("session_id", "temperature", "colour")
                return {"told": {"user": context.user_id, **{key: context.get(key) for key in kept}}}
            return {"told": {"count": count}}
edges:
  - {from: _input.messages, to: tell}
  - {from: tell, to: _output}
"""

NO_CONVERSATION = """\
version: "1.0"
metadata: {name: adder}
context: {requires: [number]}
nodes:
  add:
    inputs: [{name: number, type: number}]
    outputs: [{name: sum, type: number}]
    transform:
      mode: code
      spec: |
        def transform(inputs, context, state):
            return {"sum": inputs["number"] + 1}
edges:
  - {from: _input.number, to: add}
  - {from: add, to: _output}
"""


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def concierge(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"OPENAI_API_KEY": "key-of-tests", "OPENAI_BASE_URL": model.base_url}
    folder = tmp_path_factory.mktemp("concierge")
    with serving(CONCIERGE.read_text(), "concierge", folder, **environment) as agent:
        yield agent


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(ECHO, "echo", tmp_path_factory.mktemp("echo")) as agent:
        yield agent


@pytest.fixture(scope="module")
def adder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(NO_CONVERSATION, "adder", tmp_path_factory.mktemp("adder")) as agent:
        yield agent


def client(agent: Served, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=agent.url("/openai/v1"), api_key="any", **options)


def ask(agent: Served, **parameters: Any) -> Any:
    """The completion of an agent, or its stream; parameters are the client's."""
    arguments = {"model": agent.name, "messages": ASKED, **parameters}
    return client(agent).chat.completions.create(**arguments)


def streamed(agent: Served, **parameters: Any) -> list[Any]:
    """The chunks of an agent's answer."""
    return list(ask(agent, stream=True, **parameters))


def texts(chunks: list[Any]) -> list[str]:
    """The pieces of text in chunks."""
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    return [delta.content for delta in deltas if delta.content]


def test_a_conversation_is_answered(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four."))
    traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
    completion = ask(concierge, extra_headers={"traceparent": traceparent})
    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "At four.")
    assert choice.finish_reason == "stop"
    assert (completion.id, completion.object) == (f"chatcmpl-{TRACE}", "chat.completion")
    assert completion.model == "concierge"
    assert completion.created > 1_600_000_000
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (7, 3, 10)
    assert model.last.prompt().split() == ["user:", "When", "is", "tea?"]


def test_the_asynchronous_client_is_answered_too(concierge: Served, model: OpenAIServer) -> None:
    async def both() -> tuple[str, list[str]]:
        async with openai.AsyncOpenAI(base_url=concierge.url("/openai/v1"), api_key="any") as own:
            whole = await own.chat.completions.create(model="concierge", messages=ASKED)
            stream = await own.chat.completions.create(
                model="concierge", messages=ASKED, stream=True
            )
            return str(whole.choices[0].message.content), texts([chunk async for chunk in stream])

    model.script(Answer("At four."), Answer("At five, today."))
    assert asyncio.run(both()) == ("At four.", ["At ", "five, ", "today."])


def test_a_stream_gives_tokens_as_they_come(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four, in the hall."))
    first, *middle, last, usage = streamed(concierge, stream_options={"include_usage": True})
    assert first.choices[0].delta.role == "assistant"
    assert texts(middle) == ["At ", "four, ", "in ", "the ", "hall."]
    assert (last.choices[0].delta.content, last.choices[0].finish_reason) == (None, "stop")
    assert (usage.choices, usage.usage.total_tokens) == ([], 10)
    assert {chunk.id for chunk in middle} == {first.id}
    assert {chunk.object for chunk in middle} == {"chat.completion.chunk"}


def test_a_stream_ends_as_the_protocol_has_it(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four."))
    with client(concierge) as own:
        raw = own.chat.completions.with_raw_response.create(
            model="concierge", messages=ASKED, stream=True
        )
        lines = list(raw.http_response.iter_lines())
    assert raw.headers["content-type"].startswith("text/event-stream")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(line == "" or line.startswith("data: ") for line in lines)


def test_a_flow_that_does_not_stream_sends_its_answer_in_one_chunk(concierge: Served) -> None:
    chunks = streamed(concierge, messages=[{"role": "user", "content": "Fire!"}])
    assert texts(chunks) == ["Leave the building and call 112."]
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_object_is_its_content_or_its_json(echo: Served) -> None:
    def content(**fields: Any) -> str:
        return str(ask(echo, extra_body=fields).choices[0].message.content)

    assert content() == '{"count":2}'
    assert content(form="content") == "2 messages"
    assert texts(streamed(echo, extra_body={"form": "content"})) == ["2 messages"]
    assert ask(echo).usage.total_tokens == 0


def test_fields_of_the_flow_come_from_the_body_metadata_and_user(echo: Served) -> None:
    completion = ask(
        echo,
        user="u1",
        temperature=0.5,  # which the flow declares
        seed=1,  # which it does not
        metadata={"form": "content", "colour": "red"},
        extra_body={"form": "fields", "session_id": "s1"},
    )
    assert completion.choices[0].message.content == (
        '{"user":"u1","session_id":"s1","temperature":0.5,"colour":"red"}'
    )


def test_declared_fields_reach_the_prompt(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("Yes."))
    ask(concierge, extra_body={"hotel": "Ritz"})
    assert model.last.prompt("system") == "You are the concierge of Ritz."


def test_another_attempt_goes_on_where_the_first_broke_off(
    concierge: Served, model: OpenAIServer
) -> None:
    model.script(Answer("At four, today.", cut_after=3), Answer("At four, today."))
    assert texts(streamed(concierge)) == ["At ", "four, ", "today."]


def test_an_answer_that_is_begun_anew_in_other_words_is_an_error(
    concierge: Served, model: OpenAIServer
) -> None:
    model.script(Answer("At four, today.", cut_after=3), Answer("Tea is at four."))
    said: list[str] = []
    with pytest.raises(openai.APIError, match="begun anew") as caught:
        for chunk in ask(concierge, stream=True):
            said += texts([chunk])
    assert said == ["At ", "four, "]
    assert caught.value.code == "restarted"


def test_a_failure_amid_a_stream_is_an_error_event(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("At four.", cut_after=2), Failure(400))
    said: list[str] = []
    with pytest.raises(openai.APIError, match="node 'answer' failed") as caught:
        for chunk in ask(concierge, stream=True):
            said += texts([chunk])
    assert said == ["At "]
    assert not isinstance(caught.value, openai.APIStatusError)
    body: Any = caught.value.body
    assert (body["type"], body["node"], body["location"]) == (
        "server_error",
        "answer",
        "flow.yaml:13",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_flow_is_an_internal_error_that_is_not_tried_again(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.script(CutConnection(), Failure(500))
    seen = len(model.requests)
    with pytest.raises(openai.InternalServerError, match="node 'answer' failed") as caught:
        ask(concierge, stream=stream)
    assert caught.value.status_code == 500
    assert caught.value.type == "server_error"
    assert len(model.requests) == seen + 2  # the node's own attempts, and none of the client


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_asked_too_often_is_a_rate_limit(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.script(Failure(429, retry_after_s=0), Failure(429, retry_after_s=2))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(concierge, stream=stream)
    assert caught.value.type == "rate_limit_error"
    assert caught.value.response.headers["retry-after"] == "2"


def test_a_deadline_bounds_the_answer(concierge: Served, model: OpenAIServer) -> None:
    model.script(Answer("Late.", delay_s=20))
    headers = {"x-envoy-expected-rq-timeout-ms": "300"}
    with pytest.raises(openai.InternalServerError) as caught:
        ask(concierge, extra_headers=headers)
    assert (caught.value.status_code, caught.value.code) == (504, "timeout")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_waits_no_longer_cancels_its_request(
    concierge: Served, model: OpenAIServer, stream: bool
) -> None:
    model.abandoned.clear()
    model.script(Answer("word " * 400, delay_s=1, pause_s=0.02))
    with (
        client(concierge, timeout=0.5, max_retries=0) as own,
        pytest.raises(openai.APITimeoutError),
    ):
        own.chat.completions.create(model="concierge", messages=ASKED, stream=stream)
    assert model.abandoned.wait(20), "the model is asked for more"


def test_a_client_that_leaves_a_stream_cancels_its_request(
    concierge: Served, model: OpenAIServer
) -> None:
    model.abandoned.clear()
    model.script(Answer("word " * 600, pause_s=0.05))
    with ask(concierge, stream=True) as stream:
        assert next(iter(stream)).choices
    assert model.abandoned.wait(20), "the model is asked for more"


@pytest.mark.parametrize(
    ("parameters", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_served_is_a_bad_request(
    echo: Served, parameters: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(echo, **parameters)
    error = caught.value
    assert (error.type, error.param, error.code) == ("invalid_request_error", param, code)
    assert len(error.body["trace_id"]) == 32  # type: ignore[index]  # a body may be anything


def test_a_required_field_that_is_missing_is_a_bad_request(tmp_path: Path) -> None:
    flow = ECHO.replace("{optional: [messages, form", "{requires: [form], optional: [messages")
    missing = pytest.raises(openai.BadRequestError, match="missing required fields: form")
    with serving(flow, "echo", tmp_path) as agent, missing as caught:
        ask(agent)
    assert caught.value.code == "missing_fields"


def test_another_model_is_not_found(echo: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="there is 'echo'") as caught:
        ask(echo, model="gpt-4o")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_what_the_server_refuses_has_the_form_too(echo: Served) -> None:
    own = client(echo)
    with pytest.raises(openai.NotFoundError) as missing:
        own.embeddings.create(model="echo", input="text")
    assert (missing.value.code, missing.value.type) == ("not_found", "invalid_request_error")
    large: Any = [{"role": "user", "content": "x" * 9_000_000}]
    with pytest.raises(openai.APIStatusError) as refused:
        ask(echo, messages=large)
    assert (refused.value.status_code, refused.value.code) == (413, "too_large")


def test_models_are_listed(echo: Served) -> None:
    with client(echo) as own:
        (described,) = own.models.list()
        assert own.models.retrieve("echo") == described
        with pytest.raises(openai.NotFoundError):
            own.models.retrieve("other")
    assert (described.id, described.object, described.owned_by) == ("echo", "model", "irc")


def test_a_flow_without_a_conversation_says_what_it_would_have_to_declare(adder: Served) -> None:
    with pytest.raises(openai.NotFoundError, match="has to declare 'messages'") as caught:
        ask(adder)
    assert caught.value.code == "no_conversation"
    with client(adder) as own:
        assert list(own.models.list()) == []
    assert adder.predict({"number": 1}).json() == 2
