"""Organizations, connections and the secrets that open them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import KEY_PREFIX, TOKEN_PREFIX, Hasher, NewSecret
from rolebridge.bridge.permissions import KeyRole
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.limits import UNLIMITED, read_rate_limit
from rolebridge.core.moments import stamp_or_none
from rolebridge.core.networks import read_network
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection, Credential, Key, Organization, StoredUser, Token
from rolebridge.store.unit import Unit


class Administration:
    """What whoever holds the machine may do to set an installation up."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    # --- organizations ---------------------------------------------------------------------------------------

    def add_organization(self, operator: Operator, name: str) -> Organization:
        """Create an organization. Raises Invalid for a name that is none, Taken for one in use."""

        def work(unit: Unit) -> Organization:
            organization = unit.accounts.add_organization(str(uuid4()), name, self._clock())
            self._audit(
                unit, operator, organization.id, "organization.added", organization.id, name, after={"name": name}
            )
            return organization

        return self._store.transact(work)

    def organizations(self) -> Sequence[Organization]:
        """Return all organizations, by name."""
        with self._store.read() as unit:
            return unit.accounts.organizations()

    def organization(self, name: str | None) -> Organization:
        """Return the organization of that name, or the only one there is when no name is given."""
        if name is not None:
            with self._store.read() as unit:
                found = unit.accounts.organization_named(name)
            if found is None:
                raise NotFound("organization", name)
            return found
        known = self.organizations()
        if not known:
            raise Invalid("there is no organization yet; `rolebridge org add NAME` makes one", "organization")
        if len(known) > 1:
            names = ", ".join(f"`{organization.name}`" for organization in known)
            raise Invalid(f"there are several organizations ({names}); say which one", "organization")
        return known[0]

    def organization_of(self, organization_id: str) -> Organization:
        """Return the organization with this id. Raises NotFound."""
        with self._store.read() as unit:
            found = unit.accounts.organization(organization_id)
        if found is None:
            raise NotFound("organization", organization_id)
        return found

    # --- connections -----------------------------------------------------------------------------------------

    def add_connection(
        self, operator: Operator, organization: Organization, name: str, profile: str
    ) -> tuple[Connection, NewSecret]:
        """Create a connection with its first SCIM token; the secret is returned here and never again."""

        def work(unit: Unit) -> tuple[Connection, NewSecret]:
            connection = unit.accounts.add_connection(organization.id, str(uuid4()), name, profile, self._clock())
            after = {"name": name, "profile": profile}
            self._audit(unit, operator, organization.id, "connection.added", connection.id, name, after=after)
            _, secret = self._new_token(unit, operator, connection, "first", None)
            return connection, secret

        return self._store.transact(work)

    def connections(self, organization: Organization) -> Sequence[Connection]:
        """Return an organization's connections, by name."""
        with self._store.read() as unit:
            return unit.accounts.connections(organization.id)

    def connection(self, organization: Organization, name: str) -> Connection:
        """Return the organization's connection of that name. Raises NotFound."""
        with self._store.read() as unit:
            found = unit.accounts.connection_named(organization.id, name)
        if found is None:
            raise NotFound("connection", name)
        return found

    def set_profile(self, operator: Operator, connection: Connection, profile: str) -> Connection:
        """Have a connection's requests read by another tolerance profile, from the next one on."""

        def work(unit: Unit) -> None:
            unit.accounts.set_profile(connection.organization_id, connection.id, profile)
            told = {"before": {"profile": connection.profile}, "after": {"profile": profile}}
            reason = f"{connection.name}: profile {profile}"
            self._audit(unit, operator, connection.organization_id, "connection.changed", connection.id, reason, **told)

        if profile != connection.profile:
            self._store.transact(work)
        return replace(connection, profile=profile)

    def set_rate_limit(self, operator: Operator, connection: Connection, limit: str | None) -> Connection:
        """Give a connection its own rate (`25/100`, `none`), or with None the installation's. Raises Invalid."""
        if limit is not None:
            limit = str(read_rate_limit(limit) or UNLIMITED)
        return self._admit(operator, replace(connection, rate_limit=limit), f"rate limit {limit or 'default'}")

    def set_allowed(self, operator: Operator, connection: Connection, networks: Iterable[str]) -> Connection:
        """Let a connection's requests come from these networks only; none means every address. Raises Invalid."""
        allowed = tuple(dict.fromkeys(str(read_network(network)) for network in networks))
        return self._admit(
            operator, replace(connection, allowed=allowed), f"allowed from {', '.join(allowed) or 'all'}"
        )

    def _admit(self, operator: Operator, wanted: Connection, what: str) -> Connection:
        def work(unit: Unit) -> None:
            old = unit.accounts.connection_named(wanted.organization_id, wanted.name)
            rate, allowed = wanted.rate_limit, wanted.allowed
            unit.accounts.set_admission(wanted.organization_id, wanted.id, rate_limit=rate, allowed=allowed)
            before, reason = _admission(old) if old else None, f"{wanted.name}: {what}"
            told = {"before": before, "after": _admission(wanted)}
            self._audit(unit, operator, wanted.organization_id, "connection.changed", wanted.id, reason, **told)

        self._store.transact(work)
        return wanted

    # --- SCIM tokens -----------------------------------------------------------------------------------------

    def add_token(
        self,
        operator: Operator,
        connection: Connection,
        name: str,
        expires_at: datetime | None,
        user: str | None = None,
    ) -> tuple[Token, NewSecret]:
        """Create another token beside those the connection has, so that one can be replaced without a gap.

        `user` is the userName or id of a user of the connection, whom `/Me` then means. Raises NotFound.
        """
        return self._store.transact(lambda unit: self._new_token(unit, operator, connection, name, expires_at, user))

    def _new_token(
        self,
        unit: Unit,
        operator: Operator,
        connection: Connection,
        name: str,
        expires_at: datetime | None,
        user: str | None = None,
    ) -> tuple[Token, NewSecret]:
        credential, secret = self._new_credential(TOKEN_PREFIX, name, expires_at)
        subject = None if user is None else _user_of(unit, connection, user)
        token = Token(connection.organization_id, connection.id, credential, subject.id if subject else None)
        unit.accounts.add_token(token)
        reason = f"{connection.name}: {name}" + (f", `/Me` is {subject.user_name}" if subject else "")
        after = {"connection": connection.name, **_told(credential), "user_id": token.user_id}
        self._audit(unit, operator, connection.organization_id, "token.added", credential.id, reason, after=after)
        return token, secret

    def tokens(self, connection: Connection) -> Sequence[Token]:
        """Return a connection's tokens, oldest first, the revoked and expired ones included."""
        with self._store.read() as unit:
            tokens = unit.accounts.tokens(connection.organization_id)
        return [token for token in tokens if token.connection_id == connection.id]

    def revoke_token(self, operator: Operator, connection: Connection, token_id: str) -> Credential:
        """Make a token worthless at once. `token_id` may be the beginning of one id. Raises NotFound, Invalid."""
        credential = by_id("token", token_id, [token.credential for token in self.tokens(connection)])

        def work(unit: Unit) -> None:
            if unit.accounts.revoke_token(connection.organization_id, credential.id, self._clock()):
                reason = f"{connection.name}: {credential.name}"
                was = {"connection": connection.name, **_told(credential)}
                self._audit(
                    unit, operator, connection.organization_id, "token.revoked", credential.id, reason, before=was
                )

        self._store.transact(work)
        return credential

    # --- API keys --------------------------------------------------------------------------------------------

    def add_key(
        self,
        operator: Operator,
        organization: Organization,
        name: str,
        role: KeyRole,
        *,
        workspace: str | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[Key, NewSecret]:
        """Create an API key; the secret is returned here and never again."""
        credential, secret = self._new_credential(KEY_PREFIX, name, expires_at)
        key = Key(organization.id, credential, role, workspace, operator.actor)

        def work(unit: Unit) -> None:
            unit.accounts.add_key(key)
            after = {**_told(credential), "role": role, "workspace": workspace}
            self._audit(unit, operator, organization.id, "key.added", credential.id, f"{name} ({role})", after=after)

        self._store.transact(work)
        return key, secret

    def keys(self, organization: Organization) -> Sequence[Key]:
        """Return an organization's API keys, oldest first, the revoked and expired ones included."""
        with self._store.read() as unit:
            return unit.accounts.keys(organization.id)

    def revoke_key(self, operator: Operator, organization: Organization, key_id: str) -> Credential:
        """Make an API key worthless at once. `key_id` may be the beginning of one id. Raises NotFound, Invalid."""
        credential = by_id("key", key_id, [key.credential for key in self.keys(organization)])

        def work(unit: Unit) -> None:
            if unit.accounts.revoke_key(organization.id, credential.id, self._clock()):
                was, name = _told(credential), credential.name
                self._audit(unit, operator, organization.id, "key.revoked", credential.id, name, before=was)

        self._store.transact(work)
        return credential

    # --- shared ----------------------------------------------------------------------------------------------

    def _new_credential(self, prefix: str, name: str, expires_at: datetime | None) -> tuple[Credential, NewSecret]:
        return new_credential(self._hasher, prefix, name, expires_at, self._clock())

    def _audit(
        self,
        unit: Unit,
        operator: Operator,
        organization_id: str,
        kind: str,
        subject_id: str,
        reason: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        told = {"before": before, "after": after}
        record_act(unit, operator, organization_id, kind, subject_id, reason=reason, now=self._clock(), **told)


def _admission(connection: Connection) -> dict[str, object]:
    return {"rate_limit": connection.rate_limit, "allowed": list(connection.allowed)}


def _told(credential: Credential) -> dict[str, object]:
    return {"name": credential.name, "hint": credential.hint, "expires_at": stamp_or_none(credential.expires_at)}


def new_credential(
    hasher: Hasher, prefix: str, name: str, expires_at: datetime | None, now: datetime
) -> tuple[Credential, NewSecret]:
    """Make a secret that begins with `prefix`, and what is stored of it. Raises Invalid for an end in the past."""
    if expires_at is not None and expires_at <= now:
        raise Invalid("what expires must do so in the future", "expires_at")
    secret = hasher.new(prefix)
    return Credential(str(uuid4()), name, secret.hash, hasher.key_id, secret.hint, now, expires_at), secret


def record_act(  # noqa: PLR0913 - the columns of a row, by name
    unit: Unit,
    operator: Operator,
    organization_id: str,
    kind: str,
    subject_id: str,
    *,
    reason: str,
    now: datetime,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record what an operator did to something, with what there is to tell of it before and after: never a secret."""
    unit.record(organization_id).audit(
        kind=kind,
        actor=operator.actor,
        request_id=operator.request_id,
        subject_kind=kind.partition(".")[0],
        subject_id=subject_id,
        before=None if before is None else json.dumps(before, ensure_ascii=False),
        after=None if after is None else json.dumps(after, ensure_ascii=False),
        reason=reason,
        now=now,
    )


def by_id(kind: str, id_: str, credentials: Sequence[Credential]) -> Credential:
    """Return the one live credential whose id begins with `id_`."""
    found = [one for one in credentials if one.id.startswith(id_) and one.revoked_at is None] if id_ else []
    if not found:
        raise NotFound(kind, id_)
    if len(found) > 1:
        raise Invalid(f"several {kind}s begin with `{id_}`", "id")
    return found[0]


def _user_of(unit: Unit, connection: Connection, name: str) -> StoredUser:
    """Return the user of a connection that has this userName or id. Raises NotFound."""
    for found in unit.directory(connection.organization_id).user_by_name(name):
        if found.connection_id == connection.id and (found.id == name or found.user_name.casefold() == name.casefold()):
            return found
    raise NotFound("user", name)
