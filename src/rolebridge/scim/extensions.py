"""What an extension's schema demands of a resource beyond the types of its values (RFC 7643 §7, RFC 7644 §3.5).

Nothing here costs anything where no extension demands anything: the enterprise extension does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scim2_models import Returned

from rolebridge.scim.errors import invalid_value, mutability
from rolebridge.scim.schemas import Attribute, ResourceSchema
from rolebridge.scim.tolerances import Reading


def check_required(
    schema: ResourceSchema, attributes: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> None:
    """Raise `ScimError` (invalidValue) unless everything is there that a resource with these attributes must have.

    What was missing `before` may stay missing: a user from before the schema can still be changed, and deactivated.
    """
    if not schema.demanding:
        return
    was_missing = frozenset() if before is None else frozenset(_missing(schema, before))
    for label in _missing(schema, attributes):
        if label not in was_missing:
            raise invalid_value(f"`{label}` is required")


def _missing(schema: ResourceSchema, attributes: Mapping[str, Any]) -> Iterator[str]:
    for extension in schema.demanding:
        held = attributes.get(extension.urn)
        if not held:
            if extension.required:
                yield extension.urn
            continue
        for attribute in extension.attributes.values():
            yield from _missing_in(attribute, held.get(attribute.name))


def _missing_in(attribute: Attribute, value: Any) -> Iterator[str]:
    if value is None:
        if attribute.required:
            yield attribute.label
        return
    for element in value if isinstance(value, list) else (value,):
        if isinstance(element, dict):
            yield from (sub.label for sub in attribute.sub.values() if sub.required and sub.name not in element)


def specify(urn: str, attribute: Attribute, reading: Reading) -> None:
    """Note that the request itself holds the attribute, if that asks for it in the answer."""
    if attribute.returned is Returned.request:
        reading.specified.add((urn, attribute.name))


def with_immutable(schema: ResourceSchema, before: Mapping[str, Any], after: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what replaces a resource, with the immutable values that it does not name.

    Raises `ScimError` (mutability) where it names another value (RFC 7644 §3.5.1).
    """
    if not schema.immutable:
        return after
    kept = dict(after)
    for urn, name in schema.immutable:
        value = before.get(urn, {}).get(name)
        if value is not None:
            kept[urn] = {name: value, **kept.get(urn, {})}
    check_immutable(schema, before, kept)
    return kept


def check_immutable(schema: ResourceSchema, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise `ScimError` (mutability) unless every immutable value is still what it was."""
    for urn, name in schema.immutable:
        value = before.get(urn, {}).get(name)
        if value is not None and after.get(urn, {}).get(name) != value:
            raise mutability(f"`{urn}:{name}` is immutable and has a value")
