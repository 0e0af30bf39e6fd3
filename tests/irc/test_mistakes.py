"""Flows with several mistakes: each is told where it stands, and nothing else is."""

import random
import re
from typing import NamedTuple

import pytest

from irc.diagnostics import Diagnostic
from tests.irc.compiling import check_text, rendered

FLOW = """\
version: "1.0"
metadata: {name: orders, author: team}
context: {requires: [query, user_id, session_id], optional: [locale]}
on_error: apologise
nodes:
  fetch:
    inputs: [{name: user_id, type: string}]
    outputs: [{name: customer, type: object}]
    transform:
      mode: declarative
      spec:
        op: hopsworks.read_features
        args: {feature_group: customers_v3, key: "${user_id}", as_of: "${context.event_time}"}
    runtime: {timeout_ms: 500, retries: 2, requires_context: [user_id]}
  remember:
    inputs: [{name: query, type: string}]
    outputs: [{name: history, type: array, schema: {type: array}}]
    state: {scope: session, key: "orders:{session_id}", ttl_seconds: 60}
    transform:
      mode: code
      spec: |
        async def transform(inputs, context, state):
            history = await state.get("history", [])
            await state.set("history", [*history, inputs["query"]])
            return {"history": history}
  recent:
    inputs: [{name: history, type: array}]
    outputs: [{name: recent, type: array}]
    transform:
      mode: declarative
      spec: {op: transform.filter, args: {input: "${history}", expression: len(item) > index}}
  stock:
    inputs: [{name: query, type: string}]
    outputs: [{name: stock, type: object}]
    error: {name: error}
    transform:
      mode: declarative
      spec:
        op: http.get
        args:
          url: "${env.SHOP_URL}/stock"
          query: {q: "${query}"}
          timeout_ms: 300
  ask:
    inputs:
      - {name: query, type: string}
      - {name: customer, type: object}
      - {name: recent, type: array}
      - {name: stock, type: object, optional: true}
      - {name: reason, type: object, optional: true}
    outputs: [{name: text, type: string}, {name: sure, type: number}]
    prompt:
      system: "Answer in {{ context.locale | default('en') }}."
      template: |
        {{ query | trim }} of {{ customer.name }}
        {% for item in recent %}{{ loop.index }} {{ item }}{% endfor %}
        {% if stock is defined %}{{ stock }}{% endif %}{{ reason }}
      model: {provider: openai, name: gpt-4o-mini}
      output_schema:
        type: object
        required: [text, sure]
        properties: {text: {type: string}, sure: {type: number}}
      fallback: {on: [timeout, error], static_response: '{"text": "", "sure": 0}'}
  shape:
    inputs: [{name: text, type: string}, {name: percent, type: string}]
    outputs: [{name: response, type: object}]
    transform:
      mode: declarative
      spec:
        op: io.format_response
        args: {template: {answer: "${text}", sure: "${percent} of ${context.user_id}"}}
  apologise:
    inputs: [{name: error, type: object}]
    outputs: [{name: sorry, type: object}]
    transform:
      mode: code
      spec: |
        REASON = "reason"

        def transform(inputs, context, state):
            return {"sorry": {"reason": inputs["error"][REASON]}}
edges:
  - {from: _input.user_id, to: fetch}
  - {from: _input.query, to: remember.query}
  - {from: remember.history, to: recent}
  - {from: _input.query, to: stock.query}
  - {from: _input.query, to: ask.query}
  - {from: fetch.customer, to: ask.customer}
  - {from: recent.recent, to: ask.recent, transform: "[x.lower() for x in value]"}
  - {from: stock.stock, to: ask.stock, condition: len(stock.items) > 0}
  - {from: stock.error, to: ask.reason}
  - {from: ask.text, to: shape.text}
  - {from: ask.sure, to: shape.percent}
  - {from: shape.response, to: _output.answer}
  - {from: apologise.sorry, to: _output.failure}
deployment:
  target: kserve
  kserve: {namespace: agents, min_replicas: 1, max_replicas: 2, env: {SHOP_URL: "http://shop"}}
tests:
  - name: answers
    request: {query: parcel, user_id: u, session_id: s}
    mocks:
      fetch: {outputs: {customer: {name: Ada}}}
      stock: {error: down}
      ask: {completion: '{"text": "Today.", "sure": 1}'}
    expect: {ran: [fetch, ask], skipped: [apologise]}
"""


