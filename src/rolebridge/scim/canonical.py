"""A client's JSON → canonical attributes: the schema's names and types, the client's values.

Values are kept exactly as sent. What is unassigned (`null`, `[]`, `""` by tolerance, an object of only those) is left
out (RFC 7643 §2.5); what clients do not set (`id`, `meta`, `groups`, a manager's `displayName`) and passwords are
passed over (RFC 7644 §3.3). Reading a canonical resource again changes nothing.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.filter_tree import shown
from rolebridge.core.filters import AttributeType, parse_datetime
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.errors import ScimError, invalid_syntax, invalid_value
from rolebridge.scim.extensions import check_required, specify
from rolebridge.scim.schemas import Attribute, Extension, ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance

MAX_STRING: Final = 64 * 1024
"""Characters of one string value: certificates and photo URIs fit."""

MAX_ELEMENTS: Final = 500
"""Values of one multi-valued attribute, `members` apart, which only the body's size bounds."""

# `https://host/scim/v2/Users/ID`, `../Groups/ID`, `/Users/ID` (RFC 7643 §2.3.7: absolute or relative).
_REFERENCE: Final = re.compile(r"(?:[^?#]{0,2000}/)?(?:Users|Groups)/([^/?#]{1,200})/?")

ASSIGNED_JSON: Final = frozenset({"roles", "entitlements"})
"""The attributes whose values arrive as JSON text from Entra's AppRoleAssignmentsComplex."""


def read_user(body: Any, reading: Reading) -> UserDraft:
    """Read the body of a POST or PUT of a user (RFC 7644 §3.3, §3.5.1). Raises `ScimError`."""
    attributes = read_resource(reading.schemas.user, body, reading)
    check_required(reading.schemas.user, attributes)
    return user_draft(attributes)


def read_group(body: Any, reading: Reading) -> tuple[GroupDraft, tuple[str, ...] | None]:
    """Read the body of a POST or PUT of a group; the member ids are None when it has no `members`."""
    members: list[Any] = []
    attributes = read_resource(reading.schemas.group, body, reading, members)
    check_required(reading.schemas.group, attributes)
    return group_draft(attributes), member_ids(members[-1], reading) if members else None


def user_draft(attributes: Mapping[str, Any]) -> UserDraft:
    """Return canonical attributes as a draft. Raises `ScimError` (invalidValue) without a userName."""
    name = _required(attributes, "userName")
    return UserDraft(name, attributes.get("externalId"), attributes.get("active"), attributes)


def group_draft(attributes: Mapping[str, Any]) -> GroupDraft:
    """Return canonical attributes as a draft. Raises `ScimError` (invalidValue) without a displayName."""
    return GroupDraft(_required(attributes, "displayName"), attributes.get("externalId"), attributes)


def _required(attributes: Mapping[str, Any], name: str) -> str:
    value: str = attributes.get(name, "")
    if not value.strip():
        raise invalid_value(f"`{name}` is required and must not be empty")
    return value


# --- whole resources -----------------------------------------------------------------------------------------


def read_resource(
    schema: ResourceSchema, body: Any, reading: Reading, members: list[Any] | None = None
) -> dict[str, Any]:
    """Return the canonical attributes of a resource body.

    `members` receives a group's members as sent: they are a relation, not an attribute. Raises `ScimError`.
    """
    if not isinstance(body, dict):
        raise invalid_syntax(f"the body is {_kind(body)}, not a JSON object")
    found: dict[str, Any] = {}
    listed: Any = None
    for key, value in body.items():
        attribute = schema.attributes.get(key) or schema.attributes.get(key.lower())
        if attribute is None:
            _read_foreign(schema, key, value, found, reading)
        elif attribute.name == "members" and members is not None:
            members.append(value)
        elif attribute.name == "schemas":
            listed = value
        elif not attribute.ignored:
            _assign(found, attribute, clean(attribute, value, reading))
    check_schemas(schema, listed, found, reading)
    return found


def _assign(holder: dict[str, Any], attribute: Attribute, value: Any) -> None:
    if attribute.name in holder:
        raise invalid_syntax(f"`{attribute.label}` is given twice")
    if value is not None:
        holder[attribute.name] = value


