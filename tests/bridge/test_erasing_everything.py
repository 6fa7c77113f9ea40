"""Erasing a person, table by table: every table says what it keeps of people, and nothing else is found in any."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import Table, select
from tests.bridge.logging_in import OPEN, Gate
from tests.bridge.signed_in import Desk
from tests.bridge.worlds import MAPPING, OPERATOR, World

from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.sealing import SealKeys
from rolebridge.bridge.sessions import NewSession
from rolebridge.store.statements import Statement, given
from rolebridge.store.tables.columns import metadata

NEEDLE: Final = "quittenbaum"
"""What every text about the person holds: their names, addresses, subjects, and what was written of them."""

WITH_THE_USER: Final = {
    "users", "user_values", "memberships", "login_memberships", "grants", "rechecks", "sessions",
}  # fmt: skip
"""What goes when a user is deleted, before anybody asks for more."""
ERASED: Final = {
    "identities": "issuer, subject, and what the last login stated",
    "authorizations": "which applications they went to, and when",
    "authorization_codes": "by their authorization",
    "refresh_tokens": "by their authorization",
    "logout_notices": "which applications were told, and when",
}
"""Rows that outlive a user, each for a reason, and go with `audit erase`."""
BLANKED: Final = {
    "audit": "what they held stays, by ids and roles; texts go, and leave their digests",
    "audit_chain": "the salts of texts that are gone",
    "outbox": "what changed stays, by ids and roles; causes go",
    "departed": "the id is never given again; names and addresses go",
    "manual_assignments": "what was assigned stays, by ids and roles; reasons go",
    "login_log": "how logins went stays; whose they were goes",
    "past_memberships": "which groups they were in, by ids",
    "hold_losses": "what they lost lately, by ids, until the window is over",
    "holds": "open holds are of people who are there",
}
"""Rows that stay, without what names a person; an id alone names nobody any more."""
NOT_BY_PERSON: Final = {
    "request_log": "what identity providers asked, redacted, by ids; kept for days",
    "idempotency_keys": "answers to writes of programs, for a day",
    "imports": "how far an import is", "import_ids": "ids of a source, until the import is finished",
    "login_assertions": "digests, for minutes", "login_flows": "sealed, for ten minutes",
    "used_assertions": "digests, for minutes", "access_tokens": "of clients, not of people",
    "proposals": "acts of administrators, until they expire", "revisions": "who applied what",
    "revision_files": "mappings: `audit erase` names those in which a userName stands",
    "groups": "", "group_children": "", "group_ancestors": "", "past_children": "",
    "organizations": "", "connections": "", "counts": "", "extension_schemas": "", "tokens": "", "keys": "",
    "clients": "", "client_credentials": "", "workspaces": "", "projects": "", "feeds": "", "hold_windows": "",
    "chores": "", "audit_seals": "", "audit_progress": "", "sso_connections": "", "sso_secrets": "",
    "login_domains": "", "applications": "", "application_credentials": "", "signing_keys": "",
}  # fmt: skip
"""Tables that are not about the people of a directory, or forget by themselves before anybody could ask."""


def test_every_table_says_what_it_keeps_of_people() -> None:
    """A table that is new must be thought about: put it where it belongs, and have erasure cover it."""
    said = [*WITH_THE_USER, *ERASED, *BLANKED, *NOT_BY_PERSON]
    assert len(said) == len(set(said))
    assert set(said) == set(metadata.tables)


class Everything:
    """A person who left a trace in each table that has any of people."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.desk = Desk(world)
        self.caller = world.connect("saml")
        self.gate = Gate(world, self.caller, replace(OPEN, user_name="name")).declare()
        world.apply(MAPPING.replace("[okta]", "[saml]"))
        self.app = self.desk.application()

    def live(self) -> str:
        """Have somebody logged in, provisioned, signed in to an application, assigned to; return their id."""
        world, gate, desk = self.world, self.gate, self.desk
        name = f"zoe.{NEEDLE}@{gate.domain}"
        accepted = gate.login(f"zoe.{NEEDLE}", ("Admins",), subject=f"subject-{NEEDLE}")
        user = accepted.user.id
        world.group("lbx-retail-reviewers", [user], self.caller)
        who = gate.identity(name, subject=f"subject-{NEEDLE}", issuer=f"https://{NEEDLE}.example")
        new = NewSession(world.id, user, self.caller.connection_id, who, agent=f"{NEEDLE}'s phone", address="192.0.2.7")
        begun = world.store.transact(lambda unit: desk.sessions.begin(unit, new))
        signed_in = desk.sessions.find(begun.secret)
        assert signed_in is not None
        entered = desk.redeem(self.app, desk.code(self.app, signed_in))
        desk.refresh(self.app, entered.refresh)
        world.assign_by_hand(user, "labeler", "cityscapes")
        return user

    def leave(self, user: str) -> None:
        """Have them deactivated, refused, and deleted."""
        change = self.world.provisioning.change_user
        change(self.caller, user, lambda draft: replace(draft, active=False))
        assert self.gate.refusal(f"zoe.{NEEDLE}", subject=f"subject-{NEEDLE}") == "login-user-inactive"
        self.world.provisioning.delete_user(self.caller, user)

    def rows(self, text: str) -> set[str]:
        """Return the tables of the organization in which a text stands somewhere, in any case."""
        with self.world.store.read() as unit:
            return {
                name
                for name, every in _EVERY_ROW.items()
                for row in unit.link.all(every, organization_id=self.world.id)
                if any(text in _readable(value) for value in row)
            }

    def filled(self) -> set[str]:
        """Return the tables in which the organization has rows: of people there is no other."""
        with self.world.store.read() as unit:
            return {name for name, every in _EVERY_ROW.items() if unit.link.all(every, organization_id=self.world.id)}


def _every_row(table: Table) -> Statement:
    return Statement(lambda _: select(table).where(table.c.organization_id == given("organization_id")))


_EVERY_ROW: Final = {name: _every_row(table) for name, table in metadata.tables.items() if "organization_id" in table.c}


def _readable(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value).casefold()


@pytest.fixture
def everything(world: World) -> Everything:
    return Everything(world)


def test_nothing_of_a_person_is_left_where_it_must_not_be(everything: Everything) -> None:
    """Deleted, they are where the record needs them; erased, no text of theirs is anywhere, and ids where said."""
    world = everything.world
    user = everything.live()
    kept = WITH_THE_USER - {"rechecks", "user_values"}
    assert everything.rows(user) >= kept | {"identities", "authorizations", "login_log"}
    assert everything.filled() >= set(ERASED) - {"logout_notices"}
    everything.leave(user)
    assert everything.rows(user) & WITH_THE_USER == set()
    assert everything.rows(user) >= {"identities", "authorizations", "logout_notices", "login_log", "audit", "departed"}
    assert everything.filled() >= set(ERASED)

    world.now += timedelta(hours=2)
    Auditing(world.store, world.clock, SealKeys([b"k" * 32]), 0).erase(OPERATOR, world.id, user, reason="asked for it")
    assert everything.rows(NEEDLE) == set()
    assert everything.rows("192.0.2.7") == set()
    assert everything.rows(user) <= set(BLANKED) - {"login_log"}
    assert everything.filled() & set(ERASED) == set()
