"""From a change in the directory or the mapping to changed grants: the one place where grants are written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rolebridge.bridge.guarding import DirectoryGuard, end_holds
from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.batches import batches
from rolebridge.core.directory import Membership, User
from rolebridge.core.grants import Grant
from rolebridge.core.guardrails import Guarding
from rolebridge.core.outcome import Outcome, outcome_of
from rolebridge.core.plan import Change, ChangeKind, diff
from rolebridge.store.unit import Unit

NOTHING_WITHHELD: Final[Mapping[tuple[str, str], str]] = {}

_CHUNK = 500  # users read and resolved at a time: memory stays flat whatever the size of the change


@dataclass(frozen=True, slots=True)
class Cause:
    """What brought a change about: who, by which request, and in one line what they did.

    `guarding` says what the guard rails of the directory do about it; what a person reviewed, or what was due, passes.
    """

    actor: str
    request_id: str
    text: str
    guarding: Guarding = Guarding.NONE


@dataclass(frozen=True, slots=True)
class Resolved:
    """One user's grants before and after, and the days on which they are to be looked at again, by workspace."""

    user_id: str
    before: tuple[Grant, ...]
    after: tuple[Grant, ...]
    rechecks: dict[str, str]


def recompute(
    unit: Unit, organization_id: str, rulebook: Rulebook, user_ids: Iterable[str], cause: Cause, now: datetime
) -> tuple[Change, ...]:
    """Resolve the users again and write what differs: grants, an audit row for each person, outbox rows.

    Users that no longer exist lose everything; what a guard rail holds stays. Returns the changes, in the order of the
    users' ids. The users' rows are locked first, so that two transactions that both change one person's memberships see
    each other's.
    """
    changes: list[Change] = []
    ids = sorted(set(user_ids))
    guard = DirectoryGuard(unit, organization_id, rulebook, cause, now)
    at_once = not (guard.holds and len(ids) > _CHUNK)
    if not at_once:  # what may be held is judged as a whole, before any of it is written
        for chunk in batches(ids, _CHUNK):
            guard.see(_locked(unit, organization_id, rulebook, chunk, now))
        guard.decide()
    for chunk in batches(ids, _CHUNK):
        people = _locked(unit, organization_id, rulebook, chunk, now)
        if guard.is_awake:
            if at_once:
                guard.see(people)
                guard.decide()
            people = guard.kept(people, lambda person: resolve_person(rulebook, person, now))
        resolved = [one for _, one in people]
        changes.extend(write(unit, organization_id, resolved, cause, now, guard.withheld))
    return tuple(changes)


def _locked(
    unit: Unit, organization_id: str, rulebook: Rulebook, user_ids: Sequence[str], now: datetime
) -> list[tuple[Person, Resolved]]:
    unit.directory(organization_id).lock_users(user_ids)
    people = read_people(unit, organization_id, user_ids)
    return [(person, resolve_person(rulebook, person, now)) for person in people]


@dataclass(frozen=True, slots=True)
class Person:
    """What is read of one user to resolve them, and what is recorded; `user` is None for one that no longer exists."""

    user_id: str
    user: User | None
    memberships: tuple[Membership, ...]
    manual: tuple[ManualAssignment, ...]
    held: tuple[Grant, ...]


def read_people(unit: Unit, organization_id: str, user_ids: Sequence[str]) -> Iterator[Person]:
    """Yield what resolving the users takes, in the order of `user_ids`, read in sets."""
    directory, granted = unit.directory(organization_id), unit.grants(organization_id)
    users = {user.id: user for user in directory.core_users(user_ids)}
    memberships = directory.memberships(user_ids)
    manual = granted.manual_of_users(user_ids)
    held = granted.of_users(user_ids)
    for id_ in user_ids:
        yield Person(
            id_, users.get(id_), tuple(memberships.get(id_, ())), tuple(manual.get(id_, ())), tuple(held.get(id_, ()))
        )


def resolve_users(
    unit: Unit, organization_id: str, rulebook: Rulebook, user_ids: Sequence[str], now: datetime
) -> Iterator[Resolved]:
    """Yield what each of the users holds now and what they would hold under `rulebook`; nothing is written."""
    for person in read_people(unit, organization_id, user_ids):
        yield resolve_person(rulebook, person, now)


def resolve_person(rulebook: Rulebook, person: Person, now: datetime) -> Resolved:
    """Return what a person holds now and what they would hold under `rulebook`."""
    outcome = outcome_under(rulebook, person, now)
    rechecks = {workspace: day.isoformat() for workspace, day in outcome.due.items()}
    return Resolved(person.user_id, person.held, as_known(person.held, outcome.grants), rechecks)


