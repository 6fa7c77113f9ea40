"""What the schemas demand of imported resources: made as a POST makes them, changed attribute by attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.errors import Invalid
from rolebridge.scim.canonical import group_draft, user_draft
from rolebridge.scim.errors import ScimError
from rolebridge.scim.extensions import check_immutable, check_required
from rolebridge.scim.schemas import ResourceSchema, SchemaSet

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class SchemaShape:
    """The demands of an organization's schemas. Its attributes are canonical."""

    schemas: SchemaSet

    def new_user(self, attributes: Mapping[str, Any]) -> UserDraft:
        """Return the draft of a user to be made. Raises Invalid."""
        return _invalid(lambda: user_draft(_checked(self.schemas.user, attributes)))

    def changed_user(self, old: UserDraft, attributes: Mapping[str, Any]) -> UserDraft:
        """Return what a user becomes: what the row says replaces, what it does not say stays. Raises Invalid."""
        merged = merge(old.attributes, attributes)
        draft = _invalid(lambda: user_draft(_checked(self.schemas.user, merged, old.attributes)))
        if "active" in attributes:
            return draft
        return UserDraft(draft.user_name, draft.external_id, old.active, merged)

    def new_group(self, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return the draft of a group to be made. Raises Invalid."""
        return _invalid(lambda: group_draft(_checked(self.schemas.group, attributes)))

    def changed_group(self, old: GroupDraft, attributes: Mapping[str, Any]) -> GroupDraft:
        """Return what a group becomes, as `changed_user` does. Raises Invalid."""
        merged = merge(old.attributes, attributes)
        return _invalid(lambda: group_draft(_checked(self.schemas.group, merged, old.attributes)))


def merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with what `new` says: objects are merged, everything else is replaced, nothing is taken away."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = merge(before, value)
        else:
            merged[name] = value
    return merged


def _checked(
    schema: ResourceSchema, attributes: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    check_required(schema, attributes, before)
    if before is not None:
        check_immutable(schema, before, attributes)
    return attributes


def _invalid(made: Callable[[], _T]) -> _T:
    try:
        return made()
    except ScimError as error:
        raise Invalid(str(error)) from error
