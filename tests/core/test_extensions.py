"""Schema files: what is read, everything that is refused, and what a schema may become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.attributes import AttributeType
from rolebridge.core.extensions import (
    MAX_ATTRIBUTES,
    MAX_FILE,
    ExtensionSchema,
    Mutability,
    Resource,
    Returned,
    SchemaProblem,
    SchemaRefused,
    group_table,
    misgrown,
    read_extension,
    user_table,
)
from rolebridge.core.filters import check, matches, parse_filter
from rolebridge.core.schemas import CORE_USER, ENTERPRISE_USER, USER_TABLE

HR = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"


def schema(*attributes: dict[str, Any], **more: Any) -> str:
    """Return a schema file with these attributes."""
    return json.dumps({"id": HR, "name": "HR", "attributes": list(attributes or ({"name": "level"},)), **more})


def read(text: str, **how: Any) -> ExtensionSchema:
    return read_extension(text, Resource.USER, **how)


def problems(text: str, **how: Any) -> list[str]:
    with pytest.raises(SchemaRefused) as refused:
        read(text, **how)
    return [str(problem) for problem in refused.value.problems]


def test_a_schema_is_read_with_the_defaults_of_the_rfc() -> None:
    """What an attribute does not say is what RFC 7643 §2.2 says."""
    (level,) = read(schema({"name": "level"})).attributes
    assert (level.type, level.multi_valued, level.required, level.case_exact) == (
        AttributeType.STRING,
        False,
        False,
        False,
    )
    assert (level.mutability, level.returned) == (Mutability.READ_WRITE, Returned.DEFAULT)


def test_what_is_written_only_is_never_returned() -> None:
    """`writeOnly` implies `returned: never` (RFC 7643 §7)."""
    (pin,) = read(schema({"name": "pin", "mutability": "writeOnly"})).attributes
    assert pin.returned is Returned.NEVER
    assert not pin.kept


def test_the_canonical_text_reads_as_the_same_schema() -> None:
    """What is stored and announced is what was registered."""
    cost = {"name": "cost", "type": "complex", "multiValued": True, "subAttributes": [{"name": "value"}]}
    link = {"name": "badge", "type": "reference", "referenceTypes": ["external"], "canonicalValues": ["a"]}
    one = read(schema(cost, link, description="x"))
    assert read(one.text()) == one


@pytest.mark.parametrize(
    ("attribute", "problem"),
    [
        ({"name": "schemas"}, "attributes[0].name: `schemas` is a reserved name"),
        ({"name": "Meta"}, "attributes[0].name: `Meta` is a reserved name"),
        ({"name": "not"}, "attributes[0].name: `not` is a reserved name"),
        ({"name": "cost center"}, "attributes[0].name: `cost center` is no name"),
        ({"name": "x" * 101}, "attributes[0].name: "),
        ({}, "attributes[0].name: it is no name"),
        ({"name": "a", "type": "date"}, "attributes[0].type: `date` is none of string, boolean"),
        ({"name": "a", "type": "complex"}, "attributes[0].subAttributes: is not a list of at least one attribute"),
        ({"name": "a", "subAttributes": [{"name": "b"}]}, "attributes[0].subAttributes: are there, but the type"),
        ({"name": "a", "multiValued": "yes"}, "attributes[0].multiValued: is neither true nor false"),
        ({"name": "a", "multivalued": True}, "attributes[0]: there is no `multivalued` in a schema; did you mean"),
        ({"name": "a", "uniqueness": "server"}, "attributes[0].uniqueness: `server` is not offered: only userName"),
        ({"name": "a", "uniqueness": "global"}, "attributes[0].uniqueness: `global` is not offered"),
        ({"name": "a", "mutability": "writeOnly", "returned": "default"}, "attributes[0].returned: what is writeOnly"),
        ({"name": "a", "mutability": "readOnly", "required": True}, "attributes[0].required: nobody could set it"),
        ({"name": "a", "returned": "never", "required": True}, "attributes[0].required: what is never returned"),
        ({"name": "a", "returned": "never", "mutability": "immutable"}, "attributes[0].mutability: what is never"),
        ({"name": "a", "canonicalValues": "x"}, "attributes[0].canonicalValues: is no list"),
        ({"name": "a", "description": "\0"}, "attributes[0].description: is no text"),
        ({"name": "department"}, "attributes: `department` is an attribute of the enterprise extension"),
    ],
)
def test_an_attribute_that_cannot_be_is_refused(attribute: dict[str, Any], problem: str) -> None:
    """Each refusal says where and what."""
    assert any(found.startswith(problem) for found in problems(schema(attribute)))


@pytest.mark.parametrize(
    ("sub", "problem"),
    [
        ({"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]}, "is inside `a`: a sub-attribute has none"),
        ({"name": "b", "mutability": "immutable"}, "a sub-attribute is not immutable by itself; say it of `a`"),
        ({"name": "b", "returned": "request"}, "`request` is not offered for a sub-attribute"),
    ],
)
def test_a_sub_attribute_that_cannot_be_is_refused(sub: dict[str, Any], problem: str) -> None:
    """Attributes are two levels deep (RFC 7643 §2.3.8)."""
    found = problems(schema({"name": "a", "type": "complex", "subAttributes": [sub]}))
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("urn", "problem"),
    [
        ("acme", "is no URN like"),
        ("URN:acme:x", "is no URN like"),
        ("urn:acme:" + "x" * 200, "is no URN like"),
        (CORE_USER, "is a schema that every organization has"),
        (ENTERPRISE_USER.upper().replace("URN", "urn", 1), "is a schema that every organization has"),
        ("urn:ietf:params:scim:schemas:core:2.0:Device", "is reserved; extensions begin with"),
        ("urn:ietf:params:scim:api:messages:2.0:PatchOp", "is reserved"),
        (f"{ENTERPRISE_USER}:more", "one begins with the other, so paths would be ambiguous"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0", "one begins with the other"),
    ],
)
def test_a_urn_that_clashes_is_refused(urn: str, problem: str) -> None:
    """A URN is one of the organization's own, and no path can mean two things."""
    assert any(problem in found for found in problems(schema(id=urn)))


