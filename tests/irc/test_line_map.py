"""Line maps: every run of lines that are the flow's own, and what the others point at."""

import ast
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from irc.cli.flows import check_all
from irc.pipeline import generate
from tests.irc.compiling import BASE, check_text, rendered

CASES = ("good_everything", "good_prompt", "good_templates", "good_tools")
FLOWS = [f"tests/golden/{case}/flow.yaml" for case in CASES]


def compiled(flow: str) -> tuple[list[str], dict[str, Any]]:
    """The lines of a flow's module, and its map."""
    (result,) = check_all([flow], ".")
    assert result.compiled is not None, rendered(result)
    files = generate(result.compiled)
    (line_map,) = (text for name, text in files.items() if name.endswith(".map.json"))
    (module,) = (
        text for name, text in files.items() if name.endswith("agent.py") and "test_" not in name
    )
    return module.split("\n"), json.loads(line_map)


def said(line: str) -> str:
    """What a generated line of a text says: a literal of its own is read, escapes are."""
    text = line.strip().removesuffix(",")
    for prefix in ("template=", "system="):
        text = text.removeprefix(prefix)
    try:
        value = ast.literal_eval(text.partition('j2": ')[2] or text)
    except (SyntaxError, ValueError):
        return line.strip().replace("\\\\", "\\")
    return value.strip() if isinstance(value, str) else line.strip()


@pytest.mark.parametrize("flow", FLOWS)
def test_verbatim_lines_are_those_of_the_file(flow: str) -> None:
    module, line_map = compiled(flow)
    checked = 0
    for first, last, _, source, start, *span in line_map["lines"]:
        if span:
            continue
        lines = Path(line_map["sources"][source]).read_text().split("\n")
        for number in range(first, last + 1):
            own, generated = lines[start + number - first - 1].strip(), module[number - 1]
            # A function may have another name, and annotations.
            if not own.startswith(("def ", "async def ")):
                checked += 1
                assert said(generated) == own or generated.strip() == own, (number, own)
    assert checked > 0


@pytest.mark.parametrize("flow", FLOWS)
def test_runs_are_in_order_and_apart(flow: str) -> None:
    module, line_map = compiled(flow)
    runs = [row[:2] for row in line_map["lines"]]
    assert all(first <= last for first, last in runs)
    assert all(before[1] < after[0] for before, after in pairwise(runs))
    assert runs[-1][1] < len(module)


def rows_of(prompt: str, files: dict[str, str] | None = None) -> list[list[Any]]:
    """The runs of the constant of a prompt, whose keys stand from line 8 on."""
    text = f"""\
version: "1.0"
metadata: {{name: sample}}
nodes:
  ask:
    outputs: [{{name: text, type: string}}]
    prompt:
      model: {{provider: openai, name: gpt-4o}}
{prompt}
edges:
  - {{from: ask.text, to: _output.text}}
"""
    result = check_text(text, files)
    assert result.compiled is not None, rendered(result)
    module = generate(result.compiled)
    lines = module["agent.py"].split("\n")
    start = next(at for at, line in enumerate(lines, start=1) if line.startswith("ASK_PROMPT"))
    rows = json.loads(module["agent.map.json"])["lines"]
    end = next(at for at, line in enumerate(lines[start:], start=start + 1) if line == ")")
    return [[row[0] - start, row[1] - start, *row[3:]] for row in rows if start - 1 <= row[0] <= end]


def test_lines_of_a_literal_block_are_its_own() -> None:
    rows = rows_of("      template: |\n        One\n\n        three")
    assert [3, 5, 0, 9] in rows


def test_lines_that_need_quotes_are_still_their_own() -> None:
    rows = rows_of('      template: |\n        One"""\n\n        three')
    assert [3, 5, 0, 9] in rows


def test_a_text_on_one_line_has_its_span() -> None:
    rows = rows_of("      template: 'A text that is long enough for its prompt to take several lines'")
    assert [2, 2, 0, 8, 17, 8, 82] in rows


def test_a_folded_text_has_the_span_of_the_whole() -> None:
    rows = rows_of("      template: >\n        One\n        two\n\n        three")
    assert [3, 4, 0, 8, 17, 13, 1] in rows


def test_code_in_quotes_has_the_span_of_the_whole() -> None:
    text = BASE + (
        "nodes:\n  a:\n    inputs: [{name: text, type: string}]\n"
        "    outputs: [{name: text, type: string}]\n"
        "    transform: {mode: code, spec: \"def transform(i, c, s):\\n  x = i\\n  return x\"}\n"
        "edges: [{from: _input.query, to: a.text}, {from: a.text, to: _output}]\n"
    )
    result = check_text(text)
    assert result.compiled is not None, rendered(result)
    files = generate(result.compiled)
    module = files["agent.py"].split("\n")
    rows = json.loads(files["agent.map.json"])["lines"]
    (row,) = [row for row in rows if module[row[0] - 1].startswith("def a_transform")]
    assert module[row[1] - 1] == "  return x"
    assert row[2:] == ["a", 0, 8, 35, 8, 81]


def test_equal_texts_have_a_place_each() -> None:
    rows = rows_of("      system: |\n        Be kind.\n      template: |\n        Be kind.")
    assert [3, 3, 0, 11] in rows
    assert [3 + 3 + 2, 3 + 3 + 2, 0, 9] in rows
