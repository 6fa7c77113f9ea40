"""OAuth 2.0 clients of a connection: their secrets and keys, and the access tokens that they get for a proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from rolebridge.bridge.administration import by_id, new_credential, record_act
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import ACCESS_PREFIX, CLIENT_PREFIX, SECRET_PREFIX, Hashed, Hasher, NewSecret
from rolebridge.bridge.proving import AssertionReused, Prover, PublicKey, assertion_digest, key_credential, one_of
from rolebridge.core.errors import Invalid, RolebridgeError
from rolebridge.store.engine import Store
from rolebridge.store.records import AccessToken, Client, ClientCredential, Connection, Credential, Organization
from rolebridge.store.unit import Unit

TOKEN_MINUTES: Final = range(60, 361)
"""For how long a client's access tokens may live, in minutes: what identity providers ask for."""
DEFAULT_TOKEN_MINUTES: Final = 60


class ClientAdministration:
    """What whoever holds the machine may do about clients."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def add(
        self, operator: Operator, connection: Connection, name: str, token_minutes: int = DEFAULT_TOKEN_MINUTES
    ) -> Client:
        """Create a client of a connection, which has nothing yet to prove itself with. Raises Invalid."""
        if token_minutes not in TOKEN_MINUTES:
            least, most = TOKEN_MINUTES[0], TOKEN_MINUTES[-1]
            raise Invalid(f"access tokens live for {least} to {most} minutes, not {token_minutes}", "token_minutes")
        id_ = CLIENT_PREFIX + uuid4().hex
        client = Client(connection.organization_id, connection.id, id_, name, token_minutes, self._clock())

        def work(unit: Unit) -> None:
            unit.clients.add(client)
            after = {"connection": connection.name, "name": name, "token_minutes": token_minutes}
            self._audit(unit, operator, client, "client.added", client.id, f"{connection.name}: {name}", after=after)

        self._store.transact(work)
        return client

    def clients(self, organization: Organization, connection: Connection | None = None) -> Sequence[Client]:
        """Return the clients of an organization or of one connection, oldest first, the revoked ones included."""
        with self._store.read() as unit:
            found = unit.clients.of_organization(organization.id)
        return [one for one in found if connection is None or one.connection_id == connection.id]

    def client(self, organization: Organization, id_: str) -> Client:
        """Return the client whose id is or begins with `id_`, or which alone is named so. Raises NotFound, Invalid."""
        return one_of(self.clients(organization), id_, "client", "client")

    def credentials(self, client: Client) -> Sequence[ClientCredential]:
        """Return a client's secrets and keys, oldest first, the revoked and expired ones included."""
        with self._store.read() as unit:
            return unit.clients.credentials(client)

    def add_secret(
        self, operator: Operator, client: Client, name: str, expires_at: datetime | None
    ) -> tuple[ClientCredential, NewSecret]:
        """Create a secret beside those the client has; it is returned here and never again."""
        credential, secret = new_credential(self._hasher, SECRET_PREFIX, name, expires_at, self._clock())
        return self._add(operator, client, "client_secret", ClientCredential(*_owner(client), credential)), secret

    def add_key(
        self, operator: Operator, client: Client, name: str, key: PublicKey, expires_at: datetime | None
    ) -> ClientCredential:
        """Register a public key: whoever signs with its other half is the client. Raises Taken for one it has."""
        credential = key_credential(key, name, expires_at, self._clock())
        return self._add(operator, client, "client_key", ClientCredential(*_owner(client), credential, key.jwk))

    def _add(self, operator: Operator, client: Client, kind: str, added: ClientCredential) -> ClientCredential:
        if client.revoked_at is not None:
            raise Invalid(f"the client `{client.name}` was revoked", "client")

        def work(unit: Unit) -> None:
            unit.clients.add_credential(added, self._clock())
            reason = f"{client.name}: {added.credential.name}"
            after = {"client": client.id, "name": added.credential.name, "hint": added.credential.hint}
            self._audit(unit, operator, client, f"{kind}.added", added.credential.id, reason, after=after)

        self._store.transact(work)
        return added

    def revoke(self, operator: Operator, client: Client) -> None:
        """Make a client worthless, and every token it was given, at once."""

        def work(unit: Unit) -> None:
            if unit.clients.revoke(client, self._clock()):
                self._audit(
                    unit, operator, client, "client.revoked", client.id, client.name, before={"name": client.name}
                )

        self._store.transact(work)

    def revoke_credential(self, operator: Operator, client: Client, id_: str, *, key: bool) -> Credential:
        """Make a secret (or with `key` a key) worthless, and every token it brought, at once. Raises NotFound, Invalid.

        `id_` may be the beginning of one id.
        """
        kind = "key" if key else "secret"
        held = [one.credential for one in self.credentials(client) if (one.jwk is not None) == key]
        credential = by_id(kind, id_, held)

        def work(unit: Unit) -> None:
            if unit.clients.revoke_credential(client.organization_id, credential.id, self._clock()):
                reason = f"{client.name}: {credential.name}"
                was = {"client": client.id, "name": credential.name, "hint": credential.hint}
                self._audit(unit, operator, client, f"client_{kind}.revoked", credential.id, reason, before=was)

        self._store.transact(work)
        return credential

    def _audit(
        self,
        unit: Unit,
        operator: Operator,
        client: Client,
        kind: str,
        subject_id: str,
        reason: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        told = {"before": before, "after": after}
        record_act(unit, operator, client.organization_id, kind, subject_id, reason=reason, now=self._clock(), **told)


def _owner(client: Client) -> tuple[str, str]:
    return client.organization_id, client.id


class NoLongerValid(RolebridgeError):
    """That a client or what it proved itself with was revoked while the proof was looked at."""

    def __init__(self) -> None:
        super().__init__("the client or its credential was revoked")


@dataclass(frozen=True, slots=True)
class Proof:
    """That a request comes from `client`, which has proved it by `credential`.

    For a signed assertion, `jti` is its id, and `remembered_until` how long it would be accepted again. For a secret
    that is stored under an earlier key, `moved` is what to store of it from now on.
    """

    client: Client
    credential: ClientCredential
    jti: str | None = None
    remembered_until: datetime | None = None
    moved: Hashed | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token just made, and how many seconds it lives; `text` is never stored."""

    text: str = field(repr=False)
    seconds: int


class TokenIssuing(Prover):
    """Gives clients access tokens. A token is an opaque secret, kept as an HMAC, looked up at every request."""

    def client(self, client_id: str) -> tuple[Client, Sequence[ClientCredential]] | None:
        """Return a client, revoked or not, with everything that it has or had to prove itself with."""
        with self._store.read() as unit:
            client = unit.clients.client(client_id)
            return None if client is None else (client, unit.clients.credentials(client))

    def issue(self, proof: Proof) -> IssuedToken:
        """Give a client a token, in one transaction with the use of its assertion.

        Raises AssertionReused, and NoLongerValid when what was proved a moment ago was revoked meanwhile.
        """
        secret = self._hasher.new(ACCESS_PREFIX)

        def work(unit: Unit) -> None:
            now = self.clock()
            self._check_again(unit, proof, now)
            if proof.jti is not None and proof.remembered_until is not None:
                digest = assertion_digest(proof.jti)
                if not unit.clients.use_assertion(proof.client, digest, proof.remembered_until, now):
                    raise AssertionReused
            client, credential_id = proof.client, proof.credential.credential.id
            ends = now + timedelta(minutes=client.token_minutes)
            unit.clients.add_token(AccessToken(*_owner(client), credential_id, secret.hash, ends), now)
            unit.clients.touch({(client.organization_id, credential_id): now})
            if proof.moved is not None:
                unit.clients.move_secret(client.organization_id, credential_id, proof.moved.hash, proof.moved.key_id)

        self._store.transact(work)
        return IssuedToken(secret.text, proof.client.token_minutes * 60)

    def _check_again(self, unit: Unit, proof: Proof, now: datetime) -> None:
        """Raise NoLongerValid unless client and credential still are what they were, and keep them so."""
        client = unit.clients.client(proof.client.id, lock=True)
        held = () if client is None or client.revoked_at else unit.clients.credentials(client, lock=True)
        if not any(one.credential.id == proof.credential.credential.id and one.credential.usable(now) for one in held):
            raise NoLongerValid
