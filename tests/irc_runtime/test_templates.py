"""What templates cannot do: leave their sandbox, or go on for ever."""

import re
from typing import Any

import pytest

from irc_runtime import templates
from irc_runtime.context import Context
from irc_runtime.errors import PromptError
from irc_runtime.prompt import ChatModel, Prompt
from irc_runtime.state import State

MODEL = ChatModel("openai", "m")


def text(template: str, files: dict[str, str] | None = None, **inputs: Any) -> str:
    """The user's message."""
    prompt = Prompt("ask", template, MODEL, files=files or {})
    return prompt.messages(inputs, Context({"user_id": "u1"}), State({}))[-1].text


# https://portswigger.net/web-security/server-side-template-injection and the advisories of Jinja2:
# CVE-2014-1402, CVE-2016-10745, CVE-2019-10906, CVE-2024-56201, CVE-2024-56326, CVE-2025-27516.
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{x.__class__}'.format(x='') }}",
    "{{ '{x.__class__}'.format_map({'x': ''}) }}",
    "{{ ('{0.__class__}'|attr('format'))('') }}",
    "{% set f = '{0.__class__.__init__}'.format %}{{ f(context) }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__.__globals__.os }}",
    "{{ joiner|attr('__init__') }}",
    "{{ namespace.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ context._request }}",
    "{{ context.get.__func__ }}",
    "{{ context.get.__self__.__class__ }}",
    "{{ state.get.__self__ }}",
    "{{ items.append.__self__ }}",
    "{% for x in items if x.__class__ %}{{ x }}{% endfor %}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% set x = context.__class__ %}{{ x }}",
    "{{ loop.__class__ }}",
    "{{ (1).__class__.__base__ }}",
    "{{ tick.gi_frame }}",
    "{{ call.__code__ }}",
    "{{ call.__globals__['os'] }}",
    "{{ config }}",
    "{{ request }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% extends '../secrets.j2' %}",
]


# Filters take what the sandbox withholds for undefined, which they pass on.
UNDEFINED = [
    "{{ [''.format]|map('attr', '__globals__')|list }}",
    "{{ ['']|map(attribute='__class__')|list }}",
    "{{ [context]|groupby('__class__') }}",
    "{{ ['']|sort(attribute='__class__') }}",
]


def _tick() -> Any:
    yield 1


@pytest.mark.parametrize("template", ESCAPES)
def test_nothing_leads_out_of_the_sandbox(template: str) -> None:
    with pytest.raises(PromptError) as caught:
        text(template, items=["a"], tick=_tick(), call=_tick)
    assert "root:" not in caught.value.reason
    assert "<class" not in caught.value.reason


@pytest.mark.parametrize("template", UNDEFINED)
def test_filters_give_nothing_that_the_sandbox_withholds(template: str) -> None:
    try:
        made = text(template)
    except PromptError as error:
        made = error.reason
    assert not re.search(r"<(class|function|built-in|bound)|'(builtins|os)'", made), made


def test_format_within_the_sandbox_works() -> None:
    assert text("{{ '{:>4}|{x}'.format(1, x='y') }}") == "   1|y"


