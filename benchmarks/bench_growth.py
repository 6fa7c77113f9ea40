"""What a request costs as the directory grows: two installations side by side, asked the same in turns.

One has 1,000 users, the other 20,000 (USERS=100000: two minutes more; BIG=1: a million), both on SQLite and both filled
by `rolebridge import`. Numbers are CPU microseconds of the server per request; the ratio is large to small. Where a
question stands, deep pages and orders is `bench_paging.py`.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from bench_scim import (
    ROUNDS,
    Contender,
    Turn,
    gets,
    hits,
    joins,
    lists,
    misses,
    patches,
    posts,
    start_ours,
    turn,
    user,
)

FEW = 1_000
MANY = 1_000_000 if os.environ.get("BIG") else int(os.environ.get("USERS", "20000"))
SMALL_GROUP = 100
PART = 200_000
"""Members of one row of an import, of which a row may hold half a million; further rows add theirs."""
KEPT = 20_000
"""Ids that requests choose from; all of a million need not be known."""


def resources(people: int) -> Iterator[dict[str, object]]:
    """Yield users, a group of nearly all and a group of few."""
    for number in range(people):
        yield user(number)
    for name, size in (("nearly all", people - 1), ("few", SMALL_GROUP)):
        for start in range(0, size, PART):
            members = [{"value": f"load-{number}"} for number in range(start, min(start + PART, size))]
            yield {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members}


def filled(folder: Path, people: int, stack: ExitStack) -> Contender:
    """Return an installation with so many users, served by one worker."""
    folder.mkdir()
    one = start_ours(folder, stack)
    one.name = f"{people} users"
    file = folder / "people.jsonl"
    with file.open("w") as stream:
        stream.writelines(json.dumps(resource) + "\n" for resource in resources(people))
    began = time.perf_counter()
    command = [sys.executable, "-m", "rolebridge", "import", str(file), "--connection", "bench", "--json"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    one.client.connect()
    print(f"import of {people:,} users and as many memberships: {people / took:,.0f} users a second")
    for start in range(1, min(people, KEPT), 200):
        page = one.client.send("GET", f"/Users?startIndex={start}&count=200&attributes=userName")[1].decode()
        one.ids += re.findall(r'"id":"([^"]+)"', page)
    return one


def found(one: Contender, kind: str, name: str) -> str:
    """Return the id of the user or group with a name."""
    attribute = "userName" if kind == "Users" else "displayName"
    path = f"/{kind}?excludedAttributes=members&filter=" + quote(f'{attribute} eq "{name}"')
    (resource,) = json.loads(one.client.send("GET", path)[1])["Resources"]
    return str(resource["id"])


def compare(label: str, goal: str, first: tuple[Contender, Turn], second: tuple[Contender, Turn]) -> None:
    """Print what a request costs in both, in interleaved turns, and how many times as much it is in the first."""
    chance = random.Random(7)
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for kept, (one, made) in zip(costs, (first, second), strict=True):
            kept.append(turn(one, made(one, chance)))
    large, small = map(statistics.median, costs)
    print(f"{label:<44}{large:9.0f}{small:9.0f}   cost {large / small:5.2f}x   goal {goal}", flush=True)


def main() -> None:
    """Fill both, ask both."""
    os.environ.pop("ROLEBRIDGE_DATABASE_URL", None)  # two installations need two databases
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        small = filled(Path(name) / "small", FEW, stack)
        large = filled(Path(name) / "large", MANY, stack)
        small.client.connect()
        print(f"{'CPU of the server, us a request':<44}{MANY:>9}{FEW:>9}")
        rows: tuple[tuple[str, Turn], ...] = (
            ("GET user", gets),
            ("filter userName eq, hit", hits),
            ("filter userName eq, miss", misses),
            ("list of 100, anywhere", lists),
            ("PATCH active", patches),
            ("POST user", posts),
        )
        for label, made in rows:
            goal = "<= 1.3x" if made is lists else "<= 1.5x at a million"
            compare(label, goal, (large, made), (small, made))
        newcomer = found(large, "Users", str(user(MANY - 1)["userName"]))
        crowd, few = found(large, "Groups", "nearly all"), found(large, "Groups", "few")
        moves = (large, joins(crowd, newcomer)), (large, joins(few, newcomer))
        compare(f"join, leave: group of {MANY - 1} to one of {SMALL_GROUP}", "<= 1.2x at 100,000", *moves)
        before, began = large.memory(), time.perf_counter()
        body = large.client.send("GET", f"/Groups/{crowd}")[1]
        took = (time.perf_counter() - began) * 1000
        held = large.memory() - before
        print(f"GET group of {MANY - 1}: {took:.0f} ms, {len(body) / 1e6:.1f} MB sent, {held:+.0f} MB held")
        print(f"memory of a process: {large.memory():.0f} MB, of {FEW} users {small.memory():.0f} MB   goal <= 150 MB")


if __name__ == "__main__":
    main()
