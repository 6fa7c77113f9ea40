"""Imports against what the database takes at most, in one run; about a minute.

The floor inserts the same finished user rows by one executemany (SQLite) or COPY (PostgreSQL) into a table with the
same indexes, durable in the same batches: no reading, no audit, no values to be found by, no look-ups. Every line says
rows a second of both and their ratio, and the CPU seconds of this process for each 10,000 users. With
ROLEBRIDGE_BENCH_POSTGRES set to the URL of an empty database, PostgreSQL is measured, too. PEOPLE says how many users.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Caller, Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.exporting import Exporting
from rolebridge.bridge.import_entries import Import
from rolebridge.bridge.importing import Importing
from rolebridge.bridge.planning import Planning
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.directory import UserDraft
from rolebridge.core.schemas import CORE_GROUP, CORE_USER, ENTERPRISE_USER
from rolebridge.scim.profile import profile
from rolebridge.scim.schemas import standard
from rolebridge.scim.transfer.batches import USERS_AT_ONCE
from rolebridge.scim.transfer.exporter import lines
from rolebridge.scim.transfer.importer import Importer
from rolebridge.scim.transfer.rows import JsonLines
from rolebridge.scim.transfer.shape import SchemaShape
from rolebridge.store.bulk import new_user
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection

PEOPLE = int(os.environ.get("PEOPLE", "100000"))
ROUNDS = 3
NOW = datetime(2026, 11, 30, tzinfo=UTC)
COLUMNS = (
    "organization_id", "id", "connection_id", "sequence", "user_name", "user_key", "external_id", "external_key",
    "display_name", "display_key", "active", "version", "created", "last_modified", "body", "folded",
)  # fmt: skip


def resource(number: int) -> dict[str, object]:
    name = f"user{number}@acme.example"
    return {
        "schemas": [CORE_USER, ENTERPRISE_USER],
        "userName": name,
        "externalId": f"00u{number}",
        "name": {"givenName": "Ana", "familyName": f"Lopez {number}"},
        "displayName": f"Ana Lopez {number}",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE_USER: {"department": "Labelling", "employeeNumber": str(number)},
    }


def write_files(folder: Path) -> tuple[Path, Path]:
    users, groups = folder / "users.jsonl", folder / "groups.jsonl"
    with users.open("w") as stream:
        stream.writelines(json.dumps(resource(number)) + "\n" for number in range(PEOPLE))
    with groups.open("w") as stream:
        for group in range(PEOPLE // 200):
            members = [{"value": f"user{(group * 200 + n) % PEOPLE}@acme.example"} for n in range(200)]
            stream.write(json.dumps({"schemas": [CORE_GROUP], "displayName": f"g{group}", "members": members}) + "\n")
    return users, groups


MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes}}
rules:
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
"""


class Bench:
    """A store, and imports into a fresh organization each."""

    def __init__(self, store: Store) -> None:
        store.upgrade()
        self.store = store
        rulebooks, clock = Rulebooks(), partial(datetime.now, UTC)
        self.provisioning = Provisioning(store, rulebooks, clock, "https://bridge.example/scim/v2")
        self.planning = Planning(store, rulebooks, clock)
        self.administration = Administration(store, Hasher(b"k" * 32), lambda: NOW)

    def connection(self, *, mapped: bool = False) -> Connection:
        operator = Operator("os:bench", "bench")
        organization = self.administration.add_organization(operator, uuid4().hex)
        made = self.administration.add_connection(operator, organization, "okta", "generic")[0]
        if mapped:
            self.planning.apply(operator, organization.id, {"vision.yaml": MAPPING})
        return made

    def take(self, path: Path, into: Connection) -> None:
        caller = Caller(into.organization_id, into.id, into.name, into.profile, "bench", operator="os:bench")
        wanted = Import(caller, uuid4().hex, SchemaShape(standard()))
        spoken = profile("generic")
        importing = Importing(self.store, self.provisioning)
        report = Importer(importing, wanted, spoken.reading, [JsonLines(path, "f")]).run(NOW)
        assert report.complete, report.problems

    def give(self, of: Connection) -> None:
        with Exporting(self.store).snapshot(of) as snapshot:
            for _ in lines(snapshot, "jsonl", None, ";"):
                pass


def finished_rows() -> list[tuple[object, ...]]:
    organization, connection = str(uuid4()), str(uuid4())
    rows = []
    for number in range(PEOPLE):
        attributes = resource(number)
        draft = UserDraft(str(attributes["userName"]), str(attributes["externalId"]), True, attributes)
        row = new_user(draft, str(uuid4()), NOW).row
        row |= {"organization_id": organization, "connection_id": connection, "sequence": number, "version": 1}
        row |= {"created": "2026-11-30T00:00:00.000Z"}
        rows.append(tuple(row[name] for name in COLUMNS))
    return rows


