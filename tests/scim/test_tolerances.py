"""The truth table of tolerances: forgiven, counted and effective where a profile has one, refused by name where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.scim import answers, schemas
from rolebridge.scim.canonical import read_group, read_user
from rolebridge.scim.errors import ScimError
from rolebridge.scim.membership import read_group_change
from rolebridge.scim.patch import read_user_change
from rolebridge.scim.tolerances import Reading, Tolerance

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

Act = Callable[[Reading], Any]


def post(**attributes: Any) -> Act:
    """Read the creation of a user; the result is its attributes without userName."""
    body = {"schemas": [USER, ENTERPRISE], "userName": "ana", **attributes}
    return lambda reading: {
        name: value for name, value in read_user(body, reading).attributes.items() if name != "userName"
    }


def post_group(members: Any) -> Act:
    body = {"schemas": [GROUP], "displayName": "g", "members": members}
    return lambda reading: read_group(body, reading)[1]


def raw_post(body: Any) -> Act:
    return lambda reading: read_user(body, reading).user_name


HOME = {"emails": [{"type": "home", "value": "h"}]}


def patch(*operations: dict[str, Any], before: dict[str, Any] | None = None, schemas: Any = (PATCH,)) -> Act:
    """Patch a user that has only what `before` says; the result is what it has afterwards, without the rest."""
    body = {"schemas": list(schemas), "Operations": list(operations)}

    def act(reading: Reading) -> Any:
        draft = UserDraft("ana", None, True, {"userName": "ana", **(before or {})})
        after = dict(read_user_change(body, reading)(draft).attributes)
        return {name: value for name, value in after.items() if name not in ("userName", "active")}

    return act


def patch_active(value: Any) -> Act:
    body = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": value}]}
    return lambda reading: read_user_change(body, reading)(UserDraft("ana", None, True, {"userName": "ana"})).active


def patch_group(*operations: dict[str, Any]) -> Act:
    body = {"schemas": [PATCH], "Operations": list(operations)}

    def act(reading: Reading) -> Any:
        change = read_group_change(body, reading)
        steps = [(step.action.value, step.ids) for step in change.steps]
        return steps if change.revise is None else change.revise(GroupDraft("g", None, {"displayName": "g"})).display

    return act


def project(attributes: str | None, excluded: str | None = None) -> Act:
    resource = {"schemas": [USER], "id": "1", "userName": "ana", "emails": [{"value": "a", "type": "work"}]}

    def act(reading: Reading) -> Any:
        return answers.read_projection(schemas.user(), attributes, excluded, reading).applied(resource).keys()

    return act


@dataclass(frozen=True)
class Case:
    tolerance: Tolerance
    act: Act
    result: Any
    scim_type: str


T = Tolerance
CASES = [
    Case(T.STRING_BOOLEAN, post(active="True"), {"active": True}, "invalidValue"),
    Case(T.STRING_BOOLEAN, patch_active("False"), False, "invalidValue"),
    Case(
        T.STRING_BOOLEAN,
        patch(
            {"op": "replace", "path": 'roles[primary eq "True"].value', "value": "b"},
            before={"roles": [{"value": "a", "primary": True}]},
        ),
        {"roles": [{"value": "b", "primary": True}]},
        "invalidFilter",
    ),
    Case(T.SCALAR_AS_STRING, post(title=7), {"title": "7"}, "invalidValue"),
    Case(T.SCALAR_AS_STRING, post(title=True), {"title": "true"}, "invalidValue"),
    Case(T.EMPTY_STRING_CLEARS, post(title=""), {}, "invalidValue"),
    Case(T.EMPTY_STRING_CLEARS, post(emails=""), {}, "invalidValue"),
    Case(T.EMPTY_STRING_CLEARS, post(emails=[{"type": "work", "value": ""}]), {}, "invalidValue"),
    Case(T.EMPTY_STRING_CLEARS, post(**{ENTERPRISE: {"manager": ""}}), {}, "invalidValue"),
    Case(T.EMPTY_STRING_CLEARS, post(**{ENTERPRISE: ""}), {}, "invalidValue"),
    Case(
        T.EMPTY_STRING_CLEARS,
        patch({"op": "replace", "path": "title", "value": ""}, before={"title": "t"}),
        {},
        "invalidValue",
    ),
    Case(T.SINGLE_FOR_LIST, post(roles={"value": "a"}), {"roles": [{"value": "a"}]}, "invalidValue"),
    Case(T.SINGLE_FOR_LIST, raw_post({"schemas": USER, "userName": "ana"}), "ana", "invalidSyntax"),
    Case(T.LIST_FOR_SINGLE, post(title=["a"]), {"title": "a"}, "invalidValue"),
    Case(
        T.LIST_FOR_SINGLE,
        post(**{ENTERPRISE: {"manager": [{"value": "m"}]}}),
        {ENTERPRISE: {"manager": {"value": "m"}}},
        "invalidValue",
    ),
    Case(
        T.BARE_VALUE,
        post(**{ENTERPRISE: {"manager": "m"}}),
        {ENTERPRISE: {"manager": {"value": "m"}}},
        "invalidValue",
    ),
    Case(
        T.BARE_VALUE,
        patch({"op": "add", "path": f"{ENTERPRISE}:manager", "value": "m"}),
        {ENTERPRISE: {"manager": {"value": "m"}}},
        "invalidValue",
    ),
    Case(T.BARE_VALUE, post(roles=["a", "b"]), {"roles": [{"value": "a"}, {"value": "b"}]}, "invalidValue"),
    Case(T.BARE_VALUE, post_group(["u1", "u2"]), ("u1", "u2"), "invalidValue"),
    Case(
        T.DISPLAY_NAME_FOR_DISPLAY,
        post(roles=[{"value": "a", "displayName": "A"}]),
        {"roles": [{"value": "a", "display": "A"}]},
        "invalidSyntax",
    ),
    Case(
        T.SEVERAL_PRIMARIES,
        post(emails=[{"value": "a", "primary": True}, {"value": "b", "primary": True}]),
        {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": False}]},
        "invalidValue",
    ),
    Case(
        T.SEVERAL_PRIMARIES,
        patch(
            {"op": "replace", "path": "emails.primary", "value": True},
            before={"emails": [{"value": "a"}, {"value": "b"}]},
        ),
        {"emails": [{"value": "a", "primary": True}, {"value": "b", "primary": False}]},
        "invalidValue",
    ),
    Case(T.TOP_LEVEL_EXTENSION, post(department="d"), {ENTERPRISE: {"department": "d"}}, "invalidSyntax"),
    Case(
        T.TOP_LEVEL_EXTENSION,
        patch({"op": "add", "path": "department", "value": "d"}),
        {ENTERPRISE: {"department": "d"}},
        "invalidPath",
    ),
    Case(
        T.TOP_LEVEL_EXTENSION,
        patch({"op": "add", "value": {"department": "d"}}),
        {ENTERPRISE: {"department": "d"}},
        "invalidPath",
    ),
    Case(T.UNKNOWN_ATTRIBUTE, post(shoeSize="42"), {}, "invalidSyntax"),
    Case(T.UNKNOWN_ATTRIBUTE, post(name={"nick": "x"}), {}, "invalidSyntax"),
    Case(T.UNKNOWN_ATTRIBUTE, post(**{ENTERPRISE: {"shoeSize": "42"}}), {}, "invalidSyntax"),
    Case(T.UNKNOWN_ATTRIBUTE, patch({"op": "add", "path": "shoeSize", "value": "42"}), {}, "invalidPath"),
    Case(T.UNKNOWN_ATTRIBUTE, patch({"op": "add", "value": {"shoeSize": "42"}}), {}, "invalidPath"),
    Case(
        T.UNKNOWN_ATTRIBUTE,
        patch({"op": "add", "value": {ENTERPRISE: {"shoeSize": "42"}}}),
        {},
        "invalidPath",
    ),
    Case(T.UNKNOWN_ATTRIBUTE, project("shoeSize,userName"), {"schemas", "id", "userName"}, "invalidValue"),
    Case(T.SCHEMAS_INCOMPLETE, raw_post({"userName": "ana"}), "ana", "invalidSyntax"),
    Case(T.SCHEMAS_INCOMPLETE, raw_post({"schemas": [], "userName": "ana"}), "ana", "invalidSyntax"),
    Case(
        T.SCHEMAS_INCOMPLETE,
        raw_post({"schemas": [USER], "userName": "ana", ENTERPRISE: {"department": "d"}}),
        "ana",
        "invalidSyntax",
    ),
    Case(
        T.SCHEMAS_INCOMPLETE,
        patch({"op": "add", "path": "title", "value": "t"}, schemas=()),
        {"title": "t"},
        "invalidSyntax",
    ),
    Case(
        T.SCHEMAS_UNKNOWN,
        raw_post({"schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"], "userName": "ana"}),
        "ana",
        "invalidSyntax",
    ),
    Case(T.CAPITAL_OP, patch({"op": "Add", "path": "title", "value": "t"}), {"title": "t"}, "invalidSyntax"),
    Case(
        T.PATH_KEYS,
        patch({"op": "replace", "value": {"name.givenName": "G", f"{ENTERPRISE}:department": "d"}}),
        {"name": {"givenName": "G"}, ENTERPRISE: {"department": "d"}},
        "invalidPath",
    ),
    Case(
        T.FILTER_KEYS,
        patch({"op": "replace", "value": {'emails[type eq "home"].value': "x"}}, before=HOME),
        {"emails": [{"type": "home", "value": "x"}]},
        "invalidPath",
    ),
    Case(
        T.CREATE_ABSENT,
        patch({"op": "add", "path": 'emails[type eq "work"].value', "value": "w"}, before=HOME),
        {"emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}]},
        "noTarget",
    ),
    Case(
        T.CREATE_ABSENT,
        patch({"op": "replace", "path": "roles[primary eq true]", "value": {"value": "r"}}),
        {"roles": [{"primary": True, "value": "r"}]},
        "noTarget",
    ),
    Case(
        T.CREATE_ABSENT,
        patch({"op": "add", "path": "emails.value", "value": "w"}),
        {"emails": [{"value": "w"}]},
        "noTarget",
    ),
    Case(
        T.CREATE_ABSENT,
        patch_group({"op": "add", "path": 'members[value eq "u"]', "value": {}}),
        [("add", ("u",))],
        "noTarget",
    ),
    Case(
        T.REMOVE_WITH_VALUE,
        patch_group({"op": "remove", "path": "members", "value": [{"value": "u", "$ref": None}]}),
        [("remove", ("u",))],
        "invalidValue",
    ),
    Case(
        T.REMOVE_WITH_VALUE,
        patch(
            {"op": "remove", "path": "roles", "value": [{"value": "a"}]},
            before={"roles": [{"value": "a", "type": "t"}, {"value": "b"}]},
        ),
        {"roles": [{"value": "b"}]},
        "invalidValue",
    ),
    Case(T.ADD_NULL, patch({"op": "add", "path": "title", "value": None}, before={"title": "t"}), {}, "invalidValue"),
    Case(T.ADD_NULL, patch({"op": "add", "path": "emails", "value": None}, before=HOME), HOME, "invalidValue"),
    Case(T.ADD_NULL, patch_group({"op": "add", "path": "members", "value": None}), [], "invalidValue"),
    Case(
        T.READ_ONLY_ECHOED,
        patch_group({"op": "replace", "value": {"id": "1", "displayName": "new"}}),
        "new",
        "mutability",
    ),
    Case(
        T.UNQUOTED_VALUE,
        patch({"op": "replace", "path": "emails[type eq home].value", "value": "x"}, before=HOME),
        {"emails": [{"type": "home", "value": "x"}]},
        "invalidFilter",
    ),
    Case(
        T.FILTER_IN_ATTRIBUTES,
        project('userName,emails[type eq "work"].value'),
        {"schemas", "id", "userName", "emails"},
        "invalidValue",
    ),
    Case(T.BOTH_PROJECTIONS, project("userName", "emails"), {"schemas", "id", "userName"}, "invalidValue"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.tolerance.value)
def test_a_tolerance_that_the_profile_has_is_effective_and_counted(case: Case) -> None:
    """With this one tolerance the request is read as meant, and exactly this tolerance is noted as used."""
    reading = Reading("one", frozenset({case.tolerance}))
    assert case.act(reading) == case.result
    assert reading.used == {case.tolerance}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.tolerance.value)
def test_without_it_the_request_is_refused_and_the_refusal_names_it(case: Case, strict: Reading) -> None:
    """Every other tolerance does not help: the refusal has the RFC's keyword and says what would forgive it."""
    for reading in (strict, Reading("others", frozenset(Tolerance) - {case.tolerance})):
        with pytest.raises(ScimError) as refused:
            case.act(reading)
        assert refused.value.status == 400
        assert refused.value.scim_type == case.scim_type
        assert f"does not forgive `{case.tolerance}`" in refused.value.detail
        assert case.tolerance not in reading.used


