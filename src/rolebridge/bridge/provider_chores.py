"""What the worker does for applications: telling them of logouts, forgetting what has ended, signing keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.chores import ACTOR, TIDY, Chore, GoOn, in_each_organization
from rolebridge.bridge.logout_notices import KEPT, LogoutDelivery
from rolebridge.bridge.signing_keys import SigningKeys
from rolebridge.store.engine import Store

DELIVER_EVERY: Final = timedelta(seconds=5)
"""How often notices of logout are looked for: so long somebody who is out may still be in at an application."""

LOOK_AT_KEYS: Final = timedelta(hours=1)
"""How often it is asked whether a key has signed for long enough."""

_BATCH: Final = 500


def provider_chores(store: Store, clock: Callable[[], datetime], delivery: LogoutDelivery) -> tuple[Chore, ...]:
    """Return the chores, the one that people wait for first."""

    def deliver(go_on: GoOn) -> int:
        with store.read() as unit:
            organizations = [one.id for one in unit.accounts.organizations()]
        return delivery.run(organizations, go_on)

    def forget(organization_id: str, go_on: GoOn) -> int:
        now, gone = clock(), 0
        while go_on():
            some = store.transact(lambda unit: unit.endings(organization_id).expire(now, _BATCH))
            gone += some
            if some < _BATCH:
                break
        return gone + store.transact(lambda unit: unit.logout_notices(organization_id).expire(now - KEPT))

    return (
        Chore("logout-notices", DELIVER_EVERY, deliver),
        Chore("authorizations", TIDY, lambda go_on: in_each_organization(store, go_on, partial(forget, go_on=go_on))),
    )


def key_chores(keys: SigningKeys, every: timedelta) -> tuple[Chore, ...]:
    """Return the chore that has the next key sign after a time; none where that is zero: then an operator does."""
    if not every:
        return ()
    return (Chore("signing-keys", LOOK_AT_KEYS, lambda _: int(keys.rotate_due(Operator(ACTOR, uuid4().hex), every))),)
