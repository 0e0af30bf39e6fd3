import pytest

from irc_runtime.chat import Message
from irc_runtime.context import Context
from irc_runtime.errors import PromptError, ValidationFailedError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.schema import Schema
from irc_runtime.state import State
from irc_runtime.structured import is_strict, read_answer, response_format

MODEL = ChatModel(provider="openai", name="m")


def prompt(template: str, system: str | None = None) -> Prompt:
    return Prompt(node="answer", template=template, model=MODEL, system=system)


def test_messages_are_rendered_from_inputs_context_and_state() -> None:
    asked = prompt(
        "{{ query }} {{ state.seen }} {{ state.get('x', 0) }}", "Hi {{ context.user_id }}"
    )
    assert asked.messages({"query": "Why?"}, Context({"user_id": "u1"}), State({"seen": "2"})) == [
        Message("system", "Hi u1"),
        Message("user", "Why? 2 0"),
    ]


def test_an_optional_field_that_is_absent_is_false() -> None:
    asked = prompt("{% if context.locale %}in {{ context.locale }}{% else %}plain{% endif %}")
    context = Context({}, optional=("locale",))
    assert asked.messages({}, context)[0].text == "plain"
    context = Context({"locale": "de"}, optional=("locale",))
    assert asked.messages({}, context)[0].text == "in de"


@pytest.mark.parametrize(
    "template", ["{{ nothing }}", "{{ customer.nme }}", "{{ context.lcale }}", "{{ state.x }}"]
)
def test_what_is_not_there_is_an_error(template: str) -> None:
    with pytest.raises(PromptError, match="not there"):
        prompt(template).messages({"customer": {"name": "Ada"}}, Context({}))


@pytest.mark.parametrize("template", ["{{ ''.__class__.__mro__ }}", "{{ context._request }}"])
def test_templates_are_rendered_in_a_sandbox(template: str) -> None:
    with pytest.raises(PromptError):
        prompt(template).messages({}, Context({}))


def test_a_template_that_is_none_is_found_at_load() -> None:
    with pytest.raises(PromptError, match="line 2"):
        prompt("fine\n{% if %}").compile()


STRICT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["a"],
    "properties": {"a": {"type": "array", "items": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (STRICT, True),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "additionalProperties": True}, False),
        ({**STRICT, "properties": {"a": {"type": "string", "minLength": 1}}}, False),
        ({"anyOf": [STRICT, {"type": "object"}]}, False),
    ],
)
def test_strict_mode_is_asked_for_where_it_takes_the_schema(schema: object, strict: bool) -> None:
    assert is_strict(schema) is strict


def test_the_schema_is_sent_as_it_is() -> None:
    schema = {**STRICT, "properties": {"a": {"minLength": 1}}}
    asked = response_format("answer", Schema(schema))["json_schema"]
    assert asked == {"name": "answer", "schema": schema, "strict": False}


def test_an_answer_is_read_against_its_schema() -> None:
    assert read_answer("hello", None) == "hello"
    assert read_answer('{"a": ["x"]}', Schema(STRICT)) == {"a": ["x"]}
    with pytest.raises(ValidationFailedError, match="not JSON"):
        read_answer("Sure!", Schema(STRICT))
    with pytest.raises(ValidationFailedError, match=r"at 'a\[0\]': expected string"):
        read_answer('{"a": [1]}', Schema(STRICT))
