"""References in arguments."""

import pytest

from irc.references import find_references, is_single


@pytest.mark.parametrize(
    ("text", "root", "path"),
    [
        ("${a}", "a", ()), ("${ a.b }", "a", ("b",)), ("${a[0].b[-1]}", "a", (0, "b", -1)),
        ("${a['x y']}", "a", ("x y",)), ('${a["it\'s"]}', "a", ("it's",)),
        ("${context.locale}", "context", ("locale",)),
    ],
)  # fmt: skip
def test_reference_is_read(text: str, root: str, path: tuple[str | int, ...]) -> None:
    found = find_references(text, lambda start, end: pytest.fail("malformed"))
    assert [(item.root, item.path) for item in found] == [(root, path)]
    assert is_single(text, found)


@pytest.mark.parametrize("text", ["${}", "${a b}", "${a", "${1}", "${a[x]}", "x ${${a}}", "${a.}"])
def test_malformed_reference_is_told(text: str) -> None:
    told: list[tuple[int, int]] = []
    find_references(text, lambda start, end: told.append((start, end)))
    assert told


def test_longer_text_is_not_a_single_reference() -> None:
    assert not is_single("${a} ", find_references("${a} ", lambda start, end: None))
    assert not is_single("${a}${b}", find_references("${a}${b}", lambda start, end: None))


def test_last_name_is_the_column() -> None:
    assert find_references("${a.b[0]}", lambda start, end: None)[0].last_name == "b"
    assert find_references("${a}", lambda start, end: None)[0].last_name == "a"
