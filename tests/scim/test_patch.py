"""PATCH of users: RFC 7644 §3.5.2, and the dialects that identity providers speak."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from rolebridge.core.directory import UserDraft
from rolebridge.scim import schemas
from rolebridge.scim.canonical import MAX_ELEMENTS
from rolebridge.scim.errors import ScimError
from rolebridge.scim.operations import MAX_OPERATIONS, read_operations
from rolebridge.scim.patch import MAX_USER_OPERATIONS, apply, read_user_change
from rolebridge.scim.tolerances import Reading, Tolerance

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ANA: dict[str, Any] = {
    "userName": "ana",
    "title": "T",
    "name": {"givenName": "Ana", "familyName": "Lopez"},
    "emails": [{"type": "work", "value": "w", "primary": True}, {"type": "home", "value": "h"}],
    ENTERPRISE: {"department": "D", "manager": {"value": "m", "$ref": "Users/m"}},
}


def patched(reading: Reading, *operations: dict[str, Any], before: dict[str, Any] = ANA) -> dict[str, Any]:
    kept = deepcopy(before)
    body = {"schemas": [PATCH], "Operations": list(operations)}
    try:
        return apply(schemas.user(), read_operations(body, reading), before, reading)
    finally:
        assert before == kept, "what came in was changed"


def op(op: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    given = {"op": op, "path": path, "value": value}
    return {
        name: item
        for name, item in given.items()
        if (item is not ... and item is not None) or (name == "value" and item is None)
    }


RFC_CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (op("replace", "title", "N"), {"title": "N"}),
    (op("add", "nickName", "N"), {"nickName": "N"}),
    (op("remove", "title"), {"title": None}),
    (op("remove", "nickName"), {}),
    (op("replace", "title", None), {"title": None}),
    (op("replace", "TITLE", "N"), {"title": "N"}),
    (op("replace", "urn:ietf:params:scim:schemas:core:2.0:User:title", "N"), {"title": "N"}),
    (op("replace", "name.givenName", "N"), {"name": {"givenName": "N", "familyName": "Lopez"}}),
    (op("remove", "name.givenName"), {"name": {"familyName": "Lopez"}}),
    (op("replace", "name", {"givenName": "N"}), {"name": {"givenName": "N", "familyName": "Lopez"}}),
    (op("add", "name", {"givenName": None}), {"name": {"familyName": "Lopez"}}),
    (op("remove", "name"), {"name": None}),
    (
        op("replace", value={"title": "N", "name": {"givenName": "N"}}),
        {"title": "N", "name": {"givenName": "N", "familyName": "Lopez"}},
    ),
    (op("add", "emails", [{"value": "x"}]), {"emails": [*ANA["emails"], {"value": "x"}]}),
    (op("add", "emails", [{"type": "home", "value": "h"}]), {}),
    (
        op("add", "emails", [{"type": "home", "value": "h", "display": "H"}]),
        {"emails": [ANA["emails"][0], {"type": "home", "value": "h", "display": "H"}]},
    ),
    (op("replace", "emails", [{"value": "x"}]), {"emails": [{"value": "x"}]}),
    (op("replace", "emails", []), {"emails": None}),
    (op("replace", "emails", None), {"emails": None}),
    (op("remove", "emails"), {"emails": None}),
    (
        op("add", "emails", [{"value": "x", "primary": True}]),
        {
            "emails": [
                {"type": "work", "value": "w", "primary": False},
                {"type": "home", "value": "h"},
                {"value": "x", "primary": True},
            ]
        },
    ),
    (
        op("replace", 'emails[type eq "HOME"].value', "x"),
        {"emails": [ANA["emails"][0], {"type": "home", "value": "x"}]},
    ),
    (
        op("replace", 'emails[type eq "home"].primary', True),
        {"emails": [{"type": "work", "value": "w", "primary": False}, {"type": "home", "value": "h", "primary": True}]},
    ),
    (
        op("replace", 'emails[type eq "home"]', {"display": "H"}),
        {"emails": [ANA["emails"][0], {"type": "home", "value": "h", "display": "H"}]},
    ),
    (op("replace", 'emails[type eq "home"]', None), {"emails": [ANA["emails"][0]]}),
    (
        op("replace", 'emails[type pr and not (type eq "home")].value', "x"),
        {"emails": [{"type": "work", "value": "x", "primary": True}, ANA["emails"][1]]},
    ),
    (op("remove", 'emails[type eq "home" or value eq "w"]'), {"emails": None}),
    (op("remove", 'emails[type eq "other"]'), {}),
    (op("remove", 'emails[type eq "other"].value'), {}),
    (op("remove", 'emails[type eq "home"].value'), {"emails": [ANA["emails"][0]]}),
    (op("remove", "emails.type"), {"emails": [{"value": "w", "primary": True}, {"value": "h"}]}),
    (
        op("replace", "emails.display", "x"),
        {"emails": [{**ANA["emails"][0], "display": "x"}, {**ANA["emails"][1], "display": "x"}]},
    ),
    (op("replace", f"{ENTERPRISE}:department", "N"), {ENTERPRISE: {**ANA[ENTERPRISE], "department": "N"}}),
    (op("replace", ENTERPRISE, {"department": "N"}), {ENTERPRISE: {**ANA[ENTERPRISE], "department": "N"}}),
    (op("replace", value={ENTERPRISE: {"department": "N"}}), {ENTERPRISE: {**ANA[ENTERPRISE], "department": "N"}}),
    (op("remove", ENTERPRISE), {ENTERPRISE: None}),
    (op("replace", ENTERPRISE, None), {ENTERPRISE: None}),
    (op("replace", f"{ENTERPRISE}:manager.value", "n"), {ENTERPRISE: {"department": "D", "manager": {"value": "n"}}}),
    (
        op("replace", f"{ENTERPRISE}:manager", {"value": "n"}),
        {ENTERPRISE: {"department": "D", "manager": {"value": "n"}}},
    ),
    (op("replace", f"{ENTERPRISE}:manager", {"value": "m"}), {}),
    (op("replace", f"{ENTERPRISE}:manager", {"value": None}), {ENTERPRISE: {"department": "D"}}),
    (op("remove", f"{ENTERPRISE}:manager"), {ENTERPRISE: {"department": "D"}}),
    (op("replace", "password", "secret"), {}),
    (op("add", value={"password": "secret"}), {}),
    (op("add", "schemas", [ENTERPRISE]), {}),
    (op("replace", value={"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}), {}),
]


@pytest.mark.parametrize(("operation", "difference"), RFC_CASES, ids=lambda case: str(case)[:80])
def test_what_the_rfc_says(operation: dict[str, Any], difference: dict[str, Any], strict: Reading) -> None:
    """One operation to the letter of RFC 7644 §3.5.2 changes what it names and nothing else."""
    expected = {name: value for name, value in {**ANA, **difference}.items() if value is not None}
    assert patched(strict, operation) == expected


@pytest.mark.parametrize(
    ("operation", "scim_type", "detail"),
    [
        (op("frobnicate", "title", "x"), "invalidSyntax", "the `op` of operation 1 is `frobnicate`"),
        ({"path": "title", "value": "x"}, "invalidSyntax", "the `op` of operation 1 is missing"),
        ({"op": "add", "path": 5, "value": "x"}, "invalidSyntax", "the path of operation 1 is not a string"),
        (op("remove"), "noTarget", "operation 1 (remove): a remove needs a path"),
        (op("replace", "title"), "invalidValue", "operation 1 (replace `title`): there is no `value`"),
        (op("replace", value="x"), "invalidValue", "without a path, the value is an object"),
        (op("replace", 'emails[type eq "work"', "x"), "invalidPath", "`[` is never closed"),
        (op("replace", "emails[kind eq 1].value", "x"), "invalidFilter", "no sub-attribute `kind`"),
        (op("replace", 'title[value eq "x"]', "x"), "invalidPath", "one simple value"),
        (op("replace", "title title", "x"), "invalidPath", "expected the end of the path"),
        (op("replace", "id", "x"), "mutability", "operation 1 (replace `id`): `id` is read-only"),
        (op("replace", "meta.created", "x"), "mutability", "`meta` is read-only"),
        (op("add", "groups", [{"value": "g"}]), "mutability", "`groups` is read-only"),
        (op("add", f"{ENTERPRISE}:manager.displayName", "x"), "mutability", "manager.displayName` is read-only"),
        (op("remove", "userName"), "mutability", "`userName` is required and cannot be removed"),
        (op("replace", "userName", None), "mutability", "`userName` is required and cannot be removed"),
        (op("replace", "userName", ""), "mutability", "`userName` is required and cannot be removed"),
        (op("replace", "active", "maybe"), "invalidValue", "`active` is a string `maybe`, not true or false"),
        (op("replace", "name", 5), "invalidValue", "`name` is a number, not an object"),
        (op("replace", ENTERPRISE, "x"), "invalidValue", "is an object of its attributes"),
        (op("remove", "urn:ietf:params:scim:schemas:core:2.0:User"), "mutability", "is the resource itself"),
        (op("add", 'emails[type eq "a" or type eq "b"].value', "x"), "noTarget", "describes none to create"),
        (op("add", 'emails[type eq "other"].type', "home"), "invalidValue", "contradicts the filter"),
    ],
)
def test_what_no_profile_forgives(operation: dict[str, Any], scim_type: str, detail: str, generic: Reading) -> None:
    """Each refusal has the RFC's keyword and says which operation is meant and why."""
    with pytest.raises(ScimError) as refused:
        patched(generic, operation)
    assert refused.value.scim_type == scim_type
    assert detail in refused.value.detail


