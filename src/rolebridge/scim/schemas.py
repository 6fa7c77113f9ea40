"""The attribute tables that drive reading and projecting, built once from scim2-models' schemas.

What every organization has is `standard()`; one that defines extensions has a `SchemaSet` of its own, which whoever
answers a request is given as a value (`Reading.schemas`).

Three things differ from what scim2-models publishes, on purpose, and `/Schemas` announces them: a manager needs no
`$ref` and no `value` (RFC 7643 §8.7.1 requires neither, and nobody sends a `$ref`); a group's `displayName` is unique;
and what a member is called is not the client's to say.

`schemas`, `id`, `externalId` and `meta` belong to every resource and stand in no schema (RFC 7643 §3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Final

from scim2_models import Attribute as SchemaAttribute
from scim2_models import EnterpriseUser, Group, Mutability, Required, Returned, Schema, Uniqueness, User

from rolebridge.bridge.extensions import Registered
from rolebridge.core import filters
from rolebridge.core.extensions import ExtensionSchema, Resource, group_table, user_table
from rolebridge.core.filters import AttributeTable, AttributeType
from rolebridge.core.schemas import GROUP_TABLE, USER_TABLE

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
    """A schema extension: its URN, its attributes, found as in `Attribute.sub`, and whether all resources have it."""

    urn: str
    attributes: Mapping[str, Attribute]
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ResourceSchema:
    """All that can stand in one type of resource.

    `attributes` finds core and common attributes as `Attribute.sub` does; `extensions` finds an extension by its URN
    in lower case, `extended` one by the lower-case name of an attribute that only it has. `paths` is the same as a
    table for PATCH paths, and `table` for filters, which ask for nothing that is not kept.

    Attributes of extensions, as (URN, name): `immutable` ones are set once, `requested` ones are answered only when
    they are named, `always` ones even then when they are not. `demanding` are the extensions in which something is
    required, or which are required themselves.
    """

    urn: str
    name: str
    endpoint: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Extension]
    extended: Mapping[str, Extension]
    paths: AttributeTable
    table: AttributeTable
    immutable: frozenset[tuple[str, str]] = frozenset()
    requested: frozenset[tuple[str, str]] = frozenset()
    always: frozenset[tuple[str, str]] = frozenset()
    demanding: tuple[Extension, ...] = ()

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
    members["display"].mutability = Mutability.read_only
    return user, enterprise, group


@dataclass(frozen=True, slots=True, eq=False)
class SchemaSet:
    """All the schemas of an organization: what its users and groups hold, and what it publishes.

    A set compares by identity, so that it can be the key of a cache.
    """

    user: ResourceSchema
    group: ResourceSchema
    published: tuple[Schema, ...]


@cache
def standard() -> SchemaSet:
    """Return the schemas that every organization has."""
    core, enterprise, group = published()
    return SchemaSet(
        resource_schema(core, "/Users", USER_TABLE, (enterprise,)),
        resource_schema(group, "/Groups", GROUP_TABLE),
        published(),
    )


@lru_cache(maxsize=256)
def schemas_of(registered: Registered) -> SchemaSet:
    """Return the schemas of an organization as of a version; made once for each, which is known by its identity."""
    return schema_set(registered.schemas)


def schema_set(extensions: tuple[ExtensionSchema, ...]) -> SchemaSet:
    """Return the schemas of an organization that defines these extensions."""
    if not extensions:
        return standard()
    core, enterprise, group = published()
    read = {schema.urn: Schema.model_validate(schema.document()) for schema in extensions}
    of_users = [read[schema.urn] for schema in extensions if schema.extends is Resource.USER]
    of_groups = [read[schema.urn] for schema in extensions if schema.extends is Resource.GROUP]
    required = frozenset(schema.urn for schema in extensions if schema.required)
    return SchemaSet(
        resource_schema(core, "/Users", user_table(extensions), (enterprise, *of_users), required),
        resource_schema(group, "/Groups", group_table(extensions), of_groups, required),
        (*published(), *read.values()),
    )


def user() -> ResourceSchema:
    """Return what can stand in a user of an organization without extensions of its own."""
    return standard().user


def group() -> ResourceSchema:
    """Return what can stand in a group of an organization without extensions of its own."""
    return standard().group


def resource_schema(
    core: Schema,
    endpoint: str,
    table: AttributeTable,
    extensions: Iterable[Schema] = (),
    required: frozenset[str] = frozenset(),
) -> ResourceSchema:
    """Build the tables of a resource type from its schemas; `required` are the URNs of those that all must have."""
    own = [*_common(), *(_attribute(item, "") for item in core.attributes or ())]
    urn = str(core.id)
    tables: dict[str, Extension] = {}
    holders: dict[str, list[Extension]] = {}
    for schema in extensions:
        prefix = f"{schema.id}:"
        found = _by_name(_attribute(item, prefix) for item in schema.attributes or ())
        extension = Extension(str(schema.id), found, str(schema.id) in required)
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
        table=table,
        immutable=_those(tables.values(), lambda one: one.mutability is Mutability.immutable),
        requested=_those(tables.values(), lambda one: one.returned is Returned.request),
        always=_those(tables.values(), lambda one: one.returned is Returned.always),
        demanding=tuple(one for one in tables.values() if one.required or _is_demanding(one)),
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


def _those(extensions: Iterable[Extension], chosen: Callable[[Attribute], bool]) -> frozenset[tuple[str, str]]:
    """Return those attributes of extensions that are `chosen`, as (URN, name)."""
    return frozenset(
        (extension.urn, attribute.name)
        for extension in extensions
        for attribute in extension.attributes.values()
        if chosen(attribute)
    )


def _is_demanding(extension: Extension) -> bool:
    held = extension.attributes.values()
    return any(one.required or any(sub.required for sub in one.sub.values()) for one in held)


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