def sqlite_floor(path: Path, rows: list[tuple[object, ...]]) -> None:
    """Insert into a table like `users`, in batches, durable each."""
    with sqlite3.connect(path, isolation_level=None) as link:
        link.execute("PRAGMA journal_mode=WAL")
        link.execute("PRAGMA synchronous=FULL")
        for name in ("floor_org", "floor"):
            link.execute(f"DROP TABLE IF EXISTS {name}")
        link.execute(f"CREATE TABLE floor ({', '.join(COLUMNS)}, PRIMARY KEY (organization_id, id))")
        link.execute("CREATE UNIQUE INDEX floor_name ON floor (organization_id, user_key)")
        link.execute("CREATE UNIQUE INDEX floor_external ON floor (organization_id, connection_id, external_key)")
        link.execute("CREATE INDEX floor_sequence ON floor (organization_id, connection_id, sequence)")
        link.execute("CREATE INDEX floor_display ON floor (organization_id, connection_id, display_key)")
        insert = f"INSERT INTO floor VALUES ({', '.join('?' * len(COLUMNS))})"
        for at in range(0, len(rows), USERS_AT_ONCE):
            link.execute("BEGIN IMMEDIATE")
            link.executemany(insert, rows[at : at + USERS_AT_ONCE])
            link.execute("COMMIT")
        link.execute("DROP TABLE floor")
    link.close()


def postgres_floor(url: str, rows: list[tuple[object, ...]]) -> None:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as link:
        link.execute("DROP TABLE IF EXISTS floor")
        link.execute("CREATE TABLE floor (LIKE users INCLUDING INDEXES)")
        for at in range(0, len(rows), USERS_AT_ONCE):
            with link.cursor() as cursor, cursor.copy(f"COPY floor ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                for row in rows[at : at + USERS_AT_ONCE]:
                    copy.write_row(row)
        link.execute("DROP TABLE floor")


def timed(task: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and this process's CPU seconds."""
    began, cpu = time.perf_counter(), time.process_time()
    task()
    return time.perf_counter() - began, time.process_time() - cpu


def run(bench: Bench, floor: Callable[[], None], users: Path, groups: Path) -> None:
    spent: dict[str, list[tuple[float, float]]] = {
        "floor": [],
        "users": [],
        "mapped": [],
        "again": [],
        "groups": [],
        "export": [],
    }
    for _ in range(ROUNDS):
        into = bench.connection()
        spent["floor"].append(timed(floor))
        spent["users"].append(timed(lambda into=into: bench.take(users, into)))
        mapped = bench.connection(mapped=True)
        spent["mapped"].append(timed(lambda mapped=mapped: bench.take(users, mapped)))
        spent["again"].append(timed(lambda into=into: bench.take(users, into)))
        spent["groups"].append(timed(lambda into=into: bench.take(groups, into)))
        spent["export"].append(timed(lambda into=into: bench.give(into)))
    least = statistics.median(seconds for seconds, _ in spent["floor"])
    for name, label in (
        ("floor", "floor: finished rows"),
        ("users", "import of users"),
        ("mapped", "with a mapping in force"),
        ("again", "the same, unchanged"),
        ("groups", "members, 200 a group"),
        ("export", "export of all"),
    ):
        seconds = statistics.median(seconds for seconds, _ in spent[name])
        cpu = statistics.median(cpu for _, cpu in spent[name]) / PEOPLE * 10_000
        rate = PEOPLE / seconds
        print(f"  {label:<24}{rate:>9,.0f} a second   {least / seconds:.2f} of the floor   {cpu:.2f} CPU s per 10,000")


def memory(bench: Bench, users: Path) -> None:
    into = bench.connection()
    tracemalloc.start()
    bench.take(users, into)
    print(f"  memory of an import of {PEOPLE:,} users at its peak: {tracemalloc.get_traced_memory()[1] / 2**20:.1f} MB")
    tracemalloc.stop()


def main() -> None:
    rows = finished_rows()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users, groups = write_files(folder)
        store = Store.open(f"sqlite:///{folder}/rolebridge.db", create=True)
        print(f"SQLite, {PEOPLE:,} users")
        bench = Bench(store)
        run(bench, lambda: sqlite_floor(folder / "floor.db", rows), users, groups)
        memory(bench, users)
        store.close()
        url = os.environ.get("ROLEBRIDGE_BENCH_POSTGRES")
        if url:
            print(f"PostgreSQL, {PEOPLE:,} users")
            store = Store.open(url)
            run(Bench(store), lambda: postgres_floor(url, rows), users, groups)
            store.close()


if __name__ == "__main__":
    main()