class Mistake(NamedTuple):
    """A change of the flow; ``«E301 text»`` in the new text is what a finding marks."""

    old: str
    new: str


SHAPE = (
    Mistake("author: team", "«E201 autor»: team"),
    Mistake("optional: [locale]", "optional: «E203 locale»"),
    Mistake("timeout_ms: 500", "timeout_ms: «E203 half»"),
    Mistake("retries: 2,", "retries: «E203 0»,"),
    Mistake("[{name: user_id, type: string}]", "[{name: user_id, type: «E203 text»}]"),
    Mistake("scope: session,", "scope: «E203 user»,"),
    Mistake("ttl_seconds: 60", "«E201 ttl_second»: 60"),
    Mistake("error: {name: error}\n", "error: {name: error, «E201 optinal»: true}\n"),
    Mistake("stock, type: object, optional: true}", "stock, type: object, optional: «E203 'yes'»}"),
    Mistake("provider: openai", "provider: «E203 openapi»"),
    Mistake("on: [timeout, error]", "on: [timeout, «E203 fail»]"),
    Mistake("{from: ask.text, to: shape.text}", "«E202 {from: ask.text}»"),
    Mistake("min_replicas: 1", "min_replicas: «E203 -1»"),
    Mistake("skipped: [apologise]", "«E201 skiped»: [apologise]"),
    Mistake("mode: code\n      spec: |\n        REASON", "mode: «E203 py»\n      spec: |\n        REASON"),
    Mistake('SHOP_URL: "http://shop"', "SHOP_URL: «E203 [http]»"),
    Mistake("request: {query: parcel, user_id: u, session_id: s}", "request: «E203 parcel»"),
    Mistake("      mode: declarative\n      spec:\n        op: http.get", "      mode: declarative\n      «E201 spec2»:\n        op: http.get"),
)  # fmt: skip
"""What the shape pass finds."""

NAMES = (
    Mistake("name: orders", "name: «E303 7orders»"),
    Mistake("on_error: apologise", "on_error: «E310 apologize»"),
    Mistake("requires_context: [user_id]", "requires_context: [«E307 locale»]"),
    Mistake("optional: [locale]", "optional: [locale, «E303 query»]"),
    Mistake("{name: sure, type: number}]", "{name: sure, type: number}, {name: «E303 text», type: string}]"),
    Mistake("from: _input.user_id,", "from: «E306 _input.userid»,"),
    Mistake("to: remember.query", "to: «E301 remember.querry»"),
    Mistake("from: fetch.customer", "from: «E301 fetsch.customer»"),
    Mistake("from: ask.text", "from: «E309 ask»"),
    Mistake("to: ask.reason", "to: «E309 ask»"),
    Mistake("from: shape.response", "from: «E301 shape.respons»"),
    Mistake("from: stock.error", "from: «E301 stock.errors»"),
    Mistake("ran: [fetch, ask]", "ran: [fetch, «E312 asks»]"),
    Mistake("fetch: {outputs: {customer:", "«E312 fetch»: {outputs: {costumer:"),
    Mistake("stock: {error: down}", "«E312 stocks»: {error: down}"),
    Mistake("    state: {scope", "    id: «E303 rember»\n    state: {scope"),
)  # fmt: skip
"""What the resolve pass finds."""

