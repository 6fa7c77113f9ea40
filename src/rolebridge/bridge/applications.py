"""Applications that people sign in to through the bridge: OpenID Connect clients of an organization."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from rolebridge.bridge.administration import by_id, new_credential, record_act
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import APP_PREFIX, SECRET_PREFIX, Hashed, Hasher, NewSecret
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.proving import AssertionReused, Prover, PublicKey, assertion_digest, key_credential, one_of
from rolebridge.core.applications import AppKind, EndedWhy, read_settings
from rolebridge.core.errors import Invalid
from rolebridge.core.moments import stamp_or_none
from rolebridge.store.engine import Store
from rolebridge.store.provider_records import Application
from rolebridge.store.records import ClientCredential, Organization
from rolebridge.store.unit import Unit

USE_NOTED_EVERY: Final = timedelta(minutes=1)
"""The last use of a secret is written at most so often."""


class Applications:
    """What administrators do about applications."""

    def __init__(self, store: Store, hasher: Hasher, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock

    def add(
        self, operator: Operator, organization: Organization, name: str, kind: AppKind, settings: Mapping[str, Any]
    ) -> Application:
        """Register an application; `settings` is a document as `core.applications.read_settings` reads it.

        Raises Invalid for the name, a setting that cannot be, and when there is nowhere to send people back to.
        """
        read = read_settings(settings, kind)
        if not read.redirect_uris:
            raise Invalid("an application has at least one redirect URI", "redirect_uris")
        application = Application(organization.id, APP_PREFIX + uuid4().hex, name, kind, read, self._clock())

        def work(unit: Unit) -> None:
            unit.applications.add(application)
            self._audit(unit, operator, application, "application.added", name, after=_told(application))

        self._store.transact(work)
        return application

    def all(self, organization: Organization) -> Sequence[Application]:
        """Return the applications of an organization, oldest first, the revoked ones included."""
        with self._store.read() as unit:
            return unit.applications.of_organization(organization.id)

    def application(self, organization: Organization, id_: str) -> Application:
        """Return the application whose id is or begins with `id_`, or which alone is named so.

        Raises NotFound, and Invalid when it may be several.
        """
        return one_of(self.all(organization), id_, "application", "app")

    def change(
        self, operator: Operator, application: Application, changes: Mapping[str, Any], name: str | None = None
    ) -> Application:
        """Change the settings that `changes` names, and with `name` the name. Raises Invalid, NotFound."""

        def work(unit: Unit) -> Application:
            held = unit.applications.application(application.id, lock=True)
            if held is None or held.revoked_at is not None:
                raise Invalid(f"the application `{application.name}` was revoked", "app")
            settings = read_settings({**held.settings.document(), **changes}, held.kind)
            if not settings.redirect_uris:
                raise Invalid("an application has at least one redirect URI", "redirect_uris")
            new_name = held.name if name is None else name
            unit.applications.change(held.organization_id, held.id, new_name, settings)
            changed = Application(
                held.organization_id, held.id, new_name, held.kind, settings, held.created, held.revoked_at
            )
            if _told(held) != _told(changed):
                was = _told(held)
                self._audit(unit, operator, changed, "application.changed", new_name, before=was, after=_told(changed))
            return changed

        return self._store.transact(work)

    def revoke(self, operator: Operator, application: Application) -> int:
        """Make an application worthless at once, with all that sign-ins gave it; return how much that was."""

        def work(unit: Unit) -> int:
            now = self._clock()
            if not unit.applications.revoke(application.organization_id, application.id, now):
                return 0
            ended = Endings(unit, application.organization_id, now).application(application.id, EndedWhy.APP_REVOKED)
            self._audit(unit, operator, application, "application.revoked", application.name, before=_told(application))
            return ended

        return self._store.transact(work)

    # --- what applications prove themselves with

    def credentials(self, application: Application) -> Sequence[ClientCredential]:
        """Return an application's secrets and keys, oldest first, the revoked and expired ones included."""
        with self._store.read() as unit:
            return unit.applications.credentials(application)

    def add_secret(
        self, operator: Operator, application: Application, name: str, expires_at: datetime | None
    ) -> tuple[ClientCredential, NewSecret]:
        """Create a secret beside those that work; it is returned here and never again. Raises Invalid."""
        credential, secret = new_credential(self._hasher, SECRET_PREFIX, name, expires_at, self._clock())
        added = ClientCredential(application.organization_id, application.id, credential)
        return self._add(operator, application, "application_secret", added), secret

    def add_key(
        self, operator: Operator, application: Application, name: str, key: PublicKey, expires_at: datetime | None
    ) -> ClientCredential:
        """Register a public key (private_key_jwt). Raises Taken for one that it has, Invalid."""
        credential = key_credential(key, name, expires_at, self._clock())
        added = ClientCredential(application.organization_id, application.id, credential, key.jwk)
        return self._add(operator, application, "application_key", added)

    def _add(
        self, operator: Operator, application: Application, kind: str, added: ClientCredential
    ) -> ClientCredential:
        if application.kind is AppKind.PUBLIC:
            raise Invalid(f"`{application.name}` is public: it keeps no secret, PKCE protects it", "app")
        if application.revoked_at is not None:
            raise Invalid(f"the application `{application.name}` was revoked", "app")

        def work(unit: Unit) -> None:
            unit.applications.add_credential(added, self._clock())
            reason = f"{application.name}: {added.credential.name}"
            after = _told_credential(application, added)
            self._audit(unit, operator, application, f"{kind}.added", reason, added.credential.id, after=after)

        self._store.transact(work)
        return added

    def revoke_credential(self, operator: Operator, application: Application, id_: str) -> ClientCredential:
        """Make a secret or key worthless at once. `id_` may be the beginning of one id. Raises NotFound, Invalid.

        What it brought goes on until it ends by itself: it was given to the application, not to the secret.
        """
        known = {one.credential.id: one for one in self.credentials(application)}
        found = known[by_id("credential", id_, [one.credential for one in known.values()]).id]

        def work(unit: Unit) -> None:
            if unit.applications.revoke_credential(application.organization_id, found.credential.id, self._clock()):
                kind = "application_secret.revoked" if found.jwk is None else "application_key.revoked"
                reason = f"{application.name}: {found.credential.name}"
                was = _told_credential(application, found)
                self._audit(unit, operator, application, kind, reason, found.credential.id, before=was)

        self._store.transact(work)
        return found

    def _audit(
        self,
        unit: Unit,
        operator: Operator,
        application: Application,
        kind: str,
        reason: str,
        subject_id: str | None = None,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        subject, told = subject_id or application.id, {"before": before, "after": after}
        organization_id = application.organization_id
        record_act(unit, operator, organization_id, kind, subject, reason=reason, now=self._clock(), **told)


@dataclass(frozen=True, slots=True)
class AppProof:
    """That a request comes from `application`.

    `credential` is what it proved that with, None for a public one, which only says so. The other members are as in
    `bridge.clients.Proof`.
    """

    application: Application
    credential: ClientCredential | None = None
    jti: str | None = None
    remembered_until: datetime | None = None
    moved: Hashed | None = None


def spend(unit: Unit, proof: AppProof, now: datetime) -> None:
    """Note that a proof was used, in the transaction that answers it. Raises AssertionReused."""
    application, held = proof.application, proof.credential
    if held is None:
        return
    if proof.jti is not None and proof.remembered_until is not None:
        digest = assertion_digest(proof.jti)
        if not unit.applications.use_assertion(application, digest, proof.remembered_until, now):
            raise AssertionReused
    last = held.credential.last_used_at
    if last is None or now - last >= USE_NOTED_EVERY:
        unit.applications.touch(application.organization_id, held.credential.id, now)
    if proof.moved is not None:
        where = (application.organization_id, held.credential.id)
        unit.applications.move_secret(*where, proof.moved.hash, proof.moved.key_id)


class AppProving(Prover):
    """What proves an application at the token endpoint, as `bridge.clients.TokenIssuing` does a SCIM client."""

    def client(self, client_id: str) -> tuple[Application, Sequence[ClientCredential]] | None:
        """Return an application, revoked or not, with everything that it has or had to prove itself with."""
        with self._store.read() as unit:
            application = unit.applications.application(client_id)
            return None if application is None else (application, unit.applications.credentials(application))


def _told(application: Application) -> dict[str, object]:
    return {"name": application.name, "kind": str(application.kind), **application.settings.document()}


def _told_credential(application: Application, held: ClientCredential) -> dict[str, object]:
    credential = held.credential
    ends = stamp_or_none(credential.expires_at)
    return {"app": application.id, "name": credential.name, "hint": credential.hint, "expires_at": ends}