@pytest.mark.parametrize(
    ("template", "inputs"),
    [
        ("{{ range(n) }}", {"n": 10**9}),
        ("{% for i in range(n) %}{% for j in range(n) %}{% endfor %}{% endfor %}", {"n": 99_999}),
        ("{% for i in r %}{% for j in r %}{{ j }}{% endfor %}{% endfor %}", {"r": "x" * 99_999}),
        ("{% for i in r if i %}{% for j in r %}{% endfor %}{% endfor %}", {"r": ["x"] * 99_999}),
        ("{% for i in r %}{{ big }}{% endfor %}", {"r": "x" * 999, "big": "x" * 99_999}),
        ("{% for i in r recursive %}{{ loop(r) if loop.depth < 9 }}{% endfor %}", {"r": "x" * 99}),
        (
            "{% for i in r if i recursive %}{% set on = loop %}{{ on(r) if on.depth < 9 }}{% endfor %}",
            {"r": "x" * 99},
        ),
        (
            "{% set s %}{% for i in r %}{{ big }}{% endfor %}{% endset %}{{ s|length }}",
            {"r": "x" * 999, "big": "x" * 99_999},
        ),
        (
            "{% macro m() %}{% for i in r %}{{ big }}{% endfor %}{% endmacro %}{{ m()|length }}",
            {"r": "x" * 999, "big": "x" * 99_999},
        ),
        ("{{ '-' * n }}", {"n": 10**12}),
        ("{{ s|center(n) }}", {"s": "x", "n": 10**9}),
        ("{{ s.ljust(n) }}", {"s": "x", "n": 10**9}),
        ("{{ s.expandtabs(n) }}", {"s": "\t" * 999, "n": 10**6}),
        ("{{ s|indent(n) }}", {"s": "x\n" * 9999, "n": 10**5}),
        ("{{ s|indent(width=i) }}", {"s": "x\n" * 9999, "i": "x" * 10**5}),
        ("{{ s|replace('x', o) }}", {"s": "x" * 9999, "o": "y" * 10**5}),
        ("{{ s.replace('', o) }}", {"s": "x" * 9999, "o": "y" * 10**5}),
        ("{{ r|join(o) }}", {"r": ["x"] * 9999, "o": "y" * 10**5}),
        ("{{ o.join(r) }}", {"r": ["x"] * 9999, "o": "y" * 10**5}),
        ("{{ ([o] * n)|join }}", {"n": 10**6, "o": "y" * 10**5}),
        ("{{ s|wordwrap(1, wrapstring=o) }}", {"s": "x" * 9999, "o": "y" * 10**5}),
        ("{{ r|batch(n, 0)|list }}", {"r": ["x"], "n": 10**9}),
        ("{{ r|slice(n)|list }}", {"r": ["x"], "n": 10**9}),
        ("{{ r|tojson(n) }}", {"r": [[[1]] * 99], "n": 10**7}),
        ("{{ '%*d' % (n, 1) }}", {"n": 10**9}),
        ("{{ '%.*f' % (n, 1) }}", {"n": 10**9}),
        ("{{ f % 1 }}", {"f": "%1000000000d"}),
        ("{{ f % {'a': o} }}", {"f": "%(a)s" * 9999, "o": "y" * 10**5}),
        ("{{ '%*d'|format(n, 1) }}", {"n": 10**9}),
        ("{{ '{:{}}'.format(1, n) }}", {"n": 10**9}),
        ("{{ f.format(1) }}", {"f": "{:1000000000}"}),
        ("{{ f.format_map({'a': o}) }}", {"f": "{a}" * 9999, "o": "y" * 10**5}),
        ("{{ n * '-' }}", {"n": 10**12}),
        ("{{ [0] * n }}", {"n": 10**12}),
        ("{{ n ** n ** n }}", {"n": 99}),
        ("{{ 9 ** 9 ** 9 ** 9 ** 9 }}", {}),
        ("{{ 2 ** n }}", {"n": 10**10}),
    ],
)
def test_what_a_request_holds_makes_no_template_endless(
    template: str, inputs: dict[str, Any]
) -> None:
    with pytest.raises(PromptError, match="too large|more than"):
        text(template, **inputs)


def test_loops_of_files_are_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "MAX_STEPS", 5)
    files = {
        "rows.j2": "{% for row in rows %}{{ row }}{% endfor %}",
        "each.j2": "{% macro each(rows) %}{% for row in rows %}{{ row }}{% endfor %}{% endmacro %}",
    }
    asked = "{% include 'rows.j2' %}{% import 'each.j2' as lib %}{{ lib.each(rows) }}"
    assert text(asked, files, rows=[1, 2]) == "1212"
    with pytest.raises(PromptError, match="more than 5 steps"):
        text(asked, files, rows=[1, 2, 3])


