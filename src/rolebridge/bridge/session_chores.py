"""What the worker does about sessions, and about logins that nobody finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from rolebridge.bridge.chores import TIDY, Chore, GoOn, in_each_organization
from rolebridge.bridge.sessions import Sessions
from rolebridge.store.engine import Store


def session_chores(store: Store, sessions: Sessions, clock: Callable[[], datetime]) -> tuple[Chore, ...]:
    """Return the chores: ending sessions that count no more (their applications are told), forgetting logins."""

    def end(organization_id: str, go_on: GoOn) -> int:
        ended = 0
        while go_on() and (some := sessions.sweep(organization_id)):
            ended += some
        return ended

    def forget(organization_id: str) -> int:
        now = clock()
        return store.transact(lambda unit: unit.login_flows(organization_id).expire(now))

    return (
        Chore("sessions", TIDY, lambda go_on: in_each_organization(store, go_on, partial(end, go_on=go_on))),
        Chore("unfinished-logins", TIDY, lambda go_on: in_each_organization(store, go_on, forget)),
    )
