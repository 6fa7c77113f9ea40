"""Decisions in process: all roles of a user with provenance, and whether a user holds one role in one scope.

    python benchmarks/bench_decisions.py                       10,000 users, 1,000 groups, 200 rules, on SQLite
    USERS=100000 GROUP_COUNT=10000 python benchmarks/bench_decisions.py
    PEERS=1 python benchmarks/bench_decisions.py               cedarpy and casbin beside ours, in the same run

Ours are recorded grants: what it costs does not depend on how many rules, groups or users there are, and the floor is
what one look into the same index costs with the same driver. `cedarpy` and `casbin` are installed into `var/peers` when
they are missing, and are no dependency of anything. They decide from policies and memberships in memory, without a
database, provenance or locks. Times are microseconds, medians of ROUNDS (2,000) random questions, half of them with yes
for an answer; every contender's answers are compared with ours.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import literal_column, select

from rolebridge.bridge.access import Access
from rolebridge.bridge.member_documents import member_document
from rolebridge.bridge.members import Membership, Scope
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.assignment import Source
from rolebridge.core.directory import UserDraft
from rolebridge.core.grants import Grant, GrantState
from rolebridge.store.engine import Store
from rolebridge.store.statements import Statement, given
from rolebridge.store.tables.grants import grants
from rolebridge.store.unit import Unit

USERS = int(os.environ.get("USERS", "10000"))
GROUPS = int(os.environ.get("GROUP_COUNT", "1000"))
RULES = int(os.environ.get("RULES", "200"))
ROUNDS = int(os.environ.get("ROUNDS", "2000"))
EACH = 5
"""Groups of one user."""
PROJECTS = 40
ROLES = ("project_lead", "team_manager", "reviewer", "labeler")
PEERS = Path(os.environ.get("PEERS_PLACE", "var/peers")).absolute()
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
ORGANIZATION, CONNECTION = "org", "connection"
FLOOR = Statement(
    lambda _: select(literal_column("1")).where(
        *(
            grants.c[name] == given(name)
            for name in ("organization_id", "user_id", "workspace", "slot", "project", "role")
        )
    )
)


@dataclass(frozen=True)
class Question:
    """Whether a user holds a role in a project."""

    user: str
    project: str
    role: str


def given_by(group: int) -> tuple[str, str] | None:
    """Return the project and role that a group gives, None where no rule names it."""
    return (f"project-{group % PROJECTS}", ROLES[group % len(ROLES)]) if group < RULES else None


def memberships() -> list[list[int]]:
    """Return the groups of each user: some that rules name, some that none does."""
    chance = random.Random(7)
    return [[chance.randrange(RULES) if chance.random() < 0.6 else chance.randrange(GROUPS) for _ in range(EACH)]
            for _ in range(USERS)]  # fmt: skip


def user_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def fill(store: Store, groups_of: Sequence[Sequence[int]]) -> None:
    """Write users and the grants that an apply would have recorded."""

    def begin(unit: Unit) -> None:
        unit.accounts.add_organization(ORGANIZATION, "bench", NOW)
        unit.accounts.add_connection(ORGANIZATION, CONNECTION, "okta", "okta", NOW)

    def block(unit: Unit, first: int) -> None:
        directory, granted = unit.directory(ORGANIZATION), unit.grants(ORGANIZATION)
        for number in range(first, min(first + 2_000, USERS)):
            name = f"user{number}@bench.example"
            directory.insert_user(CONNECTION, UserDraft(name, None, None, {"userName": name}), user_id(number), NOW)
            granted.replace_for_user(user_id(number), (), tuple(rows(number, groups_of[number])))

    store.transact(begin)
    for first in range(0, USERS, 2_000):
        store.transact(partial(block, first=first))


def rows(number: int, groups: Sequence[int]) -> Iterator[Grant]:
    """Yield a user's grants, each with its provenance."""
    found = {given_by(group): group for group in groups if given_by(group)}
    for given_, group in found.items():
        assert given_ is not None
        winner = {"source": "rule", "rule": f"rule-{group}", "group": {"id": f"g{group}", "display": f"group-{group}"},
                  "connection": "okta", "since": "2026-11-20T09:14:00Z"}  # fmt: skip
        yield Grant(
            user_id(number), "vision", "project_role", *given_, GrantState.EFFECTIVE, Source.RULE, f"rule-{group}",
            "group", "none", "never", "", "", None, None, 1, json.dumps({"winners": [winner]}),
        )  # fmt: skip


