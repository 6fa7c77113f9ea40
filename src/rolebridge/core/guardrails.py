"""Guard rails: when a change takes so much from so many that a person should look at it first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.mapping import Guard
from rolebridge.core.plan import Change, ChangeKind


class GuardKind(StrEnum):
    """Which guard rail speaks."""

    HOLD_REVOCATIONS = "hold_revocations"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Trip:
    """That a guard rail was passed: its limit, what would happen instead, and to how many."""

    kind: GuardKind
    workspace: str
    limit: str
    actual: str
    count: int

    def __str__(self) -> str:
        """Return the trip in one line: what would happen, and which limit forbids it."""
        return f"{self.workspace}: {self.actual}; {self.kind} allows {self.limit}"


def revocations(workspace: str, guard: Guard, changes: Iterable[Change], holders_before: int) -> Trip | None:
    """Return a trip when more people lose a role in `workspace` than both bounds of its limit allow.

    `holders_before` counts the active people who held something there at the start. A person who loses several roles
    counts once; one whose role changes counts only if nothing replaces it.
    """
    limit = guard.hold_revocations
    if limit is None:
        return None
    losing = {change.user_id for change in changes if change.kind is ChangeKind.LOSE and change.workspace == workspace}
    share = len(losing) / holders_before if holders_before else 0.0
    if share <= limit.share or len(losing) < limit.at_least:
        return None
    return Trip(
        GuardKind.HOLD_REVOCATIONS,
        workspace,
        f"{limit.share:.0%} and fewer than {limit.at_least} people",
        f"{len(losing)} of {holders_before} people ({share:.1%}) lose a role",
        len(losing),
    )


def last_holders(
    workspace: str, guard: Guard, before: Mapping[tuple[str, str], int], after: Mapping[tuple[str, str], int]
) -> tuple[Trip, ...]:
    """Return a trip for each kept role whose holders would become too few.

    `before` and `after` count active holders by (slot, role). A role that had too few already trips nothing: what
    is not made worse is not stopped.
    """
    trips = []
    for slot, role, least in guard.keep:
        had, has = before.get((slot, role), 0), after.get((slot, role), 0)
        if has < least and has < had:
            actual = f"{has} of {had} holders of {role} in {slot} remain"
            trips.append(Trip(GuardKind.KEEP, workspace, f"no fewer than {least}", actual, has))
    return tuple(trips)


def holders(grants: Iterable[Grant]) -> dict[tuple[str, str], int]:
    """Return how many people hold each (slot, role) in force, counting a person once."""
    people: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        if grant.state is GrantState.EFFECTIVE:
            people.setdefault((grant.slot, grant.role), set()).add(grant.user_id)
    return {key: len(users) for key, users in people.items()}
