"""Switching off how a connection logs people in, as `--disable` does."""

from __future__ import annotations

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.store.records import Connection


def switch(sso: SsoConnections, connection: Connection, *, on: bool) -> SsoConnection:
    """Switch a connection on or off, and leave its settings as they are."""
    found = sso.needed(connection)
    return sso.configure(Operator("os:test", "test"), connection, found.protocol, found.settings, enabled=on)
