"""`kill -9` at random moments under load: what was acknowledged is there, and nothing is half done.

Four clients write things of their own and keep a ledger. A request that got no answer may have been done or not: what
is read afterwards must be exactly the state before it or the one after it.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

import pytest
from tests.durability.running import GROUP, PATIENCE, USER, Bridge, Said, Talker, Unanswered

pytestmark = [pytest.mark.loopback, pytest.mark.slow]

CLIENTS = 4
KILLS = 3
"""In one run, on either database: chance is elsewhere in each."""


@dataclass
class Ledger:
    """What one client knows: its users' titles by userName (None: deleted), and the steps of its group."""

    number: int
    group: str
    titles: dict[str, int | None] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    acknowledged: int = 0


class Client:
    """Writes until told to stop or left without an answer."""

    def __init__(self, bridge: Bridge, ledger: Ledger, seed: int) -> None:
        self.talker = bridge.talker()
        self.ledger = ledger
        self.random = random.Random(seed)
        self.open: tuple[str, int | None, int | None] | None = None
        self.failure: BaseException | None = None

    def run(self, stop: threading.Event, goes_on: bool) -> None:
        """Write; when an answer is missing, look at what became of it and go on, or leave that for later."""
        try:
            while not stop.is_set():
                try:
                    self.step()
                except Unanswered:
                    if not goes_on:
                        return
                    self.settle(time.monotonic() + PATIENCE)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's, which looks here
            self.failure = error

    def step(self) -> None:
        """Make one change."""
        ledger, kind = self.ledger, self.random.random()
        present = [name for name, title in ledger.titles.items() if title is not None]
        if kind < 0.35 or len(present) < 4:
            name = f"user{len(ledger.titles)}.{ledger.number}@acme.example"
            self.do(name, None, 0, "POST", "/Users", {"schemas": [USER], "userName": name, "title": "0"})
        elif kind < 0.65:
            name = self.random.choice(present)
            title = ledger.titles[name]
            assert title is not None
            operations = [{"op": "replace", "value": {"title": str(title + 1), "nickName": str(title + 1)}}]
            self.do(name, title, title + 1, "PATCH", f"/Users/{ledger.ids[name]}", {"Operations": operations})
        elif kind < 0.75:
            name = self.random.choice(present)
            self.do(name, ledger.titles[name], None, "DELETE", f"/Users/{ledger.ids[name]}", None)
        else:
            self.move(present)

    def move(self, present: list[str]) -> None:
        """Number the group and give it other members, all in one request."""
        steps = self.ledger.steps
        members = [{"value": self.ledger.ids[name]} for name in self.random.sample(present, 2)]
        operations = [
            {"op": "remove", "path": "members"},
            {"op": "replace", "path": "externalId", "value": f"{self.ledger.number}/{steps + 1}"},
            {"op": "add", "path": "members", "value": members},
        ]
        self.do("", steps, steps + 1, "PATCH", f"/Groups/{self.ledger.group}", {"Operations": operations})

    def do(self, name: str, before: int | None, after: int | None, method: str, path: str, body: object) -> None:
        self.open = (name, before, after)
        said = self.talker.send(method, path, body)
        assert said.status in (200, 201, 204), said
        self.open = None
        self.ledger.acknowledged += 1
        self.note(name, after, said.body["id"] if said.status == 201 else None)

    def note(self, name: str, state: int | None, id_: str | None = None) -> None:
        if not name:
            assert state is not None
            self.ledger.steps = state
            return
        self.ledger.titles[name] = state
        if id_:
            self.ledger.ids[name] = id_

    def settle(self, until: float = 0.0) -> None:
        """Find out what became of the request that got no answer: all of it, or nothing."""
        if self.open is None:
            return
        name, before, after = self.open
        state, id_ = self.read_patiently(name, until)
        assert state in (before, after), f"{name or 'the group'} is {state}: neither {before} nor {after}"
        self.note(name, state, id_)
        if name and state is None and before is None:
            del self.ledger.titles[name]  # never made; the name is tried again
        self.open = None

    def read_patiently(self, name: str, until: float) -> tuple[int | None, str | None]:
        """Return what `read` does, when the server is back."""
        while True:
            try:
                return self.read(name)
            except Unanswered:
                assert time.monotonic() < until, "the server does not come back"
                time.sleep(0.05)

    def read(self, name: str) -> tuple[int | None, str | None]:
        """Return the state of a user or (no name) of the group, and the id."""
        if not name:
            return self.steps(self.talker.send("GET", f"/Groups/{self.ledger.group}")), None
        said = self.talker.send("GET", f"/Users?filter=userName%20eq%20%22{name}%22")
        assert said.status == 200, said
        if not said.body["Resources"]:
            return None, None
        (user,) = said.body["Resources"]
        assert user["title"] == user.get("nickName", "0"), "half of a PATCH"
        return int(user["title"]), user["id"]

    def steps(self, said: Said) -> int:
        """Return the number that the group has."""
        assert said.status == 200, said
        number, _, steps = said.body.get("externalId", f"{self.ledger.number}/0").partition("/")
        assert int(number) == self.ledger.number
        return int(steps)

    def verify(self) -> None:
        """Assert that everything acknowledged is there."""
        self.settle()
        mine = f".{self.ledger.number}@acme.example"
        there = {name: title for name, title in everybody(self.talker).items() if name.endswith(mine)}
        assert there == {name: title for name, title in self.ledger.titles.items() if title is not None}
        group = self.talker.send("GET", f"/Groups/{self.ledger.group}")
        assert self.steps(group) == self.ledger.steps
        present = {self.ledger.ids[name] for name, title in self.ledger.titles.items() if title is not None}
        members = {member["value"] for member in group.body.get("members", [])}
        assert members <= present, "a member that was deleted"


