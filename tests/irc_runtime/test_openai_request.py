"""What becomes of each parameter of OpenAI's chat completions."""

from typing import Any

import pytest

from irc_runtime.agent import Agent
from irc_runtime.node import Node
from irc_runtime.serving.openai_errors import ParameterError
from irc_runtime.serving.openai_request import IGNORED, REFUSED, chat_request
from tests.irc_runtime.agents import Failing, agent_of

HELLO = [{"role": "user", "content": "Hello"}]


def agent(*optional: str) -> Agent:
    return agent_of(Node("echo", line=1), Failing(), requires=("messages",), optional=optional)


def fields(*optional: str, **parameters: Any) -> dict[str, Any]:
    """The flow's request that parameters become."""
    body = {"model": "echo", "messages": HELLO, **parameters}
    return chat_request(agent(*optional), "echo", body).fields


def refusal(*optional: str, **parameters: Any) -> ParameterError:
    with pytest.raises(ParameterError) as caught:
        fields(*optional, **parameters)
    return caught.value


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_how_models_are_asked_has_no_effect(name: str) -> None:
    assert fields(**{name: 1}) == {"messages": HELLO}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_changes_the_form_of_the_answer_is_refused(name: str) -> None:
    error = refusal(**{name: {"other": True}})
    assert (error.param, error.type, error.status) == (name, "unsupported_parameter", 400)
    for harmless in (*REFUSED[name], None):
        assert fields(**{name: harmless}) == {"messages": HELLO}


@pytest.mark.parametrize("name", sorted(IGNORED | REFUSED.keys()))
def test_a_parameter_that_the_flow_declares_is_its_own(name: str) -> None:
    assert fields(name, **{name: {"any": "value"}})[name] == {"any": "value"}


def test_other_fields_are_the_flows_and_outdo_metadata() -> None:
    given = fields(
        user="u1",
        metadata={"locale": "de", "session_id": "s1", "messages": "x"},
        locale="fr",
        other=None,
    )
    assert given == {
        "messages": HELLO,
        "user_id": "u1",
        "session_id": "s1",
        "locale": "fr",
        "other": None,
    }
    assert fields(user="u1", user_id="u2")["user_id"] == "u2"


def test_messages_are_texts_of_known_roles() -> None:
    messages = [
        {"role": "system", "content": "Be kind.", "name": "owner"},
        {"role": "assistant", "content": "Hi", "refusal": None, "tool_calls": None},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    assert fields(messages=messages)["messages"] == [
        {"role": "system", "content": "Be kind.", "name": "owner"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "ab"},
    ]


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (None, "messages"),
        ([], "messages"),
        ("Hello", "messages"),
        (["Hello"], "messages[0]"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "tool", "content": "Hello"}], "messages[0].role"),
        ([*HELLO, {"role": "user"}], "messages[1].content"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content"),
        ([{"role": "assistant", "content": "", "tool_calls": [{}]}], "messages[0]"),
    ],
)
def test_other_messages_are_refused(messages: Any, param: str) -> None:
    error = refusal(messages=messages)
    assert (error.param, error.type) == (param, "invalid_value")


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"model": None}, "model"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": []}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "include_usage"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_malformed_parameters_are_refused(parameters: dict[str, Any], param: str) -> None:
    error = refusal(**parameters)
    assert (error.param, error.type) == (param, "invalid_value")


def test_a_stream_is_asked_for() -> None:
    body = {"model": "echo", "messages": HELLO, "stream": True}
    options = {"stream_options": {"include_usage": True}}
    plain, with_usage = (chat_request(agent(), "echo", {**body, **more}) for more in ({}, options))
    assert (plain.stream, plain.include_usage) == (True, False)
    assert (with_usage.stream, with_usage.include_usage) == (True, True)


@pytest.mark.parametrize("body", [[], "text", 1, None])
def test_what_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(ParameterError, match="not a JSON object"):
        chat_request(agent(), "echo", body)
