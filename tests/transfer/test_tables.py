"""Tables: columns as SCIM paths, cells and formulas, what of a file cannot be read, and the way back."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.transfer.moving import Moving, counts, group, user

from rolebridge.core.errors import Invalid
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.scim.schemas import standard
from rolebridge.scim.transfer.columns import cells_of, guarded, listed, read_head, unguarded, unlisted

HEADS = (
    "userName,externalId,active,name.givenName,emails[work],emails[work].primary,emails[home],phoneNumbers,"
    f"department,{ENTERPRISE_USER}:manager.value,addresses[work].locality,roles,groups\n"
)


def test_columns_are_paths(moving: Moving) -> None:
    """A cell goes where its head says; an empty one says nothing; `groups` makes groups and members."""
    rows = (
        'ana@x.example,e1,TRUE,Ana,ana@x.example,true,"a ""b"" c",1;2,Eng,boss,Graz,'
        '"[{""value"":""r"",""display"":""R""}]",T1;T2\n'
        "ben@x.example,,,,,,,,,,,,T1\n"
    )
    report = moving.take(moving.file(HEADS + rows, ".csv"))
    assert report.complete, report.problems
    assert report.tolerances == {}
    ana, ben, first, second = moving.resources()
    assert ana == {
        "schemas": ana["schemas"],
        "userName": "ana@x.example",
        "externalId": "e1",
        "active": True,
        "name": {"givenName": "Ana"},
        "emails": [
            {"value": "ana@x.example", "primary": True, "type": "work"},
            {"value": 'a "b" c', "type": "home"},
        ],
        "phoneNumbers": [{"value": "1"}, {"value": "2"}],
        "addresses": [{"locality": "Graz", "type": "work"}],
        "roles": [{"value": "r", "display": "R"}],
        ENTERPRISE_USER: {"department": "Eng", "manager": {"value": "boss"}},
    }
    assert ben == {"schemas": ben["schemas"], "userName": "ben@x.example", "active": True}
    assert [(one["displayName"], [m["value"] for m in one["members"]]) for one in (first, second)] == [
        ("T1", ["ana@x.example", "ben@x.example"]),
        ("T2", ["ana@x.example"]),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_byte_order_marks(moving: Moving, separator: str) -> None:
    """The separator is told by the header, which may begin with a byte order mark; lines may end as on Windows."""
    text = f"\ufeffuserName{separator}title\r\na@x.example{separator}T\r\n"
    assert counts(moving.take(moving.file(text, ".csv")), "users") == {"created": 1}
    assert moving.resources()[0]["title"] == "T"


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "has a column `userName`"),
        ("title,active", "has a column `userName`"),
        ("userName,userName", "`userName` is there twice"),
        ("userName,USERNAME", "`USERNAME` is there twice"),
        ("userName,emails[work],EMAILS[work]", "is there twice"),
        ("userName,shoeSize", "no schema of a User has that attribute"),
        ("userName,name.nick", "`name` has no `nick`"),
        ("userName,title[work]", "no values of several types"),
        ("userName,addresses[work]", "say which part"),
        ("userName,emails.value", "say which one"),
        ("userName,a[b", "no column such as"),
        ("userName,t\xff", "no schema"),
        ('userName,"x', "cannot be read"),
        ("userName," + ",".join(f"x{n}" for n in range(1001)), "the limit is 1000"),
    ],
)
def test_header_that_cannot_be_used(moving: Moving, header: str, said: str) -> None:
    """A header with an unknown, doubled or unusable column refuses the file, naming the column."""
    with pytest.raises(Invalid, match=r":1: .*" + said.replace("`", ".")):
        moving.take(moving.file(f"{header}\na@x.example\n", ".csv"))


def test_hostile_records(moving: Moving) -> None:
    """A record that is not UTF-8, has NUL, too many cells or a stray quote refuses itself; the next one is read."""
    path = moving.file(
        b"userName,title\n"
        b"good1@x.example,T\n"
        b"bad\xff@x.example,T\n"
        b"nul\0@x.example,T\n"
        b"a@x.example,T,more\n"
        b'a@x.example,"T"x\n'
        b"a@x.example\n"
        b"\n"
        b'good2@x.example,"two\nlines"\n'
        b",nobody\n",
        ".csv",
    )
    report = moving.take(path)
    assert counts(report, "users") == {"created": 2, "refused": 6}
    told = {problem.place.rpartition(":")[2]: problem.text for problem in report.problems}
    assert told["3"].startswith("not UTF-8 at byte 3")
    assert "U+0000" in told["4"]
    assert told["5"] == "3 cells under 2 heads"
    assert told["6"].startswith("not CSV: ")
    assert told["7"] == "1 cells under 2 heads"
    assert told["11"] == "`userName` is required and must not be empty"
    assert moving.resources()[1]["title"] == "two\nlines"
    assert moving.rejected.startswith(b"userName,title\nbad\xff@x.example,T\n")
    assert moving.rejected.endswith(b"\n,nobody\n")


def test_quote_without_end(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that is never closed does not swallow more than a cell may hold."""
    monkeypatch.setattr("rolebridge.scim.transfer.tables.MAX_CELL", 1_000)
    lines = [f"u{n}@x.example,T" for n in range(200)]
    lines[3] = 'u3@x.example,"T'
    report = moving.take(moving.file("userName,title\n" + "\n".join(lines) + "\n", ".csv"))
    assert "field larger than field limit" in report.problems[0].text
    assert counts(report, "users")["created"] > 100


