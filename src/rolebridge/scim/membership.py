"""PATCH of a group: membership operations become a delta, never a member list; the rest revises the attributes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rolebridge.core.directory import GroupChange, GroupDraft, MemberAction, MemberStep
from rolebridge.core.filters import Comparison, Operator, Or, ResolvedFilter
from rolebridge.scim.canonical import group_draft, member_ids, read_group
from rolebridge.scim.errors import ScimError, invalid_filter, invalid_value, mutability, no_target
from rolebridge.scim.extensions import check_immutable, check_required, with_immutable
from rolebridge.scim.operations import Op, Operation, read_operations
from rolebridge.scim.patch import apply
from rolebridge.scim.paths import UnknownPath, Where, resolve
from rolebridge.scim.tolerances import Reading, Tolerance


def read_group_change(body: Any, reading: Reading) -> GroupChange:
    """Read the body of a PATCH of a group. Raises `ScimError`; so does the change's `revise`."""
    steps: list[MemberStep] = []
    rest: list[Operation] = []
    for operation in read_operations(body, reading):
        try:
            other = _take_members(operation, steps, reading)
        except ScimError as error:
            raise operation.refused(error) from error
        if other is not None:
            rest.append(other)
    if not rest:
        return GroupChange(None, tuple(_joined(steps)))
    schema = reading.schemas.group

    def revise(draft: GroupDraft) -> GroupDraft:
        after = apply(schema, rest, draft.attributes, reading)
        check_immutable(schema, draft.attributes, after)
        check_required(schema, after, draft.attributes)
        return group_draft(after)

    return GroupChange(revise, tuple(_joined(steps)))


def read_group_replacement(body: Any, reading: Reading) -> GroupChange:
    """Read the body of a PUT of a group: what it omits goes, members too (RFC 7644 §3.5.1)."""
    draft, ids = read_group(body, reading)
    schema = reading.schemas.group

    def revise(was: GroupDraft) -> GroupDraft:
        return replace(draft, attributes=with_immutable(schema, was.attributes, draft.attributes))

    return GroupChange(revise, (MemberStep(MemberAction.REPLACE, ids or ()),))


def _take_members(operation: Operation, steps: list[MemberStep], reading: Reading) -> Operation | None:
    """Append what an operation does to members, and return what is left of it for the attributes."""
    if operation.path is None:
        return _take_member_keys(operation, steps, reading)
    try:
        where = resolve(reading.schemas.group, operation.path, reading)
    except UnknownPath:
        return operation
    if where.attribute is None or where.attribute.name != "members":
        return operation
    step = _step(where, operation, reading)
    if step is not None:
        steps.append(step)
    return None


def _take_member_keys(operation: Operation, steps: list[MemberStep], reading: Reading) -> Operation | None:
    if not isinstance(operation.value, dict):
        return operation
    members = reading.schemas.group.attributes["members"]
    rest = {}
    for key, value in operation.value.items():
        if key.lower() != "members":
            rest[key] = value
            continue
        step = _step(Where(None, members), replace(operation, value=value), reading)
        if step is not None:
            steps.append(step)
    return replace(operation, value=rest) if rest else None


def _step(where: Where, operation: Operation, reading: Reading) -> MemberStep | None:
    """Return what an operation on `members` does, None for nothing."""
    if where.sub is not None:
        if where.sub.name != "display":
            raise mutability(f"`{where.sub.label}` is immutable; remove the member and add another")
        return None  # what a member is called is derived from the user
    if where.filter is not None:
        return _selected_step(_selected_ids(where.filter), operation, reading)
    value = operation.value
    if operation.op is Op.REMOVE:
        if value is None:
            return MemberStep(MemberAction.REPLACE, ())
        detail = 'a remove has no value; `members[value eq "…"]` removes one member'
        reading.forgive(Tolerance.REMOVE_WITH_VALUE, invalid_value, detail)
        return MemberStep(MemberAction.REMOVE, member_ids(value, reading))
    if operation.op is Op.REPLACE:
        return MemberStep(MemberAction.REPLACE, member_ids(value, reading))
    if value is None:
        reading.forgive(Tolerance.ADD_NULL, invalid_value, "there is nothing to add")
        return None
    return MemberStep(MemberAction.ADD, member_ids(value, reading))


def _selected_step(ids: tuple[str, ...], operation: Operation, reading: Reading) -> MemberStep:
    """Return what an operation on `members[value eq "…"]` does."""
    value = operation.value
    if operation.op is Op.REMOVE:
        if value is not None:
            detail = "a remove has no value, its filter says what goes"
            reading.forgive(Tolerance.REMOVE_WITH_VALUE, invalid_value, detail)
        return MemberStep(MemberAction.REMOVE, ids)
    given = [] if value in (None, {}) else member_ids([value], reading)
    if any(id_ not in ids for id_ in given):
        raise mutability("the `value` of a member is immutable; remove the member and add another")
    detail = "a filter selects members that are there"
    reading.forgive(Tolerance.CREATE_ABSENT, no_target, detail)
    return MemberStep(MemberAction.ADD, ids)


def _selected_ids(node: ResolvedFilter) -> tuple[str, ...]:
    """Return the ids that a filter of members names: `value eq "…"`, one or several joined by `or`."""
    terms = node.terms if isinstance(node, Or) else (node,)
    ids = []
    for term in terms:
        named = isinstance(term, Comparison) and term.op is Operator.EQ and term.path.target.name == "value"
        if not (named and isinstance(term, Comparison)):
            raise invalid_filter('members are selected by `value eq "…"`, alone or joined by `or`')
        ids.append(str(term.written))
    return tuple(dict.fromkeys(ids))


def _joined(steps: Iterable[MemberStep]) -> list[MemberStep]:
    """Return the steps with neighbours that add, or remove, made one: many clients send one for every member."""
    joined: list[tuple[MemberAction, dict[str, None]]] = []
    for step in steps:
        if joined and joined[-1][0] is step.action and step.action is not MemberAction.REPLACE:
            joined[-1][1].update(dict.fromkeys(step.ids))
        else:
            joined.append((step.action, dict.fromkeys(step.ids)))
    return [MemberStep(action, tuple(ids)) for action, ids in joined]
