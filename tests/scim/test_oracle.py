"""Laws of reading and patching, and scim2-models as the oracle for requests to the letter of the RFCs."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import (
    URI,
    Context,
    PatchOp,
    Reference,
    ResourceType,
    SchemaExtension,
    ScimProvider,
)
from scim2_models.exceptions import SCIMException

from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.scim import answers, schemas
from rolebridge.scim.canonical import read_group, read_resource, read_user
from rolebridge.scim.errors import ScimError
from rolebridge.scim.membership import read_group_change
from rolebridge.scim.operations import read_operations
from rolebridge.scim.patch import apply, read_user_change
from rolebridge.scim.profile import profile

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def outcome(act: Callable[[], Any]) -> Any:
    """Return what a call gives: its result, or the `ScimError` that refused it."""
    try:
        return act()
    except ScimError as error:
        return error


# --- requests to the letter ------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
names = st.sampled_from(["work", "home", "other"])


def values(value: st.SearchStrategy[Any] = texts, types: st.SearchStrategy[str] = names) -> st.SearchStrategy[Any]:
    """Return values of a multi-valued attribute: no two with the same `value` and `type`, at most one primary."""
    element = st.fixed_dictionaries({"value": value}, optional={"display": texts, "type": types})

    def one_primary(elements: list[dict[str, Any]], primary: int) -> list[dict[str, Any]]:
        return [{**item, "primary": True} if index == primary else item for index, item in enumerate(elements)]

    lists = st.lists(element, min_size=1, max_size=4, unique_by=lambda item: (item["value"], item.get("type")))
    return st.builds(one_primary, lists, st.integers(0, 5))


name_objects = st.dictionaries(
    st.sampled_from(["formatted", "givenName", "familyName", "middleName"]), texts, min_size=1
)
managers = st.fixed_dictionaries({"value": texts})
extensions = st.fixed_dictionaries(
    {}, optional={"department": texts, "employeeNumber": texts, "manager": managers}
).filter(bool)
attributes: dict[str, st.SearchStrategy[Any]] = {
    "displayName": texts,
    "title": texts,
    "externalId": texts,
    "preferredLanguage": texts,
    "active": st.booleans(),
    "name": name_objects,
    "emails": values(),
    "roles": values(types=texts),
    "addresses": st.lists(
        st.fixed_dictionaries({"country": texts}, optional={"type": names, "formatted": texts}),
        min_size=1,
        max_size=3,
        unique_by=json.dumps,
    ),
    ENTERPRISE: extensions,
}


def users(**required: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {name: strategy for name, strategy in attributes.items() if name not in required}
    return st.fixed_dictionaries({"userName": texts.filter(str.strip), **required}, optional=optional)


def operations() -> st.SearchStrategy[dict[str, Any]]:
    """Return operations whose meaning RFC 7644 leaves no doubt about."""
    singles = st.sampled_from(["displayName", "title", "active", "name"])
    lists = st.sampled_from(["emails", "roles"])
    enterprise = st.sampled_from(["department", "employeeNumber"])
    writing = st.sampled_from(["add", "replace"])

    def setting(op: str, name: str) -> st.SearchStrategy[dict[str, Any]]:
        return attributes[name].map(lambda value: {"op": op, "path": name, "value": value})

    return st.one_of(
        st.tuples(writing, singles).flatmap(lambda drawn: setting(*drawn)),
        lists.flatmap(lambda name: setting("replace", name)),
        st.builds(
            lambda op, name, value: {"op": op, "path": f"name.{name}", "value": value},
            writing,
            st.sampled_from(["givenName", "familyName"]),
            texts,
        ),
        st.builds(
            lambda op, name, value: {"op": op, "path": f"{ENTERPRISE}:{name}", "value": value},
            writing,
            enterprise,
            texts,
        ),
        st.builds(
            lambda name: {"op": "remove", "path": name},
            st.sampled_from(["title", "name", "emails", "roles", "name.givenName", f"{ENTERPRISE}:department"]),
        ),
        st.builds(lambda kind: {"op": "remove", "path": f'emails[type eq "{kind}"]'}, names),
        st.builds(
            lambda op, kind, value: {"op": op, "path": f'emails[type eq "{kind}"].display', "value": value},
            writing,
            names,
            texts,
        ),
        st.builds(lambda kind: {"op": "replace", "path": f'emails[type eq "{kind}"].primary', "value": True}, names),
        st.builds(
            lambda op, title, name: {"op": op, "value": {"title": title, "name": name}}, writing, texts, name_objects
        ),
    )


@cache
def model() -> Any:
    """Return scim2-models' model of a user, composed from the schemas as we publish them."""
    extension = SchemaExtension(schema=Reference[URI](ENTERPRISE), required=False)
    kind = ResourceType(
        id="User",
        name="User",
        endpoint=Reference[URI]("/Users"),
        schema=Reference[URI](USER),
        schema_extensions=[extension],
    )
    return ScimProvider.from_discovery(schemas.published()[:2], [kind]).model_for("User")


