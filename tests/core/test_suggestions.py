"""Suggestions: naming conventions become patterns, words become roles, and what is left is listed, never guessed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.diagnostics import has_errors
from rolebridge.core.schemas import USER_TABLE
from rolebridge.core.suggestions import suggest
from rolebridge.mapfile import load_mapping_set, shipped_catalogues
from rolebridge.mapfile.writing import mapping_text

CATALOGUES = shipped_catalogues()


def _words(platform: str, *groups: str) -> tuple[dict[str, dict[str, str]], dict[str, str], tuple[str, ...]]:
    found = suggest(CATALOGUES[platform], groups)
    patterns = {one.pattern: dict(one.words) for one in found.conventions}
    return patterns, {one.group: one.role for one in found.named}, found.unmapped


def test_a_convention_is_found_and_the_rest_is_listed() -> None:
    """Prefix, project, word for a role: one pattern; a word for a workspace role at the end: a rule."""
    patterns, named, unmapped = _words(
        "labelbox", "lbx-cityscapes-reviewers", "lbx-parking-lots-labelers", "lbx-retail-leads", "LBX Admins",
        "LBX Read-only Admins", "Lunch", "all-staff",
    )  # fmt: skip
    assert patterns == {
        "lbx-{project}-{team}": {"labelers": "labeler", "leads": "project_lead", "reviewers": "reviewer"}
    }
    assert named == {"LBX Admins": "admin", "LBX Read-only Admins": "read_only_admin"}
    assert unmapped == ("all-staff", "Lunch")


@pytest.mark.parametrize(
    ("platform", "group", "role"),
    [
        ("label_studio", "LS Managers", "manager"),
        ("label_studio", "app_labelstudio_administrator", "administrator"),
        ("basicai", "LiDAR Workers", "worker"),
        ("itag", "iTAG Labeling Team Leaders", "labeling_team_leader"),
        ("datasaur", "NLP Supervisors", "supervisor"),
    ],
)
def test_words_are_those_of_the_platform(platform: str, group: str, role: str) -> None:
    """Singular or plural, one word or several, whatever stands between them."""
    assert _words(platform, group)[1] == {group: role}


def test_two_conventions_are_two_patterns() -> None:
    """Names with another beginning or another separator are another convention."""
    patterns, _, _ = _words("label_studio", "ls-chats-reviewers", "ls-contracts-annotators", "DE_chats_reviewers")
    assert set(patterns) == {"ls-{project}-{team}", "DE_{project}_{team}"}


@pytest.mark.parametrize("platform", CATALOGUES)
def test_a_suggestion_is_a_mapping_without_errors(platform: str) -> None:
    """Whatever the groups are called, the file that is printed can be read."""
    groups = ["LBX Admins", "x-y-reviewers", "x-z-labelers", "x-z-annotators", "no", "a: {b}", "x-null-reviewers"]
    catalogue = CATALOGUES[platform]
    text = mapping_text(catalogue, "mine", ("okta",), suggest(catalogue, groups))
    mappings, found = load_mapping_set({"m.yaml": text}, CATALOGUES, table=USER_TABLE, connections=["okta"])
    assert [one.detail for one in found if one.severity == "error"] == []
    assert mappings is not None


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.from_regex(r"[a-c]{1,3}[-_ ][a-c]{1,3}[-_ ](reviewers?|labelers?|admins?)", fullmatch=True),
        ),
        max_size=12,
    )
)
def test_any_names_give_a_file_that_can_be_read(names: list[str]) -> None:
    """Hostile names are quoted or listed; every group is in exactly one of the three parts, in any order of names."""
    catalogue = CATALOGUES["labelbox"]
    found = suggest(catalogue, names)
    in_parts = [
        *(name for one in found.conventions for name in one.groups),
        *(one.group for one in found.named),
        *found.unmapped,
    ]
    assert sorted(in_parts) == sorted(set(names))
    shuffled = list(names)
    random.Random(0).shuffle(shuffled)
    assert suggest(catalogue, shuffled) == found
    text = mapping_text(catalogue, "mine", (), found)
    _, problems = load_mapping_set({"m.yaml": text}, CATALOGUES, table=USER_TABLE, connections=None)
    assert not has_errors(problems), (text, [one.detail for one in problems])
