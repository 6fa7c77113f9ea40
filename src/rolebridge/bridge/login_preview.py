"""What a login would do: the login itself, in a transaction that is undone at its end. Nobody is logged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from rolebridge.bridge.grant_documents import grant_document
from rolebridge.bridge.login_documents import check_document
from rolebridge.bridge.login_groups import stored_groups
from rolebridge.bridge.login_people import Found
from rolebridge.bridge.logins import Accepted, Logins
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.directory import Group
from rolebridge.core.grants import Grant
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.core.login_claims import ClaimedUser, StatedGroups, claimed_user, stated_groups
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class StatedGroup:
    """A group that a login states: whether the directory has it, whether any rule speaks of it, and what happens.

    `counts` is False where SCIM has the authority over groups, or the group could not be made.
    """

    name: str
    known: bool
    mapped: bool
    counts: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a login would do. One that would be refused has `refused` and neither user nor roles.

    `claimed` is who the login says the person is, None where it does not say that. `before` and `after` are the grants
    now and then; a grant in `after` tells why. `left` are groups that the person would leave.
    """

    connection: SsoConnection
    identity: AssertedIdentity | None
    trail: Trail
    refused: LoginRefused | None = None
    claimed: ClaimedUser | None = None
    found: Found | None = None
    user_id: str = ""
    user_name: str = ""
    stated: StatedGroups | None = None
    groups: tuple[StatedGroup, ...] = ()
    left: tuple[str, ...] = ()
    before: tuple[Grant, ...] = ()
    after: tuple[Grant, ...] = ()


class _Undone(Exception):
    """Carries what would have happened out of a transaction that must not happen."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview


class LoginPreviews:
    """Tries logins."""

    def __init__(self, store: Store, logins: Logins, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._logins = logins
        self._rulebooks = rulebooks
        self._clock = clock

    def preview(self, connection: SsoConnection, identity: AssertedIdentity, trail: Trail) -> Preview:
        """Return what a login would do; an assertion that was used before is tried again. Nothing is written."""

        def work(unit: Unit) -> None:
            raise _Undone(self._tried(unit, connection, identity, trail))

        made = len(trail.checks)
        try:
            self._store.transact(work)
        except _Undone as undone:
            return self._with_present(undone.preview)
        except LoginRefused as refused:
            if not any(check.code == refused.code for check in trail.checks[made:]):
                trail.failed(refused)
            claimed, stated = _as_claimed(connection, identity)
            return Preview(connection, identity, trail, refused, claimed=claimed, stated=stated)
        raise AssertionError("unreachable")

    def _tried(self, unit: Unit, connection: SsoConnection, identity: AssertedIdentity, trail: Trail) -> Preview:
        now, organization_id = self._clock(), connection.organization_id
        accepted = self._logins.try_out(unit, connection, identity, trail, now=now, request_id=uuid4().hex)
        claimed, _ = _as_claimed(connection, identity)
        return Preview(
            connection,
            identity,
            trail,
            claimed=claimed,
            found=accepted.found,
            user_id=accepted.user.id,
            user_name=accepted.user.user_name,
            stated=accepted.stated,
            groups=tuple(self._groups(unit, accepted)),
            left=tuple(group.display for group in accepted.moves.left),
            after=tuple(unit.grants(organization_id).of_users([accepted.user.id])[accepted.user.id]),
        )

    def _with_present(self, preview: Preview) -> Preview:
        """Return a preview with what its person holds now; the transaction that tried it is undone."""
        with self._store.read() as unit:
            held = unit.grants(preview.connection.organization_id).of_users([preview.user_id])
        return replace(preview, before=tuple(held[preview.user_id]))

    def _groups(self, unit: Unit, accepted: Accepted) -> Iterator[StatedGroup]:
        """Yield the groups of a login that was just tried, the unmapped ones too."""
        connection, claim = accepted.connection, accepted.connection.rules.groups
        if claim is None:
            return
        directory = unit.directory(connection.organization_id)
        rulebook = self._rulebooks.current(unit, connection.organization_id)
        found = stored_groups(unit.logins(connection.organization_id), connection.id, claim, accepted.stated.groups)
        made = {group.id for group in accepted.moves.made}
        for name in accepted.stated.groups:
            group = found.get(name)
            seen = Group(group.id, group.display, connection.name, group.external_id) if group else None
            above = directory.groups_above(group.id) if group and group.nested else ()
            mapped = any(map(rulebook.concerns, [seen or Group("", name, connection.name), *above]))
            counts = connection.rules.asserts_groups and group is not None
            yield StatedGroup(group.display if group else name, bool(group and group.id not in made), mapped, counts)


def _as_claimed(
    connection: SsoConnection, identity: AssertedIdentity
) -> tuple[ClaimedUser | None, StatedGroups | None]:
    """Return what can be read of a login, whether or not it counts."""
    claimed, stated = None, None
    with suppress(LoginRefused):
        claimed = claimed_user(connection.rules, identity, connection.domains)
    with suppress(LoginRefused):
        stated = stated_groups(connection.rules.groups, identity.attributes)
    return claimed, stated


def preview_document(preview: Preview) -> dict[str, Any]:
    """Return what a login would do as JSON has it."""
    identity, claimed, refused = preview.identity, preview.claimed, preview.refused
    return {
        "connection": preview.connection.name,
        "outcome": "refused" if refused else "accepted",
        "code": refused.code if refused else None,
        "detail": refused.detail if refused else None,
        "identity": {"issuer": identity.issuer, "subject": identity.subject} if identity else None,
        "attributes": sorted(identity.attributes) if identity else [],
        "claimed": {
            "user_name": claimed.user_name,
            "external_id": claimed.external_id,
            "attributes": dict(claimed.attributes),
            "left_out": list(claimed.left_out),
        }
        if claimed
        else None,
        "user": {"id": preview.user_id if preview.found != Found.MADE else None, "user_name": preview.user_name}
        if preview.found
        else None,
        "found": preview.found,
        "authority": preview.connection.rules.authority,
        "groups_are": preview.stated.stating if preview.stated else None,
        "groups": [
            {"name": one.name, "known": one.known, "mapped": one.mapped, "counts": one.counts} for one in preview.groups
        ],
        "groups_left": list(preview.left),
        "roles_now": [grant_document(grant) for grant in preview.before],
        "roles_after": [grant_document(grant) for grant in preview.after],
        "checks": [check_document(check) for check in preview.trail.checks],
    }
