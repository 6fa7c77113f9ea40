"""A plan of a mapping change against resolving everybody once, in one run; some minutes for 100,000 people.

The floor reads every person and resolves them under the candidate, one after the other as `fsck` does, and keeps
nothing. Each line says people a second of this process's CPU, the ratio to the floor, and the peak of memory allocated
meanwhile (tracemalloc, of a run of its own). PEOPLE says how many people, TEAMS how many of the mapped groups each is
in. With ROLEBRIDGE_BENCH_POSTGRES set to the URL of an empty database, PostgreSQL is measured, too.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.planning import Planning
from rolebridge.bridge.resolving import outcome_under, read_people
from rolebridge.bridge.rulebooks import Rulebooks, compile_rulebook, read_mappings
from rolebridge.core.directory import GroupDraft, MembershipSource, UserDraft
from rolebridge.core.schemas import CORE_USER, ENTERPRISE_USER
from rolebridge.store.bulk import new_user
from rolebridge.store.engine import Store
from rolebridge.store.records import Connection, Organization
from rolebridge.store.unit import Unit

PEOPLE = int(os.environ.get("PEOPLE", "100000"))
TEAMS = int(os.environ.get("TEAMS", "2"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
OPERATOR = Operator("os:bench", "bench")
PROJECTS = 40
OTHERS = 400
MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {%s}
defaults: {default_role: labeler}
conflicts: {project_role: [project_lead, team_manager, reviewer, labeler]}
rules:
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {leads: project_lead, reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - id: contractors
    groups: [Contractors]
    when: userType eq "Contractor"
    projects: [p00, p01]
    grant: {project_role: inherit}
    until: 2027-03-31
"""
IN_FORCE = MAPPING % ", ".join(f"p{number:02}: {{}}" for number in range(PROJECTS))
GROUP = IN_FORCE.replace(
    "  - id: contractors",
    """  - id: extra
    groups: [lbx-p07-leads]
    projects: [p08]
    grant: {project_role: reviewer}
  - id: contractors""",
)
FEW = IN_FORCE.replace("leads: project_lead", "leads: team_manager")
MANY = IN_FORCE.replace("reviewers: reviewer, labelers: labeler", "reviewers: labeler, labelers: reviewer")
SEASON = IN_FORCE.replace("2027-03-31", "2026-12-31")


def person(number: int, dice: random.Random) -> UserDraft:
    name = f"user{number}@acme.example"
    attributes = {
        "schemas": [CORE_USER, ENTERPRISE_USER],
        "userName": name,
        "name": {"givenName": "Ana", "familyName": f"Lopez {number}"},
        "displayName": f"Ana Lopez {number}",
        "emails": [{"value": name, "type": "work", "primary": True}],
        "userType": "Contractor" if dice.random() < 0.2 else "Employee",
        ENTERPRISE_USER: {"department": f"D{dice.randrange(20)}", "employeeNumber": str(number)},
    }
    return UserDraft(name, None, True, attributes)


def fill(store: Store, organization: Organization, connection: Connection) -> None:
    """Make the directory: groups, people, and who is in which group."""
    dice = random.Random(7)  # the same people every time
    teams = [f"lbx-p{number:02}-{team}" for number in range(PROJECTS) for team in ("leads", "reviewers", "labelers")]
    names = [*teams, "Contractors", *(f"other {number}" for number in range(OTHERS))]
    members: list[list[str]] = [[] for _ in names]

    def groups(unit: Unit) -> list[str]:
        directory = unit.directory(organization.id)
        for name in names:
            draft = GroupDraft(name, None, {"displayName": name})
            directory.insert_group(connection.id, draft, str(UUID(int=dice.getrandbits(128))), NOW)
        return [group.id for group in directory.all_core_groups()]

    store.transact(groups)
    with store.read() as unit:
        ids = {group.display: group.id for group in unit.directory(organization.id).all_core_groups()}
    for start in range(0, PEOPLE, 5_000):

        def people(unit: Unit, start: int = start) -> None:
            made = [
                new_user(person(number, dice), str(UUID(int=dice.getrandbits(128))), NOW)
                for number in range(start, min(PEOPLE, start + 5_000))
            ]
            unit.bulk(organization.id).insert_users(connection.id, made, NOW)
            for user in made:
                for at in {*(dice.randrange(len(teams)) for _ in range(TEAMS))}:
                    members[at].append(user.id)
                for _ in range(3):
                    members[len(teams) + dice.randrange(OTHERS + 1)].append(user.id)

        store.transact(people)
    for name, ids_in in zip(names, members, strict=True):

        def enter(unit: Unit, group: str = ids[name], ids_in: tuple[str, ...] = tuple(sorted(set(ids_in)))) -> None:
            unit.directory(organization.id).add_members(
                group, ids_in, source=MembershipSource.SCIM, connection_id=connection.id, now=NOW
            )

        store.transact(enter)


def resolve_all(store: Store, organization: Organization) -> None:
    """Read and resolve everybody, one after the other."""
    mappings, _ = read_mappings({"m/vision.yaml": FEW}, ["okta"])
    assert mappings is not None
    rulebook = compile_rulebook(2, mappings, {})
    with store.read(snapshot=True) as unit:
        everyone = (user.id for user in unit.directory(organization.id).all_core_users())
        while ids := list(islice(everyone, 500)):
            for one in read_people(unit, organization.id, ids):
                outcome_under(rulebook, one, NOW)


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def peak(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def stores() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", f"sqlite:///{Path(folder) / 'bench.db'}"
    if url := os.environ.get("ROLEBRIDGE_BENCH_POSTGRES"):
        yield "PostgreSQL", url


def works(store: Store, organization: Organization, planning: Planning) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name; the floor first."""

    def planned(mapping: str) -> Callable[[], object]:
        return lambda: planning.plan(organization.id, {"m/vision.yaml": mapping})

    return {
        "resolving all once": lambda: resolve_all(store, organization),
        "plan: one group": planned(GROUP),
        "plan: a team everywhere": planned(FEW),
        "plan: nearly all change": planned(MANY),
        "plan: a later day": planned(SEASON),
    }


def measure(kind: str, store: Store) -> None:
    """Fill a database, and print what a plan costs in it."""
    administration = Administration(store, Hasher(b"k" * 32), lambda: NOW)
    organization = administration.add_organization(OPERATOR, f"bench-{kind}")
    connection, _ = administration.add_connection(OPERATOR, organization, "okta", "generic")
    fill(store, organization, connection)
    planning = Planning(store, Rulebooks(), lambda: NOW)
    applied = cpu(lambda: planning.apply(OPERATOR, organization.id, {"m/vision.yaml": IN_FORCE}))
    print(f"{kind}: {PEOPLE:,} people; first apply, {applied:.1f} CPU seconds", flush=True)
    measured = works(store, organization, planning)
    took: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, work in measured.items():
            took[name].append(cpu(work))
    floor = statistics.median(took["resolving all once"])
    for name, work in measured.items():
        seconds = statistics.median(took[name])
        memory = f"peak {peak(work):5.1f} MB" if name.startswith("plan") else ""
        print(f"  {name:24} {PEOPLE / seconds:9,.0f} people/s  {floor / seconds:5.2f}x  {memory}", flush=True)
    print("  " + json.dumps({name: [round(value, 2) for value in values] for name, values in took.items()}))


def main() -> None:
    """Measure and print."""
    for kind, url in stores():
        store = Store.open(url, create=kind == "SQLite")
        store.upgrade()
        measure(kind, store)
        store.close()


if __name__ == "__main__":
    main()
