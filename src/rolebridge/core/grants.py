"""Grants: effective roles as they are recorded, for reading, comparing and delivering.

A grant is flat and complete: whoever reads it needs neither the resolver nor the catalogue to say what holds, how
far it reaches, until when, and through which rule and group it came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from rolebridge.core.assignment import Assignment, EffectiveRole, Lost, Reason, Resolution, Source
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.program import Program


class GrantState(StrEnum):
    """Whether the row is in force, or tells of a claim that is not: a missing prerequisite, or a conflict of rules."""

    EFFECTIVE = "effective"
    BLOCKED = "blocked"
    CONFLICT = "conflict"


class GrantKey(NamedTuple):
    """What tells a grant from every other one of its organization, in the order of listings."""

    workspace: str
    project: str
    user_id: str
    slot: str
    role: str


@dataclass(frozen=True, slots=True)
class Grant:
    """One recorded effective role of one user.

    `project` is "" for the workspace. `lock`, `reach` and `override` are the values of `LockKind`, `Reach` and
    `ProjectOverride` ("" for no lock). `held_since` is set while a guard rail keeps a revocation from taking effect.
    `revision` is the mapping revision that made the grant what it is; later ones that change nothing leave it.
    `because` is JSON: the winners (or the claims in conflict, with their roles), each with rule, group, since and
    connection, or with who gave it by hand; for a blocked one also `needs`.
    """

    user_id: str
    workspace: str
    slot: str
    project: str
    role: str
    state: GrantState
    source: Source
    rule: str
    lock: str
    reach: str
    override: str
    acts_as_slot: str
    acts_as_role: str
    valid_from: date | None
    valid_until: date | None
    revision: int
    because: str
    held_since: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Return what identifies the grant: user, workspace, slot, project, role."""
        return (self.user_id, self.workspace, self.slot, self.project, self.role)


def grants_of(program: Program, resolution: Resolution, revision: int) -> tuple[Grant, ...]:
    """Return the rows that record a resolution: what holds, what is blocked and what is in conflict."""
    catalogue = program.catalogue
    rows = [_effective(catalogue, resolution, role, revision) for role in resolution.roles]
    taken = {row.key for row in rows}
    for row in (*_blocked(resolution, revision), *_in_conflict(resolution, revision)):
        if row.key not in taken:
            taken.add(row.key)
            rows.append(row)
    return tuple(sorted(rows, key=lambda row: row.key))


def _effective(catalogue: Catalogue, resolution: Resolution, role: EffectiveRole, revision: int) -> Grant:
    entry = catalogue.role(role.slot, role.role)
    starts = [winner.starts for winner in role.winners]
    ends = [winner.ends for winner in role.winners]
    return Grant(
        user_id=resolution.user_id,
        workspace=resolution.workspace,
        slot=role.slot,
        project=role.project or "",
        role=role.role,
        state=GrantState.EFFECTIVE,
        source=role.source,
        rule=role.winners[0].rule or "",
        lock=role.lock.kind if role.lock else "",
        reach=entry.reach,
        override=entry.project_override,
        acts_as_slot=role.acts_as.slot if role.acts_as else "",
        acts_as_role=role.acts_as.role if role.acts_as else "",
        valid_from=None if None in starts else min(day for day in starts if day),
        valid_until=None if None in ends else max(day for day in ends if day),
        revision=revision,
        because=_json({"winners": [_provenance(winner) for winner in role.winners]}),
    )


def _blocked(resolution: Resolution, revision: int) -> Iterator[Grant]:
    for lost in resolution.lost:
        if lost.reason is Reason.BLOCKED:
            yield _not_in_force(resolution, lost.assignment, GrantState.BLOCKED, revision, _blocked_because(lost))


def _in_conflict(resolution: Resolution, revision: int) -> Iterator[Grant]:
    for conflict in resolution.conflicts:
        because = _json({"claims": [{"role": claim.role, **_provenance(claim)} for claim in conflict.claims]})
        for claim in conflict.claims:
            yield _not_in_force(resolution, claim, GrantState.CONFLICT, revision, because)


def _blocked_because(lost: Lost) -> str:
    return _json({"winners": [_provenance(lost.assignment)], "needs": lost.detail})


def _not_in_force(resolution: Resolution, claim: Assignment, state: GrantState, revision: int, because: str) -> Grant:
    return Grant(
        user_id=resolution.user_id,
        workspace=resolution.workspace,
        slot=claim.slot,
        project=claim.project or "",
        role=claim.role,
        state=state,
        source=claim.source,
        rule=claim.rule or "",
        lock="",
        reach="",
        override="",
        acts_as_slot="",
        acts_as_role="",
        valid_from=claim.starts,
        valid_until=claim.ends,
        revision=revision,
        because=because,
    )


def _provenance(claim: Assignment) -> dict[str, object]:
    """Return who or what gives the claim, without what is absent."""
    entry: dict[str, object] = {"source": claim.source}
    if claim.rule:
        # Not its place: a line inserted above a rule changes nobody's access, so it must not change their grants.
        entry["rule"] = claim.rule
    if claim.note:
        entry["note"] = claim.note
    if claim.membership:
        membership = claim.membership
        entry["group"] = {"id": membership.group.id, "display": membership.group.display}
        if membership.via:
            entry["via"] = [{"id": group.id, "display": group.display} for group in membership.via]
        entry["connection"] = membership.group.connection
        entry["asserted_by"] = membership.source
        if membership.since:
            entry["since"] = membership.since.isoformat()
    if claim.manual:
        entry |= {"by": claim.manual.by, "at": claim.manual.at.isoformat(), "reason": claim.manual.reason}
    return entry


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
