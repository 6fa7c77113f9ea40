"""What a question costs wherever it stands: pages by index and by cursor, orders, filters; a minute, BIG=1 ten.

One connection with 100,000 users (BIG=1: a million) in a SQLite file. Every line says what a question costs beside what
the first page costs, in the same run: contenders take turns, and the median counts. With ROLEBRIDGE_BENCH_POSTGRES set
to the URL of an empty database the same is asked there, too.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from rolebridge.core.directory import UserDraft
from rolebridge.core.errors import TooLong
from rolebridge.core.filters import AttrPath, check, parse_filter, parse_path
from rolebridge.core.schemas import USER_TABLE
from rolebridge.store.documents import folded
from rolebridge.store.engine import Store
from rolebridge.store.orders import Order
from rolebridge.store.records import Page, UserAnswer
from rolebridge.store.unit import Unit

PEOPLE = 1_000_000 if os.environ.get("BIG") else 100_000
ROUNDS = 31
SLOW_ROUNDS = 3
BASE = "https://bridge.example/scim/v2"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def draft(number: int) -> UserDraft:
    name = f"user{number}@acme.example"
    attributes = {
        "userName": name,
        # Half of them have a letter that is not in ASCII, so that their text is kept folded, too.
        "name": {"givenName": "Ana", "familyName": f"{'López' if number % 2 else 'Lopes'} {number}"},
        "displayName": f"Ana {number * 7919 % PEOPLE:07}",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "title": f"Annotator {number % 100}",
    }
    return UserDraft(name, f"00u{number}", True, attributes)


class Bench:
    """A store with people, asked."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.organization, self.connection = str(uuid4()), str(uuid4())
        store.upgrade()
        store.transact(self._begin)
        began = time.perf_counter()
        for first in range(0, PEOPLE, 20_000):
            store.transact(lambda unit, first=first: self._people(unit, first))
        print(f"{PEOPLE:,} users inserted at {PEOPLE / (time.perf_counter() - began):,.0f} a second")

    def _begin(self, unit: Unit) -> None:
        unit.accounts.add_organization(self.organization, f"bench {self.organization}", NOW)
        unit.accounts.add_connection(self.organization, self.connection, "okta", "okta", NOW)

    def _people(self, unit: Unit, first: int) -> None:
        directory = unit.directory(self.organization)
        for number in range(first, min(first + 20_000, PEOPLE)):
            created = NOW + timedelta(milliseconds=number)
            directory.insert_user(self.connection, draft(number), str(uuid4()), created)

    def ask(self, text: str | None = None, *, offset: int = 0, limit: int = 100, **how: Any) -> Page[UserAnswer]:
        wanted = None if text is None else check(parse_filter(text), USER_TABLE)
        with self.store.read() as unit:
            return unit.directory(self.organization).find_users(
                self.connection, wanted, offset=offset, limit=limit, prefix=BASE, **how
            )

    def remove(self, number: int) -> None:
        """Delete a user."""

        def work(unit: Unit) -> None:
            directory = unit.directory(self.organization)
            (found,) = directory.user_by_name(f"user{number}@acme.example")
            directory.delete_user(found, NOW)

        self.store.transact(work)


def order(by: str, *, descending: bool = False) -> Order:
    path = parse_path(by)
    assert isinstance(path, AttrPath)
    return Order(USER_TABLE.resolve(path, compared=True), descending)