def test_a_registered_urn_is_taken() -> None:
    """In any case of letters."""
    one = read(schema())
    assert problems(schema(id=HR.replace("acme", "ACME")), registered=[one]) == [f"id: `{HR}` is registered already"]


def test_all_problems_are_reported_at_once() -> None:
    """Who repairs a file sees everything that is wrong with it."""
    text = schema({"name": "id"}, {"name": "a", "type": "date"}, {"name": "a"}, {"name": "A"}, id="x", more=1)
    assert len(problems(text)) == 6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file is not JSON"),
        ("[" * 100_000, "the file is not JSON: it is nested too deeply"),
        ("[]", "the file holds no JSON object"),
        ('{"id": "x", "id": "y"}', "the key `id` stands twice in one object"),
        (" " * (MAX_FILE + 1), f"the file has more than {MAX_FILE} bytes"),
    ],
)
def test_a_file_that_is_no_schema_is_refused(text: str, problem: str) -> None:
    """Whatever is in it."""
    assert problem in problems(text)[0]


def test_too_many_attributes_are_refused() -> None:
    """A schema has a size."""
    many = [{"name": f"a{number}"} for number in range(MAX_ATTRIBUTES + 1)]
    assert problems(schema(*many)) == ["attributes: has 201 attributes, the limit is 200"]


def test_tables_hold_the_attributes_of_the_right_resource() -> None:
    """A schema of users is none of groups; what is never returned cannot be asked for."""
    one = read(schema({"name": "level", "type": "integer"}, {"name": "pin", "returned": "never"}))
    assert group_table([one]).extensions == {}
    assert user_table([]) is USER_TABLE
    assert set(user_table([one]).extensions[HR]) == {"level"}
    resource = {HR: {"level": 3}}
    assert matches(check(parse_filter(f"{HR}:level gt 2"), user_table([one])), resource)


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ([{"name": "level", "type": "integer"}, {"name": "more"}], None),
        ([{"name": "level", "type": "integer", "required": True, "mutability": "immutable"}], None),
        ([{"name": "more"}], "level: is missing"),
        ([{"name": "level"}], "level: changes its type"),
        ([{"name": "level", "type": "integer", "multiValued": True}], "level: changes its multiValued"),
        ([{"name": "level", "type": "integer", "returned": "never"}], "level: changes its returned"),
        ([{"name": "Level", "type": "integer"}], "level: changes its name"),
    ],
)
def test_a_schema_may_grow_and_not_change(after: list[dict[str, Any]], problem: str | None) -> None:
    """What a kept value means stays as it is."""
    found = misgrown(read(schema({"name": "level", "type": "integer"})), read(schema(*after)))
    assert str(found[0]).startswith(problem) if problem else not found


KEYS = st.sampled_from(
    ["id", "name", "attributes", "subAttributes", "type", "multiValued", "returned", "mutability", "schemas", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([HR, "complex", "string", "a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_any_json_is_read_or_refused(document: dict[str, Any]) -> None:
    """No file brings anything but a schema, which then reads again, or its problems."""
    refusals: tuple[SchemaProblem, ...] = ()
    try:
        found = read(json.dumps(document))
    except SchemaRefused as refused:
        found = None
        refusals = refused.problems
    assert refusals if found is None else read(found.text()) == found


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the file holds, what comes is a list of problems."""
    with pytest.raises(SchemaRefused):
        read(text)