def test_every_tolerance_has_a_case_and_a_meaning() -> None:
    """A tolerance that nobody tests or explains does not exist."""
    elsewhere = {Tolerance.JSON_IN_STRING, Tolerance.ENDPOINT_CASE}
    assert {case.tolerance for case in CASES} | elsewhere == set(Tolerance)
    assert all(tolerance.meaning and "\n" not in tolerance.meaning for tolerance in Tolerance)


ROLE = '{"id":"06b0","value":"Reader","displayName":"Readers"}'


def test_a_role_as_json_text_is_decoded_where_the_profile_says_so(generic: Reading) -> None:
    """AppRoleAssignmentsComplex puts the role's JSON into its value; conditions want the role."""
    assert post(roles=[{"value": ROLE}])(generic) == {"roles": [{"value": "Reader", "display": "Readers"}]}
    assert Tolerance.JSON_IN_STRING in generic.used


@pytest.mark.parametrize("text", [ROLE, "{not json", '{"value": 1}', '{"value": "{nested"}', "{" * 5000])
def test_text_that_is_json_or_nearly_stays_text_in_strict(text: str, strict: Reading) -> None:
    """To the letter of the RFC a role's value is a string, whatever it says."""
    assert post(roles=[{"value": text}])(strict) == {"roles": [{"value": text}]}


@pytest.mark.parametrize("text", ["{not json", '{"value": 1}', '{"value": "{nested"}', '{"id": 1}', "{" * 5000])
def test_text_that_only_begins_like_json_stays_text(text: str, generic: Reading) -> None:
    """What does not decode to a role is kept as it was sent."""
    assert post(roles=[{"value": text}])(generic) == {"roles": [{"value": text}]}
    assert not generic.used
