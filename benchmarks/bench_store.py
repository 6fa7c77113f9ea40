"""The store against the bare sqlite3 module, in one run on one file; about half a minute.

Each floor is what a program that knew only this one question would do: one prepared statement on an open connection,
one durable transaction, one fetch of all rows. Contenders take turns and the median counts; every line says what the
store costs, what the floor costs, and their ratio. With ROLEBRIDGE_BENCH_POSTGRES set to the URL of an empty
database, the store's own times are shown for that, too, without floors.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from rolebridge.core.directory import GroupDraft, MembershipSource, UserDraft
from rolebridge.core.filters import check, parse_filter
from rolebridge.core.schemas import USER_TABLE
from rolebridge.store.engine import Store
from rolebridge.store.records import Credential, Token
from rolebridge.store.unit import Unit

PEOPLE = 100_000
PEOPLE_ON_POSTGRES = 20_000
ROUNDS = 9
BASE = "https://bridge.example/scim/v2"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
HASH = os.urandom(32)

Task = Callable[[], object]


def new_id() -> str:
    return str(uuid4())


def draft(number: int) -> UserDraft:
    name = f"user{number}@acme.example"
    attributes = {
        "userName": name,
        "name": {"givenName": "Ana", "familyName": f"López {number}"},
        "displayName": f"Ana López {number}",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "title": "Annotator",
    }
    return UserDraft(name, f"00u{number}", True, attributes)


class Bench:
    """A store with many people, a group of nearly all of them and one of a hundred."""

    def __init__(self, store: Store, people: int) -> None:
        self.people = people
        self.most = people - 1_000
        self.store = store
        self.organization, self.connection = new_id(), new_id()
        self.numbers = iter(range(people, 10**9))
        store.upgrade()
        began = time.perf_counter()
        self.ids = store.transact(self._people)
        self.inserted = (time.perf_counter() - began) / people
        if store.dialect == "postgresql":
            # As the server does by itself within a minute.
            store.transact(lambda unit: unit.link.execute("ANALYZE", ()).rowcount)
        began = time.perf_counter()
        self.everyone, self.few, self.spare = store.transact(self._groups)
        self.joined = (time.perf_counter() - began) / self.most

    def _people(self, unit: Unit) -> list[str]:
        unit.accounts.add_organization(self.organization, f"bench {self.organization}", NOW)
        unit.accounts.add_connection(self.organization, self.connection, "okta", "okta", NOW)
        unit.accounts.add_token(
            Token(self.organization, self.connection, Credential(new_id(), "t", HASH, "k", "abcd", NOW))
        )
        directory = unit.directory(self.organization)
        return [directory.insert_user(self.connection, draft(n), new_id(), NOW).id for n in range(self.people)]

    def _groups(self, unit: Unit) -> tuple[str, str, str]:
        directory = unit.directory(self.organization)
        ids = []
        for name, members in (("everyone", self.ids[:-1_000]), ("few", self.ids[:100]), ("spare", [])):
            group = directory.insert_group(self.connection, GroupDraft(name, None, {}), new_id(), NOW)
            directory.add_members(
                group.id, members, source=MembershipSource.SCIM, connection_id=self.connection, now=NOW
            )
            ids.append(group.id)
        return ids[0], ids[1], ids[2]

    # --- what is measured

    def get(self) -> object:
        with self.store.read() as unit:
            return unit.directory(self.organization).user_answer(self.connection, self.ids[500], prefix=BASE)

    def by_name(self) -> object:
        with self.store.read() as unit:
            directory = unit.directory(self.organization)
            return directory.find_users(self.connection, USER_500, offset=0, limit=100, prefix=BASE)

    def by_mail(self) -> object:
        with self.store.read() as unit:
            directory = unit.directory(self.organization)
            return directory.find_users(self.connection, MAIL_500, offset=0, limit=100, prefix=BASE)

    def page(self, offset: int = 0) -> object:
        with self.store.read() as unit:
            directory = unit.directory(self.organization)
            return directory.find_users(self.connection, None, offset=offset, limit=100, prefix=BASE)

    def token(self) -> object:
        with self.store.read() as unit:
            return unit.accounts.token_by_hash(HASH)

    def insert(self) -> object:
        made = draft(next(self.numbers))
        return self.store.transact(
            lambda unit: unit.directory(self.organization).insert_user(self.connection, made, new_id(), NOW)
        )

    def join_and_leave(self, group_id: str) -> None:
        member = [self.ids[-1]]

        def join(unit: Unit) -> object:
            return unit.directory(self.organization).add_members(
                group_id, member, source=MembershipSource.SCIM, connection_id=self.connection, now=NOW
            )

        self.store.transact(join)
        self.store.transact(lambda unit: unit.directory(self.organization).remove_members(group_id, member, NOW))

    def batch(self) -> None:
        """Fill a group with 10,000 people and empty it."""

        def become(members: list[str]) -> None:
            self.store.transact(
                lambda unit: unit.directory(self.organization).replace_members(
                    self.spare, members, source=MembershipSource.SCIM, connection_id=self.connection, now=NOW
                )
            )

        become(self.ids[:10_000])
        become([])

    def read_everyone(self) -> int:
        with self.store.read() as unit:
            answer = unit.directory(self.organization).group_answer(self.connection, self.everyone, prefix=BASE)
        assert answer is not None
        assert answer.members is not None
        return sum(map(len, answer.members))


USER_500 = check(parse_filter('userName eq "USER500@acme.example"'), USER_TABLE)
MAIL_500 = check(parse_filter('emails[type eq "work"].value eq "user500@acme.example"'), USER_TABLE)


class Floors:
    """The same questions on the bare module, with a table of its own for what it inserts."""

    def __init__(self, path: Path, bench: Bench) -> None:
        self.bench = bench
        self.link = sqlite3.connect(path, isolation_level=None)
        self.link.execute("PRAGMA synchronous=FULL")
        self.link.execute("CREATE TABLE floor (organization_id TEXT, id TEXT, name TEXT, body TEXT, PRIMARY KEY (id))")
        self.link.execute("CREATE UNIQUE INDEX floor_name ON floor (organization_id, name)")

    def get(self) -> object:
        return self.link.execute(
            "SELECT body, version FROM users WHERE organization_id = ? AND id = ?",
            (self.bench.organization, self.bench.ids[500]),
        ).fetchone()

    def by_name(self) -> object:
        return self.link.execute(
            "SELECT body, version FROM users WHERE organization_id = ? AND user_key = ?",
            (self.bench.organization, "user500@acme.example"),
        ).fetchall()

    def by_mail(self) -> object:
        return self.link.execute(
            "SELECT body, version FROM users WHERE organization_id = ? AND id IN (SELECT user_id FROM user_values"
            " WHERE organization_id = ? AND attribute = 'emails' AND value = ?)",
            (self.bench.organization, self.bench.organization, "user500@acme.example"),
        ).fetchall()

    def page(self) -> object:
        return self.link.execute(
            "SELECT body, version FROM users WHERE organization_id = ? AND connection_id = ? AND sequence >= 1"
            " ORDER BY sequence LIMIT 100",
            (self.bench.organization, self.bench.connection),
        ).fetchall()

    def token(self) -> object:
        return self.link.execute("SELECT * FROM tokens WHERE hash = ?", (HASH,)).fetchone()

    def insert(self) -> None:
        made = draft(next(self.bench.numbers))
        row = (self.bench.organization, new_id(), made.user_name, json.dumps(made.attributes))
        self.link.execute("BEGIN IMMEDIATE")
        self.link.execute("INSERT INTO floor VALUES (?, ?, ?, ?)", row)
        self.link.execute("COMMIT")

    def join_and_leave(self) -> None:
        key = (self.bench.organization, self.bench.few, self.bench.ids[-1])
        self.link.execute("BEGIN IMMEDIATE")
        self.link.execute("INSERT INTO memberships VALUES (?, ?, ?, 'scim', '')", key)
        self.link.execute("COMMIT")
        self.link.execute("BEGIN IMMEDIATE")
        self.link.execute("DELETE FROM memberships WHERE organization_id = ? AND group_id = ? AND user_id = ?", key)
        self.link.execute("COMMIT")

    def batch(self) -> None:
        rows = [(self.bench.organization, self.bench.spare, id_) for id_ in sorted(self.bench.ids[:10_000])]
        self.link.execute("BEGIN IMMEDIATE")
        self.link.executemany("INSERT INTO memberships VALUES (?, ?, ?, 'scim', '')", rows)
        self.link.execute("COMMIT")
        self.link.execute("BEGIN IMMEDIATE")
        self.link.executemany(
            "DELETE FROM memberships WHERE organization_id = ? AND group_id = ? AND user_id = ?", rows
        )
        self.link.execute("COMMIT")

    def read_everyone(self) -> object:
        return self.link.execute(
            "SELECT user_id FROM memberships WHERE organization_id = ? AND group_id = ?",
            (self.bench.organization, self.bench.everyone),
        ).fetchall()


def timed(task: Task, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        task()
    return (time.perf_counter() - began) / count * 1e6


def compare(name: str, count: int, task: Task, floor: Task | None, unit: float = 1) -> None:
    """Print one line: µs per run (or per `unit` of it), and the ratio to the floor of the same rounds."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(timed(task, count) / unit)
        if floor is not None:
            bare.append(timed(floor, count) / unit)
    mine = statistics.median(ours)
    if not bare:
        print(f"{name:<44}{mine:>10.1f}")
        return
    least = statistics.median(bare)
    print(f"{name:<44}{mine:>10.1f}{least:>10.1f}{mine / least:>9.2f}×")