def microseconds(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    with suppress(TooLong):  # which then is what it costs: the bound
        task()
    return (time.perf_counter() - began) * 1e6


def measure(bench: Bench) -> None:
    first: Callable[[], object] = bench.ask
    sorted_ = bench.ask(order=order("userName"), resumable=True)
    middle = bench.ask(order=order("userName"), offset=PEOPLE // 2, resumable=True, limit=100)
    last = bench.ask(offset=PEOPLE - 200, resumable=True)
    fast: dict[str, Callable[[], object]] = {
        "first page": first,
        f"page at {PEOPLE // 2:,}": lambda: bench.ask(offset=PEOPLE // 2),
        f"page at {PEOPLE - 100:,}": lambda: bench.ask(offset=PEOPLE - 100),
        "page far past the end": lambda: bench.ask(offset=10**9),
        "first page by cursor": lambda: bench.ask(resumable=True),
        "last page by cursor": lambda: bench.ask(after=last.next, resumable=True),
        "first page by userName": lambda: bench.ask(order=order("userName")),
        "second page by userName, by cursor": lambda: bench.ask(
            order=order("userName"), after=sorted_.next, resumable=True
        ),
        "middle page by userName, by cursor": lambda: bench.ask(
            order=order("userName"), after=middle.next, resumable=True
        ),
        "first page by displayName": lambda: bench.ask(order=order("displayName")),
        "first page by externalId, descending": lambda: bench.ask(order=order("externalId", descending=True)),
        "first page by id": lambda: bench.ask(order=order("id")),
        "first page by meta.created": lambda: bench.ask(order=order("meta.created")),
        "first page by meta.lastModified": lambda: bench.ask(order=order("meta.lastModified", descending=True)),
        "userName eq": lambda: bench.ask('userName eq "USER77@acme.example"'),
        "userName sw, 11 users": lambda: bench.ask('userName sw "user7777" and userName ew "@acme.example"'),
        "meta.lastModified gt, 10 users": lambda: bench.ask(
            f'meta.lastModified gt "{(NOW + timedelta(milliseconds=PEOPLE - 11)).isoformat()}"'
        ),
    }
    sixteen = " or ".join(f'userName ew "{number}@x"' for number in range(16))
    slow: dict[str, Callable[[], object]] = {
        "first page by name.familyName": lambda: bench.ask(order=order("name.familyName")),
        "userName co, few users": lambda: bench.ask('userName co "7777@"'),
        "name.familyName co, few users": lambda: bench.ask('name.familyName co "Z 7777"'),
        "emails[type eq and value ew], everyone": lambda: bench.ask('emails[type eq "work" and value ew "example"]'),
        "not (title eq or title sw), 99 %": lambda: bench.ask('not (title eq "x" or title sw "annotator 7 ")'),
        "16 terms without index, nobody": lambda: bench.ask(sixteen, limit=1),
    }
    taken: dict[str, list[float]] = {name: [] for name in (*fast, *slow)}
    for _ in range(ROUNDS):
        for name, task in fast.items():
            taken[name].append(microseconds(task))
    for _ in range(SLOW_ROUNDS):
        for name, task in slow.items():
            taken[name].append(microseconds(task))
    floor = statistics.median(taken["first page"])
    for name, times in taken.items():
        cost = statistics.median(times)
        print(f"  {name:<45} {cost:>12,.0f} µs  {cost / floor:>8.2f} × the first page")
    for number in (5, PEOPLE // 3):
        bench.remove(number)
        cost = microseconds(lambda: bench.ask(offset=PEOPLE - 200))
        print(f"  {'last page, right after a deletion':<45} {cost:>12,.0f} µs")


def storage() -> None:
    """Print what keeping text folded costs."""
    from rolebridge.store.documents import user_body

    for number, kind in ((0, "ASCII"), (1, "other")):
        made = draft(number)
        body = user_body("i" * 36, made, True, 1, "2026-11-30T09:00:00.000Z", "2026-11-30T09:00:00.000Z")
        times = sorted(microseconds(lambda body=body: folded(body)) for _ in range(2_000))
        more = len((folded(body) or "").encode())
        print(f"folding a user with {kind} text: {times[1_000]:.1f} µs, {more} bytes beside {len(body.encode())}")


def main() -> None:
    storage()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'bench.db'}", create=True)
        measure(Bench(store))
        store.close()
    if url := os.environ.get("ROLEBRIDGE_BENCH_POSTGRES"):
        print("PostgreSQL")
        store = Store.open(url)
        measure(Bench(store))
        store.close()


if __name__ == "__main__":
    main()
