"""The flow's own Python in the generated module."""


import pytest

from irc.emit.names import Names
from irc.emit.user_code import PlacedCode, place_code
from irc.ir.lowered import UserCode
from irc.syntax import parse_module

HEAD = "def transform(inputs, context, state):\n"


def placed(text: str, *taken: str, is_async: bool = False) -> PlacedCode:
    names = Names()
    for name in taken:
        names.take(name)
    code = UserCode(
        "n_transform", text=text, syntax=parse_module(text), first_line=1, is_async=is_async
    )
    return place_code(code, names, "n")


def text_of(code: PlacedCode) -> str:
    return "\n".join(line for line, _ in code.lines)


def test_transform_is_renamed_and_annotated() -> None:
    code = text_of(placed(HEAD + "    return transform\n"))
    assert code == (
        "def n_transform(inputs: Inputs, context: Context, state: Any) -> Any:\n    return n_transform"
    )


def test_annotations_that_are_there_stay() -> None:
    code = text_of(placed("def transform(a: dict, b, /, c=None) -> str:\n    return ''\n"))
    assert code.startswith("def n_transform(a: dict, b: Context, /, c: Any=None) -> str:")


def test_plain_def_that_awaits_becomes_async() -> None:
    assert text_of(placed(HEAD + "    return await x()\n", is_async=True)).startswith(
        "async def n_transform"
    )


def test_imports_are_hoisted_and_comments_stay() -> None:
    code = placed(
        "import os, json as j  # both\nfrom a.b import (\n    c,\n    d as e,\n)\n# note\nX = 1\n"
        + HEAD
        + "    return X\n"
    )
    assert code.imports == [
        ("os", None, "os"),
        ("json", None, "j"),
        ("a.b", "c", "c"),
        ("a.b", "d", "e"),
    ]
    assert text_of(code).startswith("# note\nX = 1\n")
    assert code.modules == {"os", "json", "a.b"}


def test_lines_know_where_they_come_from() -> None:
    code = placed("import os\n\n" + HEAD + "    return os\n")
    assert [number for text, number in code.lines if text] == [3, 4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("    return helper(1)", "n_helper(1)"),
        ("    helper = 1\n    return helper", "return helper"),
        ("    return [helper for helper in [1]]", "[helper for helper in [1]]"),
        ("    return [x for x in helper]", "[x for x in n_helper]"),
        ("    return lambda helper: helper", "lambda helper: helper"),
        ("    return f'{helper} {{helper}} helper'", "f'{n_helper} {{helper}} helper'"),
        ('    return f"""\n{helper!r:>{helper}}\n"""', '{n_helper!r:>{n_helper}}'),
        ("    return inputs.helper, inputs(helper=1)", "inputs.helper, inputs(helper=1)"),
        ("    global helper\n    helper = 2", "global n_helper\n    n_helper = 2"),
        ("    from a import helper\n    return helper", "return helper"),
        ("    match inputs:\n        case {'a': helper}:\n            return helper", "return helper"),
        ("    return 'helper', \"\"\"helper\n  helper  \n\"\"\"", "\"\"\"helper\n  helper  \n\"\"\""),
        ("    def inner(x=helper):\n        return helper\n    return inner", "def inner(x=n_helper):\n        return n_helper"),
        ("    class C:\n        helper = 1\n        def m(self):\n            return helper\n    return C",
         "            return n_helper"),
        ("    try:\n        pass\n    except E as helper:\n        return helper", "return helper"),
        ("    any((helper := x) for x in inputs)\n    return helper", "return helper"),
    ],
)  # fmt: skip
def test_only_the_colliding_name_changes(text: str, expected: str) -> None:
    code = text_of(placed("def helper(*a):\n    return a\n\n\n" + HEAD + text + "\n", "helper"))
    assert "def n_helper(*a):" in code
    assert expected in code


def test_decorators_and_classes_are_renamed() -> None:
    source = "class Deco:\n    pass\n\n\n@Deco\n" + HEAD + "    return Deco()\n"
    code = text_of(placed(source, "Deco"))
    assert "class n_Deco:" in code
    assert "@n_Deco\ndef n_transform" in code


def test_globals_made_in_functions_belong_to_their_code() -> None:
    code = text_of(placed(HEAD + "    global seen\n    seen = 1\n", "seen"))
    assert "global n_seen\n    n_seen = 1" in code


def test_names_beyond_ascii_keep_their_columns() -> None:
    code = text_of(
        placed("helper = 1\n" + HEAD + '    return {"é😀": helper, "x": helper}\n', "helper")
    )
    assert '{"é😀": n_helper, "x": n_helper}' in code
