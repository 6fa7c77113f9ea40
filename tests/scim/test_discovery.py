"""What the service says about itself, and that core, scim2-models and this package mean the same schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scim2_models import EnterpriseUser, Group, Resource, ResourceType, Schema, ServiceProviderConfig, User

from rolebridge.core import filters
from rolebridge.core import schemas as core
from rolebridge.core.extensions import Resource as Extended
from rolebridge.core.extensions import read_extension
from rolebridge.scim import schemas
from rolebridge.scim.discovery import discovery
from rolebridge.scim.limits import MAX_PAGE
from rolebridge.scim.profile import Feature
from rolebridge.scim.schemas import Attribute

BASE = "https://bridge.example/scim/v2"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def load(path: str) -> Any:
    found = discovery(BASE).answer(path)
    assert found is not None
    return json.loads(found)


def test_every_discovery_answer_is_what_scim2_models_reads() -> None:
    """Rendered by scim2-models, read back by it, without nulls, in camelCase, each with its location."""
    for path, model in (("/Schemas", Schema), ("/ResourceTypes", ResourceType)):
        listed = load(path)
        assert listed["totalResults"] == len(listed["Resources"]) == listed["itemsPerPage"]
        for resource in listed["Resources"]:
            model.model_validate(resource)
            assert resource == load(f"{path}/{resource['id']}")
            assert resource["meta"] == {
                "resourceType": model.__name__,
                "location": f"{BASE}{path}/{resource['id']}",
            }
    config = load("/ServiceProviderConfig")
    ServiceProviderConfig.model_validate(config)
    assert config["filter"] == {"supported": True, "maxResults": MAX_PAGE}
    assert not any(
        b"null" in body or b"_" in body.split(b'"attributes"')[0] for body in discovery(BASE).answers.values()
    )


def test_single_resources_are_found_and_others_are_not() -> None:
    """A schema's URN in any case; nothing else."""
    assert load(f"/Schemas/{ENTERPRISE.upper()}")["id"] == ENTERPRISE
    assert load("/ResourceTypes/User")["schemaExtensions"] == [{"schema": ENTERPRISE, "required": False}]
    for path in ("/Schemas/urn:none", "/ResourceTypes/Device", "/ServiceProviderConfig/1", "/Nothing", "/"):
        assert discovery(BASE).answer(path) is None


def test_the_published_schemas_are_scim2_models_with_our_three_differences() -> None:
    """Whatever else an update of scim2-models changes shows here."""
    ours = {str(schema.id): schema.model_dump() for schema in schemas.published()}
    theirs = {str(model.__schema__): model.to_schema().model_dump() for model in (User, EnterpriseUser, Group)}

    def flat(described: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for item in described:
            found |= {f"{prefix}{item['name']}.{key}": value for key, value in item.items() if key != "subAttributes"}
            found |= flat(item.get("subAttributes") or [], f"{prefix}{item['name']}.")
        return found

    different = set()
    for urn, schema in ours.items():
        mine, original = flat(schema["attributes"], ""), flat(theirs[urn]["attributes"], "")
        different |= {key for key in mine.keys() | original.keys() if mine.get(key) != original.get(key)}
    assert different == {
        "manager.value.required",
        "manager.$ref.required",
        "displayName.uniqueness",
        "members.display.mutability",
    }


@pytest.mark.parametrize("name", ["id", "externalId", "schemas", "meta"])
def test_common_attributes_agree_with_scim2_models(name: str) -> None:
    """RFC 7643 §3.1 puts them in no schema; scim2-models has them in its base class."""
    ours = schemas.user().attributes[name]
    field = {"externalId": "external_id"}.get(name, name)
    info = Resource.model_fields[field]
    assert info is not None
    if name != "schemas":  # which clients send, and which follows the attributes here
        from scim2_models import Mutability, Returned

        assert ours.mutability is User.get_field_annotation(field, Mutability)
        assert ours.returned is User.get_field_annotation(field, Returned)


def shape(attribute: filters.Attribute | Attribute) -> Any:
    return (
        attribute.name,
        attribute.type,
        attribute.multi_valued,
        attribute.case_exact,
        sorted(shape(sub) for sub in {sub.name: sub for sub in attribute.sub.values()}.values()),
    )


@pytest.mark.parametrize(
    ("resource", "table"), [(schemas.user(), core.USER_TABLE), (schemas.group(), core.GROUP_TABLE)]
)
def test_the_tables_of_core_agree_with_scim2_models(
    resource: schemas.ResourceSchema, table: filters.AttributeTable
) -> None:
    """Filters, conditions and SQL know the same attributes as reading and discovery; but `password`."""
    ours = {name: shape(attribute) for name, attribute in resource.paths.attributes.items() if name != "password"}
    assert ours == {name: shape(attribute) for name, attribute in table.attributes.items()}
    assert resource.paths.extensions.keys() == table.extensions.keys()
    for urn, attributes in table.extensions.items():
        found = resource.paths.extensions[urn]
        assert {name: shape(item) for name, item in found.items()} == {
            name: shape(item) for name, item in attributes.items()
        }


def test_a_schema_with_every_type_drives_the_reader() -> None:
    """The engine is driven by schemas: an extension with types that RFC 7643's own do not use reads as well."""
    from rolebridge.scim.canonical import read_resource
    from rolebridge.scim.errors import ScimError
    from rolebridge.scim.tolerances import Reading

    def described(name: str, type_: str, *, multi_valued: bool = False) -> dict[str, Any]:
        return {"name": name, "type": type_, "multiValued": multi_valued}

    urn = "urn:acme:hr:2.0:User"
    document = {
        "id": urn,
        "attributes": [
            described("level", "integer"),
            described("hours", "decimal"),
            described("hired", "dateTime"),
            described("tags", "string", multi_valued=True),
        ],
    }
    table = schemas.schema_set((read_extension(json.dumps(document), Extended.USER),)).user
    body = {"level": 3, "hours": 37.5, "hired": "2026-11-01T09:00:00Z", "tags": ["a", "b"]}
    listed = {"schemas": [table.urn, urn], "userName": "ana"}
    reading = Reading("strict", frozenset())
    assert read_resource(table, {**listed, urn: body}, reading) == {"userName": "ana", urn: body}
    for name, value, wanted in [
        ("level", 3.5, "a whole number"),
        ("level", True, "a whole number"),
        ("hours", "x", "a number"),
        ("hired", "yesterday", "a dateTime"),
        ("tags", [{}], "a string"),
    ]:
        with pytest.raises(ScimError, match=f"not {wanted}"):
            read_resource(table, {**listed, urn: {name: value}}, reading)


def test_what_a_profile_keeps_back_is_not_announced() -> None:
    """For clients that stumble over it RFC 9865's attribute can be left out and ETags denied; all else stays."""
    found = discovery(BASE, frozenset(Feature)).answer("/ServiceProviderConfig")
    assert found is not None
    announced = load("/ServiceProviderConfig")
    assert announced.pop("pagination")["index"] is True
    assert announced["etag"] == {"supported": True}
    assert json.loads(found) == {**announced, "etag": {"supported": False}}
