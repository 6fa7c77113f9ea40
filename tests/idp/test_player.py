"""The player itself: what it fills in, where it looks, and that it notices."""

from __future__ import annotations

from typing import Any

import pytest
from tests.idp.expectations import Found, disagreements, find
from tests.idp.player import Answer, judged, judged_together, saved
from tests.idp.templates import Unset, filled

USER = {
    "active": True,
    "urn:x:User": {"department": "D"},
    "emails": [{"type": "work", "value": "w", "primary": True}, {"type": "home", "value": "h"}],
    "members": None,
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{n}}", 7),
        ("no. {{n}}", "no. 7"),
        ("{{who|q}}", "a%20b%2Bc"),
        ("{{who|qp}}", "a+b%2Bc"),
        ("{{who|upper}}", "A B+C"),
        ("{{m_{{n}}}}", "inner"),
        ({"{{who}}": ["{{n}}", None]}, {"a b+c": [7, None]}),
        ([{"$repeat": {"start": 2, "count": 2, "var": "i", "item": {"value": "{{i}}"}}}], [{"value": 2}, {"value": 3}]),
    ],
)
def test_placeholders_are_filled_in(template: Any, value: Any) -> None:
    """Alone a placeholder keeps its type, within a text it becomes text."""
    assert filled(template, {"n": 7, "who": "a b+c", "m_7": "inner"}) == value


def test_a_variable_that_is_not_set_is_noticed() -> None:
    """A step that builds on one that failed is not sent with a hole."""
    with pytest.raises(Unset, match="`id` was saved by no earlier step"):
        filled("/Users/{{id}}", {})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.active", Found([True], single=True)),
        ("$['urn:x:User'].department", Found(["D"], single=True)),
        ("$.emails[1].value", Found(["h"], single=True)),
        ("$.emails[9].value", Found([], single=True)),
        ("$.emails[*].value", Found(["w", "h"], single=False)),
        ("$.emails[?(@.type=='home')].value", Found(["h"], single=False)),
        ("$.emails[?(@.primary==true)].type", Found(["work"], single=False)),
        ("$.nowhere.at.all", Found([], single=True)),
    ],
)
def test_paths_lead_to_values(path: str, found: Found) -> None:
    """Names, quoted names, indexes, all elements, and the elements that have a value."""
    assert find(USER, path) == found


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("$.active", {"eq": 1}),
        ("$.active", {"eq": "True"}),
        ("$.active", {"type": "int"}),
        ("$.nowhere", {"eq": None}),
        ("$.nowhere", {"gte": 0}),
        ("$.active", {"lte": 5}),
        ("$.active", {"empty": True}),
        ("$.members", {"empty": False}),
        ("$.members", {"absent": True}),
        ("$.members", {"min_len": 1}),
        ("$.emails", {"len": 1}),
        ("$.emails[*].value", {"contains": ["w", "x"]}),
        ("$.emails[*].value", {"excludes": "h"}),
        ("$.emails[*].value", {"set_eq": ["w"]}),
        ("$.emails[*].value", {"set_eq": ["w", "w", "h"]}),
        ("$.emails[0].value", {"regex": "^x"}),
        ("$.emails[0].value", {"startswith": "x"}),
        ("$.emails[0].value", {"ieq": "V"}),
        ("$.emails[0].value", {"ne": "w"}),
    ],
)
def test_what_is_not_as_asked_is_noticed(path: str, asked: dict[str, Any]) -> None:
    """No kind of expectation passes by itself."""
    assert len(disagreements(find(USER, path), asked, path)) == 1


def test_an_expectation_of_an_unknown_kind_is_an_error() -> None:
    """A misspelt word would otherwise expect nothing."""
    with pytest.raises(AssertionError, match=r"of no known kind: \{'equals'\}"):
        disagreements(find(USER, "$.active"), {"path": "$.active", "equals": True}, "$.active")


def test_answers_are_judged_by_status_headers_text_and_time() -> None:
    """Each is looked at, and of a 204 no body is asked."""
    answer = Answer(200, {"etag": '"1"'}, '{"id":"7"}', 50.0)
    assert judged(answer, {"status": 201}, {}) == ['status 200 instead of 201: {"id":"7"}']
    asked = {
        "status": [200, 201],
        "json": [{"path": "$.id", "eq": "{{id}}"}],
        "header": [{"name": "ETag", "startswith": "W/"}, {"name": "Location", "min_len": 1}],
        "text_excludes": "7",
        "max_ms": 10,
    }
    assert len(judged(answer, asked, {"id": "8"})) == 5
    assert judged(Answer(204, {}, "", 1.0), {"status": 204, "json": [{"path": "$.id", "eq": "7"}]}, {}) == []
    assert judged(Answer(200, {}, "", 1.0), {"status": 200, "json": [{"path": "$.id", "eq": "7"}]}, {}) != []


def test_repetitions_are_judged_together() -> None:
    """How often each status came, and how long it took."""
    answers = [Answer(status, {}, "", 1.0) for status in (201, 201, 409)]
    expected = {"status_counts": {"201": 1}, "max_total_s": 1}
    assert len(judged_together(answers, 2.0, expected)) == 2
    assert judged_together(answers[1:], 0.5, expected) == []


def test_what_cannot_be_saved_is_a_problem() -> None:
    """Later steps would fail for a reason that is not theirs."""
    problems: list[str] = []
    assert saved(Answer(200, {}, '{"id":"7"}', 1.0), {"id": "$.id", "at": "$.access_token"}, {}, problems) == {
        "id": "7"
    }
    assert problems == ["`at` cannot be saved: there is nothing at $.access_token"]
