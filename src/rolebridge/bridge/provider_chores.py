"""What the worker does for applications: telling them of logouts, and forgetting what has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from rolebridge.bridge.chores import TIDY, Chore, GoOn, in_each_organization
from rolebridge.bridge.logout_notices import KEPT, LogoutDelivery
from rolebridge.store.engine import Store

DELIVER_EVERY: Final = timedelta(seconds=5)
"""How often notices of logout are looked for: so long somebody who is out may still be in at an application."""

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