def questions(groups_of: Sequence[Sequence[int]]) -> list[Question]:
    """Return random questions; every second one is about a role that the user's groups give."""
    chance, found = random.Random(11), list[Question]()
    while len(found) < ROUNDS:
        number = chance.randrange(USERS)
        held = [given_by(group) for group in groups_of[number] if given_by(group)]
        if len(found) % 2 and held:
            project, role = chance.choice([one for one in held if one])
        else:
            project, role = f"project-{chance.randrange(PROJECTS)}", chance.choice(ROLES)
        found.append(Question(user_id(number), project, role))
    return found


def median(ask: Callable[[Question], object], asked: Sequence[Question]) -> tuple[float, list[object]]:
    """Return the median time of a question in microseconds, and the answers."""
    for one in asked[:100]:
        ask(one)
    times, answers = [], []
    for one in asked:
        begun = time.perf_counter_ns()
        answer = ask(one)
        times.append(time.perf_counter_ns() - begun)
        answers.append(answer)
    return statistics.median(times) / 1_000, answers


def main() -> None:
    groups_of = memberships()
    asked = questions(groups_of)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(os.environ.get("DATABASE_URL", f"sqlite:///{folder}/bench.db"), create=True)
        store.upgrade()
        begun = time.perf_counter()
        fill(store, groups_of)
        print(f"{USERS:,} users, {GROUPS:,} groups, {RULES} rules: written in {time.perf_counter() - begun:.0f} s")
        clock = lambda: NOW  # noqa: E731 - the one line that it is
        access, members = Access(store, Rulebooks(), clock), Membership(store, Rulebooks(), clock)

        def floor(one: Question) -> bool:
            with store.read() as unit:
                values = {"organization_id": ORGANIZATION, "user_id": one.user, "workspace": "vision"}
                row = unit.link.one(FLOOR, **values, slot="project_role", project=one.project, role=one.role)
                return row is not None

        def holds(one: Question) -> bool:
            return access.holds(ORGANIZATION, one.user, "vision", one.project, "project_role", one.role)

        def roles(one: Question) -> object:
            return member_document(members.roles(ORGANIZATION, one.user, Scope()))

        at_floor, expected = median(floor, asked)
        deciding, answers = median(holds, asked)
        assert answers == expected
        reading, _ = median(roles, asked)
        print(f"  one indexed query        {at_floor:8.1f} µs")
        print(f"  Access.holds             {deciding:8.1f} µs   {deciding / at_floor:.2f} × the query (goal ≤ 1.3)")
        print(f"  all roles, provenance    {reading:8.1f} µs   (goal ≤ 100)")
        store.close()
    if os.environ.get("PEERS"):
        beside(groups_of, asked, [bool(one) for one in expected], deciding)


def beside(groups_of: Sequence[Sequence[int]], asked: Sequence[Question], expected: list[bool], ours: float) -> None:
    """Ask the peers the same, in a process of their own environment."""
    python = PEERS / "python" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS / "python")], check=True)
    quiet = ["install", "--quiet", "--disable-pip-version-check", "cedarpy==4.12.2", "pycasbin==2.8.0"]
    subprocess.run([str(python), "-m", "pip", *quiet], check=True)
    rules = {f"group-{group}": given_by(group) for group in range(RULES)}
    question = {
        "rules": rules,
        "members": {user_id(number): [f"group-{group}" for group in groups] for number, groups in enumerate(groups_of)},
        "asked": [[one.user, one.project, one.role] for one in asked],
    }
    script = Path(__file__).parent / "peers" / "decisions.py"
    done = subprocess.run(
        [str(python), str(script)], input=json.dumps(question), text=True, capture_output=True, check=True
    )
    for name, said in json.loads(done.stdout).items():
        agreed = "agrees" if said["answers"] == expected else "ANSWERS OTHERWISE"
        print(f"  {name:<24} {said['median']:8.1f} µs   {said['median'] / ours:.2f} × ours, {agreed}")


if __name__ == "__main__":
    main()
