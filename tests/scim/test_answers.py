"""Stored text to answers: spliced where nothing else is asked for, projected where it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rolebridge.core import errors as core
from rolebridge.scim import schemas
from rolebridge.scim.answers import (
    Projection,
    list_response,
    read_projection,
    resource_text,
    streamed,
)
from rolebridge.scim.errors import ScimError, invalid_value, translated
from rolebridge.scim.tolerances import Reading

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
META: dict[str, Any] = {"resourceType": "User", "version": 'W/"1"'}
ANA: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "id": "u1",
    "userName": "ana",
    "name": {"givenName": "Ana", "familyName": "L"},
    "emails": [{"type": "work", "value": "w"}, {"type": "home"}],
    ENTERPRISE: {"department": "D", "manager": {"value": "m"}},
    "meta": META,
}
BODY = json.dumps(ANA, separators=(",", ":"))
LOCATION = "https://bridge.example/scim/v2/Users/u1"
GROUPS = '{"value":"g1","display":"G"},{"value":"g2","display":"H"}'
WHOLE = {**ANA, "meta": {**META, "location": LOCATION}}


def projection(attributes: str | None = None, excluded: str | None = None) -> Projection:
    return read_projection(schemas.user(), attributes, excluded, Reading("strict", frozenset()))


def answer(chosen: Projection, related: str | None = GROUPS) -> Any:
    return json.loads(resource_text(BODY, LOCATION, chosen, "groups", related if chosen.related("groups") else None))


def test_without_wishes_the_stored_text_is_answered() -> None:
    """Location and groups are put in; every other character is the stored one."""
    text = resource_text(BODY, LOCATION, projection(), "groups", GROUPS)
    assert text.startswith(BODY[:-2])
    assert json.loads(text) == {**WHOLE, "groups": json.loads(f"[{GROUPS}]")}


def test_no_groups_is_no_attribute() -> None:
    """What is empty is unassigned (RFC 7643 §2.5)."""
    assert json.loads(resource_text(BODY, LOCATION, projection(), "groups", "")) == WHOLE


def test_excluding_only_what_is_not_stored_parses_nothing() -> None:
    """`excludedAttributes=members` is what Entra sends always: the text is not touched."""
    chosen = projection(excluded="groups")
    assert chosen.stored_whole
    assert not chosen.related("groups")
    assert answer(chosen) == WHOLE


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ("userName", {"userName": "ana"}),
        ("USERNAME, name.givenName,", {"userName": "ana", "name": {"givenName": "Ana"}}),
        ("name.givenName,name", {"name": ANA["name"]}),
        ("emails.type", {"emails": [{"type": "work"}, {"type": "home"}]}),
        ("emails.value", {"emails": [{"value": "w"}]}),
        (f"{ENTERPRISE}:department", {ENTERPRISE: {"department": "D"}}),
        (f"{ENTERPRISE}:manager.value", {ENTERPRISE: {"manager": {"value": "m"}}}),
        (ENTERPRISE, {ENTERPRISE: ANA[ENTERPRISE]}),
        ("meta.location", {"meta": {"location": LOCATION}}),
        ("groups", {"groups": json.loads(f"[{GROUPS}]")}),
        ("groups.value,groups.type", {"groups": [{"value": "g1"}, {"value": "g2"}]}),
        ("title", {}),
        ("password", {}),
    ],
)
def test_attributes_are_a_minimum_beside_schemas_and_id(attributes: str, names: dict[str, Any]) -> None:
    """Only what is named, and what is always returned (RFC 7644 §3.9)."""
    assert answer(projection(attributes)) == {"schemas": ANA["schemas"], "id": "u1", **names}


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("id,schemas", {}),
        ("emails", {"emails": None}),
        ("name.givenName", {"name": {"familyName": "L"}}),
        (f"{ENTERPRISE}:department", {ENTERPRISE: {"manager": {"value": "m"}}}),
        (f"{ENTERPRISE}:department,{ENTERPRISE}:manager", {ENTERPRISE: None}),
        (ENTERPRISE, {ENTERPRISE: None}),
        ("meta", {"meta": None}),
    ],
)
def test_excluded_attributes_go_and_what_is_always_returned_stays(excluded: str, gone: dict[str, Any]) -> None:
    """Everything but what is named."""
    expected = {name: value for name, value in {**WHOLE, **gone}.items() if value is not None}
    assert answer(projection(excluded=excluded), related=None) == expected


def test_excluding_a_sub_attribute_of_groups_keeps_the_rest_of_them() -> None:
    """A related attribute is projected as any other."""
    assert answer(projection(excluded="groups.display"))["groups"] == [{"value": "g1"}, {"value": "g2"}]


@pytest.mark.parametrize("attributes", ["user name", "emails[type eq", "a.b.c", "urn:x"])
def test_what_names_no_attribute_is_refused(attributes: str) -> None:
    """A query is no PATCH: its mistakes are invalidValue."""
    with pytest.raises(ScimError) as refused:
        projection(attributes)
    assert refused.value.scim_type == "invalidValue"


@pytest.mark.parametrize("blocks", [[], [GROUPS], [GROUPS, '{"value":"g3","display":"I"}']])
@pytest.mark.parametrize("attributes", [None, "groups.value"])
def test_many_members_are_streamed_block_by_block(blocks: list[str], attributes: str | None) -> None:
    """The parts make the same answer that one text would have been."""
    chosen = projection(attributes)
    parts = list(streamed(BODY, LOCATION, chosen, "groups", iter(blocks)))
    joined = ",".join(blocks)
    assert json.loads(b"".join(parts)) == json.loads(resource_text(BODY, LOCATION, chosen, "groups", joined))


def test_a_list_is_joined_and_counts_are_integers() -> None:
    """RFC 7644 §3.4.2: totalResults, startIndex and itemsPerPage."""
    found = json.loads(list_response(12, 6, ['{"id":"1"}', '{"id":"2"}']))
    assert found == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 12,
        "startIndex": 6,
        "itemsPerPage": 2,
        "Resources": [{"id": "1"}, {"id": "2"}],
    }
    assert json.loads(list_response(0, 1, []))["Resources"] == []


@pytest.mark.parametrize(
    ("error", "status", "scim_type", "headers"),
    [
        (core.NotFound("user", "u1"), 404, None, ()),
        (core.Taken("user", "userName", "ana"), 409, "uniqueness", ()),
        (core.VersionMismatch(3), 412, None, ()),
        (core.UnknownMembers(("a",)), 400, "invalidValue", ()),
        (core.Invalid("no", "title"), 400, "invalidValue", ()),
        (core.Unavailable("busy", 7), 503, None, (("Retry-After", "7"),)),
    ],
)
def test_refusals_of_the_use_cases_in_scims_form(
    error: core.RolebridgeError, status: int, scim_type: str | None, headers: tuple[Any, ...]
) -> None:
    """Each refusal has the status and keyword of RFC 7644 §3.12, and keeps its words."""
    found = translated(error)
    assert (found.status, found.scim_type, found.headers, found.detail) == (status, scim_type, headers, str(error))


def test_an_error_is_a_scim_error_message() -> None:
    """`status` is a string; without a keyword there is no scimType."""
    assert json.loads(invalid_value("„x“").within("operation 1").body()) == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "400",
        "scimType": "invalidValue",
        "detail": "operation 1: „x“",
    }
    assert "scimType" not in json.loads(ScimError(405, None, "no").body())
