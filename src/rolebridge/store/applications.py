"""Applications that people sign in to, and what they prove themselves with."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, update

from rolebridge.core.applications import AppKind, AppSettings, read_settings
from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.store.accounts import (
    CREDENTIAL_COLUMNS,
    check_name,
    credential_values,
    move_to,
    moved_rows,
    stored_credential,
)
from rolebridge.store.clients import INSERT_ASSERTION, MOST_CREDENTIALS
from rolebridge.store.documents import folded_key, moment, moment_or_none, stamp
from rolebridge.store.links import Link, Row
from rolebridge.store.provider_records import Application
from rolebridge.store.records import ClientCredential
from rolebridge.store.statements import Database, Statement, given, insert_into, storable
from rolebridge.store.tables.accounts import used_assertions
from rolebridge.store.tables.provider import application_credentials as held
from rolebridge.store.tables.provider import applications

_APPLICATION: Final = tuple(column for column in applications.columns if column.name != "name_key")
_CREDENTIAL: Final = (
    held.c.organization_id,
    held.c.application_id,
    *(held.c[name] for name in CREDENTIAL_COLUMNS),
    held.c.jwk,
)
_OF_THIS: Final = (applications.c.organization_id == given("organization_id"), applications.c.id == given("of"))
_THIS_CREDENTIAL: Final = (held.c.organization_id == given("organization_id"), held.c.id == given("of"))


def _by_id(_: Database, *, lock: bool) -> Select[Any]:
    found = select(*_APPLICATION).where(applications.c.id == given("id"))
    return found.with_for_update(key_share=True) if lock else found


def _credentials_of(_: Database, *, lock: bool) -> Select[Any]:
    found = (
        select(*_CREDENTIAL)
        .where(held.c.organization_id == given("organization_id"), held.c.application_id == given("application_id"))
        .order_by(held.c.created, held.c.id)
    )
    return found.with_for_update(key_share=True) if lock else found


INSERT: Final = Statement(lambda db: insert_into(db, applications))
INSERT_CREDENTIAL: Final = Statement(lambda db: insert_into(db, held, unless_taken=True))
APPLICATION: Final = {lock: Statement(partial(_by_id, lock=lock)) for lock in (False, True)}
APPLICATIONS: Final = Statement(
    lambda _: (
        select(*_APPLICATION)
        .where(applications.c.organization_id == given("organization_id"))
        .order_by(applications.c.created, applications.c.id)
    )
)
CREDENTIALS: Final = {lock: Statement(partial(_credentials_of, lock=lock)) for lock in (False, True)}
CHANGE: Final = Statement(
    lambda _: (
        update(applications)
        .where(*_OF_THIS)
        .values(name=given("name"), name_key=given("name_key"), settings=given("settings"))
    )
)
REVOKE: Final = Statement(
    lambda _: update(applications).where(*_OF_THIS, applications.c.revoked_at.is_(None)).values(revoked_at=given("at"))
)
REVOKE_CREDENTIAL: Final = Statement(
    lambda _: update(held).where(*_THIS_CREDENTIAL, held.c.revoked_at.is_(None)).values(revoked_at=given("at"))
)
TOUCH: Final = Statement(
    lambda _: (
        update(held)
        .where(*_THIS_CREDENTIAL, func.coalesce(held.c.last_used_at, "") < given("at"))
        .values(last_used_at=given("at"))
    )
)
MOVE_SECRET: Final = move_to(held)
DELETE_OLD_ASSERTIONS: Final = Statement(
    lambda _: delete(used_assertions).where(
        used_assertions.c.organization_id == given("organization_id"),
        used_assertions.c.client_id == given("client_id"),
        used_assertions.c.expires_at <= given("now"),
    )
)


class Applications:
    """Applications of all organizations: an application's id finds its organization."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def add(self, application: Application) -> None:
        """Add an application. Raises `Invalid` for its name."""
        check_name("application", application.name)
        self._link.run(
            INSERT,
            organization_id=application.organization_id,
            id=application.id,
            kind=str(application.kind),
            created=stamp(application.created),
            revoked_at=None,
            **_changing(application.name, application.settings),
        )

    def application(self, id: str, *, lock: bool = False) -> Application | None:
        """Return an application, revoked or not; with `lock` nobody changes it until the transaction ends."""
        row = self._link.one(APPLICATION[lock], id=id) if storable(id) else None
        return _application(row) if row else None

    def of_organization(self, organization_id: str) -> list[Application]:
        """Return the applications of an organization, oldest first, revoked ones included."""
        return [_application(row) for row in self._link.all(APPLICATIONS, organization_id=organization_id)]

    def change(self, organization_id: str, id: str, name: str, settings: AppSettings) -> None:
        """Give an application another name and other settings. Raises `Invalid` for the name."""
        check_name("application", name)
        self._link.run(CHANGE, organization_id=organization_id, of=id, **_changing(name, settings))

    def revoke(self, organization_id: str, id: str, now: datetime) -> bool:
        """Revoke an application; return whether that changed anything."""
        return self._link.run(REVOKE, organization_id=organization_id, of=id, at=stamp(now)) > 0

    # --- what they prove themselves with

    def add_credential(self, added: ClientCredential, now: datetime) -> None:
        """Add a secret or key. Raises `NotFound`, `Invalid` for one too many, and `Taken` for a key it has."""
        check_name("credential", added.credential.name)
        application = self.application(added.client_id, lock=True)
        if application is None:
            raise NotFound("application", added.client_id)
        if sum(one.credential.usable(now) for one in self.credentials(application)) >= MOST_CREDENTIALS:
            raise Invalid(f"the application has {MOST_CREDENTIALS} secrets and keys that work; revoke one first")
        scope = {"organization_id": added.organization_id, "application_id": added.client_id}
        if not self._link.run(INSERT_CREDENTIAL, **scope, **credential_values(added.credential), jwk=added.jwk):
            raise Taken("credential of the application", "key", added.credential.hint)

    def credentials(self, application: Application, *, lock: bool = False) -> list[ClientCredential]:
        """Return an application's secrets and keys, oldest first, revoked ones included."""
        values = {"organization_id": application.organization_id, "application_id": application.id}
        return [_credential(row) for row in self._link.all(CREDENTIALS[lock], **values)]

    def revoke_credential(self, organization_id: str, id: str, now: datetime) -> bool:
        """Revoke a secret or key; return whether that changed anything."""
        return self._link.run(REVOKE_CREDENTIAL, organization_id=organization_id, of=id, at=stamp(now)) > 0

    def touch(self, organization_id: str, id: str, now: datetime) -> None:
        """Note when a secret or key was last used."""
        self._link.run(TOUCH, organization_id=organization_id, of=id, at=stamp(now))

    def move_secret(self, organization_id: str, id: str, hash: bytes, key_id: str) -> None:
        """Keep a secret as another hash, made under the key `key_id`."""
        self._link.run_many(MOVE_SECRET, moved_rows({(organization_id, id): (hash, key_id)}))

    def use_assertion(self, application: Application, jti: bytes, expires_at: datetime, now: datetime) -> bool:
        """Remember an assertion's `jti` (a digest) until `expires_at`; return False when it was used before."""
        scope = {"organization_id": application.organization_id, "client_id": application.id}
        self._link.run(DELETE_OLD_ASSERTIONS, **scope, now=stamp(now))
        return self._link.run(INSERT_ASSERTION, **scope, jti=jti, expires_at=stamp(expires_at)) > 0


def _changing(name: str, settings: AppSettings) -> dict[str, str]:
    return {"name": name, "name_key": folded_key(name), "settings": json.dumps(settings.document())}


def _application(row: Row) -> Application:
    organization_id, id_, name, kind, settings, created, revoked = row
    known = AppKind(kind)
    read = read_settings(json.loads(settings), known)
    return Application(organization_id, id_, name, known, read, moment(created), moment_or_none(revoked))


def _credential(row: Row) -> ClientCredential:
    return ClientCredential(row[0], row[1], stored_credential(row[2:-1]), row[-1])
