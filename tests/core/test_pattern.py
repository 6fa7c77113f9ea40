"""Group patterns: captures from closed sets, found in time linear in the name, against all decompositions."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.core.models import pattern
from tests.core.oracle import captures

from rolebridge.core.mapping import AnyText, Capture, Captured, Literal, NoMatch, Pattern, Piece

PROJECTS = {"cityscapes": "cityscapes", "lane-marking": "lane-marking", "lane": "lane"}
TEAMS = {"leads": "project_lead", "reviewers": "reviewer", "labelers": "labeler", "marking-leads": "project_lead"}


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("lbx-{project}-{team}", "lbx-cityscapes-leads", (("project", "cityscapes"), ("team", "project_lead"))),
        ("lbx-{project}-{team}", "LBX-Cityscapes-REVIEWERS", (("project", "cityscapes"), ("team", "reviewer"))),
        ("lbx-{project}-{team}", "lbx-lane-marking-labelers", (("project", "lane-marking"), ("team", "labeler"))),
        ("lbx-{project}-{team}", "lbx-lane-marking-leads", NoMatch.AMBIGUOUS),
        ("lbx-{project}-{team}", "lbx-harbour-leads", NoMatch.DIFFERENT),
        ("lbx-{project}-{team}", "lbx-cityscapes-", NoMatch.DIFFERENT),
        ("lbx-{project}-{team}", "lbx-cityscapes-leads-2", NoMatch.DIFFERENT),
        ("lbx-{project}-{team}", " lbx-cityscapes-leads", NoMatch.DIFFERENT),
        ("lbx-{project}-{team}", "", NoMatch.DIFFERENT),
        ("*-{team}", "any-thing-at-all-leads", (("team", "project_lead"),)),
        ("*{team}", "leads", (("team", "project_lead"),)),
        ("{project}*", "lane-marking", NoMatch.AMBIGUOUS),
        ("lbx*", "lbx", ()),
        ("*-*", "a-b-c", ()),
        ("lbx", "lbx", ()),
        ("lbx", "lbxx", NoMatch.DIFFERENT),
        ("STRASSE-{team}", "straße-leads", (("team", "project_lead"),)),
    ],
)
def test_a_pattern_captures_from_closed_sets_or_says_why_not(
    text: str, name: str, expected: Captured | NoMatch
) -> None:
    """Captures are whole known values in any case; a name that fits in two ways is ambiguous, never guessed."""
    assert pattern(text, project=PROJECTS, team=TEAMS).match(name) == expected


def test_a_name_that_fits_in_two_ways_with_one_meaning_is_not_ambiguous() -> None:
    """What counts is what was captured, not how unused text was cut."""
    assert pattern("*{team}*", team={"aa": "reviewer"}).match("aaa") == (("team", "reviewer"),)
    assert pattern("{team}*", team={"a": "reviewer", "aa": "reviewer"}).match("aa") == (("team", "reviewer"),)


words = st.text(alphabet="abAB-", max_size=3)
sets = st.dictionaries(st.text(alphabet="ab-", min_size=1, max_size=3), st.sampled_from(("x", "y", "z")), min_size=1)
pieces: st.SearchStrategy[Piece] = st.one_of(
    words.filter(bool).map(Literal),
    st.builds(Capture, st.sampled_from(("project", "team")), sets),
    st.just(AnyText()),
)
patterns = st.lists(pieces, min_size=1, max_size=4).map(lambda found: Pattern("generated", tuple(found)))


@st.composite
def fitting_names(draw: st.DrawFn, of: Pattern) -> str:
    """A name that fits the pattern in one way at least."""
    parts = []
    for piece in of.pieces:
        match piece:
            case Literal(text):
                parts.append(draw(st.sampled_from((text, text.upper()))))
            case Capture(_, values):
                parts.append(draw(st.sampled_from(sorted(values))))
            case AnyText():
                parts.append(draw(words))
    return "".join(parts)


@settings(max_examples=settings().max_examples * 10)
@given(patterns, st.data())
def test_matching_agrees_with_all_decompositions(of: Pattern, data: st.DataObject) -> None:
    """No captures, one or several among all the ways to cut the name: different, matched, ambiguous."""
    name = data.draw(fitting_names(of) | words | words.map(lambda text: text * 2))
    possible = captures(of, name)
    match of.match(name):
        case NoMatch.DIFFERENT:
            assert possible == set()
        case NoMatch.AMBIGUOUS:
            assert len(possible) > 1
        case captured:
            assert possible == {captured}


@given(st.integers(1, 12))
@example(12)
def test_a_pattern_of_many_parts_costs_no_more_than_its_length(parts: int) -> None:
    """A name made to be cut in exponentially many ways is answered at once."""
    many = pattern("*{team}" * parts + "*", team={"a": "x", "aa": "y", "aaa": "z"})
    started = time.process_time()
    assert many.match("a" * 256) is NoMatch.AMBIGUOUS
    assert time.process_time() - started < 2
