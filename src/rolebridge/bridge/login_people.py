"""Whom a login means: the user of its identity, one that it is linked to, or one that it makes.

Identity is (connection, issuer, subject). Nothing is ever linked across connections, and nobody whom SCIM has
deactivated or deleted comes back by logging in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rolebridge.bridge.identifiers import ordered_id
from rolebridge.bridge.provisioning import DirectoryChange, core_user, may_matter
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.directory import UserDraft
from rolebridge.core.errors import Taken
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.core.login_claims import ClaimedUser, check_name, is_disguised, same_name
from rolebridge.store.logins import LoginRows, StoredIdentity
from rolebridge.store.records import StoredUser


class Found(StrEnum):
    """How a login found its user."""

    KNOWN = "known"
    LINKED = "linked"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a login means. `known` is the row of its identity, of a user who may be gone; `user_id` is None for MADE.

    `claimed` is None where nothing depends on it; `by_name`: the user was found by userName.
    """

    found: Found
    known: StoredIdentity | None
    claimed: ClaimedUser | None
    linked_id: str | None = None
    by_name: bool = False

    @property
    def user_id(self) -> str | None:
        """Return whose login it is, None for somebody who is to be made."""
        if self.found is Found.KNOWN:
            return self.known.user_id if self.known else None
        return self.linked_id


@dataclass(frozen=True, slots=True)
class Admitted:
    """The user who comes in, locked; whether the login changed them, and whether that may change their grants."""

    whom: Whom
    user: StoredUser
    updated: bool = False
    relevant: bool = False


def find_whom(
    rows: LoginRows,
    connection: SsoConnection,
    identity: AssertedIdentity,
    known: StoredIdentity | None,
    claimed: ClaimedUser,
    trail: Trail,
) -> Whom:
    """Return whom a login means whose identity has no user (any more). Raises LoginRefused."""
    if claimed.external_id is not None:
        user_id = rows.user_identified(connection.id, claimed.external_id)
        if user_id is not None:
            trail.not_needed("login-domain", "the user is known by the externalId")
            return _linked(rows, connection, Whom(Found.LINKED, known, claimed, user_id))
    check_name(connection.rules, claimed.user_name, identity.attributes, connection.domains)
    trail.passed("login-domain")
    named = rows.user_named(claimed.user_name)
    if named is None:
        return _to_be_made(rows, connection, known, claimed)
    user_id, owner = named
    if owner != connection.id:
        raise LoginRefused("login-user-elsewhere", "the userName belongs to a user of another connection")
    return _linked(rows, connection, Whom(Found.LINKED, known, claimed, user_id, by_name=True))


def _linked(rows: LoginRows, connection: SsoConnection, whom: Whom) -> Whom:
    if not connection.rules.link:
        raise LoginRefused("login-linking-off", "the user exists, and the rules link no identity to users")
    user_id = str(whom.linked_id)
    others = rows.identities_of([user_id]).get(user_id, ())
    if any(one.connection_id == connection.id for one in others):
        raise LoginRefused("login-user-linked", "the user is known by another identity of the connection")
    return whom


def _to_be_made(rows: LoginRows, connection: SsoConnection, known: StoredIdentity | None, claimed: ClaimedUser) -> Whom:
    if known is not None or rows.has_departed(connection.id, claimed.user_name):
        raise LoginRefused("login-user-deleted", "the user was deleted, and logging in makes nobody again")
    if not connection.rules.create:
        raise LoginRefused("login-user-unknown", "nobody has this userName, and the rules make no users")
    _check_letters(claimed.user_name)
    return Whom(Found.MADE, known, claimed)


def _check_letters(name: str) -> None:
    """Refuse to give a user a name that rules which name users would take for another one. Raises LoginRefused."""
    if is_disguised(name):
        raise LoginRefused("login-user-alike", "the userName has letters that are ASCII ones without regard to case")


