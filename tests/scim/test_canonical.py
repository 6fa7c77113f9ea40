"""POST and PUT bodies: the schema's names and types, the client's values, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from rolebridge.scim.canonical import MAX_ELEMENTS, MAX_STRING, read_group, read_user
from rolebridge.scim.errors import ScimError
from rolebridge.scim.tolerances import Reading

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def user(**attributes: Any) -> dict[str, Any]:
    return {"schemas": [USER, ENTERPRISE], "userName": "ana", **attributes}


def refused(body: Any, reading: Reading) -> tuple[str | None, str]:
    with pytest.raises(ScimError) as error:
        read_user(body, reading)
    return error.value.scim_type, error.value.detail


def test_values_are_kept_as_sent_and_names_are_the_schemas(strict: Reading) -> None:
    """Names match in any case (RFC 7643 §2.1), values keep case, blanks and Unicode."""
    body = {
        "SCHEMAS": [USER.upper(), ENTERPRISE.lower()],
        "USERNAME": " Ana@Example.COM ",
        "Name": {"GIVENNAME": "Ána\n"},
        "emails": [{"Primary": True, "VALUE": "A@B.c"}],
        ENTERPRISE.upper(): {"Department": "  ", "Manager": {"Value": "M1"}},
    }
    draft = read_user(body, strict)
    assert draft.user_name == " Ana@Example.COM "
    assert draft.attributes == {
        "userName": " Ana@Example.COM ",
        "name": {"givenName": "Ána\n"},
        "emails": [{"primary": True, "value": "A@B.c"}],
        ENTERPRISE: {"department": "  ", "manager": {"value": "M1"}},
    }


def test_what_is_unassigned_is_left_out(strict: Reading) -> None:
    """null, [] and objects of only those are one state: unassigned (RFC 7643 §2.5)."""
    body = user(title=None, emails=[], name={"givenName": None}, roles=[{"value": None}], **{ENTERPRISE: None})
    assert read_user(body, strict).attributes == {"userName": "ana"}


def test_a_value_that_names_only_itself_goes_when_its_rest_was_empty(strict: Reading) -> None:
    """`{"type": "work", "value": null}` is no e-mail; without the null it is kept as sent."""
    assert read_user(user(emails=[{"type": "work", "value": None}]), strict).attributes == {"userName": "ana"}
    kept = read_user(user(emails=[{"type": "work"}]), strict).attributes
    assert kept["emails"] == [{"type": "work"}]


def test_what_clients_do_not_set_is_passed_over(strict: Reading) -> None:
    """id, meta, groups and a manager's displayName are ours (RFC 7644 §3.3); passwords are never kept."""
    body = user(
        id="theirs",
        meta={"created": "2000-01-01T00:00:00Z", "anything": [1]},
        groups=[{"value": "g"}],
        password="secret",
        **{ENTERPRISE: {"manager": {"value": "m", "displayName": "The Boss"}}},
    )
    draft = read_user(body, strict)
    assert draft.attributes == {"userName": "ana", ENTERPRISE: {"manager": {"value": "m"}}}
    assert "secret" not in repr(draft)


@pytest.mark.parametrize(("active", "said"), [({}, None), ({"active": None}, None), ({"active": False}, False)])
def test_active_is_none_unless_the_client_says_it(active: dict[str, Any], said: bool | None, strict: Reading) -> None:
    """A PUT without `active` must be able to keep it."""
    draft = read_user(user(**active), strict)
    assert draft.active is said
    assert draft.attributes.get("active") is said


@pytest.mark.parametrize("external_id", ["00u1", " X ", None])
def test_the_external_id_is_kept_exactly(external_id: str | None, strict: Reading) -> None:
    """externalId belongs to the client, byte for byte."""
    assert read_user(user(externalId=external_id), strict).external_id == external_id


def test_values_of_the_same_type_are_all_kept(strict: Reading) -> None:
    """Two work numbers are two values."""
    numbers = [{"type": "work", "value": "1"}, {"type": "work", "value": "2"}, {"type": "work", "value": "2"}]
    assert read_user(user(phoneNumbers=numbers), strict).attributes["phoneNumbers"] == numbers


