"""Which attributes there are: schemas as plain values, and what a written path means in them.

The tables come in from whoever knows the schemas; nothing here names one. Import from `rolebridge.core.filters`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.filter_tree import AttrPath, FilterError, shown, to_text


class UnknownAttribute(FilterError):
    """No schema of the table has the attribute, the sub-attribute or the schema that a path names."""


class AmbiguousAttribute(UnknownAttribute):
    """Several extensions have the attribute, and the path does not say which one it means."""


class AttributeType(StrEnum):
    """The data types of RFC 7643 §2.3."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    REFERENCE = "reference"
    BINARY = "binary"
    COMPLEX = "complex"


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute or sub-attribute: its canonical name and what comparing needs of its schema (RFC 7643 §7).

    `sub` holds the sub-attributes of a complex attribute by lower-cased name (see `by_name`).
    """

    name: str
    type: AttributeType = AttributeType.STRING
    multi_valued: bool = False
    case_exact: bool = False
    sub: Mapping[str, Attribute] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class ResolvedPath:
    """What a path means: where the value stands, and how it compares.

    `schema` is the extension that holds the attribute, None for the core schema and inside a value filter.
    `keys` leads from the resource (inside a value filter: from the element) to the value; it is empty when the
    element itself is the value. `implied_value` says that the `.value` at its end was not written.
    """

    schema: str | None
    attribute: Attribute = field(hash=False)  # the keys tell apart what there is, and hash in a tenth of the time
    sub: Attribute | None = field(hash=False)
    keys: tuple[str, ...]
    implied_value: bool = field(default=False, compare=False)
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)

    @property
    def target(self) -> Attribute:
        """Return the attribute whose value is meant: the sub-attribute if there is one."""
        return self.sub or self.attribute

    @property
    def multi_valued(self) -> bool:
        """Return whether one resource (or element) can hold several such values."""
        return self.attribute.multi_valued or (self.sub is not None and self.sub.multi_valued)

    @property
    def levels(self) -> tuple[tuple[str, bool], ...]:
        """Return the keys, each with whether a list of values is expected there."""
        many = [self.attribute.multi_valued]
        if self.sub is not None:
            many.append(self.sub.multi_valued)
        if self.schema is not None:
            many.insert(0, False)
        return tuple(zip(self.keys, many, strict=False))  # no keys: the element itself is the value

    @property
    def label(self) -> str:
        """Return the short name for people, `groups.display`, without schema and without an implied `.value`."""
        if self.sub is None or self.implied_value:
            return self.attribute.name
        return f"{self.attribute.name}.{self.sub.name}"


def by_name(attributes: Iterable[Attribute]) -> Mapping[str, Attribute]:
    """Return the attributes by lower-cased name, which is how paths find them (RFC 7643 §2.1)."""
    found: dict[str, Attribute] = {}
    for attribute in attributes:
        if found.setdefault(attribute.name.lower(), attribute) is not attribute:
            raise ValueError(f"the attribute `{attribute.name}` is listed twice")
    return MappingProxyType(found)


@dataclass(frozen=True, slots=True, eq=False)
class AttributeTable:
    """The attributes of one resource type: its core schema (common attributes included) and its extensions.

    `extensions` maps a schema URN, spelt as in resources, to that schema's attributes by lower-cased name. Tables
    compare by identity, so one can be the key of a cache.
    """

    schema: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Mapping[str, Attribute]] = field(default_factory=dict)
    _schemas: Mapping[str, str] = field(init=False, repr=False)
    _holders: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        schemas = {urn.lower(): urn for urn in (self.schema, *self.extensions)}
        if len(schemas) != 1 + len(self.extensions):
            raise ValueError(f"two schemas of the table of `{self.schema}` have the same URN")
        holders: dict[str, tuple[str, ...]] = {}
        for urn, attributes in self.extensions.items():
            for name in attributes:
                holders[name] = (*holders.get(name, ()), urn)
        object.__setattr__(self, "_schemas", schemas)
        object.__setattr__(self, "_holders", holders)

    def resolve(self, path: AttrPath, *, compared: bool = False) -> ResolvedPath:
        """Find the attribute that a path names, in any spelling of case (RFC 7644 §3.10).

        A name without a schema means the core attribute, else that of the only extension that has it, as identity
        providers send `department`. With `compared`, a complex attribute that has a `value` means that value
        (`members eq "…"`, `manager eq "…"`). Raises `UnknownAttribute` or `AmbiguousAttribute`.
        """
        schema, attribute = self._find(path)
        prefix = (attribute.name,) if schema is None else (schema, attribute.name)
        place = (path.offset, path.length)
        if path.sub is not None:
            sub = _find_sub(attribute, path)
            keys = prefix if sub is None else (*prefix, sub.name)
            return ResolvedPath(schema, attribute, sub, keys, False, *place)
        value = attribute.sub.get("value") if compared else None
        if value is not None:
            return ResolvedPath(schema, attribute, value, (*prefix, value.name), True, *place)
        return ResolvedPath(schema, attribute, None, prefix, False, *place)

    def schema_named_by(self, path: AttrPath) -> str | None:
        """Return the schema whose URN the whole path spells, as a PATCH may replace an extension by its URN."""
        return self._schemas.get(to_text(path).lower()) if path.schema is not None else None

    def schema_spelt(self, urn: str) -> str | None:
        """Return the table's own spelling of a schema URN, None when the table does not have it."""
        return self._schemas.get(urn.lower())

    def _find(self, path: AttrPath) -> tuple[str | None, Attribute]:
        name = path.name.lower()
        if path.schema is not None:
            return self._find_in(self._schema_of(path), path)
        if attribute := self.attributes.get(name):
            return None, attribute
        holders = self._holders.get(name, ())
        if len(holders) == 1:
            return holders[0], self.extensions[holders[0]][name]
        if holders:
            raise AmbiguousAttribute(
                f"{shown(path.name)} is an attribute of {len(holders)} schemas",
                path.offset,
                path.length,
                "write " + " or ".join(f"`{urn}:{self.extensions[urn][name].name}`" for urn in holders[:3]),
            )
        known = [a.name for table in (self.attributes, *self.extensions.values()) for a in table.values()]
        raise _unknown(f"unknown attribute {shown(path.name)}", path, known)

    def _schema_of(self, path: AttrPath) -> str:
        assert path.schema is not None  # the caller has looked
        schema = self._schemas.get(path.schema.lower())
        if schema is not None:
            return schema
        if whole := self.schema_named_by(path):
            raise _unknown(f"{shown(whole)} is a schema, not an attribute of one", path, ())
        raise _unknown(f"unknown schema {shown(path.schema)}", path, self._schemas.values(), path.schema)

    def _find_in(self, schema: str, path: AttrPath) -> tuple[str | None, Attribute]:
        core = schema == self.schema
        attributes = self.attributes if core else self.extensions[schema]
        attribute = attributes.get(path.name.lower())
        if attribute is None:
            message = f"the schema {shown(schema)} has no attribute {shown(path.name)}"
            raise _unknown(message, path, (a.name for a in attributes.values()))
        return (None if core else schema), attribute


