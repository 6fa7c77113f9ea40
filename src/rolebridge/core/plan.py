"""Comparing two sets of grants: what changes, for whom, and why.

The same comparison serves a directory change (one person), `plan` and `apply` (everyone). It is pure and ordered, so
that the same inputs give the same bytes and a digest can bind an apply to the plan that was reviewed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.guardrails import Trip


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


# --- what a plan says -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """How many changes of each kind there are, and how many people feel one (those of `provenance` feel nothing)."""

    gain: int = 0
    change: int = 0
    lose: int = 0
    provenance: int = 0
    people: int = 0

    @property
    def felt(self) -> int:
        """Return how many changes somebody feels."""
        return self.gain + self.change + self.lose


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change of a plan: now, or on the day `on`; `cause` says why, with the rule's place.

    `known` is whether the revision in force would bring it about on that day as well.
    """

    change: Change
    user_name: str
    on: date | None = None
    place: str = ""
    known: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """That so many people go from one role to another in a slot; "" is none."""

    slot: str
    before: str
    after: str
    count: int


@dataclass(frozen=True, slots=True)
class OnDay:
    """What happens at the beginning of a later day (UTC) because something begins or ends there.

    `known` of the changes would happen under the revision in force as well; `projects` are the first concerned.
    """

    day: date
    counts: Counts
    known: int = 0
    projects: tuple[str, ...] = ()
    more_projects: int = 0


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """What a plan changes through one rule ("": through none) of a workspace, now and later."""

    rule: str
    place: str
    now: Counts = Counts()
    turns: tuple[Turn, ...] = ()
    days: tuple[OnDay, ...] = ()


@dataclass(frozen=True, slots=True)
class Seats:
    """How many people hold something in a workspace: recorded now, after an apply, and from later days on.

    `limit` is how many the workspace pays for, if its file says so.
    """

    before: int
    after: int
    limit: int | None = None
    days: tuple[tuple[date, int], ...] = ()


@dataclass(frozen=True, slots=True)
class WorkspacePlan:
    """What happens in one workspace; where it is `observed`, not before it is switched to enforce."""

    workspace: str
    seats: Seats
    now: Counts = Counts()
    rules: tuple[RuleEffect, ...] = ()
    days: tuple[OnDay, ...] = ()
    observed: bool = False


class FileFate(StrEnum):
    """How a file differs from the revision in force."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


def files_differ(active: Mapping[str, str], files: Mapping[str, str]) -> tuple[tuple[str, FileFate], ...]:
    """Return the names of files that differ from those in force, in order, and how."""
    found = {name: FileFate.ADDED if name not in active else FileFate.CHANGED for name in files}
    found |= {name: FileFate.REMOVED for name in active if name not in files}
    return tuple(sorted((name, fate) for name, fate in found.items() if active.get(name) != files.get(name)))


@dataclass(frozen=True, slots=True)
class Undeclared:
    """That a pattern would fit a group if `project` were declared; as it is, the rule gives its members nothing."""

    workspace: str
    project: str
    group: str
    rule: str
    place: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply of a candidate would do on `day`, now and until `horizon` (the last day that was looked at).

    `digest` binds an apply to it: see `digest_of`. `new` is whether the candidate differs from the revision in force;
    when it does not, an apply does nothing. `counts` are of what an apply does; what only enforcing an observed
    workspace would do stands in that workspace. `trips` are guard rails that are passed now, `later_trips` those that a
    later day will pass. `changes` are the first of `total`.
    """

    base_revision: int
    candidate_digest: str
    digest: str
    day: date
    horizon: date
    new: bool = True
    files: tuple[tuple[str, FileFate], ...] = ()
    workspaces: tuple[WorkspacePlan, ...] = ()
    counts: Counts = Counts()
    trips: tuple[Trip, ...] = ()
    later_trips: tuple[tuple[date, Trip], ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    total: int = 0
    undeclared: tuple[Undeclared, ...] = ()
    more_undeclared: int = 0

    def only(self, workspace: str) -> Plan:
        """Return what the plan says of one workspace; digest and files stay those of the whole."""
        return replace(
            self,
            workspaces=tuple(one for one in self.workspaces if one.workspace == workspace),
            counts=next((one.now for one in self.workspaces if one.workspace == workspace), Counts()),
            trips=tuple(trip for trip in self.trips if trip.workspace == workspace),
            later_trips=tuple((day, trip) for day, trip in self.later_trips if trip.workspace == workspace),
            changes=tuple(one for one in self.changes if one.change.workspace == workspace),
            undeclared=tuple(one for one in self.undeclared if one.workspace == workspace),
        )

    @property
    def differs(self) -> bool:
        """Return whether there is something to apply, or something that enforcing an observed workspace would do."""
        return self.new or any(one.now.felt for one in self.workspaces)

    @property
    def forbidding(self) -> tuple[Trip, ...]:
        """Return the guard rails that forbid an apply: in an observed workspace it does nothing that could trip one."""
        observed = {one.workspace for one in self.workspaces if one.observed}
        return tuple(trip for trip in self.trips if trip.workspace not in observed)


_BASE_DIGITS: Final = 8
_CANDIDATE_DIGITS: Final = 24
_EFFECT_DIGITS: Final = 32


def digest_of(base: str, candidate: str, effects: str) -> str:
    """Return what binds an apply to a plan: 64 hexadecimal digits in three parts, so that it can tell what moved.

    The parts are the beginnings of SHA-256 over the revision in force, over the candidate, and over what happens to
    whom.
    """
    return base[:_BASE_DIGITS] + candidate[:_CANDIDATE_DIGITS] + effects[:_EFFECT_DIGITS]


class Moved(StrEnum):
    """What is no longer as it was when a plan was made."""

    REVISION = "revision"
    FILES = "files"
    DIRECTORY = "directory"


def moved(planned: str, now: str) -> tuple[Moved, ...]:
    """Return what differs between the digest of a plan and the present one.

    Who gains and loses what follows from the first two: the directory is blamed only when they are the same.
    """
    if planned == now:
        return ()
    base, candidate = slice(0, _BASE_DIGITS), slice(_BASE_DIGITS, _BASE_DIGITS + _CANDIDATE_DIGITS)
    found = []
    if planned[candidate] != now[candidate]:
        found.append(Moved.FILES)
    if planned[base] != now[base]:
        found.append(Moved.REVISION)
    return tuple(found) or (Moved.DIRECTORY,)
