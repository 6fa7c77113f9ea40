"""Laws of documents: what is laid over itself stays as it is, and a suggestion that is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.mapping import GroupRef, Pattern
from rolebridge.core.schemas import USER_TABLE
from rolebridge.core.suggestions import suggest
from rolebridge.mapfile import load_mapping_set, shipped_catalogues
from rolebridge.mapfile.layers import laid_over
from rolebridge.mapfile.writing import mapping_text
from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table, parse_yaml

CATALOGUES = shipped_catalogues()

words = st.sampled_from(["", "a", "b", "1", "no", "x y", "ä"])
entries = st.recursive(
    words,
    lambda inner: st.one_of(
        st.dictionaries(words.filter(bool), inner, max_size=3),
        st.lists(inner, max_size=3),
        st.lists(st.fixed_dictionaries({"id": st.sampled_from("pqr"), "is": inner}), unique_by=lambda one: one["id"]),
    ),
    max_leaves=12,
)


def written(value: object) -> str:
    """Return a value in flow style; an empty text is a key without a value."""
    match value:
        case dict():
            return "{" + ", ".join(f'"{key}": {written(one)}' for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case _:
            return f'"{value}"' if value else "null"


def plain(node: Node) -> object:
    match node:
        case Table():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
        case Items():
            return [plain(item) for item in node.items]
        case _:
            assert isinstance(node, Scalar)
            return None if node.is_empty else node.text


def without_empty(value: object) -> object:
    """Return what is left when every key without a value is taken away, as laying it over something does."""
    if isinstance(value, dict):
        return {key: without_empty(one) for key, one in value.items() if one is not None}
    by_id = isinstance(value, list) and all(isinstance(one, dict) and one.get("id") for one in value)
    return [without_empty(one) for one in value] if isinstance(value, list) and by_id else value


@given(st.dictionaries(words.filter(bool), entries, max_size=4))
def test_laying_a_document_over_itself_changes_nothing_but_empty_keys(value: dict[str, object]) -> None:
    """A key without a value takes what it names away, itself included; everything else stays, in its order."""
    node, problems = parse_yaml(written(value), "own.yaml")
    assert node is not None, problems
    assert plain(laid_over(node, node)) == without_empty(plain(node))


@given(
    st.sampled_from(sorted(CATALOGUES)),
    st.lists(
        st.one_of(
            st.text(max_size=12),
            st.builds("{}-{}-{}".format, st.sampled_from(["lbx", "A: b", "no"]), st.sampled_from(["p1", "p2"]), words),
            st.sampled_from(["lbx-p1-reviewers", "lbx-p2-labelers", "Admins", 'a"b\\ admins', "t-p-annotators"]),
        ),
        max_size=8,
    ),
)
def test_a_suggestion_that_is_written_reads_back(platform: str, groups: list[str]) -> None:
    """Whatever groups are called: a file without a mistake, which names just what was suggested."""
    found = suggest(CATALOGUES[platform], groups)
    text = mapping_text(CATALOGUES[platform], "w", ("okta",), found)
    mappings, problems = load_mapping_set({"w.yaml": text}, CATALOGUES, table=USER_TABLE, connections=["okta"])
    assert mappings is not None, (text, problems)
    rules = mappings.mappings[0].rules
    names = {one.name for rule in rules for one in rule.groups if isinstance(one, GroupRef)}
    patterns = {one.text for rule in rules for one in rule.groups if isinstance(one, Pattern)}
    assert names == {one.group for one in found.named}
    assert patterns == {convention.pattern for convention in found.conventions}
    assert set(mappings.mappings[0].projects) == set(found.projects)


@pytest.mark.parametrize("platform", sorted(CATALOGUES))
def test_every_group_is_suggested_once_or_listed(platform: str) -> None:
    """Nothing that the directory holds is left out."""
    groups = ["lbx-p1-reviewers", "lbx-p1-labelers", "Admins", "Canteen"]
    found = suggest(CATALOGUES[platform], groups)
    told = [group for one in found.conventions for group in one.groups]
    assert sorted([*told, *(one.group for one in found.named), *found.unmapped]) == sorted(groups)