def _read_foreign(schema: ResourceSchema, key: str, value: Any, found: dict[str, Any], reading: Reading) -> None:
    """Read what is no core attribute: an extension, an attribute of one without its URN, or nothing we know."""
    extension = schema.extensions.get(key.lower())
    if extension is not None:
        read = read_extension(extension, value, reading)
    else:
        extension = schema.extended.get(key.lower())
        if extension is None:
            reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_syntax, f"no schema has the attribute {shown(key)}")
            return
        detail = f"{shown(key)} is an attribute of the extension `{extension.urn}` and stands outside of it"
        reading.forgive(Tolerance.TOP_LEVEL_EXTENSION, invalid_syntax, detail)
        read = read_extension(extension, {key: value}, reading)
    if read:
        # The same attribute inside and outside: the later one counts.
        found[extension.urn] = {**found.get(extension.urn, {}), **read}


def read_extension(extension: Extension, value: Any, reading: Reading) -> dict[str, Any]:
    """Return the canonical attributes of an extension's object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        if value == "":
            _forgive_empty(extension.urn, reading)
            return {}
        raise invalid_value(f"`{extension.urn}` is {_kind(value)}, not an object")
    found: dict[str, Any] = {}
    for key, item in value.items():
        attribute = extension.attributes.get(key) or extension.attributes.get(key.lower())
        if key.lower() == "schemas":
            continue  # some clients write every object with its schemas; they say nothing new here
        if attribute is None:
            detail = f"`{extension.urn}` has no attribute {shown(key)}"
            reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_syntax, detail)
        elif not attribute.ignored:
            _assign(found, attribute, clean(attribute, item, reading))
            specify(extension.urn, attribute, reading)
    return found


def check_schemas(schema: ResourceSchema, listed: Any, found: Mapping[str, Any], reading: Reading) -> None:
    """Hold `schemas` against the schemas whose attributes are there (RFC 7643 §3)."""
    if isinstance(listed, str):
        reading.forgive(Tolerance.SINGLE_FOR_LIST, invalid_syntax, "`schemas` is a string, not a list")
        listed = [listed]
    urns = [] if listed is None else listed
    if not isinstance(urns, list) or not all(isinstance(urn, str) for urn in urns):
        raise invalid_syntax("`schemas` is not a list of URNs")
    given = {urn.lower() for urn in urns}
    present = [schema.urn, *(urn for urn in found if urn.lower() in schema.extensions)]
    missing = [urn for urn in present if urn.lower() not in given]
    if missing:
        reading.forgive(Tolerance.SCHEMAS_INCOMPLETE, invalid_syntax, f"`schemas` lacks `{missing[0]}`")
    for urn in urns:
        if urn.lower() != schema.urn.lower() and urn.lower() not in schema.extensions:
            detail = f"`schemas` names {shown(urn)}, which is no schema of a {schema.name}"
            reading.forgive(Tolerance.SCHEMAS_UNKNOWN, invalid_syntax, detail)


# --- members -------------------------------------------------------------------------------------------------


def member_ids(value: Any, reading: Reading) -> tuple[str, ...]:
    """Return the ids of a `members` value without duplicates, in the order given (RFC 7643 §4.2).

    What a client says about a member beside its id (`display`, `type`, `$ref`) is derived here and passed over: the
    id alone tells whether a user or a group is meant. Where it is missing, a `$ref`, relative or absolute, ends in it.
    """
    attribute = reading.schemas.group.attributes["members"]
    ids: dict[str, None] = {}
    for item in as_list(attribute, value, reading):
        id_ = item.get("value") if type(item) is dict else None
        if type(id_) is not str or not id_:
            id_ = _member_id(attribute, item, reading)
        if id_:
            ids[id_] = None
    return tuple(ids)


def _member_id(attribute: Attribute, item: Any, reading: Reading) -> str | None:
    """Return the id of a member in one of the rarer spellings, None where there is explicitly none."""
    if type(item) is dict and item and not any(key.lower() == "value" for key in item):
        references = [value for key, value in item.items() if key.lower() == "$ref" and type(value) is str]
        found = _REFERENCE.fullmatch(references[0]) if len(references) == 1 else None
        if found is None:
            raise _no_id()
        return found[1]
    read = clean_element(attribute, item, reading)
    if read and "value" not in read:  # null, beside what is not
        raise _no_id()
    return read["value"] if read else None


def _no_id() -> ScimError:
    return invalid_value("a member has no `value`, the id of the user or group")


# --- values --------------------------------------------------------------------------------------------------


def clean(attribute: Attribute, value: Any, reading: Reading) -> Any:
    """Return the canonical value of an attribute, None when it leaves the attribute unassigned."""
    if value is None:
        return None
    if attribute.multi_valued:
        return clean_list(attribute, value, reading)
    return clean_element(attribute, as_single(attribute, value, reading), reading)


def clean_list(attribute: Attribute, value: Any, reading: Reading) -> list[Any] | None:
    """Return the canonical values of a multi-valued attribute, with at most one primary; None for none."""
    items = as_list(attribute, value, reading)
    if len(items) > MAX_ELEMENTS:
        raise invalid_value(f"`{attribute.label}` has {len(items)} values, the limit is {MAX_ELEMENTS}")
    found = []
    for item in items:
        cleaned = clean_element(attribute, item, reading)
        if cleaned is not None:
            found.append(cleaned)
    if "primary" in attribute.sub:
        keep_one_primary(attribute, found, reading)
    return found or None


def as_single(attribute: Attribute, value: Any, reading: Reading) -> Any:
    """Return the value of an attribute that has one, taken out of a list around it."""
    if type(value) is not list:
        return value
    detail = f"`{attribute.label}` has one value, a list was given"
    reading.forgive(Tolerance.LIST_FOR_SINGLE, invalid_value, detail)
    if len(value) > 1:
        raise invalid_value(f"`{attribute.label}` has one value, {len(value)} were given")
    return value[0] if value else None


def as_list(attribute: Attribute, value: Any, reading: Reading) -> list[Any]:
    """Return the value of a multi-valued attribute as the list it should be."""
    if type(value) is list:
        return value
    if value is None:
        return []
    if value == "":
        _forgive_empty(attribute.label, reading)
        return []
    detail = f"`{attribute.label}` has several values, {_kind(value)} was given instead of a list"
    reading.forgive(Tolerance.SINGLE_FOR_LIST, invalid_value, detail)
    return [value]


def keep_one_primary(attribute: Attribute, values: list[dict[str, Any]], reading: Reading) -> None:
    """Leave `primary` to the first value that has it (RFC 7643 §2.4: no more than one)."""
    marked = [index for index, value in enumerate(values) if value.get("primary") is True]
    if len(marked) > 1:
        detail = f"{len(marked)} values of `{attribute.label}` are primary"
        reading.forgive(Tolerance.SEVERAL_PRIMARIES, invalid_value, detail)
        for index in marked[1:]:
            values[index] = {**values[index], "primary": False}


def clean_element(attribute: Attribute, value: Any, reading: Reading) -> Any:
    """Return one canonical value of an attribute, None when it is unassigned."""
    if value is None:
        return None
    if attribute.type is AttributeType.COMPLEX:
        return _clean_complex(attribute, value, reading)
    if type(value) is str and not value:
        _forgive_empty(attribute.label, reading)
        return None
    return _READERS[attribute.type](attribute, value, reading)


def _clean_complex(attribute: Attribute, value: Any, reading: Reading) -> dict[str, Any] | None:
    assigned, cleared = read_parts(attribute, value, reading)
    if cleared and attribute.multi_valued and is_husk(assigned):
        return None
    return assigned or None


def is_husk(value: Mapping[str, Any]) -> bool:
    """Return whether a value says only which one it is, as `{"type": "work"}` does once its `value` is cleared."""
    return value.keys() <= {"type", "primary"}


def read_parts(attribute: Attribute, value: Any, reading: Reading) -> tuple[dict[str, Any], set[str]]:
    """Return the sub-attributes that an object assigns, canonical, and the names of those that it clears."""
    if type(value) is not dict:
        value = _as_object(attribute, value, reading)
    if attribute.name in ASSIGNED_JSON:
        value = _unfolded(attribute, value, reading)
    assigned: dict[str, Any] = {}
    cleared: set[str] = set()
    for key, item in value.items():
        sub = attribute.sub.get(key) or _find_sub(attribute, key, value, reading)
        if sub is None or sub.ignored:
            continue
        cleaned = clean(sub, item, reading)
        if cleaned is None:
            cleared.add(sub.name)
        elif sub.name in assigned:
            raise invalid_syntax(f"`{sub.label}` is given twice")
        else:
            assigned[sub.name] = cleaned
    return assigned, cleared


def _find_sub(attribute: Attribute, key: str, value: dict[str, Any], reading: Reading) -> Attribute | None:
    """Return the sub-attribute of a key that is not spelt as in the schema."""
    name = key.lower()
    sub = attribute.sub.get(name)
    if sub is not None:
        return sub
    detail = f"`{attribute.label}` has no sub-attribute {shown(key)}"
    if name == "displayname" and "display" in attribute.sub and "display" not in value:
        reading.forgive(Tolerance.DISPLAY_NAME_FOR_DISPLAY, invalid_syntax, detail)
        return attribute.sub["display"]
    reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_syntax, detail)
    return None


def _as_object(attribute: Attribute, value: Any, reading: Reading) -> dict[str, Any]:
    """Return what is not an object as the `value` of one."""
    if value == "":
        _forgive_empty(attribute.label, reading)
        return dict.fromkeys(attribute.sub)
    if "value" not in attribute.sub or type(value) not in (str, int):
        raise invalid_value(f"`{attribute.label}` is {_kind(value)}, not an object")
    detail = f"`{attribute.label}` is {_kind(value)}, not an object with a `value`"
    reading.forgive(Tolerance.BARE_VALUE, invalid_value, detail)
    return {"value": value}


def _unfolded(attribute: Attribute, value: dict[str, Any], reading: Reading) -> dict[str, Any]:
    """Return a role whose `value` is the JSON text of a role with that role's own keys."""
    text = value.get("value")
    if type(text) is not str or not text.startswith("{"):
        return value
    try:
        inner = parse_body(text)
    except ScimError:
        return value  # text that happens to begin with a brace is text
    inner_value = inner.get("value")
    if type(inner_value) is not str or inner_value.startswith("{"):
        return value
    if Tolerance.JSON_IN_STRING not in reading.tolerances:
        return value  # within the RFCs it is a string like any other
    reading.used.add(Tolerance.JSON_IN_STRING)
    return {**value, **inner}


