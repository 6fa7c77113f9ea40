"""What an administrator does about SAML: connect an identity provider, agree to its new keys, change one's own.

What a metadata URL says differently than what somebody agreed to changes nothing by itself. Whoever could write there
would otherwise choose who logs in, or where people type their passwords.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.chores import ACTOR, Chore, GoOn
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.core.errors import Invalid
from rolebridge.core.login import Protocol
from rolebridge.core.moments import stamp
from rolebridge.core.saml_settings import (
    MOST_PINNED,
    Binding,
    IdpDescription,
    Offer,
    SamlSettings,
    fingerprint,
    read_saml_settings,
)
from rolebridge.sso.key_pairs import make_key_pair
from rolebridge.sso.saml.metadata_in import Described, chosen, read_metadata
from rolebridge.sso.saml.metadata_out import service_provider_metadata
from rolebridge.sso.saml.parsing import MAX_BYTES
from rolebridge.sso.saml.provider import ServiceProvider
from rolebridge.store.records import Connection
from rolebridge.store.sso import SsoSecret
from rolebridge.web.outgoing import Outgoing, OutgoingRefused

logger = logging.getLogger("rolebridge.sso")

KEY_KIND: Final = "sp-key"
"""The kind of secret that our private keys are."""
MOST_KEYS: Final = 2
LOOK_EVERY: Final = timedelta(days=1)
"""How often what an identity provider's metadata URL says is compared with what was agreed to."""
LOOK_TURN: Final = timedelta(minutes=5)
"""How often the worker asks whose day is over."""
TURN_SECONDS: Final = 10.0
"""For how long the worker begins to look at metadata in one turn; the URL that it asks then may take as long again."""


