"""What a login costs once the assertion is proved: first ones, repeated ones, ones whose groups differ, ones refused.

    python benchmarks/bench_login.py                          SQLite in a temporary folder
    DATABASE_URL=postgresql://… python benchmarks/bench_login.py   an empty database of PostgreSQL

The use case `bridge.logins.Logins.accept` in its transaction, without HTTP, session and signature. A repeated login is
measured with 5, 50 and 200 stated groups, in directories of DIRECTORY (500 and 5,000) users whose groups hold
everybody: its cost may grow with what it states, and with nothing else. Times are microseconds, medians of ROUNDS.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Caller, Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.logins import Logins
from rolebridge.bridge.planning import Planning
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.bridge.vault import Vault
from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail
from rolebridge.core.login_rules import Authority, GroupsClaim, LoginRules
from rolebridge.store.engine import Store

ROUNDS = int(os.environ.get("ROUNDS", "200"))
DIRECTORIES = tuple(int(word) for word in os.environ.get("DIRECTORY", "500 5000").split())
STATED = (5, 50, 200)
OPERATOR = Operator("bench", "bench")
START = datetime(2026, 11, 21, 9, tzinfo=UTC)
MAPPING = """\
workspace: vision
platform: labelbox
projects: {p0: {name: P}, p1: {name: Q}}
conflicts: {project_role: [reviewer, labeler]}
rules:
  - id: teams
    groups: {match: "team-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
"""


@dataclass
class Place:
    """A directory whose people log in."""

    store: Store
    users: int

    def __post_init__(self) -> None:
        self.now = START
        rulebooks, store = Rulebooks(), self.store
        administration = Administration(store, Hasher(b"k" * 32), self.clock)
        organization = administration.add_organization(OPERATOR, f"bench-{uuid4().hex[:8]}")
        connection, _ = administration.add_connection(OPERATOR, organization, "idp", "generic")
        self.caller = Caller(organization.id, connection.id, connection.name, connection.profile, "bench")
        sso = SsoConnections(store, self.clock, Vault(b"k" * 32))
        rules = LoginRules(groups=GroupsClaim("groups"), authority=Authority.LOGIN, create=True)
        sso.configure(OPERATOR, connection, Protocol.SAML, {}, rules=rules)
        self.domain = f"{organization.id[:8]}.example"
        self.connection: SsoConnection = sso.declare_domains(OPERATOR, connection, [self.domain])
        self.provisioning = Provisioning(store, rulebooks, self.clock, "https://bridge.example/scim/v2")
        self.logins = Logins(rulebooks)
        self.fill()
        Planning(store, rulebooks, self.clock).apply(OPERATOR, organization.id, {"mappings/vision.yaml": MAPPING})

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def fill(self) -> None:
        """Provision everybody, all in the groups that logins state."""
        ids = []
        for number in range(self.users):
            name = f"u{number}@{self.domain}"
            ids.append(self.provisioning.create_user(self.caller, UserDraft(name, None, None, {"userName": name})).id)
        for name in self.groups(max(STATED)):
            self.provisioning.create_group(self.caller, GroupDraft(name, None, {}), ids, refuse_unknown=True)

    def groups(self, count: int) -> tuple[str, ...]:
        """Return so many groups; the first few decide about roles."""
        return tuple([f"team-p{number}-labelers" for number in range(2)] + [f"other {n}" for n in range(count - 2)])

    def login(self, who: str, groups: Sequence[str]) -> None:
        """Log somebody in, or be refused."""
        identity = AssertedIdentity(
            Protocol.SAML,
            "https://idp.example",
            who,
            {"groups": tuple(groups)},
            assertion_id=uuid4().hex,
            usable_until=self.now + timedelta(minutes=5),
        )
        request_id, now = uuid4().hex, self.clock()
        with suppress(LoginRefused):
            self.store.transact(
                lambda unit: self.logins.accept(
                    unit, self.connection, identity, Trail(), now=now, request_id=request_id
                )
            )


def median(work: Callable[[int], None]) -> float:
    """Return the median of what a round takes, in microseconds."""
    times = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def rows(place: Place) -> Iterator[tuple[str, float]]:
    """Yield what is measured and how long it takes."""
    five = place.groups(5)
    yield "first login, user made, 5 groups", median(lambda n: place.login(f"new{n}@{place.domain}", five))
    yield "first login, user linked, 5 groups", median(lambda n: place.login(f"u{n}@{place.domain}", five))
    for count in STATED:
        stated = place.groups(count)
        place.login(f"u0@{place.domain}", stated)
        yield f"repeated login, {count} groups", median(lambda _, s=stated: place.login(f"u0@{place.domain}", s))  # type: ignore[misc]
    pair = (place.groups(5), (*place.groups(5)[1:], "team-p0-reviewers"))
    yield "one group left, one entered, roles change", median(lambda n: place.login(f"u1@{place.domain}", pair[n % 2]))
    yield "refused: a foreign domain", median(lambda n: place.login(f"x{n}@evil.example", five))


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        url = os.environ.get("DATABASE_URL") or f"sqlite:///{Path(folder) / 'bench.db'}"
        store = Store.open(url, create=True)
        store.upgrade()
        for users in DIRECTORIES:
            print(f"{users:,} users, each in {max(STATED)} groups over SCIM")
            for name, microseconds in rows(Place(store, users)):
                print(f"  {name:<44}{microseconds:>9,.0f} µs")
        store.close()


if __name__ == "__main__":
    main()
