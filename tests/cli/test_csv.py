"""Lists as CSV: read back by any reader, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.cli.machine import Machine

from rolebridge.core.sheets import cell, harmless, text_of


def rows(text: str) -> list[dict[str, str]]:
    """Return CSV as any reader reads it."""
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "\uff20SUM(A1)"])
def test_cells_that_would_be_formulas_are_text(text: str) -> None:
    """What begins as a formula does gets an apostrophe before it."""
    assert harmless(text) == f"'{text}" or text[0] in "\t\r"
    assert harmless(text).startswith("'")


def test_no_formula_hides_behind_another_separator() -> None:
    """A spreadsheet that takes the semicolon for its separator meets no formula behind one either."""
    assert harmless("Ana;=HYPERLINK(1)") == "Ana;'=HYPERLINK(1)"
    assert harmless("Ana; -1") == "Ana;' -1"
    assert harmless("Ana;\uff0b1") == "Ana;'\uff0b1"
    assert harmless("a=b; c-d, e@f.example") == "a=b; c-d, e@f.example"


@given(st.text())
def test_no_cell_begins_a_formula(text: str) -> None:
    """Whatever is in a cell, no reader by comma, semicolon or tab meets a cell that begins as a formula does."""
    assert not any(part.lstrip(" ").startswith(("=", "+", "-", "@")) for part in re.split("[;\t]", harmless(text))[1:])
    assert harmless(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)))
@example([["ana\rmallory", "admin"]])
@example([["ana\nmallory", 'an "admin"']])
def test_csv_reads_back(table: list[list[str]]) -> None:
    """A reader gets the cells that were written."""
    read = list(csv.reader(io.StringIO(text_of(table), newline="")))
    assert read == [[harmless(text) for text in row] for row in table]


def test_cells_are_plain() -> None:
    """Nothing is empty, truth is lower case, moments are UTC, lists have semicolons."""
    values = [None, True, 3, datetime(2026, 11, 20, 9, 14, tzinfo=UTC), ["a", "b"]]
    assert [cell(value) for value in values] == ["", "true", "3", "2026-11-20T09:14:00Z", "a; b"]


def test_lists_what_was_set_up(ready: Machine) -> None:
    """Organizations, connections, tokens, keys and the status have their columns and rows."""
    ready.out("client", "add", "okta", "--connection", "okta")
    assert [row["name"] for row in rows(ready.out("org", "list", "--csv"))] == ["default"]
    [connection] = rows(ready.out("connection", "list", "--csv"))
    assert (connection["name"], connection["profile"]) == ("okta", "okta")
    [token] = rows(ready.out("token", "list", "--csv"))
    assert (token["name"], token["usable"], token["expires_at"]) == ("first", "true", "")
    [key] = rows(ready.out("key", "list", "--csv"))
    assert (key["role"], key["workspace"]) == ("owner", "")
    [client] = rows(ready.out("client", "list", "--csv"))
    assert (client["name"], client["token_minutes"]) == ("okta", "60")
    [secret] = rows(ready.out("client", "secret", "list", client["client_id"], "--csv"))
    assert secret["name"] == "first"
    [fares] = rows(ready.out("status", "--csv"))
    assert (fares["name"], fares["users"], fares["requests_last_day"]) == ("okta", "0", "0")


def test_an_empty_list_is_its_head(ready: Machine) -> None:
    """A list of nothing is the line of column names, so that a program need not ask."""
    assert ready.out("schema", "list", "--csv") == "urn,name,extends,required,attributes\n"


def test_one_form_at_a_time(ready: Machine) -> None:
    """--csv and --json contradict each other."""
    for order in (["--csv", "--json"], ["--json", "--csv"]):
        assert "--csv and --json are two ways to print the same" in ready("token", "list", *order).stderr
