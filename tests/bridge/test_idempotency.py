"""Requests with an idempotency key: carried out once, whatever arrives, crashes or is refused."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from tests.bridge.worlds import World

from rolebridge.bridge.idempotency import KEPT, LAPSES, AnswerLost, Idempotency, Kept, Keyed, KeyInUse, KeyReused
from rolebridge.core.errors import Invalid
from rolebridge.store.idempotency import KeyPlace
from rolebridge.store.unit import Unit

DONE = Kept(201, (("X-A", "1"),), b"\x00done")


def keyed(world: World, attempt: str = "request-1", *, digest: bytes = b"same", key: str = "key-1") -> Keyed:
    return Keyed(world.id, KeyPlace(key, "abc"), digest, attempt)


@pytest.fixture
def idempotency(world: World) -> Idempotency:
    return Idempotency(world.store, world.clock)


class Work:
    """Something that is done in a transaction, and says how often."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self) -> Kept:
        self.world.store.transact(self.write)
        return DONE

    def write(self, unit: Unit) -> None:
        unit.record(self.world.id).outbox("worked", "{}", self.world.now)

    @property
    def times(self) -> int:
        return sum(row.kind == "worked" for row in self.world.outbox())


def test_the_answer_is_kept_and_given_again(world: World, idempotency: Idempotency) -> None:
    """Status, headers and body, byte for byte, with a note that it is the earlier one's."""
    work = Work(world)
    assert idempotency.once(keyed(world), work) == DONE
    assert idempotency.once(keyed(world, "request-2"), work) == Kept(201, (("X-A", "1"),), b"\x00done", replayed=True)
    assert work.times == 1


def test_a_key_belongs_to_one_request_and_one_credential(world: World, idempotency: Idempotency) -> None:
    """Another request with it is refused; another API key has keys of its own."""
    work = Work(world)
    idempotency.once(keyed(world), work)
    with pytest.raises(KeyReused, match="came with another request before"):
        idempotency.once(keyed(world, digest=b"other"), work)
    idempotency.once(keyed(world, digest=b"other", key="key-2"), work)
    assert work.times == 2


def test_a_refused_request_frees_its_key(world: World, idempotency: Idempotency) -> None:
    """It has changed nothing, and may be put right under the same key."""

    def refuse() -> Kept:
        raise Invalid("not so")

    with pytest.raises(Invalid, match="not so"):
        idempotency.once(keyed(world), refuse)
    work = Work(world)
    assert idempotency.once(keyed(world, digest=b"other"), work) == DONE


def test_an_answer_is_kept_for_a_day(world: World, idempotency: Idempotency) -> None:
    """After that the key is as new."""
    work = Work(world)
    idempotency.once(keyed(world), work)
    world.now += KEPT - timedelta(minutes=1)
    assert idempotency.once(keyed(world), work).replayed
    world.now += timedelta(minutes=2)
    assert not idempotency.once(keyed(world), work).replayed
    assert work.times == 2


def test_of_two_at_once_one_is_carried_out(world: World, idempotency: Idempotency) -> None:
    """The other one is told to come again, and then gets the answer."""
    work, begun, go_on = Work(world), threading.Event(), threading.Event()
    answers: list[Kept] = []

    def slow() -> Kept:
        begun.set()
        assert go_on.wait(30)
        return work()

    first = threading.Thread(target=lambda: answers.append(idempotency.once(keyed(world), slow)))
    first.start()
    assert begun.wait(30)
    with pytest.raises(KeyInUse, match="still being carried out"):
        idempotency.once(keyed(world, "request-2"), work)
    go_on.set()
    first.join()
    assert answers == [DONE]
    assert idempotency.once(keyed(world, "request-2"), work).replayed
    assert work.times == 1


def test_a_claim_whose_process_ended_lapses(world: World, idempotency: Idempotency) -> None:
    """Nothing was committed: after a while the request is carried out by who repeats it."""
    world.store.transact(
        lambda unit: unit.idempotency(world.id).claim(KeyPlace("key-1", "abc"), b"same", "dead", world.now)
    )
    work = Work(world)
    with pytest.raises(KeyInUse):
        idempotency.once(keyed(world), work)
    world.now += LAPSES
    assert idempotency.once(keyed(world), work) == DONE
    assert work.times == 1


def test_who_lost_its_claim_is_undone(world: World, idempotency: Idempotency) -> None:
    """A request so slow that another one took its key over does not happen as well."""
    work = Work(world)

    def too_slow() -> Kept:
        world.now += LAPSES
        other = threading.Thread(target=lambda: idempotency.once(keyed(world, "request-2"), work))
        other.start()
        other.join()
        assert work.times == 1
        return work()

    with pytest.raises(KeyInUse):
        idempotency.once(keyed(world), too_slow)
    assert work.times == 1
    assert idempotency.once(keyed(world, "request-3"), work).replayed


def test_a_crash_after_the_commit_is_told(world: World, idempotency: Idempotency) -> None:
    """The transaction says that it was carried out, even if nobody kept the answer: it never happens twice."""
    work = Work(world)

    def crash() -> Kept:
        work()
        raise MemoryError

    with pytest.raises(MemoryError):
        idempotency.once(keyed(world), crash)
    with pytest.raises(AnswerLost, match="was carried out; its answer is lost"):
        idempotency.once(keyed(world), work)
    assert work.times == 1
