"""Laws of reading: any text is either a mapping set or told why not, and never an exception."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.diagnostics import REGISTER, Diagnostic, has_errors
from rolebridge.core.mapping import MappingSet
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_catalogue, load_mapping_set, shipped_catalogues

EXAMPLES = [
    path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml"))
]
SIGNS = list("{}[]:,&*!|>'\"%@`\t\n -#?~<.0aé\ufeff\x00\x85\u2028\ud800\\")


def _load(text: str) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    return load_mapping_set({"m.yaml": text}, shipped_catalogues(), table=USER_TABLE, connections=["okta-demo"])


def _is_answered(text: str) -> None:
    """Check what every answer promises, whatever the text."""
    found, problems = _load(text)
    assert (found is None) == has_errors(problems)
    lines = text.removeprefix("\ufeff").splitlines() or [""]
    for problem in problems:
        assert problem.code in REGISTER
        assert problem.place is not None
        assert 1 <= problem.place.line <= text.count("\n") + text.count("\r") + len(lines) + 1
        assert problem.place.column >= 1
        assert "\n" not in problem.detail + (problem.help or "") + problem.excerpt


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """Reading arbitrary text gives a set or diagnostics."""
    _is_answered(text)
    load_catalogue(text, "c.yaml")


@given(st.lists(st.sampled_from(SIGNS), max_size=60).map("".join))
def test_any_soup_of_yaml_s_signs_is_answered(text: str) -> None:
    """Reading what YAML finds hardest gives a set or diagnostics."""
    _is_answered(text)
    load_catalogue(text, "c.yaml")


@st.composite
def _wounded(draw: st.DrawFn) -> str:
    """An example file with a few cuts, copies and signs in it."""
    text = draw(st.sampled_from(EXAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        middle = draw(st.one_of(st.sampled_from(SIGNS), st.just(""), st.just(text[:start][-20:])))
        text = text[:start] + middle + text[end:]
    return text


@given(_wounded())
def test_a_wounded_file_is_answered(text: str) -> None:
    """A mapping file with random damage gives a set or diagnostics."""
    _is_answered(text)


KEYS = st.sampled_from(
    re.findall(
        r"\w+",
        """
        workspace platform connections accounts custom_roles outside projects defaults conflicts manual rules guard id
        groups users when values grant deny from until note match name external_id connection tag in slot permissions
        description hold_revocations over and_at_least keep project_role workspace_role default_role workforce_role
        """,
    )
)
ROLES = ("labeler", "admin", "inherit", "none", "tenant_admin")
SIGNALS = ("all", "a", "{project}", "{team}", "x-{project}-*", "", "{", "*", "forbid", "union", "highest")
VALUES = ("labelbox", "label_studio", "25%", "2026-12-01", 'userType eq "x"', "active")
WORDS = st.sampled_from((*ROLES, *SIGNALS, *VALUES))
LEAVES = st.one_of(WORDS, st.integers(-1, 9), st.none(), st.booleans(), st.text(max_size=6))
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)),
    max_leaves=30,
)
FILES = st.fixed_dictionaries(
    {"workspace": st.just("w"), "platform": st.sampled_from(["labelbox", "label_studio"])},
    optional={
        "projects": st.one_of(TREES, st.just({"a": None, "b": {"tags": ["t"], "in": "c"}})),
        "rules": st.one_of(TREES, st.lists(st.dictionaries(KEYS, TREES, max_size=8), max_size=4)),
        "guard": TREES,
        "conflicts": TREES,
        "custom_roles": TREES,
        "outside": TREES,
        "accounts": TREES,
        "defaults": TREES,
        "manual": TREES,
        "connections": TREES,
    },
)


@given(FILES)
def test_any_tree_of_the_language_s_words_is_answered(tree: dict[str, Any]) -> None:
    """The language's own keys and words in any arrangement give a set or diagnostics."""
    _is_answered(yaml.safe_dump(tree, allow_unicode=True))


@given(st.dictionaries(st.text(min_size=1, max_size=5), TREES, max_size=4))
def test_any_tree_is_answered_as_a_catalogue(tree: dict[str, Any]) -> None:
    """Arbitrary trees where a catalogue is expected give diagnostics."""
    catalogue, problems = load_catalogue(yaml.safe_dump({**tree, "platform": "p", "slots": tree}), "c.yaml")
    assert (catalogue is None) == has_errors(problems)


@given(st.sampled_from(EXAMPLES))
def test_reading_is_a_function_of_the_text(text: str) -> None:
    """The same text gives the same mapping, however often it is read."""
    once, again = _load(text), _load(text)
    assert once == again
