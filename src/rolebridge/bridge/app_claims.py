"""What an application is told of a person: who they are, their groups, and the roles that they hold.

Read when it is told, never kept: a token that is refreshed tells of a changed role at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from rolebridge.core.applications import AppSettings, GroupsForm, RolesForm, Scope
from rolebridge.core.directory import Membership, User
from rolebridge.core.grants import Grant, GrantState
from rolebridge.store.provider_records import Application
from rolebridge.store.unit import Unit

TOKEN_BYTES: Final = 4_096
"""Bytes of JSON that groups, and roles, may each have in a token: headers that carry one hold 8 KiB as a rule."""
USERINFO_BYTES: Final = 1_048_576
"""Bytes that they may each have in the answer of the UserInfo endpoint."""

ROLES_SOURCE: Final = "access_api"
GROUPS_SOURCE: Final = "userinfo"
"""Where an application finds what was too much for a token: names in `_claim_sources` (OpenID Connect Core §5.6.2)."""

Entry: TypeAlias = str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Links:
    """Where an application finds what does not fit into a token: URLs without a slash at the end."""

    base_url: str

    def roles_of(self, user_id: str) -> str:
        """Return where the access API tells a person's roles; it asks for an API key."""
        return f"{self.base_url}/api/v1/users/{user_id}/roles"

    @property
    def userinfo(self) -> str:
        """Return the UserInfo endpoint, which asks for the access token."""
        return f"{self.base_url}/oauth/userinfo"


@dataclass(frozen=True, slots=True)
class PersonClaims:
    """What an application may be told of a person by the scopes it was granted; None is what it may not."""

    user_id: str
    person: Mapping[str, Any]
    groups: tuple[Entry, ...] | None
    roles: tuple[Entry, ...] | None
    enters: bool
    """Whether the application lets the person in: they hold a role in a workspace that it asks for, if it asks."""

    def access(self, settings: AppSettings, links: Links, most_bytes: int = TOKEN_BYTES) -> dict[str, Any]:
        """Return the claims of groups and roles; in place of one that is too large it says where to find it."""
        told: dict[str, Any] = {}
        names: dict[str, str] = {}
        sources: dict[str, Any] = {}
        for claim, entries, source, link in (
            (settings.groups.claim, self.groups, GROUPS_SOURCE, links.userinfo),
            (settings.roles.claim, self.roles, ROLES_SOURCE, links.roles_of(self.user_id)),
        ):
            if entries is None:
                continue
            if _fits(entries, most_bytes):
                told[claim] = list(entries)
            else:
                names[claim], sources[source] = source, {"endpoint": link}
        return {**told, "_claim_names": names, "_claim_sources": sources} if names else told


def claims_of(
    unit: Unit, application: Application, user_id: str, scopes: Collection[str], now: datetime
) -> PersonClaims | None:
    """Return what `application` is told of a person under `scopes`; None of somebody who is not there or not active."""
    organization_id, settings = application.organization_id, application.settings
    found = unit.directory(organization_id).core_users([user_id])
    if not found or not found[0].active:
        return None
    groups: tuple[Entry, ...] | None = None
    if Scope.GROUPS in scopes:
        memberships = unit.directory(organization_id).memberships([user_id])[user_id]
        groups = tuple(_groups(settings, memberships))
    roles: tuple[Entry, ...] | None = None
    enters = not settings.entry_workspaces
    if Scope.ROLES in scopes or not enters:
        held = [one for one in unit.grants(organization_id).of_users([user_id])[user_id] if _in_force(one, now)]
        enters = enters or any(one.workspace in settings.entry_workspaces for one in held)
        roles = tuple(_roles(settings, held)) if Scope.ROLES in scopes else None
    person = _person(found[0], scopes)
    if _is_vouched_for(unit, organization_id, found[0], str(person.get("email", ""))):
        person["email_verified"] = True
    return PersonClaims(user_id, person, groups, roles, enters)


def _is_vouched_for(unit: Unit, organization_id: str, user: User, email: str) -> bool:
    """Return whether the connection that the person is of speaks for the domain of an address.

    Then its identity provider gives the addresses of that domain away (OpenID Connect Core §5.1, `email_verified`).
    Of any other address nobody here knows whose it is, so that nothing is said of it.
    """
    local, _, domain = email.rpartition("@")
    claimed = unit.sso.domain(domain.lower()) if local and domain.isascii() else None
    if claimed is None or claimed.organization_id != organization_id:
        return False
    speaker = unit.sso.of(organization_id, claimed.connection_id)
    return speaker is not None and speaker.connection.name == user.connection


def _fits(entries: Sequence[Entry], most_bytes: int) -> bool:
    return len(json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()) <= most_bytes


def _in_force(grant: Grant, now: datetime) -> bool:
    return grant.state is GrantState.EFFECTIVE and (grant.valid_until is None or now.date() <= grant.valid_until)


def _groups(settings: AppSettings, memberships: Iterable[Membership]) -> Iterable[Entry]:
    """Return each group once: somebody may be in it by SCIM and by login, directly and through another one."""
    groups = {one.group.id: one.group for one in memberships if settings.groups.tells(one.group.display)}
    for group in sorted(groups.values(), key=lambda one: (one.display, one.id)):
        match settings.groups.form:
            case GroupsForm.NAMES:
                yield group.display
            case GroupsForm.IDS:
                yield group.id
            case GroupsForm.OBJECTS:
                yield {"id": group.id, "name": group.display, "connection": group.connection}


def _roles(settings: AppSettings, held: Iterable[Grant]) -> Iterable[Entry]:
    told = [one for one in held if settings.roles.tells(one.workspace)]
    for grant in sorted(told, key=lambda one: (one.workspace, one.project, one.slot, one.role)):
        if settings.roles.form is RolesForm.NAMES:
            place = f"{grant.workspace}/{grant.project}" if grant.project else grant.workspace
            yield f"{place}:{grant.role}"
            continue
        entry: dict[str, Any] = {
            "workspace": grant.workspace,
            "project": grant.project or None,
            "slot": grant.slot,
            "role": grant.role,
            "lock": grant.lock or None,
        }
        yield {**entry, "acts_as": grant.acts_as_role} if grant.acts_as_role else entry


def _person(user: User, scopes: Collection[str]) -> dict[str, Any]:
    """Return the standard claims (OpenID Connect Core §5.1) that scopes ask for and the directory knows."""
    known = user.attributes
    told: dict[str, Any] = {}
    if Scope.PROFILE in scopes:
        name = known.get("name")
        parts = name if isinstance(name, dict) else {}
        full = known.get("displayName") or parts.get("formatted") or _joined(parts)
        told |= {
            "name": full,
            "given_name": parts.get("givenName"),
            "family_name": parts.get("familyName"),
            "preferred_username": user.user_name,
            "locale": known.get("locale"),
            "zoneinfo": known.get("timezone"),
        }
    if Scope.EMAIL in scopes:
        told["email"] = _email(known.get("emails"))
    return {claim: value for claim, value in told.items() if isinstance(value, str) and value}


def _joined(parts: Mapping[str, Any]) -> str:
    return " ".join(str(parts[one]) for one in ("givenName", "familyName") if parts.get(one))


def _email(emails: object) -> str | None:
    """Return the primary address, else the first one."""
    listed = [one for one in emails if isinstance(one, dict) and one.get("value")] if isinstance(emails, list) else []
    chosen = next((one for one in listed if one.get("primary") is True), listed[0] if listed else None)
    return str(chosen["value"]) if chosen else None
