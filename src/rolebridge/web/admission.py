"""Whether a proved connection or key may send a request now: its rate, and a connection's networks."""

from __future__ import annotations

import math
from functools import lru_cache

from rolebridge.bridge.callers import CredentialOwner
from rolebridge.core.limits import RateLimit, read_rate_limit
from rolebridge.store.records import Connection
from rolebridge.web.addresses import Origin, is_within, networks
from rolebridge.web.rates import Meters


class NotAdmitted(Exception):
    """That a request is refused whatever it asks for. `owner` is whose credential it showed."""

    def __init__(self, message: str, owner: CredentialOwner) -> None:
        super().__init__(message)
        self.owner = owner


class AddressRefused(NotAdmitted):
    """That the connection accepts requests from other networks only."""


class TooManyRequests(NotAdmitted):
    """That the connection or key has used up its rate; after `seconds`, at least 1, a request is admitted again."""

    def __init__(self, message: str, owner: CredentialOwner, seconds: int) -> None:
        super().__init__(message, owner)
        self.seconds = seconds


_rate_limit = lru_cache(maxsize=256)(read_rate_limit)


class Admission:
    """Admits requests of connections and keys. Nothing is written, and nothing is kept but one number for each."""

    def __init__(self, meters: Meters, default: RateLimit | None) -> None:
        """`default` is the limit of connections that have none of their own, None for no limit."""
        self._meters = meters
        self._default = default

    def admit(self, connection: Connection, origin: Origin, owner: CredentialOwner) -> None:
        """Count a request of a connection. Raises AddressRefused and TooManyRequests."""
        if connection.allowed and (
            origin.address is None or not is_within(origin.address, networks(connection.allowed))
        ):
            raise AddressRefused(f"the connection accepts no requests from {origin}", owner)
        limit = self._default if connection.rate_limit is None else _rate_limit(connection.rate_limit)
        self._take("connection", connection.id, limit, owner)

    def admit_key(self, owner: CredentialOwner) -> None:
        """Count a request with an API key, of which each has the default rate. Raises TooManyRequests."""
        self._take("key", owner.credential_id, self._default, owner)

    def _take(self, what: str, id_: str, limit: RateLimit | None, owner: CredentialOwner) -> None:
        if limit is None:
            return
        wait = self._meters.take(f"requests {id_}", limit)
        if wait:
            seconds = math.ceil(wait)
            raise TooManyRequests(f"the {what} sends more than {limit.rate:g} requests a second", owner, seconds)