MEANING = (
    Mistake("op: hopsworks.read_features", "op: «E204 hopsworks.read_feature»"),
    Mistake("len(item) > index", "len(«E403 itm») > index"),
    Mistake("${env.SHOP_URL}/stock", "${env.SHOP_URL}/«E408 ${item}»"),
    Mistake("{{ query | trim }}", "{{ «E405 querry» | trim }}"),
    Mistake("{{ loop.index }} {{ item }}", "{{ loop.index }} {{ item | «E404 uper» }}"),
    Mistake("stock is defined", "stock is «E404 define»"),
    Mistake("timeout_ms: 300", "«E205 timeout»: 300"),
    Mistake("""'{"text": "", "sure": 0}'""", """«E203 '{"text": ""}'»"""),
    Mistake("context.locale |", "context.«E306 local» |"),
    Mistake("${percent} of ${context.user_id}", "${percent} of «E306 ${context.user}»"),
    Mistake("{from: ask.sure, to: shape.percent}", "{from: fetch.customer, to: «E401 shape.percent»}"),
    Mistake("condition: len(stock.items) > 0", "condition: «E402 length»(stock.items) > 0"),
    Mistake("x.lower() for", "«E402 x.lowr»() for"),
    Mistake('"orders:{session_id}"', '«E308 "orders:{sesion_id}-{session_id}"»'),
    Mistake("schema: {type: array}", "schema: {type: «E206 list»}"),
    Mistake("namespace: agents", "namespace: «E502 Agents»"),
    Mistake("min_replicas: 1", "min_replicas: «E502 3»"),
    Mistake('        def transform(inputs, context, state):\n            return {"sorry"',
            '        «E407 d»ef transform(inputs, context):\n            return {"sorry"'),
    Mistake("history = await", "history = «E406 =» await"),
    Mistake("  ask:\n    inputs:\n", "  ask:\n    inputs:\n      - {name: «E304 mood», type: string}\n"),
    Mistake("  - {from: apologise.sorry",
            "  - {from: recent.recent, to: «E305 _output.answer»}\n  - {from: apologise.sorry"),
)  # fmt: skip
"""What the passes behind them find, which run together."""

MARK = re.compile("«(E[0-9]{3}) (.*?)»", re.DOTALL)


def planted(mistakes: list[Mistake]) -> tuple[str, list[tuple[str, str]]]:
    """The flow with mistakes, and what is to be told: codes with places ``line:column-line:column``."""
    marked = FLOW
    for mistake in mistakes:
        assert marked.count(mistake.old) == 1, mistake
        marked = marked.replace(mistake.old, mistake.new)
    told = []
    while match := MARK.search(marked):
        marked = marked[: match.start()] + match[2] + marked[match.end() :]
        start = match.start()
        told.append((match[1], f"{_place(marked, start)}-{_place(marked, start + len(match[2]))}"))
    return marked, sorted(told)


def _place(text: str, offset: int) -> str:
    before = text[:offset]
    return f"{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"


def _told(item: Diagnostic) -> tuple[str, str]:
    span = item.span
    return item.code, f"{span.line}:{span.column}-{span.end_line}:{span.end_column}"


def test_flow_without_mistakes_is_valid() -> None:
    result = check_text(FLOW)
    assert rendered(result) == ""


def label(mistake: Mistake) -> str:
    """The name of a mistake in a test's id."""
    match = MARK.search(mistake.new)
    assert match is not None
    return f"{match[1]}-{match[2]}"


@pytest.mark.parametrize("mistake", [*SHAPE, *NAMES, *MEANING], ids=label)
def test_one_mistake_is_told_alone(mistake: Mistake) -> None:
    text, expected = planted([mistake])
    result = check_text(text)
    assert sorted(map(_told, result.report)) == expected, rendered(result)


@pytest.mark.parametrize("number", range(60))
def test_each_of_several_mistakes_is_told_and_nothing_else(number: int) -> None:
    chance = random.Random(number)
    group = (SHAPE, NAMES, MEANING)[number % 3]
    text, expected = planted(chance.sample(group, chance.randint(2, 6)))
    result = check_text(text)
    assert sorted(map(_told, result.report)) == expected, rendered(result)


@pytest.mark.parametrize("group", [SHAPE, NAMES, MEANING], ids=["shape", "names", "meaning"])
def test_all_mistakes_of_a_pass_are_told_at_once(group: tuple[Mistake, ...]) -> None:
    text, expected = planted(list(group))
    result = check_text(text)
    assert sorted(map(_told, result.report)) == expected, rendered(result)
