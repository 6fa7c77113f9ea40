"""PATCH of groups: a delta of members, in order, and a revision of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from rolebridge.core.directory import GroupChange, GroupDraft
from rolebridge.scim.errors import ScimError
from rolebridge.scim.membership import read_group_change, read_group_replacement
from rolebridge.scim.tolerances import Reading

GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
DRAFT = GroupDraft("g", "x", {"displayName": "g", "externalId": "x"})


def change(reading: Reading, *operations: dict[str, Any]) -> GroupChange:
    return read_group_change({"schemas": [PATCH], "Operations": list(operations)}, reading)


def steps(found: GroupChange) -> list[tuple[str, tuple[str, ...]]]:
    return [(step.action.value, step.ids) for step in found.steps]


def member(id: str, **more: Any) -> dict[str, Any]:
    return {"value": id, **more}


@pytest.mark.parametrize(
    ("operation", "step"),
    [
        ({"op": "add", "path": "members", "value": [member("a", display="A", type="User")]}, ("add", ("a",))),
        ({"op": "add", "path": "members", "value": [member("a"), member("b"), member("a")]}, ("add", ("a", "b"))),
        ({"op": "add", "path": "MEMBERS", "value": []}, ("add", ())),
        ({"op": "add", "path": f"{GROUP}:members", "value": [member("a")]}, ("add", ("a",))),
        ({"op": "add", "value": {"members": [member("a")]}}, ("add", ("a",))),
        ({"op": "replace", "path": "members", "value": [member("a")]}, ("replace", ("a",))),
        ({"op": "replace", "path": "members", "value": []}, ("replace", ())),
        ({"op": "replace", "path": "members", "value": None}, ("replace", ())),
        ({"op": "replace", "value": {"members": []}}, ("replace", ())),
        ({"op": "remove", "path": "members"}, ("replace", ())),
        ({"op": "remove", "path": "members", "value": None}, ("replace", ())),
        ({"op": "remove", "path": 'members[value eq "a"]'}, ("remove", ("a",))),
        ({"op": "remove", "path": 'members[value eq "a" or value eq "b"]'}, ("remove", ("a", "b"))),
    ],
)
def test_membership_operations_to_the_letter(
    operation: dict[str, Any], step: tuple[str, tuple[str, ...]], strict: Reading
) -> None:
    """Each form of RFC 7644 §3.5.2 is one step, and touches no attribute."""
    found = change(strict, operation)
    assert steps(found) == [step]
    assert found.revise is None


def test_a_remove_that_lists_nobody_removes_nobody(generic: Reading) -> None:
    """An empty list is a list: only the remove without any value empties the group."""
    assert steps(change(generic, {"op": "Remove", "path": "members", "value": []})) == [("remove", ())]


def test_steps_keep_their_order_and_neighbours_are_joined(strict: Reading) -> None:
    """add, add, remove, add is three steps; one operation for each member costs one step."""
    found = change(
        strict,
        {"op": "add", "path": "members", "value": [member("a")]},
        {"op": "add", "path": "members", "value": [member("b"), member("a")]},
        {"op": "remove", "path": 'members[value eq "a"]'},
        {"op": "add", "path": "members", "value": [member("a")]},
        {"op": "replace", "path": "members", "value": [member("c")]},
        {"op": "replace", "path": "members", "value": [member("d")]},
    )
    assert steps(found) == [
        ("add", ("a", "b")),
        ("remove", ("a",)),
        ("add", ("a",)),
        ("replace", ("c",)),
        ("replace", ("d",)),
    ]


def test_okta_renames_without_path_and_members_stay(generic: Reading) -> None:
    """`{"id": …, "displayName": …}` goes with every push: no step, a new name."""
    found = change(generic, {"op": "replace", "value": {"id": "1", "displayName": "new"}})
    assert found.steps == ()
    assert found.revise is not None
    assert found.revise(DRAFT) == GroupDraft("new", "x", {"displayName": "new", "externalId": "x"})


def test_members_and_attributes_of_one_operation_part(strict: Reading) -> None:
    """A value without path may hold both."""
    found = change(strict, {"op": "replace", "value": {"displayName": "new", "members": [member("a")]}})
    assert steps(found) == [("replace", ("a",))]
    assert found.revise is not None
    assert found.revise(DRAFT).display == "new"


def test_what_a_member_is_called_is_ours(strict: Reading) -> None:
    """A display for a member changes nothing: it is derived from the user."""
    found = change(strict, {"op": "replace", "path": 'members[value eq "a"].display', "value": "A"})
    assert found == GroupChange(None, ())


@pytest.mark.parametrize(
    ("operation", "scim_type", "detail"),
    [
        ({"op": "remove", "path": 'members[display eq "A"]'}, "invalidFilter", "members are selected by `value eq"),
        ({"op": "remove", "path": 'members[value eq "a" and value eq "b"]'}, "invalidFilter", "members are selected"),
        ({"op": "remove", "path": 'members[value sw "a"]'}, "invalidFilter", "members are selected"),
        ({"op": "replace", "path": 'members[value eq "a"].value', "value": "b"}, "mutability", "immutable"),
        ({"op": "replace", "path": 'members[value eq "a"]', "value": {"value": "b"}}, "mutability", "immutable"),
        ({"op": "add", "path": "members", "value": [{"display": "A"}]}, "invalidValue", "a member has no `value`"),
        ({"op": "add", "path": "members[", "value": []}, "invalidFilter", "operation 1 (add `members[`)"),
        ({"op": "remove"}, "noTarget", "a remove needs a path"),
    ],
)
def test_what_no_profile_forgives(operation: dict[str, Any], scim_type: str, detail: str, generic: Reading) -> None:
    """Members are found by id only, and their id does not change."""
    with pytest.raises(ScimError) as refused:
        change(generic, operation)
    assert refused.value.scim_type == scim_type
    assert detail in refused.value.detail


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "displayName"},
        {"op": "replace", "path": "displayName", "value": None},
        {"op": "replace", "value": {"displayName": ""}},
    ],
)
def test_a_group_keeps_a_name(operation: dict[str, Any], generic: Reading) -> None:
    """displayName is required (RFC 7643 §4.2)."""
    found = change(generic, operation)
    assert found.revise is not None
    with pytest.raises(ScimError, match="`displayName` is required") as refused:
        found.revise(DRAFT)
    assert refused.value.scim_type == "mutability"


@pytest.mark.parametrize(("members", "ids"), [({}, ()), ({"members": []}, ()), ({"members": [member("a")]}, ("a",))])
def test_a_put_makes_exactly_the_group_it_says(members: dict[str, Any], ids: tuple[str, ...], strict: Reading) -> None:
    """What a PUT omits goes: externalId, and the members too."""
    found = read_group_replacement({"schemas": [GROUP], "displayName": "g", **members}, strict)
    assert steps(found) == [("replace", ids)]
    assert found.revise is not None
    assert found.revise(DRAFT) == GroupDraft("g", None, {"displayName": "g"})