def oracle(body: dict[str, Any]) -> Any:
    return model().model_validate(body, scim_ctx=Context.RESOURCE_CREATION_REQUEST)


def as_body(attributes: dict[str, Any]) -> dict[str, Any]:
    extended = [ENTERPRISE] if ENTERPRISE in attributes else []
    return {"schemas": [USER, *extended], **attributes}


def dumped(resource: Any) -> dict[str, Any]:
    """Return what the oracle holds as attributes; like ours, without what is empty."""
    found: dict[str, Any] = resource.model_dump()
    found.pop("schemas")
    return {name: value for name, value in found.items() if value not in ({}, [])}


@given(users())
def test_a_creation_to_the_letter_reads_as_scim2_models_reads_it(attributes: dict[str, Any]) -> None:
    """The strict profile takes it, needs no tolerance, and keeps what the oracle keeps."""
    reading = profile("strict").reading()
    body = as_body(attributes)
    assert read_user(body, reading).attributes == dumped(oracle(body)) == attributes
    assert not reading.used


@given(users(emails=attributes["emails"]), st.lists(operations(), min_size=1, max_size=4))
def test_a_patch_to_the_letter_does_what_scim2_models_does(
    before: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    """The same attributes afterwards, or a refusal with the same keyword."""
    body = {"schemas": [PATCH], "Operations": operations}
    resource = oracle(as_body(before))
    try:
        patch = PatchOp.__class_getitem__(model()).model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST)
        patch.patch(resource)
        expected, refused = dumped(resource), None
    except (SCIMException, ValidationError) as error:
        expected, refused = {}, keyword(error)
    reading = profile("strict").reading()
    found = outcome(lambda: apply(schemas.user(), read_operations(body, reading), before, reading))
    if isinstance(found, ScimError):
        assert found.scim_type == refused
    else:
        assert refused is None
        assert found == expected


def keyword(error: SCIMException | ValidationError) -> str:
    if isinstance(error, SCIMException):
        return error.scim_type
    return str(error.errors()[0]["type"]).removeprefix("scim_")


# --- anything ----------------------------------------------------------------------------------------------------

words = st.sampled_from(
    [
        "userName", "USERNAME", "emails", "name", "active", "schemas", "members", "displayName", "manager", "value",
        "type", "primary", "givenName", "department", "roles", "$ref", "display", "id", "meta", "password",
        "name.givenName", 'emails[type eq "work"].value', 'roles[primary eq "True"].value', "emails.value",
        ENTERPRISE, f"{ENTERPRISE}:manager", f"{ENTERPRISE}:department", USER, 'members[value eq "a"]',
        "x509Certificates",
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(string.printable, max_size=8)
anything = st.recursive(
    scalars | st.sampled_from(["True", "", USER, "work", '{"value":"r"}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
resources = st.dictionaries(words, anything, max_size=6).map(
    lambda body: {"userName": "ana", "displayName": "g", **body}
)
any_operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "Add", "replace", "Replace", "remove", "Remove"])},
        optional={"path": words | st.text(string.printable, max_size=12), "value": anything},
    ),
    min_size=1,
    max_size=4,
)


