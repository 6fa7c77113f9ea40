"""YAML with places: text stays text, places are exact, and what is dangerous is refused in bounded time."""

from __future__ import annotations

import time

import pytest

from rolebridge.core.diagnostics import Place
from rolebridge.mapfile.reading import MAX_PROBLEMS, Sink, read_text
from rolebridge.mapfile.yamlsource import MAX_CHARACTERS, Entry, Scalar, Table, parse_yaml


def _entry(text: str, key: str) -> Entry:
    root, found = parse_yaml(text, "m.yaml")
    assert found == []
    assert isinstance(root, Table)
    return root.entries[key]


def _value(text: str, key: str = "k") -> Scalar:
    value = _entry(text, key).value
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize(
    "written", ["No", "yes", "007", "1_000", "0x1F", "2026-12-01", "1:30", "1e3", ".inf", "=", "On", "True"]
)
def test_text_stays_as_written(written: str) -> None:
    """A group named `No` or `007` is that text, whatever YAML libraries make of it."""
    text = read_text(_value(f"k: {written}\n"), "a group", Sink())
    assert text is not None
    assert text.text == written


@pytest.mark.parametrize(
    ("written", "text"), [('"null"', "null"), ("'~'", "~"), ('"No"', "No"), ("'2026-12-01'", "2026-12-01")]
)
def test_quoted_text_is_text(written: str, text: str) -> None:
    """Quotes make text of everything, also of YAML's words for nothing."""
    read = read_text(_value(f"k: {written}\n"), "a group", Sink())
    assert read is not None
    assert read.text == text


def test_every_key_and_value_knows_its_place() -> None:
    """Lines and columns count from 1, in characters: an umlaut before a word does not move it."""
    entry = _entry("# ü\na:\n  b: c\n  ö: {d: e}\n", "a")
    assert isinstance(entry.value, Table)
    inner = entry.value.entries["ö"]
    assert (entry.key.place, inner.key.place) == (Place("m.yaml", 2, 1), Place("m.yaml", 4, 3))
    assert isinstance(inner.value, Table)
    assert inner.value.entries["d"].value.place == Place("m.yaml", 4, 10)


@pytest.mark.parametrize(
    ("written", "offset", "column"),
    [
        ("abc", 2, 6),
        ("'a''bc'", 2, 8),
        ('"a\\"bc"', 2, 8),
        ('"\\x41bc"', 1, 9),
        ('"\\u0041bc"', 1, 11),
        ('"\\U00000041bc"', 1, 15),
        ("abc", 99, 7),
    ],
)
def test_a_place_inside_a_scalar_is_exact(written: str, offset: int, column: int) -> None:
    """The n-th character of a text is found in the source behind quotes and escapes, and never past its end."""
    assert _value(f"k: {written}\n").at(offset) == Place("m.yaml", 1, column)


def test_text_over_several_lines_is_blamed_as_a_whole() -> None:
    """A block or a folded text has no exact columns; its own place stands for them."""
    for text in ("k: |\n  abc\n  def\n", "k: abc\n  def\n"):
        value = _value(text)
        assert value.at(5) == value.place


def test_a_byte_order_mark_does_no_harm() -> None:
    """A BOM before the text is not part of the first key."""
    assert _entry("\ufeffk: v\n", "k").key.place == Place("m.yaml", 1, 1)


def test_a_control_character_is_refused_where_it_stands() -> None:
    """A bell in the text is refused with its code point and its place."""
    root, found = parse_yaml("a: b\nc: d\x07e\n", "m.yaml")
    assert root is None
    assert [(p.code, p.place, p.detail) for p in found] == [
        ("yaml-syntax", Place("m.yaml", 2, 5), "the character U+0007 may not stand in YAML")
    ]


def test_a_file_over_the_limit_is_not_parsed() -> None:
    """One character too many refuses the file before YAML sees it."""
    root, found = parse_yaml("#" * (MAX_CHARACTERS + 1), "m.yaml")
    assert root is None
    assert [(p.code, p.detail) for p in found] == [
        ("file-too-large", "the file has 1048577 characters, the limit is 1048576")
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * MAX_CHARACTERS, "yaml-depth"),
        ("{" * MAX_CHARACTERS, "yaml-depth"),
        ("- " * (MAX_CHARACTERS // 2), "yaml-depth"),
        ("? " * (MAX_CHARACTERS // 2), "yaml-depth"),
        ("a: &a [" + "*a, " * 100_000, "yaml-anchor"),
    ],
    ids=["brackets", "braces", "dashes", "questions", "aliases"],
)
def test_a_bomb_is_refused_quickly(text: str, code: str) -> None:
    """Nesting and aliases are refused when they are met, never expanded, and never followed by recursion."""
    began = time.process_time()
    _, found = parse_yaml(text[:MAX_CHARACTERS], "m.yaml")
    assert code in {problem.code for problem in found}
    assert time.process_time() - began < 20


def test_an_alias_is_never_expanded() -> None:
    """The billion laughs are nine lines, and stay nine refused lines."""
    lines = [f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    text = "a: &a [x]\n" + "".join(lines)
    _, found = parse_yaml(text, "m.yaml")
    assert {problem.code for problem in found} == {"yaml-anchor"}
    assert len(found) == 8 + 7 * 3


def test_a_file_with_very_many_problems_is_cut_off_with_a_word() -> None:
    """After 200 problems a last line says that there are more; the file is refused all the same."""
    sink = Sink()
    for line in range(MAX_PROBLEMS + 50):
        sink.add("unknown-key", Place("m.yaml", line + 1, 1), "x")
    assert len(sink.found) == MAX_PROBLEMS + 1
    assert sink.found[-1].code == "too-many-problems"
    assert sink.errors == MAX_PROBLEMS + 50