def _forgive_empty(label: str, reading: Reading) -> None:
    detail = f"`{label}` is the empty string; send `null` or remove the attribute"
    reading.forgive(Tolerance.EMPTY_STRING_CLEARS, invalid_value, detail)


# --- simple types (RFC 7643 §2.3) ----------------------------------------------------------------------------

_SIMPLE: Final = (str, int, float, bool)


def _read_string(attribute: Attribute, value: Any, reading: Reading) -> str:
    if type(value) is not str:
        if type(value) not in _SIMPLE:
            raise _mistyped(attribute, value, "a string")
        detail = f"`{attribute.label}` is {_kind(value)}, not a string"
        reading.forgive(Tolerance.SCALAR_AS_STRING, invalid_value, detail)
        return json.dumps(value)
    if len(value) > MAX_STRING:
        raise invalid_value(f"`{attribute.label}` has {len(value)} characters, the limit is {MAX_STRING}")
    return value


def _read_boolean(attribute: Attribute, value: Any, reading: Reading) -> bool:
    if type(value) is bool:
        return value
    meant = _BOOLEANS.get(value.casefold()) if type(value) is str else None
    if meant is None:
        raise _mistyped(attribute, value, "true or false")
    detail = f"`{attribute.label}` is the string {shown(value)}, not a boolean"
    reading.forgive(Tolerance.STRING_BOOLEAN, invalid_value, detail)
    return meant