def report(bench: Bench, floors: Floors | None) -> None:
    print(f"{'µs':<44}{'store':>10}" + (f"{'sqlite3':>10}{'ratio':>10}" if floors else ""))
    compare("get a user by id, with groups", 500, bench.get, floors and floors.get)
    compare("find by userName, with groups and total", 300, bench.by_name, floors and floors.by_name)
    compare('find by emails[type eq "work"].value', 300, bench.by_mail, floors and floors.by_mail)
    compare(f"a page of 100 of {bench.people:,}, with groups", 20, bench.page, floors and floors.page)
    compare(f"the same after {bench.most:,}", 5, lambda: bench.page(bench.most), None)
    compare("whom a token speaks for", 300, bench.token, floors and floors.token)
    compare("create a user, durable", 100, bench.insert, floors and floors.insert)
    compare(
        "join and leave a group of 100", 50, lambda: bench.join_and_leave(bench.few), floors and floors.join_and_leave
    )
    compare(
        f"join and leave a group of {bench.most:,}",
        50,
        lambda: bench.join_and_leave(bench.everyone),
        floors and floors.join_and_leave,
    )
    compare("join and leave in batches, per member", 1, bench.batch, floors and floors.batch, 20_000)
    compare(
        f"read a group of {bench.most:,}, per member",
        1,
        bench.read_everyone,
        floors and floors.read_everyone,
        bench.most,
    )
    print(f"{'create them all at once, per user':<44}{bench.inserted * 1e6:>10.1f}")
    print(f"{'fill the large group at once, per member':<44}{bench.joined * 1e6:>10.1f}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rolebridge-bench-") as folder:
        path = Path(folder) / "bench.db"
        store = Store.open(f"sqlite:///{path}", create=True)
        bench = Bench(store, PEOPLE)
        report(bench, Floors(path, bench))
        store.close()
    if url := os.environ.get("ROLEBRIDGE_BENCH_POSTGRES"):
        store = Store.open(url)
        print("\nPostgreSQL, 20,000 people")
        report(Bench(store, PEOPLE_ON_POSTGRES), None)
        store.close()


if __name__ == "__main__":
    main()
