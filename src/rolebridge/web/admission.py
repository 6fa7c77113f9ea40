"""Whether a proved connection may send a request now, and from where: its networks, and its rate."""

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
    """That the connection has used up its rate; after `seconds`, at least 1, a request is admitted again."""

    def __init__(self, message: str, owner: CredentialOwner, seconds: int) -> None:
        super().__init__(message, owner)
        self.seconds = seconds


_rate_limit = lru_cache(maxsize=256)(read_rate_limit)


class Admission:
    """Admits requests of connections. Nothing is written, and nothing is kept but one number for a connection."""

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
        if limit is None:
            return
        wait = self._meters.take(f"requests {connection.id}", limit)
        if wait:
            seconds = math.ceil(wait)
            raise TooManyRequests(f"the connection sends more than {limit.rate:g} requests a second", owner, seconds)