def _read_integer(attribute: Attribute, value: Any, reading: Reading) -> int:
    if type(value) is not int:
        raise _mistyped(attribute, value, "a whole number")
    return value


def _read_decimal(attribute: Attribute, value: Any, reading: Reading) -> int | float:
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    raise _mistyped(attribute, value, "a number")


def _read_date_time(attribute: Attribute, value: Any, reading: Reading) -> str:
    if type(value) is not str or parse_datetime(value) is None:
        raise _mistyped(attribute, value, "a dateTime like `2026-12-01T00:00:00Z`")
    return value


def _read_binary(attribute: Attribute, value: Any, reading: Reading) -> str:
    text = _read_string(attribute, value, reading)
    try:
        # Line breaks of a PEM file do no harm.
        binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError as error:
        raise invalid_value(f"`{attribute.label}` is not base64") from error
    return text


_BOOLEANS: Final = {"true": True, "false": False}
_READERS: Final[Mapping[AttributeType, Callable[[Attribute, Any, Reading], Any]]] = {
    AttributeType.STRING: _read_string,
    AttributeType.REFERENCE: _read_string,
    AttributeType.BOOLEAN: _read_boolean,
    AttributeType.INTEGER: _read_integer,
    AttributeType.DECIMAL: _read_decimal,
    AttributeType.DATE_TIME: _read_date_time,
    AttributeType.BINARY: _read_binary,
}


def _mistyped(attribute: Attribute, value: Any, wanted: str) -> ScimError:
    shown_value = f" {shown(value)}" if type(value) is str else ""
    return invalid_value(f"`{attribute.label}` is {_kind(value)}{shown_value}, not {wanted}")


def _kind(value: Any) -> str:
    """Return what a JSON value is, in JSON's words."""
    return _KINDS.get(type(value), "null")


_KINDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}
