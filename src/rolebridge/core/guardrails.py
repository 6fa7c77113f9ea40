"""Guard rails: when a change takes so much from so many that a person should look at it first.

An apply is compared as a whole (`revocations`, `last_holders`) and refused. The directory changes one person per
request, so its losses are counted over a sliding window, and what goes past the limit is held (`judge`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.mapping import Guard, HoldLimit


class GuardKind(StrEnum):
    """Which guard rail speaks."""

    HOLD_REVOCATIONS = "hold_revocations"
    KEEP = "keep"


class Guarding(StrEnum):
    """What guard rails do about the losses of one cause.

    `none`: a person has reviewed the change, or it was due: nothing is counted and nothing held. `counted`: losses
    count, and take effect (attributes that changed, accounts that were deactivated). `held`: losses count, and past
    the limit those of active people are held (members removed, groups deleted or renamed).
    """

    NONE = "none"
    COUNTED = "counted"
    HELD = "held"


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


def revocations(workspace: str, guard: Guard, losing: int, holders_before: int) -> Trip | None:
    """Return a trip when more people lose a role in `workspace` than both bounds of its limit allow.

    `holders_before` counts the active people who held something there at the start. `losing` counts a person who loses
    several roles once, and one whose role changes only if nothing replaces it.
    """
    limit = guard.hold_revocations
    return None if limit is None else _mass_trip(workspace, limit, losing, holders_before)


def _is_past(limit: HoldLimit, losing: int, holders: int) -> bool:
    """Return whether so many of so many holders are past both bounds."""
    share = losing / holders if holders else 0.0
    return share > limit.share and losing >= limit.at_least


def _mass_trip(workspace: str, limit: HoldLimit, losing: int, holders: int) -> Trip | None:
    if not _is_past(limit, losing, holders):
        return None
    share = losing / holders
    return Trip(
        GuardKind.HOLD_REVOCATIONS,
        workspace,
        f"{limit.share:.0%}, or fewer than {limit.at_least} people",
        f"{losing} of {holders} people ({share:.1%}) lose a role",
        losing,
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


def short_of(workspace: str, guard: Guard, present: Mapping[tuple[str, str], int]) -> tuple[Trip, ...]:
    """Return a trip for each kept role that has too few holders now, however that came about."""
    return tuple(
        Trip(
            GuardKind.KEEP,
            workspace,
            f"no fewer than {least}",
            f"{present.get((slot, role), 0)} of at least {least} hold {role} in {slot}",
            present.get((slot, role), 0),
        )
        for slot, role, least in guard.keep
        if present.get((slot, role), 0) < least
    )


def holders(grants: Iterable[Grant]) -> dict[tuple[str, str], int]:
    """Return how many people hold each (slot, role) in force, counting a person once."""
    people: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        if grant.state is GrantState.EFFECTIVE:
            people.setdefault((grant.slot, grant.role), set()).add(grant.user_id)
    return {key: len(users) for key, users in people.items()}


# --- the directory: losses over a sliding window -------------------------------------------------------------------

Pair = tuple[str, str]
"""A slot and a role: what `keep` counts the holders of."""


@dataclass(frozen=True, slots=True)
class Window:
    """What has happened in a workspace within the sliding window, before the request that is judged.

    `holders` counts the active people who held something at its start. `lost` counts those who have lost a role since
    while they were active, `people` also those whose account was deactivated or deleted. Of the people of this request,
    `known_lost` are counted in `lost` already, and `known` in `people`. `kept` counts the present holders of each kept
    role.
    """

    holders: int
    lost: int = 0
    people: int = 0
    known_lost: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    kept: Mapping[Pair, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Losses:
    """Who loses a role in a workspace by one request: active people and those who are gone, each with the kept roles
    that they hold no more. `holdable` are those of the active whose loss can be held.
    """

    active: Mapping[str, frozenset[Pair]] = field(default_factory=dict)
    gone: Mapping[str, frozenset[Pair]] = field(default_factory=dict)
    holdable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request's losses.

    `held` says by id whose loss is held, and by which limit; `withheld`, of whose loss only the delivery is. `told` are
    limits that were passed by what is never held.
    """

    held: Mapping[str, Trip] = field(default_factory=dict)
    withheld: Mapping[str, Trip] = field(default_factory=dict)
    told: tuple[Trip, ...] = ()


def judge(workspace: str, guard: Guard, window: Window, losses: Losses) -> Verdict:
    """Decide what of a request's losses in `workspace` takes effect.

    A request that would go past a limit is held as a whole, so that whoever empties a group in one request takes
    nothing from anybody; of requests that each name one person, those up to the limit take effect. The loss of somebody
    who is gone is never held: only its delivery to the platform is, once the people who lost something and those who
    are gone are together past the limit.
    """
    held: dict[str, Trip] = {}
    mass = _mass_loss(workspace, guard, window, losses)
    if mass is not None:
        held.update(dict.fromkeys(losses.holdable, mass))
    told = []
    for trip, pair in _few_left(workspace, guard, window, losses, held.keys()):
        stopped = {person for person in losses.holdable - held.keys() if pair in losses.active[person]}
        held.update(dict.fromkeys(stopped, trip))
        if not stopped:
            told.append(trip)
    withheld = _undelivered(workspace, guard, window, losses, held.keys())
    return Verdict(held, withheld, tuple(told))


def _mass_loss(workspace: str, guard: Guard, window: Window, losses: Losses) -> Trip | None:
    limit = guard.hold_revocations
    if limit is None or not losses.holdable:
        return None
    return _mass_trip(workspace, limit, window.lost + len(losses.active.keys() - window.known_lost), window.holders)


def _few_left(
    workspace: str, guard: Guard, window: Window, losses: Losses, held: Collection[str]
) -> Iterable[tuple[Trip, Pair]]:
    """Yield each kept role that the losses not yet held would leave with too few holders.

    `held` may grow from one to the next: what one kept role holds back is no loss to the other.
    """
    for slot, role, least in guard.keep:
        pair = (slot, role)
        losing = {person for person, pairs in losses.active.items() if pair in pairs and person not in held}
        losing |= {person for person, pairs in losses.gone.items() if pair in pairs}
        had = window.kept.get(pair, 0)
        remaining = had - len(losing)
        if losing and remaining < least:
            actual = f"{remaining} of {had} holders of {role} in {slot} remain"
            yield Trip(GuardKind.KEEP, workspace, f"no fewer than {least}", actual, remaining), pair


def _undelivered(workspace: str, guard: Guard, window: Window, losses: Losses, held: Iterable[str]) -> dict[str, Trip]:
    limit = guard.hold_revocations
    if limit is None or not losses.gone:
        return {}
    people = window.people + len(((losses.active.keys() - set(held)) | losses.gone.keys()) - window.known)
    trip = _mass_trip(workspace, limit, people, window.holders)
    return {} if trip is None else dict.fromkeys(losses.gone, trip)