def test_groups_table(moving: Moving) -> None:
    """A table of groups holds members by name, and groups in groups in a column of their own."""
    users = moving.lines([user("a;b"), user(" c"), user("d")])
    text = 'displayName,externalId,members,members[Group]\nOne,e1,"[""a;b"","" c""]",Two\nTwo,,d,\nThree,,,nobody\n'
    report = moving.take(users, moving.file(text, ".csv"))
    assert (report.members_added, report.members_unknown) == (4, 1)
    held = {one["displayName"]: [m["value"] for m in one.get("members", [])] for one in moving.resources()[3:]}
    assert held == {"One": [" c", "a;b", "Two"], "Two": ["d"], "Three": []}


def test_formulas_do_not_run(moving: Moving) -> None:
    """What a spreadsheet would run begins with an apostrophe in a table, and comes back as it was."""
    names = ["=1+1", "+49 1", "-x", "@a", "'=x", "''", "'t Hooft", "\tq"]
    moving.take(moving.lines([user(f"u{n}", title=name) for n, name in enumerate(names)]))
    before = moving.resources()
    text = moving.give("csv", "users")
    cells = [row[2] for row in csv.reader(io.StringIO(text))][1:]
    assert cells == ["'=1+1", "'+49 1", "'-x", "'@a", "''=x", "'''", "'t Hooft", "'\tq"]
    moving.take(moving.lines([user(f"u{n}", title="other") for n in range(len(names))]))
    moving.take(moving.file(text, ".csv"))
    assert moving.resources() == before


@given(st.text())
def test_guarded_cells_come_back(text: str) -> None:
    """Guarding a cell loses nothing, and leaves nothing that a spreadsheet would run."""
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), max_size=4))
def test_listed_values_come_back(values: list[str]) -> None:
    """Several values in one cell come back as they were, whatever they hold."""
    assert unlisted(listed(values, ";"), ";") == tuple(values)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
types = st.sampled_from(["work", "home", "other", "a b", "Work"])
elements = st.fixed_dictionaries(
    {"value": texts}, optional={"type": types, "display": texts, "primary": st.just(False)}
)
resources = st.fixed_dictionaries(
    {"userName": texts.filter(str.strip)},
    optional={
        "title": texts,
        "active": st.booleans(),
        "name": st.fixed_dictionaries({}, optional={"givenName": texts, "familyName": texts}).filter(bool),
        "emails": st.lists(elements, min_size=1, max_size=3),
        "roles": st.lists(elements, min_size=1, max_size=3),
        "addresses": st.lists(
            st.fixed_dictionaries({"locality": texts}, optional={"type": types}), min_size=1, max_size=2
        ),
        ENTERPRISE_USER: st.fixed_dictionaries(
            {}, optional={"department": texts, "manager": st.fixed_dictionaries({"value": texts})}
        ).filter(bool),
    },
)


@given(resources)
def test_cells_say_all_of_a_resource(resource: dict[str, Any]) -> None:
    """A resource in cells is the same resource again, its lists in the order of the columns."""
    schema = standard().user
    made: dict[str, Any] = {}
    for head, cell in cells_of(resource, ";").items():
        read_head(head, schema).assign(made, unguarded(guarded(cell)), ";")
    assert made == resource


def test_a_list_of_groups_is_no_table(moving: Moving) -> None:
    """A group without members has empty cells, and the table of an empty connection only its header."""
    assert moving.give("csv", "groups") == "displayName\r\n"
    moving.take(moving.lines([group("G")]))
    assert moving.give("csv", "groups") == "displayName\r\nG\r\n"
