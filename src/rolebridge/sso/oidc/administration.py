"""What an administrator does about OpenID Connect: connect a provider, give its secret or make a key, try it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.core.errors import Invalid
from rolebridge.core.login import LoginRefused, Protocol, Trail
from rolebridge.core.oidc_settings import ClientAuthentication, OidcSettings, read_oidc_settings
from rolebridge.sso.key_pairs import make_key_pair
from rolebridge.sso.oidc import discovery, keys
from rolebridge.sso.oidc.credentials import KEY, SECRET, client_of
from rolebridge.sso.oidc.discovery import Described, Provider
from rolebridge.sso.oidc.fetching import Fetcher
from rolebridge.store.records import Connection
from rolebridge.store.sso import SsoSecret

LONGEST_SECRET: Final = 4_096
MOST_KEYS: Final = 2
"""Keys of a connection that are published at a time: the one that signs, and the one before it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of asking a provider: what it says of itself, how many of its keys can be used, what is doubtful."""

    provider: Provider
    keys: int
    doubts: tuple[str, ...]
    trail: Trail


class OidcAdministration:
    """The OpenID Connect side of the connections of an installation."""

    def __init__(
        self, connections: SsoConnections, fetcher: Fetcher, clock: Callable[[], datetime], base_url: str
    ) -> None:
        self._connections = connections
        self._fetcher = fetcher
        self._clock = clock
        self.base_url = base_url

    # --- what there is

    def find(self, connection: Connection) -> SsoConnection | None:
        """Return how a connection logs people in by OpenID Connect; None when it does not."""
        found = self._connections.of(connection)
        return found if found is not None and found.protocol is Protocol.OIDC else None

    def needed(self, connection: Connection) -> SsoConnection:
        """Return how a connection logs people in by OpenID Connect. Raises Invalid when it does not."""
        found = self.find(connection)
        if found is None:
            told = f"connection `{connection.name}` does not log people in by OpenID Connect: rolebridge oidc set"
            raise Invalid(told, "connection")
        return found

    def credentials(self, found: SsoConnection) -> tuple[SsoSecret, ...]:
        """Return what a connection proves itself with, still sealed, the oldest first."""
        settings = read_oidc_settings(found.settings)
        kind = KEY if settings.authentication is ClientAuthentication.KEY else SECRET
        return self._connections.secrets(found.connection, kind)

    # --- changing it

    def set(
        self,
        operator: Operator,
        connection: Connection,
        settings: OidcSettings,
        *,
        enabled: bool | None = None,
        replaces: bool = False,
    ) -> SsoConnection:
        """Set up how a connection logs people in by OpenID Connect, or change it.

        Raises ProtocolTaken where it does so by SAML, unless OpenID Connect `replaces` that.
        """
        document = settings.document()
        return self._connections.configure(
            operator, connection, Protocol.OIDC, document, enabled=enabled, replaces=replaces
        )

    def set_secret(self, operator: Operator, connection: Connection, secret: str) -> SsoSecret:
        """Keep the client secret that the provider gave, in place of the one before. Raises Invalid."""
        if not 1 <= len(secret) <= LONGEST_SECRET or not secret.isprintable():
            raise Invalid(f"a client secret is one line of 1 to {LONGEST_SECRET:,} characters", "secret")
        self.needed(connection)
        return self._connections.add_secret(operator, connection, SECRET, secret.encode())

    def make_key(self, operator: Operator, connection: Connection) -> SsoSecret:
        """Make a key that the connection signs with from now on; the one before stays published. Raises Invalid."""
        self.needed(connection)
        pair = make_key_pair(f"Rolebridge {connection.name}", self._clock())
        return self._connections.add_secret(
            operator, connection, KEY, pair.private(), public=pair.certificate, keep=MOST_KEYS
        )

    # --- trying it

    def discover(self, settings: OidcSettings) -> Mapping[str, Any]:
        """Return the discovery document of a provider, its issuer and endpoints looked at. Raises LoginRefused."""
        document = discovery.fetch(self._fetcher, settings)
        discovery.provider_of(Described(document, settings), Trail())
        return document

    def attempt(self, found: SsoConnection) -> Tried:
        """Ask the provider for all that a login needs of it before anybody logs in. Raises LoginRefused."""
        trail = Trail()
        settings = read_oidc_settings(found.settings)
        document = discovery.fetch(self._fetcher, settings)
        trail.passed(discovery.UNREACHABLE)
        trail.passed(discovery.FORM)
        provider = discovery.provider_of(Described(document, settings), trail)
        published = keys.fetch(self._fetcher, provider.jwks_uri, trail)
        trail.passed(keys.UNREACHABLE)
        if not any(keys.candidates([key], name, key.kid) for key in published for name in settings.algorithms):
            wanted = ", ".join(settings.algorithms)
            raise LoginRefused("oidc-key-unknown", f"the provider publishes no key for {wanted}")
        client_of(self._connections, found, self.base_url)
        trail.passed("oidc-client-credential")
        return Tried(provider, len(published), tuple(discovery.doubts(document, settings)), trail)