@pytest.mark.parametrize(
    ("body", "scim_type", "detail"),
    [
        ([], "invalidSyntax", "the body is a list, not a JSON object"),
        (None, "invalidSyntax", "the body is null, not a JSON object"),
        ({"schemas": [USER]}, "invalidValue", "`userName` is required"),
        ({"schemas": [USER], "userName": "  "}, "invalidValue", "`userName` is required"),
        ({"schemas": [USER], "userName": None}, "invalidValue", "`userName` is required"),
        ({"schemas": 5, "userName": "a"}, "invalidSyntax", "`schemas` is not a list of URNs"),
        ({"schemas": [USER, 5], "userName": "a"}, "invalidSyntax", "`schemas` is not a list of URNs"),
        (user(username="b"), "invalidSyntax", "`userName` is given twice"),
        (user(name={"givenName": "a", "givenname": "b"}), "invalidSyntax", "`name.givenName` is given twice"),
        (user(active="yes"), "invalidValue", "`active` is a string `yes`, not true or false"),
        (user(active=1), "invalidValue", "`active` is a number, not true or false"),
        (user(title={"a": 1}), "invalidValue", "`title` is an object, not a string"),
        (user(title=["a", "b"]), "invalidValue", "`title` has one value, 2 were given"),
        (user(name=5.5), "invalidValue", "`name` is a number, not an object"),
        (user(name="Ana"), "invalidValue", "`name` is a string, not an object"),
        (user(emails=[["a"]]), "invalidValue", "`emails` is a list, not an object"),
        (user(emails=[True]), "invalidValue", "`emails` is a boolean, not an object"),
        (user(**{ENTERPRISE: [1]}), "invalidValue", f"`{ENTERPRISE}` is a list, not an object"),
        (user(x509Certificates=[{"value": "no base64!"}]), "invalidValue", "`x509Certificates.value` is not base64"),
        (user(title="x" * (MAX_STRING + 1)), "invalidValue", "`title` has 65537 characters, the limit is 65536"),
        (
            user(roles=[{"value": str(n)} for n in range(MAX_ELEMENTS + 1)]),
            "invalidValue",
            "`roles` has 501 values, the limit is 500",
        ),
    ],
)
def test_what_no_profile_forgives(body: Any, scim_type: str, detail: str, generic: Reading) -> None:
    """Even the most forgiving profile refuses what has no meaning, and names the attribute."""
    found_type, found_detail = refused(body, generic)
    assert found_type == scim_type
    assert detail in found_detail


def test_a_certificate_may_have_line_breaks(strict: Reading) -> None:
    """PEM wraps base64; the text is kept as it came."""
    certificates = [{"value": "AAEC\nAwQF\n"}]
    assert read_user(user(x509Certificates=certificates), strict).attributes["x509Certificates"] == certificates


@pytest.mark.parametrize(
    ("members", "ids"),
    [
        ({}, None),
        ({"members": None}, ()),
        ({"members": []}, ()),
        ({"members": [{"value": "a", "display": "A", "type": "User", "$ref": None}]}, ("a",)),
        ({"MEMBERS": [{"Value": "a"}, {"value": "b"}, {"value": "a"}]}, ("a", "b")),
    ],
)
def test_members_are_ids_and_no_attribute(
    members: dict[str, Any], ids: tuple[str, ...] | None, strict: Reading
) -> None:
    """Without `members` there is no list of ids at all; with it, each id once, in order."""
    draft, found = read_group({"schemas": [GROUP], "displayName": "g", **members}, strict)
    assert found == ids
    assert draft.attributes == {"displayName": "g"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"schemas": [GROUP]}, "`displayName` is required"),
        ({"schemas": [GROUP], "displayName": "g", "members": [{"display": "A"}]}, "a member has no `value`"),
        (
            {"schemas": [GROUP], "displayName": "g", "members": [{"value": None, "$ref": False}]},
            "a member has no `value`",
        ),
        ({"schemas": [GROUP], "displayName": "g", "members": [{"value": {}}]}, "`members.value` is an object"),
        ({"schemas": [GROUP], "displayName": "g", "members": [[]]}, "`members` is a list, not an object"),
    ],
)
def test_groups_that_cannot_be(body: Any, detail: str, generic: Reading) -> None:
    """A group needs a name, and a member an id."""
    with pytest.raises(ScimError, match=detail) as error:
        read_group(body, generic)
    assert error.value.scim_type == "invalidValue"