def everybody(talker: Talker) -> dict[str, int]:
    """Return the titles of all users by userName, read page by page."""
    found: dict[str, int] = {}
    while True:
        said = talker.send("GET", f"/Users?attributes=userName,title&count=200&startIndex={len(found) + 1}")
        assert said.status == 200, said
        found |= {user["userName"]: int(user["title"]) for user in said.body["Resources"]}
        if len(found) == said.body["totalResults"]:
            return found
        assert said.body["Resources"], "a page is missing"


def begin(bridge: Bridge) -> list[Ledger]:
    """Make each client's group; one of them grants a role, so that grants are at stake as well."""
    talker = bridge.talker()
    names = ["lbx-cityscapes-reviewers", "lbx-retail-labelers", *(f"Group {n}" for n in range(2, CLIENTS))]
    bodies = [{"schemas": [GROUP], "displayName": name} for name in names]
    return [Ledger(n, talker.send("POST", "/Groups", body).body["id"]) for n, body in enumerate(bodies)]


def load(
    bridge: Bridge, ledgers: list[Ledger], seed: int, *, goes_on: bool
) -> tuple[list[Client], list[threading.Thread], threading.Event]:
    stop = threading.Event()
    clients = [Client(bridge, ledger, seed * CLIENTS + ledger.number) for ledger in ledgers]
    threads = [threading.Thread(target=client.run, args=(stop, goes_on), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    return clients, threads, stop


def await_load(ledgers: list[Ledger]) -> None:
    """Return at a moment of chance, after at least twenty more writes, however fast the machine is."""
    wanted = sum(ledger.acknowledged for ledger in ledgers) + random.randint(20, 80)
    until = time.monotonic() + 2 * PATIENCE
    while sum(ledger.acknowledged for ledger in ledgers) < wanted:
        assert time.monotonic() < until, "there was no load"
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.02))


def ended(clients: list[Client], threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    for client in clients:
        if client.failure is not None:
            raise client.failure


def test_the_whole_server_is_killed(serving: Bridge) -> None:
    """All processes end at once, again and again: every acknowledged write is there, and nothing is half done."""
    ledgers = begin(serving)
    for kill in range(KILLS):
        clients, threads, stop = load(serving, ledgers, kill, goes_on=False)
        await_load(ledgers)
        serving.kill()
        stop.set()
        ended(clients, threads)
        serving.start()
        for client in clients:
            client.verify()
        serving.hang_up()
        serving.assert_no_problems()
    serving.assert_sound()


def test_workers_are_killed(serving: Bridge) -> None:
    """One worker after another ends in the middle of its work: the server goes on, and nothing acknowledged is lost."""
    ledgers = begin(serving)
    clients, threads, stop = load(serving, ledgers, KILLS, goes_on=True)
    for kill in range(KILLS):
        await_load(ledgers)
        serving.kill_worker(kill)
    await_load(ledgers)
    stop.set()
    ended(clients, threads)
    for client in clients:
        client.verify()
    assert serving.process is not None
    assert serving.process.poll() is None
    serving.hang_up()
    serving.assert_sound()


def test_a_worker_that_was_killed_keeps_nobody_waiting(serving: Bridge) -> None:
    """What a killed writer held is free at once: the next write needs less than its deadline."""
    talker = serving.talker()
    group = talker.new_group("lbx-cityscapes-reviewers")
    user = talker.new_user("ana@acme.example")
    before = time.monotonic()
    serving.kill_worker(0)
    serving.kill_worker(0)
    for number in range(40):
        try:
            _retried(serving, group, user, add=number % 2 == 0)
        except Unanswered:
            time.sleep(0.1)
    assert time.monotonic() - before < PATIENCE
    serving.assert_sound()


def _retried(bridge: Bridge, group: str, user: str, *, add: bool) -> None:
    talker: Talker = bridge.talker()
    operation = {"op": "add" if add else "remove", "path": "members", "value": [{"value": user}]}
    assert talker.patch(f"/Groups/{group}", operation).status in (200, 204)
