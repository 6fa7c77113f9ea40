"""What becomes of logins afterwards: what they stated ends in time, identities are forgotten, logs kept short."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.login_log import LoginLog
from rolebridge.bridge.naming import the_user
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.applications import EndedWhy
from rolebridge.core.directory import Group
from rolebridge.core.errors import NotFound
from rolebridge.core.guardrails import Guarding
from rolebridge.store.engine import Store
from rolebridge.store.logins import EXPIRED_AT_ONCE, StoredIdentity
from rolebridge.store.records import Connection, StoredGroup
from rolebridge.store.unit import Unit

_BATCH: Final = 200
_MARGIN: Final = timedelta(minutes=10)
"""For how much longer a used assertion is remembered than it would be accepted: clocks differ."""

GoOn = Callable[[], bool]
"""Whether a chore may begin another transaction."""


class LoginUpkeep:
    """Ends what is over."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock
        self._log = LoginLog(store, clock)

    def end_due(self, actor: str, organization_id: str, go_on: GoOn) -> int:
        """End memberships that logins stated for so long; return of how many people. Guard rails may hold grants."""
        ended = 0
        while go_on():
            some = self._store.transact(partial(self._end_some, actor=actor, organization_id=organization_id))
            ended += some
            if some < _BATCH:
                break
        return ended

    def _end_some(self, unit: Unit, *, actor: str, organization_id: str) -> int:
        now = self._clock()
        unit.directory(organization_id).lock_organization(exclusive=False)
        rows = unit.logins(organization_id)
        due = []
        for found in rows.due(now, _BATCH):
            # Locked before anything of theirs is: a login of this moment comes first, or waits.
            identity = rows.identity(found.connection_id, found.key, lock=True)
            if identity is not None and identity.stated_until is not None and identity.stated_until <= now:
                due.append(identity)
        cause = Cause(actor, uuid4().hex, "what the last login stated of groups has ended", Guarding.HELD)
        _end(unit, organization_id, self._rulebooks.current(unit, organization_id), due, cause, now)
        return len(due)

    def tidy(self, organization_id: str, go_on: GoOn) -> int:
        """Forget used assertions that nobody would accept any more, and logins beyond those that are kept."""
        gone, before = 0, self._clock() - _MARGIN
        while go_on():
            some = self._store.transact(lambda unit: unit.logins(organization_id).forget_assertions(before))
            gone += some
            if some < EXPIRED_AT_ONCE:
                break
        return gone + self._log.retain(organization_id, go_on)

    def forget(self, operator: Operator, connection: Connection, user: str) -> str:
        """Forget who somebody is at a connection's provider; return the id of the user, who may be gone.

        What their login stated ends, they are signed out, and their next login is as a first one. `user` is a userName
        or id; of a deleted user the last userName or the id. Raises NotFound.
        """

        def work(unit: Unit) -> str:
            now = self._clock()
            organization_id = connection.organization_id
            unit.directory(organization_id).lock_organization(exclusive=False)
            user_id = _whoever(unit, organization_id, user)
            rows = unit.logins(organization_id)
            known = [
                one for one in rows.identities_of([user_id]).get(user_id, ()) if one.connection_id == connection.id
            ]
            gone = unit.directory(organization_id).departed(user_id)
            if not known and gone is None:
                raise NotFound(f"identity at connection `{connection.name}` of user", user)
            cause = Cause(operator.actor, operator.request_id, f"identity at `{connection.name}` forgotten")
            rulebook = self._rulebooks.current(unit, organization_id)
            _end(unit, organization_id, rulebook, known, cause, now)
            for identity in known:
                rows.delete_identity(identity.connection_id, identity.key)
            if gone is not None:
                rows.forgive(gone.name)
            Endings(unit, organization_id, now).people([user_id], EndedWhy.ADMINISTRATOR)
            unit.record(organization_id).audit(
                kind="user.unlinked",
                actor=operator.actor,
                request_id=operator.request_id,
                subject_kind="user",
                subject_id=user_id,
                before=json.dumps({"connection": connection.name}, ensure_ascii=False),
                after=None,
                reason="",
                now=now,
            )
            return user_id

        return self._store.transact(work)


def _whoever(unit: Unit, organization_id: str, user: str) -> str:
    """Return the id of a user who is there, or of the one deleted last who was called so."""
    try:
        return the_user(unit, organization_id, user).id
    except NotFound:
        directory = unit.directory(organization_id)
        gone = directory.departed(user) or unit.logins(organization_id).departed_named(user)
        if gone is None:
            raise
        return gone.id


def _end(
    unit: Unit,
    organization_id: str,
    rulebook: Rulebook,
    identities: list[StoredIdentity],
    cause: Cause,
    now: datetime,
) -> None:
    """End what these identities' logins stated, and resolve again whom that can concern."""
    rows, directory = unit.logins(organization_id), unit.directory(organization_id)
    concerned: list[str] = []
    for identity in identities:
        held = rows.memberships(identity.user_id)
        left = set(rows.leave(identity.user_id, [group.id for group in held], now)) if held else set()
        rows.update_identity(replace(identity, stated_until=None))
        row = unit.sso.of(organization_id, identity.connection_id)
        name = row.connection.name if row else ""
        gone = [group for group in held if group.id in left]
        if any(_concerns(rulebook, name, group) for group in gone) or any(
            rulebook.concerns(above) for group in gone if group.nested for above in directory.groups_above(group.id)
        ):
            concerned.append(identity.user_id)
    recompute(unit, organization_id, rulebook, concerned, cause, now)


def _concerns(rulebook: Rulebook, connection: str, group: StoredGroup) -> bool:
    return rulebook.concerns(Group(group.id, group.display, connection, group.external_id))
