"""Filters of the shape `attribute eq "text"`, which are read without the grammar: what they mean is what it says."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.scim import queries
from rolebridge.scim.errors import ScimError
from rolebridge.scim.profile import profile
from rolebridge.scim.schemas import ResourceSchema, standard
from rolebridge.scim.tolerances import Tolerance

TABLES = [standard().user, standard().group]
KNOWN = [
    "userName",
    "externalId",
    "displayName",
    "id",
    "name.familyName",
    "emails",
    "emails.value",
    "active",
    "members",
]
OTHERS = ["meta.created", "meta.location", "department", f"{ENTERPRISE_USER}:department", "nickName", "nothing", "not"]
names = st.sampled_from(KNOWN + OTHERS).flatmap(
    lambda name: st.sampled_from([name, name.upper(), name.lower(), f"{name}.value", f" {name}", f"{name} "])
)
values = st.text(st.characters(), max_size=30) | st.sampled_from(["", "Ana", "ÄÖ ß", "true", "2026-11-01T00:00:00Z"])


def read(text: str, schema: ResourceSchema, forgiving: bool) -> object:
    """Return what a filter is read as, what was forgiven, or how it is refused."""
    reading = profile("generic" if forgiving else "strict").reading()
    try:
        resolved = queries.read_filter(text, schema.table, reading)
    except ScimError as error:
        return error.status, error.scim_type, error.detail
    return resolved, getattr(resolved, "written", None), reading.used


@settings(max_examples=400)
@given(names, values, st.sampled_from(['"', ""]), st.sampled_from(TABLES), st.booleans())
@example("userName", 'a"b', '"', TABLES[0], True)
@example("userName", "a\\b", '"', TABLES[0], True)
@example("userName", "\x85", '"', TABLES[0], True)
@example("userName", "x" * 9_000, '"', TABLES[0], True)
def test_the_short_way_reads_what_the_grammar_reads(
    name: str, value: str, quote: str, schema: ResourceSchema, forgiving: bool
) -> None:
    """Meaning, letters as written, tolerances and refusals are the same, whatever stands there."""
    text = f"{name} eq {quote}{value}{quote}"
    short = read(text, schema, forgiving)
    with patch.object(queries, "_equality", return_value=None):
        assert read(text, schema, forgiving) == short


@pytest.mark.parametrize("name", ["userName", "externalId", "displayName", "id", "USERNAME", "emails.value"])
def test_what_identity_providers_ask_goes_the_short_way(name: str) -> None:
    """Names and ids are compared without asking the grammar again."""
    queries.read_filter(f'{name} eq "warm"', TABLES[0].table, profile("strict").reading())
    with patch.object(queries, "check", side_effect=AssertionError):
        queries.read_filter(f'{name} eq "Ana"', TABLES[0].table, profile("strict").reading())


def test_an_attribute_of_an_extension_without_its_urn_is_forgiven_each_time() -> None:
    """The tolerance is counted for every request that uses it."""
    for value in ("one", "two"):
        reading = profile("generic").reading()
        queries.read_filter(f'department eq "{value}"', TABLES[0].table, reading)
        assert reading.used == {Tolerance.TOP_LEVEL_EXTENSION}