@pytest.mark.parametrize("body", [None, [], {}, {"Operations": []}, {"Operations": {}}, {"Operations": [5]}])
def test_a_patch_needs_operations(body: Any, generic: Reading) -> None:
    """A body without a list of at least one operation is no PATCH."""
    with pytest.raises(ScimError) as refused:
        read_operations(body, generic)
    assert refused.value.scim_type == "invalidSyntax"


def test_operations_run_in_order_and_see_each_other(strict: Reading) -> None:
    """remove, add, replace of one attribute: the last one counts."""
    operations = [op("remove", "title"), op("add", "title", "Between"), op("replace", "title", "Final")]
    assert patched(strict, *operations)["title"] == "Final"


def test_a_refused_operation_leaves_nothing_half_done(strict: Reading) -> None:
    """PATCH is atomic: the refusal of the second operation names it, and the first one never was."""
    with pytest.raises(ScimError, match=r"operation 2 \(replace `shoeSize`\)"):
        patched(strict, op("replace", "title", "half"), op("replace", "shoeSize", 5))


def test_entra_builds_an_element_sub_attribute_by_sub_attribute(generic: Reading) -> None:
    """The validator adds work address and primary role piece by piece to a user that has neither: one element each."""
    operations = [
        op("add", 'addresses[type eq "work"].primary', True),
        op("add", 'addresses[type eq "work"].country', "Malta"),
        op("add", 'roles[primary eq "True"].display', "d"),
        op("add", 'roles[primary eq "True"].value', "v"),
    ]
    after = patched(generic, *operations, before={"userName": "ana"})
    assert after["addresses"] == [{"type": "work", "primary": True, "country": "Malta"}]
    assert after["roles"] == [{"primary": True, "display": "d", "value": "v"}]
    assert generic.used == {Tolerance.CREATE_ABSENT, Tolerance.STRING_BOOLEAN}