def resolve_in_element(holder: Attribute, path: AttrPath) -> ResolvedPath:
    """Find what a path means inside the value filter of `holder`, relative to one of its elements.

    The elements of a multi-valued attribute that is not complex have the one name `value` (RFC 7643 §2.4).
    Raises `UnknownAttribute`.
    """
    place = (path.offset, path.length)
    if path.schema is not None:
        message = f"a schema cannot stand before a sub-attribute of {shown(holder.name)}"
        raise UnknownAttribute(message, *place, f"write {shown(path.name)}")
    sub = _find_sub(holder, replace(path, name=holder.name, sub=path.name))
    if path.sub is not None:
        raise UnknownAttribute(f"{shown(path.name)} has no sub-attributes", *place)
    if sub is None:
        return ResolvedPath(None, replace(holder, multi_valued=False), None, (), False, *place)
    return ResolvedPath(None, sub, None, (sub.name,), False, *place)


def _find_sub(attribute: Attribute, path: AttrPath) -> Attribute | None:
    """Return the sub-attribute that `path` names; None when it means the element of a simple attribute itself."""
    assert path.sub is not None  # the caller has looked
    if sub := attribute.sub.get(path.sub.lower()):
        return sub
    simple = attribute.type is not AttributeType.COMPLEX
    if simple and attribute.multi_valued and path.sub.lower() == "value":
        return None
    if simple:
        raise _unknown(f"{shown(attribute.name)} is not complex, it has no {shown(path.sub)}", path, ())
    message = f"{shown(attribute.name)} has no sub-attribute {shown(path.sub)}"
    raise _unknown(message, path, (sub.name for sub in attribute.sub.values()), path.sub)


def _unknown(message: str, path: AttrPath, known: Iterable[str], word: str | None = None) -> UnknownAttribute:
    return UnknownAttribute(message, path.offset, path.length, did_you_mean(word or path.name, known))
