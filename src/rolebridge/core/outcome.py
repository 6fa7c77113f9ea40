"""What all mappings of an organization together make of one person: their grants, what they lost, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from rolebridge.core.assignment import Lost, ManualAssignment
from rolebridge.core.directory import Membership, User
from rolebridge.core.grants import Grant
from rolebridge.core.holds import held_grants_of, resolve_held
from rolebridge.core.program import Program


@dataclass(frozen=True, slots=True)
class Outcome:
    """One person's grants in every workspace, and by workspace the claims that lost and the day of the next change."""

    grants: tuple[Grant, ...] = ()
    lost: Mapping[str, tuple[Lost, ...]] = field(default_factory=dict)
    due: Mapping[str, date] = field(default_factory=dict)

    @property
    def next_change(self) -> date | None:
        """Return the first later day on which anything may differ though nothing else changes."""
        return min(self.due.values(), default=None)


def outcome_of(
    programs: Iterable[Program],
    revision: int,
    user: User,
    memberships: Sequence[Membership],
    manual: Sequence[ManualAssignment],
    at: datetime,
    *,
    recorded: Sequence[Grant] = (),
) -> Outcome:
    """Return what the user holds in every workspace at `at` (aware); `revision` is the one that grants are made by.

    Of the `recorded` grants, those whose revocation is held are kept as long as their holds stand.
    """
    waiting = [grant for grant in recorded if grant.held_since is not None]
    grants: list[Grant] = []
    lost: dict[str, tuple[Lost, ...]] = {}
    due: dict[str, date] = {}
    for program in programs:
        resolution, held = resolve_held(program, user, memberships, manual, at, waiting)
        grants.extend(held_grants_of(program, resolution, held, revision))
        if resolution.lost:
            lost[program.workspace] = resolution.lost
        if resolution.next_change is not None:
            due[program.workspace] = resolution.next_change
    return Outcome(tuple(grants), lost, due)