def outcome_under(rulebook: Rulebook, person: Person, at: datetime) -> Outcome:
    """Return what the rulebook makes of a person at `at`, whatever is recorded; nothing for one who is gone."""
    if person.user is None:
        return Outcome()
    who = (person.user, person.memberships, person.manual)
    return outcome_of(rulebook.programs, rulebook.revision, *who, at, recorded=person.held)


def as_known(before: Sequence[Grant], after: Sequence[Grant]) -> tuple[Grant, ...]:
    """Return `after`, each grant that a later revision leaves as it was still under the revision that made it so."""
    known = {grant.key: grant for grant in before}
    return tuple(
        known[grant.key]
        if grant.key in known and replace(grant, revision=known[grant.key].revision) == known[grant.key]
        else grant
        for grant in after
    )


def write(
    unit: Unit,
    organization_id: str,
    people: Sequence[Resolved],
    cause: Cause,
    now: datetime,
    withheld: Mapping[tuple[str, str], str] = NOTHING_WITHHELD,
) -> tuple[Change, ...]:
    """Write what differs of users that were resolved in this transaction, and were locked before they were read.

    `withheld` names by (user, workspace) the hold that keeps what they lose from being delivered.
    """
    end_holds(unit, organization_id, people, cause, now)
    granted = unit.grants(organization_id)
    granted.replace((one.user_id, one.before, one.after) for one in people)
    granted.set_rechecks({one.user_id: one.rechecks for one in people})
    changes: list[Change] = []
    for one in people:
        changed = diff(one.before, one.after, cause.text)
        if changed:
            _record(unit, organization_id, changed, cause, now, withheld)
            changes.extend(changed)
    return tuple(changes)


def _record(
    unit: Unit,
    organization_id: str,
    changes: Sequence[Change],
    cause: Cause,
    now: datetime,
    withheld: Mapping[tuple[str, str], str],
) -> None:
    """Record the changes of one user."""
    user_id = changes[0].user_id
    record = unit.record(organization_id)
    record.audit(
        kind="grants.changed",
        actor=cause.actor,
        request_id=cause.request_id,
        subject_kind="user",
        subject_id=user_id,
        before=_rows(change.before for change in changes),
        after=_rows(change.after for change in changes),
        reason=cause.text,
        now=now,
    )
    felt: dict[str | None, list[tuple[str, str]]] = {}
    for change in changes:
        if change.kind is not ChangeKind.PROVENANCE:
            hold_id = withheld.get((user_id, change.workspace))
            felt.setdefault(hold_id, []).append(("grant." + change.kind, _payload(change)))
    for hold_id, entries in felt.items():
        record.outbox_many(entries, now, hold_id=hold_id)


def _rows(grants: Iterable[Grant | None]) -> str:
    return json.dumps([_brief(grant) for grant in grants if grant is not None], ensure_ascii=False)


def _brief(grant: Grant) -> dict[str, object]:
    brief: dict[str, object] = {
        "workspace": grant.workspace,
        "slot": grant.slot,
        "project": grant.project,
        "role": grant.role,
        "state": grant.state,
        "source": grant.source,
        "rule": grant.rule,
        "lock": grant.lock,
        "revision": grant.revision,
        "because": _without_reasons(grant.because),
    }
    if grant.reach:
        brief["reach"] = grant.reach
    if grant.valid_until:
        brief["valid_until"] = grant.valid_until.isoformat()
    if grant.held_since:
        brief["held_since"] = grant.held_since.isoformat()
    if grant.acts_as_role:
        brief["acts_as"] = {"slot": grant.acts_as_slot, "role": grant.acts_as_role}
    return brief


def _without_reasons(because: str) -> dict[str, object]:
    """Return why a grant is, without what people wrote: that stands with the assignment, and can be erased there."""
    read: dict[str, list[dict[str, object]]] = json.loads(because)
    for claim in (*read.get("winners", ()), *read.get("claims", ())):
        claim.pop("reason", None)
    return dict(read)


def _payload(change: Change) -> str:
    """Return what a delivery needs to know: whose role in which scope goes from what to what."""
    payload = {
        "kind": change.kind,
        "user_id": change.user_id,
        "workspace": change.workspace,
        "slot": change.slot,
        "project": change.project,
        "before": change.before.role if change.before else None,
        "after": change.after.role if change.after else None,
        "cause": change.cause,
    }
    return json.dumps(payload, ensure_ascii=False)