@pytest.mark.parametrize(
    "change",
    ["xs.append(3)", "xs.clear()", "d.update({'b': 2})", "d.pop('a')", "d.setdefault('b', [])"],
)
def test_a_template_cannot_change_what_other_nodes_have_too(change: str) -> None:
    xs, d = [1, 2], {"a": 1}
    with pytest.raises(PromptError, match="unsafe"):
        text("{% set _ = " + change + " %}", xs=xs, d=d)
    assert (xs, d) == ([1, 2], {"a": 1})
    kept = "{% set ns = namespace(own=[]) %}{% for x in xs %}{% set ns.own = ns.own + [x] %}{% endfor %}"
    assert text(kept + "{{ ns.own }}", xs=xs) == "[1, 2]"


def test_a_macro_that_calls_itself_ends() -> None:
    with pytest.raises(RecursionError):
        text("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")


def test_filters_and_methods_are_what_they_were() -> None:
    for template, expected in (
        ("{{ s|center(5) }}|{{ s.center(5, '-') }}", "  x  |--x--"),
        ("{{ 'a\nb'|indent(2, first=true) }}", "  a\n  b"),
        ("{{ 'a\nb'|indent(width='> ') }}", "a\n> b"),
        ("{{ 'aa'|replace('a', 'b', 1) }} {{ 'aa'.replace('a', 'b') }}", "ba bb"),
        (
            "{{ xs|join(', ') }} {{ xs|map('string')|join(d='-') }} {{ '+'.join('ab') }}",
            "1, 2 1-2 a+b",
        ),
        ("{{ [{'n': 1}, {'n': 2}]|join(' ', attribute='n') }}", "1 2"),
        ("{{ xs|batch(linecount=3, fill_with=0)|list }}", "[[1, 2, 0]]"),
        ("{{ xs|slice(2)|list }}", "[[1], [2]]"),
        ("{{ xs|tojson }} {{ xs|tojson(indent=1) }}", "[1, 2] [\n 1,\n 2\n]"),
        ("{{ 'a bc'|wordwrap(2) }}", "a\nbc"),
        ("{{ 'call 491511234567890: %s %3d' % ('x', 1) }}", "call 491511234567890: x   1"),
        ("{{ '%s-%s'|format(1, 2) }} {{ '%(a)s' % {'a': 1} }}", "1-2 1"),
        ("{{ '491511234567890 {:>3} {a}'.format(1, a=2) }}", "491511234567890   1 2"),
        ("{{ '{a}'.format_map({'a': 1}) }} {{ 'a\tb'.expandtabs(tabsize=2) }}", "1 a b"),
    ):
        assert text(template, s="x", xs=[1, 2]) == expected, template


def test_loops_are_what_they_were() -> None:
    shown = "{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ' ' }}"
    assert text("{% for x in xs %}" + shown + "{% endfor %}", xs=["a", "b"]) == "1/2 2/2"
    assert text("{% for x in xs if x > 1 %}" + shown + "{% endfor %}", xs=[1, 2, 3]) == "1/2 2/2"
    assert text("{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", d={"a": 1}) == "a1"
    assert text("{% for x in xs %}{{ x }}{% else %}none{% endfor %}", xs=[]) == "none"
    tree = [{"n": 1, "below": [{"n": 2, "below": []}]}]
    walk = "{% for t in tree recursive %}{{ t.n }}{{ loop(t.below) }}{% endfor %}"
    assert text(walk, tree=tree) == "12"
    some = "{% for t in tree if t.n > 1 recursive %}{{ t.n }}{% else %}none{% endfor %}"
    assert text(some, tree=tree) == "none"
    last = "{% for x in xs recursive %}{{ x }}{{ '' if loop.last else ' ' }}{% endfor %}"
    assert text(last, xs=[1, 2]) == "1 2"
    assert (
        text("{{ 3 * 2 }} {{ 'ab' * 2 }} {{ 2 ** 10 }} {{ 2.0 ** 0.5 > 1 }}") == "6 abab 1024 True"
    )
    with pytest.raises(PromptError, match="not there"):
        text("{% for x in nothing %}{% endfor %}")
