"""Signing in to an application, in process: a code given, a code exchanged for tokens, statements and time of each.

    python benchmarks/bench_tokens.py                          300 rounds on SQLite, somebody with ten groups and roles
    ROUNDS=2000 DATABASE_URL=postgresql://… python benchmarks/bench_tokens.py

The floor of the same run is what cannot be saved: two RS256 signatures and one durable transaction that writes a row.
Times are milliseconds, medians. Statements are counted at the links of the store.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from rolebridge.bridge.applications import Applications, AppProof
from rolebridge.bridge.authorizing import Asked, Authorizing, challenge_of
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.sessions import Lifetimes, NewSession, Sessions
from rolebridge.bridge.signing_keys import SigningKeys
from rolebridge.bridge.vault import Vault
from rolebridge.core.applications import AppKind, Scope
from rolebridge.core.assignment import Source
from rolebridge.core.directory import GroupDraft, MembershipSource, UserDraft
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.login import AssertedIdentity, Protocol
from rolebridge.oauth.minting import Minter
from rolebridge.store.engine import Store
from rolebridge.store.links import Link
from rolebridge.store.records import Organization
from rolebridge.store.statements import Statement, insert_into
from rolebridge.store.tables.logins import sso_connections
from rolebridge.store.unit import Unit

ROUNDS = int(os.environ.get("ROUNDS", "300"))
EACH = 10
HOUR = timedelta(hours=1)
OPERATOR = Operator("os:bench", "bench")
VERIFIER = "v" * 64
CALLBACK = "https://app.example/callback"
_LOGS_IN = Statement(lambda db: insert_into(db, sso_connections))


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Counted:
    """Counts the statements that links run."""

    def __init__(self) -> None:
        self.number = 0
        for kind in Link.__subclasses__():
            setattr(kind, "execute", self._counting(kind.execute))  # noqa: B010 - mypy minds the other spelling

    def _counting(self, run: Callable[..., object]) -> Callable[..., object]:
        def execute(*arguments: object) -> object:
            self.number += 1
            return run(*arguments)

        return execute


def measured(counted: Counted, work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median time of something in milliseconds, and its statements."""
    work()
    counted.number, times = 0, []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1_000, counted.number / rounds


def furnish(store: Store, organization: Organization) -> str:
    """Make a connection that logs people in, and one person with groups and roles; return the connection's id."""

    def work(unit: Unit) -> None:
        unit.accounts.add_connection(organization.id, "okta", "okta", "generic", now())
        row = {"organization_id": organization.id, "connection_id": "okta", "protocol": "oidc", "enabled": True}
        row |= {"settings": "{}", "rules": "{}", "version": 1, "changed": "2026-11-21T09:00:00.000Z"}
        unit.link.run(_LOGS_IN, **row)
        rows = unit.directory(organization.id)
        rows.insert_user("okta", UserDraft("ana", None, True, {"userName": "ana"}), "ana", now())
        for number in range(EACH):
            name = f"group {number}"
            rows.insert_group("okta", GroupDraft(name, None, {"displayName": name}), f"g{number}", now())
            rows.add_members(f"g{number}", ["ana"], source=MembershipSource.SCIM, connection_id="okta", now=now())
        held = [
            Grant("ana", "vision", "project_role", f"p{number}", "reviewer", GrantState.EFFECTIVE, Source.RULE, "r",
                  "rule", "own", "", "", "", None, None, 1, "{}")
            for number in range(EACH)
        ]  # fmt: skip
        unit.grants(organization.id).replace_for_user("ana", (), held)

    store.transact(work)
    return "okta"


def main() -> None:
    """Measure, and print."""
    counted = Counted()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(os.environ.get("DATABASE_URL", f"sqlite:///{folder}/bench.db"), create=True)
        store.upgrade()
        organization = store.transact(lambda unit: unit.accounts.add_organization(str(uuid4()), f"o-{uuid4()}", now()))
        connection = furnish(store, organization)
        hasher, vault = Hasher(b"k" * 32), Vault(b"k" * 32)
        sessions = Sessions(store, hasher, vault, now, Lifetimes(timedelta(hours=8), timedelta(days=1)))
        authorizing = Authorizing(store, hasher, sessions, now)
        keys = SigningKeys(store, vault, now)
        minter = Minter(keys, "https://bridge.example", now)
        settings = {"redirect_uris": [CALLBACK], "scopes": [str(one) for one in Scope]}
        app = Applications(store, hasher, now).add(OPERATOR, organization, "app", AppKind.PUBLIC, settings)
        identity = AssertedIdentity(Protocol.OIDC, "https://idp.example", "ana", {})
        new = NewSession(organization.id, "ana", connection, identity)
        signed_in = sessions.find(store.transact(lambda unit: sessions.begin(unit, new)).secret)
        assert signed_in is not None
        asked = Asked(tuple(Scope), CALLBACK, challenge_of(VERIFIER), "nonce")
        codes: list[str] = []

        def give() -> None:
            codes.append(authorizing.grant(app, signed_in, asked))

        def exchange() -> object:
            return minter.answer(authorizing.redeem(AppProof(app), codes.pop(), CALLBACK, VERIFIER))

        def signatures() -> None:
            minter.sign("JWT", {"sub": "x" * 1_500})
            minter.sign("JWT", {"sub": "x" * 1_500})

        def write() -> None:
            store.transact(lambda unit: unit.applications.use_assertion(app, uuid4().bytes, now() + HOUR, now()))

        floor = measured(counted, signatures, ROUNDS)[0] + measured(counted, write, ROUNDS)[0]
        print(f"floor: two signatures and a transaction  {floor:8.2f} ms")
        for name, work in (("a code given", give), ("a code exchanged for tokens", exchange)):
            took, statements = measured(counted, work, ROUNDS)
            print(f"{name:<40} {took:8.2f} ms  {took / floor:5.2f}x  {statements:4.1f} statements")
        store.close()


if __name__ == "__main__":
    main()