def admit(
    change: DirectoryChange, connection: SsoConnection, identity: AssertedIdentity, whom: Whom, trail: Trail
) -> Admitted:
    """Return the user, locked, active and of the connection, linked or made. Raises LoginRefused; Taken in a race."""
    if whom.user_id is None:
        return _made(change, whom)
    user = change.directory.user(None, whom.user_id, lock=True)
    if user is None:
        raise LoginRefused("login-user-deleted", "the user was deleted at this moment")
    if user.connection_id != connection.id:
        raise LoginRefused("login-user-elsewhere", "the user belongs to another connection now")
    if not user.active:
        raise LoginRefused("login-user-inactive", "the user is deactivated")
    trail.passed("login-user-inactive")
    if whom.found is Found.LINKED:
        _check_link(whom, user)
        change.audit("user.linked", user.id, None, json.dumps({"connection": connection.name}))
        return Admitted(whom, user)
    return _updated(change, connection, identity, whom, user, trail)


def _check_link(whom: Whom, user: StoredUser) -> None:
    """Refuse to link an identity to a user of its userName who is somebody else all the same. Raises LoginRefused."""
    claimed = whom.claimed
    if not whom.by_name or claimed is None:
        return
    if not same_name(claimed.user_name, user.user_name):
        raise LoginRefused("login-user-alike", "the userName is written like the user's, with other letters")
    if claimed.external_id is not None and user.external_id not in {None, claimed.external_id}:
        raise LoginRefused("login-user-other", "the user with this userName has another externalId than the login says")


def _made(change: DirectoryChange, whom: Whom) -> Admitted:
    assert whom.claimed is not None  # nobody is made of nothing
    claimed = whom.claimed
    attributes: dict[str, Any] = {"userName": claimed.user_name, **claimed.attributes}
    if claimed.external_id is not None:
        attributes["externalId"] = claimed.external_id
    draft = UserDraft(claimed.user_name, claimed.external_id, True, attributes)
    user = change.directory.insert_user(change.caller.connection_id, draft, ordered_id(change.now), change.now)
    change.audit("user.created", user.id, None, user.body)
    return Admitted(whom, user, relevant=change.rulebook.concerns_user(core_user(change.caller, user)))


def _updated(
    change: DirectoryChange,
    connection: SsoConnection,
    identity: AssertedIdentity,
    whom: Whom,
    user: StoredUser,
    trail: Trail,
) -> Admitted:
    """Change a user whom a login made by what this one claims, where the rules say so."""
    claimed, known = whom.claimed, whom.known
    if claimed is None or known is None or not (connection.rules.update and known.made_user):
        return Admitted(whom, user)
    was = user.draft()
    draft = replace(was, attributes=_merged(was.attributes, claimed.attributes))
    if claimed.user_name != user.user_name:
        draft = _renamed(draft, connection, identity, claimed.user_name, trail)
    if draft == was:
        return Admitted(whom, user)
    try:
        new = change.directory.update_user(user, draft, change.now, was=was)
    except Taken:
        trail.not_needed("login-user-elsewhere", "the user keeps their userName: the new one belongs to another user")
        draft = replace(draft, user_name=user.user_name, attributes={**draft.attributes, "userName": user.user_name})
        if draft == was:
            return Admitted(whom, user)
        new = change.directory.update_user(user, draft, change.now, was=was)
    change.audit("user.updated", user.id, user.body, new.body)
    return Admitted(whom, new, updated=True, relevant=may_matter(change.rulebook, user, new))


def _renamed(
    draft: UserDraft, connection: SsoConnection, identity: AssertedIdentity, name: str, trail: Trail
) -> UserDraft:
    try:
        check_name(connection.rules, name, identity.attributes, connection.domains)
        _check_letters(name)
    except LoginRefused as refused:
        trail.not_needed(refused.code, f"the user keeps their userName: {refused.detail}")
        return draft
    return replace(draft, user_name=name, attributes={**draft.attributes, "userName": name})


def _merged(was: Mapping[str, Any], claimed: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with those that a login claims; parts of a complex one that it does not claim stay."""
    merged = dict(was)
    for name, value in claimed.items():
        old = merged.get(name)
        merged[name] = {**old, **value} if isinstance(value, dict) and isinstance(old, dict) else value
    return merged
