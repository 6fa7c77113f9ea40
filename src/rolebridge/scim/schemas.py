"""The attribute tables that drive reading and projecting, built once from scim2-models' schemas.

Four things differ from what scim2-models publishes, on purpose, and `/Schemas` announces them: a manager needs no
`$ref` and no `value` (RFC 7643 §8.7.1 requires neither, and nobody sends a `$ref`); a group's `displayName` is unique;
members are users, by type and reference; and what a member is called is not the client's to say.

`schemas`, `id`, `externalId` and `meta` belong to every resource and stand in no schema (RFC 7643 §3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final

from scim2_models import Attribute as SchemaAttribute
from scim2_models import EnterpriseUser, Group, Mutability, Required, Returned, Schema, Uniqueness, User

from rolebridge.core import filters
from rolebridge.core.filters import AttributeTable, AttributeType

USER_SCHEMA: Final = str(User.__schema__)
ENTERPRISE_SCHEMA: Final = str(EnterpriseUser.__schema__)
GROUP_SCHEMA: Final = str(Group.__schema__)


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """An attribute or sub-attribute with the characteristics of RFC 7643 §2.2.

    `label` is its path (`name.givenName`, `urn:…:User:department`). `sub` finds sub-attributes by their name in the
    schema's spelling and in lower case. `ignored` says that a client's value is not taken: read-only, never
    returned (a password), or derived (`schemas`).
    """

    name: str
    label: str
    type: AttributeType
    multi_valued: bool
    required: bool
    case_exact: bool
    mutability: Mutability
    returned: Returned
    sub: Mapping[str, Attribute] = field(default_factory=dict)
    ignored: bool = False

    @property
    def read_only(self) -> bool:
        """Return whether only the service provider sets the attribute."""
        return self.mutability is Mutability.read_only


@dataclass(frozen=True, slots=True, eq=False)
class Extension:
    """A schema extension of a resource: its URN and its attributes, found as in `Attribute.sub`."""

    urn: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True, eq=False)
class ResourceSchema:
    """All that can stand in one type of resource.

    `attributes` finds core and common attributes as `Attribute.sub` does; `extensions` finds an extension by its URN
    in lower case, `extended` one by the lower-case name of an attribute that only it has. `paths` is the same as a
    table for PATCH paths.
    """

    urn: str
    name: str
    endpoint: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Extension]
    extended: Mapping[str, Extension]
    paths: AttributeTable

    def find(self, schema: str | None, name: str) -> Attribute:
        """Return the attribute `name` of an extension, or of the core schema when `schema` is None."""
        return (self.attributes if schema is None else self.extensions[schema.lower()].attributes)[name]


@cache
def published() -> tuple[Schema, ...]:
    """Return the schemas as this service means and publishes them: user, its enterprise extension, group."""
    user, enterprise, group = User.to_schema(), EnterpriseUser.to_schema(), Group.to_schema()
    user.description, enterprise.description, group.description = "User Account", "Enterprise User", "Group"
    for sub in enterprise["manager"].sub_attributes or ():
        sub.required = Required.false
    group["displayName"].uniqueness = Uniqueness.server
    members = group["members"]
    members["type"].canonical_values = ["User"]
    members["$ref"].reference_types = ["User"]
    members["display"].mutability = Mutability.read_only
    return user, enterprise, group


@cache
def user() -> ResourceSchema:
    """Return what can stand in a user."""
    core, enterprise, _ = published()
    return resource_schema(core, "/Users", (enterprise,))


@cache
def group() -> ResourceSchema:
    """Return what can stand in a group."""
    return resource_schema(published()[2], "/Groups")


def resource_schema(core: Schema, endpoint: str, extensions: Iterable[Schema] = ()) -> ResourceSchema:
    """Build the tables of a resource type from its schemas."""
    own = [*_common(), *(_attribute(item, "") for item in core.attributes or ())]
    urn = str(core.id)
    tables: dict[str, Extension] = {}
    holders: dict[str, list[Extension]] = {}
    for schema in extensions:
        prefix = f"{schema.id}:"
        extension = Extension(str(schema.id), _by_name(_attribute(item, prefix) for item in schema.attributes or ()))
        tables[extension.urn.lower()] = extension
        for name in {name.lower() for name in extension.attributes}:
            holders.setdefault(name, []).append(extension)
    attributes = _by_name(own)
    return ResourceSchema(
        urn=urn,
        name=str(core.name),
        endpoint=endpoint,
        attributes=attributes,
        extensions=tables,
        extended={name: found[0] for name, found in holders.items() if len(found) == 1 and name not in attributes},
        paths=AttributeTable(
            urn,
            filters.by_name(map(_for_paths, own)),
            {extension.urn: _path_table(extension) for extension in tables.values()},
        ),
    )


# --- building ------------------------------------------------------------------------------------------------


def _attribute(described: SchemaAttribute, prefix: str) -> Attribute:
    """Return an attribute of a schema; `prefix` leads to it: `urn:…:`, or `name.` for a sub-attribute."""
    label = f"{prefix}{described.name}"
    subs = [_attribute(sub, f"{label}.") for sub in described.sub_attributes or ()]
    return Attribute(
        name=str(described.name),
        label=label,
        type=AttributeType(str(described.type)),
        multi_valued=bool(described.multi_valued),
        required=bool(described.required),
        case_exact=bool(described.case_exact),
        mutability=described.mutability,
        returned=described.returned,
        sub=_by_name(subs),
        ignored=described.mutability is Mutability.read_only or described.returned is Returned.never,
    )


def _by_name(attributes: Iterable[Attribute]) -> Mapping[str, Attribute]:
    found = {}
    for attribute in attributes:
        found[attribute.name] = attribute
        found[attribute.name.lower()] = attribute
    return found


def _for_paths(attribute: Attribute) -> filters.Attribute:
    subs = {sub.name: _for_paths(sub) for sub in attribute.sub.values()}
    return filters.Attribute(
        attribute.name,
        attribute.type,
        attribute.multi_valued,
        attribute.case_exact,
        filters.by_name(subs.values()),
    )


def _path_table(extension: Extension) -> Mapping[str, filters.Attribute]:
    attributes = {attribute.name: attribute for attribute in extension.attributes.values()}
    return filters.by_name(map(_for_paths, attributes.values()))


def _common() -> tuple[Attribute, ...]:
    """Return `schemas`, `id`, `externalId` and `meta` (RFC 7643 §3, §3.1)."""

    def given(name: str, type_: AttributeType = AttributeType.STRING, prefix: str = "") -> Attribute:
        exact = type_ is not AttributeType.DATE_TIME
        return Attribute(
            name=name,
            label=f"{prefix}{name}",
            type=type_,
            multi_valued=False,
            required=False,
            case_exact=exact,
            mutability=Mutability.read_only,
            returned=Returned.default,
            ignored=True,
        )

    reference, date_time = AttributeType.REFERENCE, AttributeType.DATE_TIME
    meta = (
        given("resourceType", prefix="meta."),
        given("created", date_time, "meta."),
        given("lastModified", date_time, "meta."),
        given("location", reference, "meta."),
        given("version", prefix="meta."),
    )
    return (
        replace(given("schemas", reference), multi_valued=True, returned=Returned.always),
        replace(given("id"), returned=Returned.always),
        replace(given("externalId"), mutability=Mutability.read_write, ignored=False),
        replace(given("meta", AttributeType.COMPLEX), case_exact=False, sub=_by_name(meta)),
    )