@given(resources)
def test_reading_what_was_read_changes_nothing(body: dict[str, Any]) -> None:
    """Canonical is canonical: a second reading, by the strictest profile, finds nothing to do."""
    for schema in (schemas.user(), schemas.group()):
        members: list[Any] = []
        try:
            once = read_resource(schema, body, profile("generic").reading(), members)
        except ScimError:
            continue
        strict = profile("strict").reading()
        urns = [schema.urn, *(name for name in once if name.startswith("urn:"))]
        assert read_resource(schema, {"schemas": urns, **deepcopy(once)}, strict) == once
        assert not strict.used


@given(anything | resources)
def test_any_json_is_read_or_refused(body: Any) -> None:
    """Nothing but ScimError leaves the readers, whatever the profile."""
    for name in ("strict", "generic"):
        for read in (read_user, read_group):
            found = outcome(partial(read, body, profile(name).reading()))
            if isinstance(found, ScimError):
                assert json.loads(found.body())["scimType"] in ("invalidSyntax", "invalidValue")


def patched(body: Any, draft: UserDraft, name: str) -> UserDraft:
    return read_user_change(body, profile(name).reading())(draft)


@given(users(), any_operations)
def test_a_patch_of_anything_is_done_whole_or_refused(before: dict[str, Any], operations: list[dict[str, Any]]) -> None:
    """What comes in is never changed; what comes out is canonical, so it is read again as itself."""
    body = {"schemas": [PATCH], "Operations": operations}
    draft = UserDraft(before["userName"], before.get("externalId"), True, {**before, "active": True})
    kept = deepcopy(draft)
    for name in ("strict", "generic"):
        after = outcome(partial(patched, body, draft, name))
        if isinstance(after, ScimError):
            assert after.status == 400
        else:
            strict = profile("strict").reading()
            again = read_user(as_body(dict(after.attributes)), strict)
            assert (again.attributes, again.user_name) == (after.attributes, after.user_name)
        assert draft == kept


@given(any_operations)
def test_a_patch_of_a_group_is_a_delta_or_refused(operations: list[dict[str, Any]]) -> None:
    """Nothing but ScimError; ids are strings, each once in a step."""
    body = {"schemas": [PATCH], "Operations": operations}
    for name in ("strict", "generic"):
        change = outcome(partial(read_group_change, body, profile(name).reading()))
        if isinstance(change, ScimError):
            assert change.status == 400
            continue
        assert all(len(set(step.ids)) == len(step.ids) for step in change.steps)
        assert all(isinstance(id_, str) and id_ for step in change.steps for id_ in step.ids)
        if change.revise is not None:
            revised = outcome(partial(change.revise, GroupDraft("g", None, {"displayName": "g"})))
            assert isinstance(revised, ScimError) or revised.display


@given(users(), st.lists(words | texts, max_size=4).map(",".join), st.booleans())
def test_any_projection_keeps_what_is_always_returned(attributes: dict[str, Any], wanted: str, excluded: bool) -> None:
    """`schemas` and `id` stay, and nothing appears that was not there."""
    resource = {**as_body(attributes), "id": "1"}
    included, left_out = (None, wanted) if excluded else (wanted, None)
    reading = profile("generic").reading()
    chosen = outcome(lambda: answers.read_projection(schemas.user(), included, left_out, reading))
    if isinstance(chosen, ScimError):
        assert chosen.scim_type == "invalidValue"
        return
    found = chosen.applied(resource)
    assert found["schemas"] == resource["schemas"]
    assert found["id"] == "1"
    assert found.keys() <= resource.keys()


def test_the_oracle_refuses_what_identity_providers_send() -> None:
    """Why requests do not run through the models: an e-mail of `.local` passes only a composed model, this never."""
    body = as_body({"userName": "a", ENTERPRISE: {"manager": "m"}})
    with pytest.raises(ValidationError):
        oracle(body)
