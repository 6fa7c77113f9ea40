"""Comparing two sets of grants: what changes, for whom, and why.

The same comparison serves a directory change (one person), `plan` and `apply` (everyone). It is pure and ordered, so
that the same inputs give the same bytes and a digest can bind an apply to the plan that was reviewed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from rolebridge.core.grants import Grant, GrantState


class ChangeKind(StrEnum):
    """What happens to a person in one slot and scope.

    `provenance` means that the same role holds for another reason or with another lock; the other kinds change what
    the person may do.
    """

    GAIN = "gain"
    LOSE = "lose"
    CHANGE = "change"
    PROVENANCE = "provenance"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `before` and `after` are the grants, one of them None for a gain or a loss."""

    kind: ChangeKind
    user_id: str
    workspace: str
    slot: str
    project: str
    before: Grant | None
    after: Grant | None
    cause: str = ""
    """What brought it about, in one line: the request, or the rule with its place."""

    @property
    def rule(self) -> str:
        """Return the rule that the change is to be blamed on: the one that gives, else the one that gave."""
        return (self.after.rule if self.after else "") or (self.before.rule if self.before else "")


def diff(before: Iterable[Grant], after: Iterable[Grant], cause: str = "") -> tuple[Change, ...]:
    """Return what changes from one set of grants to another, in a fixed order; nothing when both are equal.

    In one slot and scope, a role that goes and one that comes make one `change`; in a slot that holds many, what is
    left over is lost or gained. A row that only tells of a blocked or conflicting claim is not a role: such rows differ
    as `provenance`.
    """
    scopes: dict[tuple[str, str, str, str], tuple[dict[str, Grant], dict[str, Grant]]] = defaultdict(lambda: ({}, {}))
    for side, grants in enumerate((before, after)):
        for grant in grants:
            scopes[grant.user_id, grant.workspace, grant.slot, grant.project][side][grant.role] = grant
    changes: list[Change] = []
    for scope in sorted(scopes):
        changes.extend(_in_scope(scope, *scopes[scope], cause))
    return tuple(changes)


def _in_scope(
    scope: tuple[str, str, str, str], old: dict[str, Grant], new: dict[str, Grant], cause: str
) -> Iterable[Change]:
    gone = [grant for role, grant in sorted(old.items()) if _in_force(grant) and not _in_force(new.get(role))]
    come = [grant for role, grant in sorted(new.items()) if _in_force(grant) and not _in_force(old.get(role))]
    # Only a role whose row goes altogether is exchanged for one whose row is new: what stays as a blocked or
    # conflicting row must be told as itself.
    leaving = [grant for grant in gone if grant.role not in new]
    arriving = [grant for grant in come if grant.role not in old]
    exchanged = list(zip(leaving, arriving, strict=False))
    for one, other in exchanged:
        yield Change(ChangeKind.CHANGE, *scope, before=one, after=other, cause=cause)
    told = {grant.role for pair in exchanged for grant in pair}
    for one in gone:
        if one.role not in told:
            yield Change(ChangeKind.LOSE, *scope, before=one, after=new.get(one.role), cause=cause)
    for other in come:
        if other.role not in told:
            yield Change(ChangeKind.GAIN, *scope, before=old.get(other.role), after=other, cause=cause)
    for role in sorted(old.keys() | new.keys()):
        was, is_ = old.get(role), new.get(role)
        if was != is_ and _in_force(was) == _in_force(is_):
            yield Change(ChangeKind.PROVENANCE, *scope, before=was, after=is_, cause=cause)


def _in_force(grant: Grant | None) -> bool:
    return grant is not None and grant.state is GrantState.EFFECTIVE


def applied(before: Iterable[Grant], changes: Iterable[Change]) -> frozenset[Grant]:
    """Return the grants that `changes` make of `before`: `applied(a, diff(a, b))` is `b`."""
    rows = set(before)
    for change in changes:
        if change.before is not None:
            rows.discard(change.before)
    rows.update(change.after for change in changes if change.after is not None)
    return frozenset(rows)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply would do: the candidate's digest, the revision that it starts from, and every change."""

    base_revision: int
    candidate_digest: str
    changes: tuple[Change, ...]
    people_before: dict[str, int] = field(default_factory=dict)
    """How many people hold something in each workspace now."""

    @property
    def digest(self) -> str:
        """Return SHA-256 over everything the plan says, hexadecimal: equal plans, equal digests."""
        lines = [
            [change.kind, *(part for part in _line(change.before)), *(part for part in _line(change.after))]
            for change in self.changes
        ]
        text = json.dumps([self.base_revision, self.candidate_digest, lines], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def of_kind(self, kind: ChangeKind) -> tuple[Change, ...]:
        """Return the changes of one kind."""
        return tuple(change for change in self.changes if change.kind is kind)


def _line(grant: Grant | None) -> tuple[str, ...]:
    if grant is None:
        return ("",)
    return (
        *grant.key,
        grant.state,
        grant.source,
        grant.rule,
        grant.lock,
        str(grant.valid_from),
        str(grant.valid_until),
    )
