"""PATCH of attributes: operations on canonical attributes give new ones, or a refusal and nothing (RFC 7644 §3.5.2).

Pure: the attributes that come in are never changed, so a refused operation leaves nothing half done. Later operations
see what earlier ones did. Choices where the RFC leaves one:

- An object for a complex attribute, or for the values that a filter selects, is merged: what it does not name stays
  (§3.5.2.3). `null` clears.
- Adding a value that is there (same `value` and `type`, else equal in all) changes that one and adds none.
- A value that an operation marks primary takes `primary` from the others.
- A new `value` of a reference (a manager) without a `$ref` drops the old `$ref`, which would point elsewhere.
- A value left with nothing but `type` and `primary`, because the request cleared the rest, is dropped in the end.
- `schemas` follows the attributes and passwords are not kept: operations on either change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from rolebridge.core.directory import UserDraft
from rolebridge.core.filter_tree import shown
from rolebridge.core.filters import AttributeType
from rolebridge.scim.canonical import (
    MAX_ELEMENTS,
    as_list,
    as_single,
    clean,
    clean_element,
    clean_list,
    is_husk,
    read_parts,
    read_user,
    user_draft,
)
from rolebridge.scim.errors import ScimError, invalid_path, invalid_value, mutability, no_target
from rolebridge.scim.extensions import check_immutable, check_required, specify, with_immutable
from rolebridge.scim.operations import Op, Operation, read_operations
from rolebridge.scim.paths import UnknownPath, Where, resolve
from rolebridge.scim.schemas import Attribute, ResourceSchema
from rolebridge.scim.tolerances import Reading, Tolerance

MAX_USER_OPERATIONS: Final = 1000
"""Operations of a PATCH of one user, each of which may look at every value of an attribute."""


def read_user_change(body: Any, reading: Reading) -> Callable[[UserDraft], UserDraft]:
    """Read the body of a PATCH of a user: a function that makes the new draft of the present one.

    The function raises `ScimError`, as the reading does, and may be called again (a transaction may run twice).
    """
    operations = read_operations(body, reading)
    if len(operations) > MAX_USER_OPERATIONS:
        raise invalid_value(f"the PATCH of a user has {len(operations)} operations, the limit is {MAX_USER_OPERATIONS}")

    def change(draft: UserDraft) -> UserDraft:
        known = {"active": draft.active, **draft.attributes}
        present = {name: value for name, value in known.items() if value is not None}
        schema = reading.schemas.user
        after = apply(schema, operations, present, reading)
        check_immutable(schema, present, after)
        check_required(schema, after, present)
        if "active" in after:
            return user_draft(after)
        # Whoever unassigns `active` neither deactivates nor reactivates the user: only a value does.
        return replace(user_draft({**after, "active": None}), active=draft.active)

    return change


def read_user_replacement(body: Any, reading: Reading) -> Callable[[UserDraft], UserDraft]:
    """Read the body of a PUT of a user: a function as `read_user_change` returns one (RFC 7644 §3.5.1)."""
    draft = read_user(body, reading)
    schema = reading.schemas.user
    return lambda was: replace(draft, attributes=with_immutable(schema, was.attributes, draft.attributes))


def apply(
    schema: ResourceSchema, operations: Iterable[Operation], attributes: Mapping[str, Any], reading: Reading
) -> dict[str, Any]:
    """Return the attributes after the operations. Raises `ScimError` that names the operation."""
    patching = _Patching(schema, attributes, reading)
    for operation in operations:
        try:
            patching.run(operation)
        except ScimError as error:
            raise operation.refused(error) from error
    return patching.finished()


class _Patching:
    """One PATCH under way: `result` is a copy, and whatever changes in it is replaced, never changed in place."""

    def __init__(self, schema: ResourceSchema, attributes: Mapping[str, Any], reading: Reading) -> None:
        self.schema = schema
        self.result = dict(attributes)
        self.reading = reading
        self.thinned: set[tuple[str | None, str]] = set()

    def run(self, operation: Operation) -> None:
        if operation.path is None:
            self.write_keys(operation.op, operation.value)
            return
        try:
            where = resolve(self.schema, operation.path, self.reading)
        except UnknownPath as error:
            self.reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_path, str(error))
            return
        self.write(where, operation.op, operation.value)

    def finished(self) -> dict[str, Any]:
        for schema, name in self.thinned:
            values = self.holder(schema).get(name)
            if values is not None:
                self.put(schema, name, [value for value in values if not is_husk(value)])
        return self.result

    # what is named

    def write_keys(self, op: Op, value: Any) -> None:
        """Run an operation whose target is the resource: every key of its value is one."""
        if not isinstance(value, dict):
            raise invalid_value("without a path, the value is an object of attributes")
        for key, item in value.items():
            where = self.key(key)
            if where is None:
                continue
            attribute = where.attribute
            if attribute is not None and attribute.read_only and attribute.name != "schemas":
                detail = f"`{attribute.label}` is read-only"
                self.reading.forgive(Tolerance.READ_ONLY_ECHOED, mutability, detail)
                continue
            self.write(where, op, item)

    def key(self, key: str) -> Where | None:
        """Return what a key names; None for nothing that is known."""
        schema = self.schema
        attribute = schema.attributes.get(key) or schema.attributes.get(key.lower())
        if attribute is not None:
            return Where(None, attribute)
        extension = schema.extensions.get(key.lower())
        if extension is not None:
            return Where(extension.urn, None)
        if "[" in key:
            self.reading.forgive(Tolerance.FILTER_KEYS, invalid_path, f"the key {shown(key)} holds a filter")
        elif "." in key or ":" in key:
            self.reading.forgive(Tolerance.PATH_KEYS, invalid_path, f"the key {shown(key)} is a path")
        try:
            return resolve(schema, key, self.reading)
        except UnknownPath as error:
            self.reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_path, str(error))
            return None

    def write(self, where: Where, op: Op, value: Any) -> None:
        attribute, sub = where.attribute, where.sub
        if attribute is None:
            self.write_schema(where.schema, op, value)
            return
        if attribute.name == "schemas":
            return
        for named in (attribute, sub):
            if named is not None and named.read_only:
                raise mutability(f"`{named.label}` is read-only")
        if attribute.ignored or (sub is not None and sub.ignored):
            return
        if where.schema is not None:
            specify(where.schema, attribute, self.reading)
        if op is Op.REMOVE:
            self.remove(where, attribute, value)
        elif value is None and op is Op.ADD:
            self.add_null(where, attribute)
        elif attribute.multi_valued:
            self.write_values(where, attribute, op, value)
        else:
            self.write_single(where, attribute, value)

    def write_schema(self, schema: str | None, op: Op, value: Any) -> None:
        """Run an operation on all of a schema, which its path or key names by URN."""
        if schema is None:
            if op is Op.REMOVE:
                raise mutability(f"`{self.schema.urn}` is the resource itself and cannot be removed")
            self.write_keys(op, value)
        elif op is Op.REMOVE or value is None:
            self.result.pop(schema, None)
        elif not isinstance(value, dict):
            raise invalid_value(f"the value of `{schema}` is an object of its attributes")
        else:
            attributes = self.schema.extensions[schema.lower()].attributes
            for key, item in value.items():
                attribute = attributes.get(key) or attributes.get(key.lower())
                if key.lower() == "schemas":
                    continue
                if attribute is None:
                    detail = f"`{schema}` has no attribute {shown(key)}"
                    self.reading.forgive(Tolerance.UNKNOWN_ATTRIBUTE, invalid_path, detail)
                else:
                    self.write(Where(schema, attribute), op, item)

    def add_null(self, where: Where, attribute: Attribute) -> None:
        self.reading.forgive(Tolerance.ADD_NULL, invalid_value, "there is nothing to add")
        if where.sub is not None or where.selects is not None or not attribute.multi_valued:
            self.remove(where, attribute, None)

    # where it is kept

    def holder(self, schema: str | None) -> dict[str, Any]:
        if schema is None:
            return self.result
        held: dict[str, Any] = self.result.get(schema, {})
        return held

    def put(self, schema: str | None, name: str, value: Any) -> None:
        """Set an attribute, or unassign it when the value is empty."""
        holder = dict(self.holder(schema))
        if value is None or value in ({}, []):
            holder.pop(name, None)
        else:
            holder[name] = value
        if schema is None:
            self.result = holder
        elif holder:
            self.result[schema] = holder
        else:
            self.result.pop(schema, None)

    def clear(self, where: Where, attribute: Attribute) -> None:
        if attribute.required:
            raise mutability(f"`{attribute.label}` is required and cannot be removed")
        self.put(where.schema, attribute.name, None)

    # attributes with one value

    def write_single(self, where: Where, attribute: Attribute, value: Any) -> None:
        sub = where.sub
        if sub is not None:
            cleaned = clean(sub, value, self.reading)
            self.merge(where, attribute, {} if cleaned is None else {sub.name: cleaned}, {sub.name})
        elif value is None:
            self.clear(where, attribute)
        elif attribute.type is AttributeType.COMPLEX:
            value = as_single(attribute, value, self.reading)
            assigned, cleared = read_parts(attribute, {} if value is None else value, self.reading)
            self.merge(where, attribute, assigned, cleared)
        else:
            cleaned = clean(attribute, value, self.reading)
            if cleaned is None:
                self.clear(where, attribute)
            else:
                self.put(where.schema, attribute.name, cleaned)

    def merge(self, where: Where, attribute: Attribute, assigned: dict[str, Any], cleared: set[str]) -> None:
        present = self.holder(where.schema).get(attribute.name, {})
        self.put(where.schema, attribute.name, _merged(present, assigned, cleared))

    # attributes with several values

    def write_values(self, where: Where, attribute: Attribute, op: Op, value: Any) -> None:
        present: list[Any] = self.holder(where.schema).get(attribute.name, [])
        if where.selects is None and where.sub is None:
            if op is Op.ADD:
                added = clean_list(attribute, value, self.reading) or []
                self.put_values(where, attribute, *_added(present, added))
            else:
                self.put_values(where, attribute, clean_list(attribute, value, self.reading) or [], [])
            return
        change = self.element_change(where, attribute, value)
        meant = [index for index, item in enumerate(present) if where.selects is None or where.selects(item)]
        if not meant:
            self.create(where, attribute, present, change)
            return
        values = list(present)
        for index in meant:
            values[index] = change(values[index])
        if where.sub is not None:
            self.thinned.add((where.schema, attribute.name))
        marked = [i for i in meant if _is_primary(values[i]) and not _is_primary(present[i])]
        self.put_values(where, attribute, [item for item in values if item not in (None, {})], marked)

    def element_change(self, where: Where, attribute: Attribute, value: Any) -> Callable[[Any], Any]:
        """Return what the operation makes of one value: a new one, or None to drop it."""
        sub = where.sub
        if sub is not None:
            cleaned = clean(sub, value, self.reading)
            assigned = {} if cleaned is None else {sub.name: cleaned}
            return lambda present: _merged(present, assigned, {sub.name})
        if value is None or attribute.type is not AttributeType.COMPLEX:
            cleaned = clean_element(attribute, value, self.reading)
            return lambda present: cleaned
        value = as_single(attribute, value, self.reading)
        assigned, cleared = read_parts(attribute, {} if value is None else value, self.reading)
        return lambda present: _merged(present, assigned, cleared)

    def create(self, where: Where, attribute: Attribute, present: list[Any], change: Callable[[Any], Any]) -> None:
        """Make the value that a filter describes and no value matches; clearing what is absent changes nothing."""
        made = change({})
        if made in (None, {}):
            return
        if where.described is None and where.selects is not None:
            raise no_target(f"no value of `{attribute.label}` matches the filter, which describes none to create")
        detail = f"no value of `{attribute.label}` matches the filter"
        self.reading.forgive(Tolerance.CREATE_ABSENT, no_target, detail)
        if isinstance(made, dict):
            made = {**(where.described or {}), **made}
        if where.selects is not None and not where.selects(made):
            raise invalid_value(f"the value contradicts the filter that is to select it in `{attribute.label}`")
        marked = [len(present)] if _is_primary(made) else []
        self.put_values(where, attribute, [*present, made], marked)

    def put_values(self, where: Where, attribute: Attribute, values: list[Any], marked: list[int]) -> None:
        """Keep the values, `primary` only at the first one that the operation marked."""
        if len(values) > MAX_ELEMENTS:
            raise invalid_value(f"`{attribute.label}` would have {len(values)} values, the limit is {MAX_ELEMENTS}")
        if len(marked) > 1:
            detail = f"the operation marks {len(marked)} values of `{attribute.label}` as primary"
            self.reading.forgive(Tolerance.SEVERAL_PRIMARIES, invalid_value, detail)
        if marked:
            values = [
                {**value, "primary": False} if _is_primary(value) and index != marked[0] else value
                for index, value in enumerate(values)
            ]
        self.put(where.schema, attribute.name, values)

    # removing

    def remove(self, where: Where, attribute: Attribute, value: Any) -> None:
        if value is not None:
            detail = "a remove has no value; a filter in its path selects what goes"
            self.reading.forgive(Tolerance.REMOVE_WITH_VALUE, invalid_value, detail)
        present = self.holder(where.schema).get(attribute.name)
        if present is None:
            return
        if not attribute.multi_valued:
            if where.sub is None:
                self.clear(where, attribute)
            else:
                self.merge(where, attribute, {}, {where.sub.name})
            return
        meant = where.selects or self.listed(where, attribute, value)
        if where.sub is None:
            self.put(where.schema, attribute.name, [item for item in present if not meant(item)])
            return
        name = where.sub.name
        values = [_merged(item, {}, {name}) if meant(item) else item for item in present]
        self.thinned.add((where.schema, attribute.name))
        self.put(where.schema, attribute.name, [item for item in values if item])

    def listed(self, where: Where, attribute: Attribute, value: Any) -> Callable[[Any], bool]:
        """Return which values a remove without filter means: those its value lists, else all."""
        if value is None or where.sub is not None:
            return lambda item: True
        listed = [
            cleaned
            for item in as_list(attribute, value, self.reading)
            if (cleaned := clean_element(attribute, item, self.reading)) is not None
        ]
        return lambda item: any(_agrees(item, wanted) for wanted in listed)


# --- values --------------------------------------------------------------------------------------------------


def _merged(present: Mapping[str, Any], assigned: Mapping[str, Any], cleared: set[str]) -> dict[str, Any]:
    merged = {name: value for name, value in present.items() if name not in cleared}
    merged.update(assigned)
    if "$ref" in present and "$ref" not in assigned and merged.get("value") != present.get("value"):
        merged.pop("$ref", None)
    return merged


def _added(present: list[Any], added: list[Any]) -> tuple[list[Any], list[int]]:
    """Return the values with the added ones among them, and where those that are newly primary stand."""
    values = list(present)
    places = {_identity(value): index for index, value in enumerate(values)}
    marked = []
    for value in added:
        index = places.setdefault(_identity(value), len(values))
        was_primary = False
        if index == len(values):
            values.append(value)
        elif isinstance(value, dict):
            was_primary = _is_primary(values[index])
            values[index] = {**values[index], **value}
        if _is_primary(value) and not was_primary:
            marked.append(index)
    return values, marked


def _identity(value: Any) -> str:
    """Return what makes two values one: `value` and `type` (RFC 7643 §2.4), without a `value` all of it."""
    if isinstance(value, dict) and "value" in value:
        value = [value["value"], value.get("type")]
    return json.dumps(value, sort_keys=True)


def _agrees(item: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not isinstance(item, dict):
        return bool(item == wanted)
    return all(item.get(name) == value for name, value in wanted.items())


def _is_primary(value: Any) -> bool:
    return isinstance(value, dict) and value.get("primary") is True
