"""From an asserted identity to a user who may come in: who they are, what the login changes, which groups it states.

Everything happens in the transaction of the session that begins with it, so a login counts wholly or not at all. What
it costs grows with what it changes: one that states the groups of the last one writes its own rows and resolves nobody.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.login_groups import Moves, carry_out, moves_of
from rolebridge.bridge.login_log import log_accepted
from rolebridge.bridge.login_people import Admitted, Found, Whom, admit, find_whom
from rolebridge.bridge.provisioning import DirectoryChange
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.errors import Taken
from rolebridge.core.guardrails import Guarding
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.core.login_claims import ClaimedUser, StatedGroups, Stating, claimed_user, stated_groups
from rolebridge.store.logins import StoredIdentity
from rolebridge.store.records import StoredUser
from rolebridge.store.unit import Unit

OWN_CODES: Final = "login-"
"""How the codes of the checks begin that are made here."""

_LONGEST_IDENTITY: Final = 1_024


@dataclass(frozen=True, slots=True)
class Accepted:
    """A login that counts: whom it logs in, how they were found, what it states of groups and what that moved.

    `updated` says that the login changed the user's attributes. `moves` is empty where SCIM has the authority.
    """

    connection: SsoConnection
    identity: AssertedIdentity
    user: StoredUser
    found: Found
    updated: bool
    stated: StatedGroups
    moves: Moves


class Logins:
    """Lets people in whom an identity provider asserts."""

    def __init__(self, rulebooks: Rulebooks) -> None:
        self._rulebooks = rulebooks

    def accept(
        self,
        unit: Unit,
        connection: SsoConnection,
        identity: AssertedIdentity,
        trail: Trail,
        *,
        now: datetime,
        request_id: str,
    ) -> Accepted:
        """Let a person in, in the caller's transaction, which a refusal must undo.

        Uses up the assertion, finds or makes the user, and takes up the groups; writes the log's row. What it checks is
        added to `trail`; a transaction that runs again begins with a trail without it. Raises LoginRefused.
        """
        trail.checks[:] = [check for check in trail.checks if not check.code.startswith(OWN_CODES)]
        change = self._begin(unit, connection, now, request_id)
        accepted = _Login(change, connection, identity, trail, tried=False).run()
        log_accepted(unit, connection, trail, accepted.user.id, now=now, request_id=request_id)
        return accepted

    def try_out(
        self,
        unit: Unit,
        connection: SsoConnection,
        identity: AssertedIdentity,
        trail: Trail,
        *,
        now: datetime,
        request_id: str,
    ) -> Accepted:
        """Do what `accept` does but for the log, in a transaction that the caller undoes.

        An assertion that was used before does as well as a fresh one.
        """
        trail.checks[:] = [check for check in trail.checks if not check.code.startswith(OWN_CODES)]
        return _Login(self._begin(unit, connection, now, request_id), connection, identity, trail, tried=True).run()

    def _begin(self, unit: Unit, connection: SsoConnection, now: datetime, request_id: str) -> DirectoryChange:
        """Take up the mapping in force, which no apply replaces meanwhile."""
        directory = unit.directory(connection.organization_id)
        directory.lock_organization(exclusive=False)
        rulebook = self._rulebooks.current(unit, connection.organization_id)
        own = connection.connection
        caller = Caller(
            own.organization_id, own.id, own.name, own.profile, request_id, operator=f"login:{connection.name}"
        )
        return DirectoryChange(unit, directory, caller, rulebook, now)


class _Login:
    """One login while its transaction runs. Rows are locked in the order identity, groups, user."""

    def __init__(
        self,
        change: DirectoryChange,
        connection: SsoConnection,
        identity: AssertedIdentity,
        trail: Trail,
        *,
        tried: bool,
    ) -> None:
        self.change = change
        self.connection = connection
        self.rules = connection.rules
        self.identity = identity
        self.trail = trail
        self.tried = tried
        self.rows = change.unit.logins(connection.organization_id)

    def run(self) -> Accepted:
        """Carry the login out. Raises LoginRefused."""
        self._check_subject()
        self._use_assertion()
        key = identity_key(self.identity.issuer, self.identity.subject)
        known = self.rows.identity(self.connection.id, key, lock=True)
        whom = self._whom(known)
        stated = self._stated()
        moves = self._moves(stated, whom.user_id)
        admitted = self._admit(whom, key)
        user = admitted.user
        relevant = admitted.relevant
        if moves:
            relevant = carry_out(self.change, self.rows, moves, user.id) or relevant
        self._remember(key, admitted, stated)
        if relevant:
            cause = f"login of `{user.user_name}`{_words(admitted, moves)}"
            self.change.recompute([user.id], cause, Guarding.HELD if moves.left else Guarding.COUNTED)
        return Accepted(self.connection, self.identity, user, admitted.whom.found, admitted.updated, stated, moves)

    def _whom(self, known: StoredIdentity | None) -> Whom:
        """Return whom the login means, by its identity or by what it claims."""
        usual = known is not None and not self.rules.update
        if known is not None and self.change.directory.user(None, known.user_id) is not None:
            return Whom(Found.KNOWN, known, None if usual else self._claimed())
        try:
            return find_whom(self.rows, self.connection, self.identity, known, self._claimed(), self.trail)
        except LoginRefused:
            # The first login of the same identity may have been committed since this one looked for it.
            key = identity_key(self.identity.issuer, self.identity.subject)
            made = None if known else self.rows.identity(self.connection.id, key, lock=True)
            if made is None:
                raise
            return self._whom(made)

    def _admit(self, whom: Whom, key: str) -> Admitted:
        """Return the user, locked. Of two first logins at once the second finds whom the first made."""
        try:
            return admit(self.change, self.connection, self.identity, whom, self.trail)
        except Taken:
            known = self.rows.identity(self.connection.id, key, lock=True)
            if known is None:
                raise LoginRefused(
                    "login-user-elsewhere", "the userName or externalId was given to another user at this moment"
                ) from None
            return admit(self.change, self.connection, self.identity, self._whom(known), self.trail)

    def _check_subject(self) -> None:
        """Refuse an identity that no database could keep, or index."""
        told = (self.identity.issuer, self.identity.subject)
        if not all(text.isprintable() and 0 < len(text.encode()) <= _LONGEST_IDENTITY for text in told):
            raise LoginRefused(
                "login-subject", f"issuer and subject have 1 to {_LONGEST_IDENTITY} bytes of printable characters"
            )

    def _use_assertion(self) -> None:
        if not self.identity.assertion_id:
            self.trail.not_needed("login-assertion-used", "the login is bound to a request that is used once")
            return
        digest = hashlib.sha256(self.identity.assertion_id.encode("utf-8", "surrogatepass")).digest()
        ends = self.identity.usable_until or self.change.now + timedelta(days=1)
        if not self.rows.use_assertion(self.connection.id, digest, ends) and not self.tried:
            raise LoginRefused("login-assertion-used", "the assertion has logged somebody in before")
        self.trail.passed("login-assertion-used")

    def _claimed(self) -> ClaimedUser:
        claimed = claimed_user(self.rules, self.identity, self.connection.domains)
        self.trail.passed("login-user-name", "; ".join(claimed.left_out))
        return claimed

    def _stated(self) -> StatedGroups:
        """Return the groups that the login states; where they count for nothing, their shape refuses nobody."""
        try:
            stated = stated_groups(self.rules.groups, self.identity.attributes)
        except LoginRefused as refused:
            if self.rules.asserts_groups:
                raise
            self.trail.not_needed("login-groups-shape", f"{refused.detail}; SCIM has the authority over groups")
            return StatedGroups(Stating.ABSENT)
        if stated.stating is not Stating.STATED:
            kept = "; what the last login stated holds until it ends" if self.rules.asserts_groups else ""
            what = "too many to be stated" if stated.stating is Stating.OVERAGE else "not stated"
            self.trail.not_needed("login-groups-shape", f"the groups are {what}{kept}")
        else:
            ignored = "" if self.rules.asserts_groups else "; SCIM has the authority over groups"
            self.trail.passed("login-groups-shape", f"{len(stated.groups)} groups{ignored}")
        return stated

    def _moves(self, stated: StatedGroups, user_id: str | None) -> Moves:
        if self.rules.groups is None or not self.rules.asserts_groups or stated.stating is not Stating.STATED:
            return Moves()
        return moves_of(self.change, self.rows, self.rules.groups, stated.groups, user_id)

    def _remember(self, key: str, admitted: Admitted, stated: StatedGroups) -> None:
        """Keep who logged in and what was stated; a login that states nothing leaves what the last one did."""
        now = self.change.now
        known = admitted.whom.known
        who = known or StoredIdentity(
            self.connection.id, key, self.identity.issuer, self.identity.subject, "", False, now, now
        )
        made = admitted.whom.found is Found.MADE or (admitted.whom.found is Found.KNOWN and who.made_user)
        new = replace(who, user_id=admitted.user.id, made_user=made, last_login=now)
        if stated.stating is Stating.STATED:
            holds = now + timedelta(days=self.rules.membership_days) if self.rules.asserts_groups else None
            new = replace(new, stated=stated.groups, stated_at=now, stated_until=holds, overage_at=None)
        elif stated.stating is Stating.OVERAGE:
            new = replace(new, overage_at=now)
        if known is None and self.rows.insert_identity(new):
            return
        if known is None and self.rows.identity(self.connection.id, key, lock=True) is None:
            raise LoginRefused("login-user-linked", "the user is known by another identity of the connection")
        self.rows.update_identity(new)


def identity_key(issuer: str, subject: str) -> str:
    """Return the digest by which an identity is found: of issuer and subject, which no two others share."""
    told = json.dumps([issuer, subject]).encode()
    return hashlib.sha256(told).hexdigest()


def _words(admitted: Admitted, moves: Moves) -> str:
    parts = [] if admitted.whom.found is Found.KNOWN else [str(admitted.whom.found)]
    parts += ["attributes changed"] if admitted.updated else []
    parts += [f"{len(moves.entered)} groups entered"] if moves.entered else []
    parts += [f"{len(moves.left)} groups left"] if moves.left else []
    return f": {', '.join(parts)}" if parts else ""
