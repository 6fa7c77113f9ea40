"""Holds: what a person still has though nobody speaks for it any more, because a guard rail keeps the revocation.

A hold is recorded as `held_since` of the grant itself. When the person is resolved again the held grant is one more
claim, as good as the rule that gave it: a denial takes it away, a prerequisite may block it, a workspace role may
overrule it, an inactive person has none of it, and its own last day ends it. Whatever else fills its slot ends the
hold; a default does not, since a default only fills what is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rolebridge.core.assignment import Assignment, ManualAssignment, Resolution, Source
from rolebridge.core.catalogue import Level
from rolebridge.core.directory import Membership, User
from rolebridge.core.grants import Grant, GrantState, grants_of
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve


def holdable(grant: Grant) -> bool:
    """Return whether the loss of a grant can be held: a role that a rule gives, and that is in force.

    Defaults and what a missing prerequisite blocks come back by themselves with the role that they hang on.
    """
    return grant.source is Source.RULE and grant.state is GrantState.EFFECTIVE


def resolve_held(
    program: Program,
    user: User,
    memberships: Sequence[Membership],
    manual: Sequence[ManualAssignment],
    at: datetime,
    recorded: Sequence[Grant],
) -> tuple[Resolution, tuple[Grant, ...]]:
    """Resolve a person with what guard rails hold for them; return also the held grants that stand.

    `recorded` are the person's present grants; those of other workspaces and those that are not held are not looked at.
    A held grant stands as long as its claim comes out effective; one that does not has ended and is not returned.
    """
    plain = resolve(program, user, memberships, manual, at)
    if not recorded:
        return plain, ()
    held = [
        grant
        for grant in recorded
        if grant.held_since is not None
        and grant.workspace == program.workspace
        and _is_known(program, grant)
        and not _is_filled(program, plain, grant)
    ]
    while held:
        claims = [_claim(program, grant) for grant in held]
        resolution = resolve(program, user, memberships, manual, at, held=claims)
        winning = {role.key for role in resolution.roles if any(winner.held_since for winner in role.winners)}
        standing = [grant for grant in held if (grant.slot, grant.project, grant.role) in winning]
        if len(standing) == len(held):
            return resolution, tuple(held)
        held = standing  # what has ended must leave no trace, such as a blocked claim or mere access
    return plain, ()


def held_grants_of(program: Program, resolution: Resolution, held: Sequence[Grant], revision: int) -> tuple[Grant, ...]:
    """Return the rows that record a resolution, those that stand only by a hold as they were recorded.

    Their provenance and their lock are those of the claim that is gone; what mere access becomes may have changed.
    """
    known = {grant.key: grant for grant in held}
    return tuple(
        replace(known[row.key], acts_as_slot=row.acts_as_slot, acts_as_role=row.acts_as_role)
        if row.key in known
        else row
        for row in grants_of(program, resolution, revision)
    )


def _is_known(program: Program, grant: Grant) -> bool:
    """Return whether the mapping could still give the role: a rule, project or role that it gave up holds nothing."""
    slot = program.catalogue.slots.get(grant.slot)
    if slot is None or grant.role not in slot.roles or (slot.level is Level.PROJECT) != bool(grant.project):
        return False
    if grant.project and grant.project not in program.projects:
        return False
    return any(rule.id == grant.rule for rule in program.mapping.rules)


def _is_filled(program: Program, plain: Resolution, grant: Grant) -> bool:
    """Return whether the grant's place is taken without it: a slot, or in a slot that holds many the value."""
    place = (grant.slot, grant.project or None)
    if any((conflict.slot, conflict.project) == place for conflict in plain.conflicts):
        return True
    there = [role for role in plain.at(*place) if role.source is not Source.DEFAULT]
    if program.catalogue.slots[grant.slot].holds_many:
        return any(role.role == grant.role for role in there)
    return bool(there)


def _claim(program: Program, grant: Grant) -> Assignment:
    """Return the claim of a held grant, whose rule the mapping still has; the membership is gone."""
    rule = next(rule for rule in program.mapping.rules if rule.id == grant.rule)
    return Assignment(
        grant.slot,
        grant.project or None,
        grant.role,
        Source.RULE,
        rule=rule.id,
        place=rule.place,
        note=rule.note,
        ends=grant.valid_until,
        held_since=grant.held_since,
    )