@pytest.mark.parametrize("nothing", ["", None])
def test_clearing_twice_is_no_error(nothing: Any, generic: Reading) -> None:
    """Entra's null update comes twice: what is cleared stays absent, and its siblings stay."""
    operations = [
        op("replace", 'emails[type eq "home"].value', nothing),
        op("replace", 'phoneNumbers[type eq "mobile"].value', nothing),
        op("replace", value={"title": nothing, "name.givenName": nothing, f"{ENTERPRISE}:department": nothing}),
        op("replace", f"{ENTERPRISE}:manager", nothing),
    ]
    once = patched(generic, *operations)
    assert once == {"userName": "ana", "name": {"familyName": "Lopez"}, "emails": [ANA["emails"][0]]}
    assert patched(generic, *operations, before=once) == once


def test_active_of_the_draft_follows_and_is_kept_when_unsaid(strict: Reading) -> None:
    """The change sees `active` as an attribute; what removes it leaves the user as they are, and untold."""
    inactive = UserDraft("ana", None, False, {"userName": "ana"})
    for operation, active in [
        (op("replace", "title", "x"), False),
        (op("replace", "active", True), True),
        (op("replace", value={"active": True}), True),
        (op("remove", "active"), False),
    ]:
        change = read_user_change({"schemas": [PATCH], "Operations": [operation]}, strict)
        assert change(inactive).active is active
        assert change(inactive).attributes["active"] is (None if operation["op"] == "remove" else active)


def test_the_size_of_a_patch_is_bounded(generic: Reading) -> None:
    """Too many operations, or an attribute that grows too long, are refused before they cost anything."""
    many = [op("replace", "title", "x")] * (MAX_OPERATIONS + 1)
    with pytest.raises(ScimError, match="the limit is 10000"):
        read_operations({"schemas": [PATCH], "Operations": many}, generic)
    with pytest.raises(ScimError, match="the limit is 1000"):
        read_user_change({"schemas": [PATCH], "Operations": many[: MAX_USER_OPERATIONS + 1]}, generic)
    full = {"userName": "ana", "roles": [{"value": str(number)} for number in range(MAX_ELEMENTS)]}
    with pytest.raises(ScimError, match="`roles` would have 501 values"):
        patched(generic, op("add", "roles", [{"value": "one more"}]), before=full)


def test_a_path_longer_than_the_cache_takes_is_read_all_the_same(strict: Reading) -> None:
    """The bound of the cache is no bound of paths."""
    path = f'emails[type eq "home" or value eq "{"x" * 300}"].value'
    assert patched(strict, op("replace", path, "n"))["emails"][1] == {"type": "home", "value": "n"}