class Looked(StrEnum):
    """What came of looking at a metadata URL."""

    SAME = "same"
    HELD = "held"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of looking at a metadata URL, and the settings since."""

    looked: Looked
    settings: SamlSettings


class SamlAdministration:
    """The SAML side of the connections of an installation."""

    def __init__(
        self,
        connections: SsoConnections,
        outgoing: Outgoing,
        clock: Callable[[], datetime],
        base_url: str,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timer` tells seconds that nobody sets back."""
        self._timer = timer
        self._looked: dict[str, datetime] = {}
        self._connections = connections
        self._outgoing = outgoing
        self._clock = clock
        self._base_url = base_url

    # --- what there is

    def provider(self, connection: Connection) -> ServiceProvider:
        """Return what the identity provider is told of a connection, set up or not."""
        return ServiceProvider.of(self._base_url, connection.id)

    def find(self, connection: Connection) -> tuple[SamlSettings, int] | None:
        """Return a connection's settings with their version, None when it does not log people in by SAML."""
        found = self._connections.of(connection)
        if found is None or found.protocol is not Protocol.SAML:
            return None
        return read_saml_settings(found.settings), found.version

    def settings(self, connection: Connection) -> SamlSettings:
        """Return a connection's settings. Raises Invalid when it does not log people in by SAML."""
        return self._known(connection)[0]

    def _known(self, connection: Connection) -> tuple[SamlSettings, int]:
        found = self.find(connection)
        if found is None:
            told = f"connection `{connection.name}` does not log people in by SAML: rolebridge saml set"
            raise Invalid(told, "connection")
        return found

    def keys(self, connection: Connection) -> tuple[SsoSecret, ...]:
        """Return our keys of a connection, still sealed, the oldest first; `public` is the certificate."""
        return self._connections.secrets(connection, KEY_KIND)

    def metadata(self, connection: Connection) -> bytes:
        """Return what the identity provider may import of a connection, also before it is set up."""
        certificates = [one.public for one in self.keys(connection)]
        known = self.find(connection)
        return service_provider_metadata(self.provider(connection), known[0] if known else None, certificates)

    # --- the identity provider

    def read(self, document: bytes, entity_id: str | None = None) -> Described:
        """Return what metadata in a file says. Raises Invalid."""
        return read_metadata(document, self._clock(), entity_id)

    def fetch(self, url: str, entity_id: str | None = None) -> Described:
        """Return what metadata at a URL says. Raises Invalid and OutgoingRefused."""
        answer = self._outgoing.get(
            url, headers={"Accept": "application/samlmetadata+xml, application/xml, text/xml"}, most_bytes=MAX_BYTES
        )
        if answer.status != 200:
            raise Invalid(f"the metadata URL answers {answer.status}", "metadata")
        return self.read(answer.body, entity_id)

    def certificates(self, idp: IdpDescription, pins: Iterable[str]) -> tuple[str, ...]:
        """Return which certificates of an identity provider to trust. Raises Invalid."""
        return chosen(idp.certificates, pins, self._clock())

    def configure(
        self,
        operator: Operator,
        connection: Connection,
        settings: SamlSettings,
        *,
        enabled: bool | None = None,
        version: int | None = None,
        replaces: bool = False,
    ) -> SamlSettings:
        """Have a connection log people in by SAML, or change how; the first time it gets a key of its own.

        `version` is that of the settings from which these were made. Raises Unavailable when there are newer ones,
        and ProtocolTaken where it logs people in by OpenID Connect, unless SAML `replaces` that.
        """
        if settings.metadata_url:
            self._outgoing.check(settings.metadata_url)
        document = settings.document()
        self._connections.configure(
            operator, connection, Protocol.SAML, document, enabled=enabled, version=version, replaces=replaces
        )
        if not self.keys(connection):
            self.add_key(operator, connection)
        return settings

    def refresh(self, operator: Operator, connection: Connection) -> Refreshed:
        """Look at a connection's metadata URL; what is new there is held. Raises Invalid when it has none."""
        settings = self.settings(connection)
        if not settings.metadata_url:
            raise Invalid(
                f"connection `{connection.name}` has no metadata URL: rolebridge saml set --metadata", "metadata"
            )
        problem, announced = "", None
        try:
            announced = self.fetch(settings.metadata_url, settings.idp.entity_id).idp
        except (Invalid, OutgoingRefused) as error:
            problem = str(error)
        # Asking took a while: what somebody changed meanwhile stays changed.
        before, version = self._known(connection)
        if before.metadata_url != settings.metadata_url:
            return Refreshed(Looked.SAME, before)
        after = replace(before, trouble=self._trouble(before, problem))
        if announced is not None:
            after = replace(after, offer=self._offer(before, announced))
        if after != before:
            document = after.document()
            self._connections.configure(operator, connection, Protocol.SAML, document, version=version)
        looked = Looked.UNREADABLE if problem else Looked.HELD if after.offer else Looked.SAME
        return Refreshed(looked, after)

    def _trouble(self, before: SamlSettings, problem: str) -> str:
        """Return since when and why the metadata cannot be read; the beginning stays while it cannot."""
        if not problem:
            return ""
        since = before.trouble.partition(" ")[0] if before.trouble else stamp(self._clock())
        return f"{since} {problem}"[:500]

    def _offer(self, before: SamlSettings, announced: IdpDescription) -> Offer | None:
        if _same(announced, before.idp):
            return None
        if before.offer is not None and _same(announced, before.offer.idp):
            return before.offer
        return Offer(announced, stamp(self._clock()))

    def approve(self, operator: Operator, connection: Connection, pins: Sequence[str]) -> SamlSettings:
        """Agree to what is held, and trust those of its certificates whose fingerprints begin with `pins`.

        Naming them is what agrees: whatever else is announced meanwhile is not meant. Raises Invalid.
        """
        before, version = self._known(connection)
        if before.offer is None:
            raise Invalid(f"nothing is held for connection `{connection.name}`", "connection")
        if not pins:
            raise Invalid("name the certificates to trust, by their fingerprints", "pin")
        idp = before.offer.idp
        binding = before.binding if before.binding in idp.endpoints else next(iter(idp.endpoints))
        after = replace(before, idp=idp, pinned=self.certificates(idp, pins), binding=Binding(binding), offer=None)
        return self.configure(operator, connection, after, version=version)

    def trust(self, operator: Operator, connection: Connection, certificate: str) -> SamlSettings:
        """Trust one more certificate (base64) of the identity provider, for a rollover by hand. Raises Invalid."""
        before, version = self._known(connection)
        if certificate in before.pinned:
            raise Invalid("this certificate is trusted already", "certificate")
        if len(before.pinned) >= MOST_PINNED:
            raise Invalid(f"{MOST_PINNED} certificates are trusted already; remove one first", "certificate")
        after = replace(before, pinned=(*before.pinned, certificate))
        return self.configure(operator, connection, after, version=version)

    def distrust(self, operator: Operator, connection: Connection, pin: str) -> SamlSettings:
        """Trust a certificate no longer, but keep another one. Raises Invalid."""
        before, version = self._known(connection)
        (gone,) = chosen(before.pinned, [pin], self._clock())
        left = tuple(one for one in before.pinned if one != gone)
        if not left:
            raise Invalid("this is the only certificate that is trusted; add the other one first", "certificate")
        return self.configure(operator, connection, replace(before, pinned=left), version=version)

    # --- our keys

    def add_key(self, operator: Operator, connection: Connection) -> SsoSecret:
        """Make a key beside the one that there is. It is announced and decrypts; the older one signs till it retires.

        Raises Invalid when there are two.
        """
        if len(self.keys(connection)) >= MOST_KEYS:
            raise Invalid("there are two keys already; retire the older one first", "key")
        pair = make_key_pair(f"rolebridge {connection.name}", self._clock())
        return self._connections.add_secret(
            operator, connection, KEY_KIND, pair.private(), public=pair.certificate, keep=MOST_KEYS
        )

    def retire_key(self, operator: Operator, connection: Connection) -> tuple[SsoSecret, SsoSecret]:
        """Take the older of two keys away; return it and the one that signs from now on. Raises Invalid."""
        keys = self.keys(connection)
        if len(keys) < MOST_KEYS:
            raise Invalid("there is one key only; add another before the present one goes", "key")
        self._connections.remove_secret(operator, connection, keys[0].id)
        return keys[0], keys[1]

    # --- every day

    def chores(self) -> tuple[Chore, ...]:
        """Return what the worker does about SAML."""
        return (Chore("idp-metadata", LOOK_TURN, self.look),)

    def look(self, go_on: GoOn) -> int:
        """Look at the metadata URLs of the installation whose day is over; return how many said something new.

        Those that wait longest come first, within `TURN_SECONDS`; a process that was just started has looked at none.
        Whatever goes wrong with one connection, the others are looked at; it is raised at the end.
        """
        until, now = self._timer() + TURN_SECONDS, self._clock()
        never = datetime.min.replace(tzinfo=UTC)
        found = {one.id: one for one in self._connections.every() if _is_looked_at(one)}
        self._looked = {id_: at for id_, at in self._looked.items() if id_ in found and at <= now}
        due = [id_ for id_ in found if now - self._looked.get(id_, never) >= LOOK_EVERY]
        news, failed = 0, list[Exception]()
        for id_ in sorted(due, key=lambda id_: (self._looked.get(id_, never), id_)):
            if self._timer() >= until or not go_on():
                break
            self._looked[id_] = now
            try:
                news += self._has_news(found[id_])
            except Exception as error:  # noqa: BLE001 - one connection's trouble must not keep the others waiting
                logger.warning("connection `%s`: metadata cannot be looked at: %s", id_, type(error).__name__)
                failed.append(error)
        if failed:
            raise failed[0]
        return news

    def _has_news(self, one: SsoConnection) -> bool:
        before = read_saml_settings(one.settings)
        return self.refresh(Operator(ACTOR, uuid4().hex), one.connection).settings != before


def _is_looked_at(one: SsoConnection) -> bool:
    return one.enabled and one.protocol is Protocol.SAML and bool(one.settings.get("metadata_url"))


def _same(one: IdpDescription, other: IdpDescription) -> bool:
    """Return whether two descriptions say the same; the order of certificates says nothing."""
    known = [set(map(fingerprint, each.certificates)) for each in (one, other)]
    return (one.entity_id, dict(one.endpoints)) == (other.entity_id, dict(other.endpoints)) and known[0] == known[1]
