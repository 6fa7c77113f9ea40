"""Sealing and verifying: nothing is left out or sealed twice, and whatever is tampered with is found, where it is."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World, remove

from rolebridge.bridge import sealing as sealing_module
from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.sealing import Flaw, Sealer, SealKeys, Verified
from rolebridge.core.chain import Anchor
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.store.audit_listing import WantedAudit

KEYS = SealKeys([b"k" * 32])


@pytest.fixture
def auditing(world: World) -> Auditing:
    """The audit of a world in which some things have happened."""
    world.apply()
    for number in range(3):
        world.user(f"person{number}")
    return Auditing(world.store, world.clock, KEYS)


def run(world: World, sql: str, *values: Any) -> None:
    """Write into the database as only somebody who has it can; `?` stands for a value, `$o` for the organization."""
    sql = sql.replace("$o", f"'{world.id}'")
    if world.store.dialect == "postgresql":
        sql = sql.replace("?", "%s")
    world.store.transact(lambda unit: unit.link.execute(sql, values))


def rows(world: World) -> list[int]:
    return sorted(entry.sequence for entry in world.audit())


def verified(world: World, auditing: Auditing, *anchors: Anchor) -> Verified:
    return auditing.verify(world.id, anchors)


def test_what_is_committed_is_sealed_once(world: World, auditing: Auditing) -> None:
    """Every row gets a place; the second time there is nothing to do."""
    before = verified(world, auditing)
    assert (before.rows, before.tail.rows) == (0, len(rows(world)))
    assert auditing.seal(world.id) == len(rows(world))
    assert auditing.seal(world.id) == 0
    found = verified(world, auditing)
    assert found.whole
    assert (found.rows, found.tail.rows, found.seals, found.unsigned) == (len(rows(world)), 0, 1, 0)
    assert found.head is not None
    assert found.head.position == found.rows


def test_the_tail_is_told(world: World, auditing: Auditing) -> None:
    """What happened since the last seal is counted, with the oldest of it, and is not called broken."""
    auditing.seal(world.id)
    world.user("late")
    found = verified(world, auditing)
    assert found.whole
    assert found.tail.rows == 1
    assert found.tail.oldest == world.audit()[0].at


def test_long_tails_are_sealed_in_stretches(world: World, auditing: Auditing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stretch is a transaction; the chain goes through all of them."""
    monkeypatch.setattr(sealing_module, "STRETCH", 2)
    assert auditing.seal(world.id) == len(rows(world))
    found = verified(world, auditing)
    assert found.whole
    assert found.seals == (len(rows(world)) + 1) // 2
    assert found.late == ()


def test_organizations_have_chains_of_their_own(world: World, auditing: Auditing) -> None:
    """Sealing one leaves the other alone, and its first link is another."""
    other = World(world.store)
    auditing.seal(world.id)
    assert auditing.verify(other.id).rows == 0
    auditing.seal(other.id)
    assert auditing.verify(other.id).whole


def test_two_who_seal_at_once_seal_each_row_once(world: World, auditing: Auditing) -> None:
    """The second waits, and finds what is left."""
    sealed: list[int] = []
    threads = [threading.Thread(target=lambda: sealed.append(auditing.seal(world.id))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sealed) == len(rows(world))
    assert verified(world, auditing).whole


def test_rows_that_commit_late_are_not_left_out(world: World, auditing: Auditing) -> None:
    """On PostgreSQL a row may appear below others that are sealed: it is sealed when it does."""
    if world.store.dialect == "sqlite":
        pytest.skip("one writer: rows appear in their order")
    begun, finish = threading.Event(), threading.Event()

    def slowly(unit: Any) -> None:
        unit.record(world.id).audit(
            kind="test.slow", actor="a", request_id="r", subject_kind="x", subject_id="slow",
            before=None, after=None, reason="", now=world.now,
        )  # fmt: skip
        begun.set()
        finish.wait(20)

    slow = threading.Thread(target=lambda: world.store.transact(slowly))
    slow.start()
    assert begun.wait(20)
    world.user("quick")
    auditing.seal(world.id)
    for number in range(3):
        world.user(f"more{number}")
        auditing.seal(world.id)
    finish.set()
    slow.join()
    late = next(entry for entry in world.audit("slow"))
    assert late.sequence < max(rows(world))
    assert auditing.seal(world.id) == 1
    found = verified(world, auditing)
    assert found.whole
    assert (found.rows, found.tail.rows) == (len(rows(world)), 0)


def test_a_database_moved_to_another_server_is_sealed_on(world: World, auditing: Auditing) -> None:
    """Where transactions count from the beginning again, sealing forgets what it waited for."""
    auditing.seal(world.id)
    run(world, "UPDATE audit_progress SET mark = 1, horizon = 9000000000000000 WHERE organization_id = $o")
    world.user("after")
    auditing.seal(world.id)
    with world.store.read() as unit:
        progress = unit.sealing(world.id).progress()
    assert progress.horizon is None or progress.horizon < 9000000000000000
    assert verified(world, auditing).tail.rows == 0


def test_what_sealing_left_behind_is_found_once_a_day(world: World, auditing: Auditing) -> None:
    """Where it was wrongly taken for settled, looking at everything finds it."""
    auditing.seal(world.id)
    world.user("left behind")
    run(world, "UPDATE audit_progress SET settled = 1000000 WHERE organization_id = $o")
    assert auditing.seal(world.id) == 0
    assert verified(world, auditing).tail.rows == 1
    auditing.retain(OPERATOR, world.id)
    assert verified(world, auditing).tail.rows == 0


# --- tampering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "os:nobody"), ("kind", "user.deleted"), ("at", "2026-01-01T00:00:00.000Z"), ("reason", "x"),
     ("after", "{}"), ("before", None), ("subject_id", "u"), ("request_id", "r")],
)  # fmt: skip
def test_a_changed_row_is_found(world: World, auditing: Auditing, column: str, value: str | None) -> None:
    """Each column is covered."""
    world.provisioning.change_user(
        world.okta, world.user("changed"), lambda draft: replace(draft, attributes={**draft.attributes, "title": "x"})
    )
    auditing.seal(world.id)
    target = world.audit()[0].sequence
    run(world, f"UPDATE audit SET {column} = ? WHERE organization_id = $o AND sequence = ?", value, target)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.sequence) == (Flaw.CHANGED, target)


def test_a_missing_row_is_found(world: World, auditing: Auditing) -> None:
    """A row that is deleted leaves its place in the chain."""
    auditing.seal(world.id)
    target = rows(world)[2]
    run(world, "DELETE FROM audit WHERE organization_id = $o AND sequence = ?", target)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.position, broken.sequence) == (Flaw.MISSING, 3, target)


def test_a_row_missing_from_the_chain_too_is_found(world: World, auditing: Auditing) -> None:
    """The chain does not go on over a gap."""
    auditing.seal(world.id)
    run(world, "DELETE FROM audit WHERE organization_id = $o AND sequence = ?", rows(world)[2])
    run(world, "DELETE FROM audit_chain WHERE organization_id = $o AND position = 3")
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.position) == (Flaw.MISSING, 3)


def test_rows_that_changed_places_are_found(world: World, auditing: Auditing) -> None:
    """Two places with the rows of each other do not follow."""
    auditing.seal(world.id)
    for position, to in ((2, 1_000), (3, 2), (1_000, 3)):
        run(world, "UPDATE audit_chain SET position = ? WHERE organization_id = $o AND position = ?", to, position)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.position) == (Flaw.MOVED, 2)


def test_a_shortened_chain_is_found(world: World, auditing: Auditing) -> None:
    """The seal tells how long the chain was."""
    auditing.seal(world.id)
    newest = rows(world)[-1]
    run(world, "DELETE FROM audit_chain WHERE organization_id = $o AND entry = ?", newest)
    run(world, "DELETE FROM audit WHERE organization_id = $o AND sequence = ?", newest)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert broken.flaw is Flaw.MISSING


def test_a_row_that_was_inserted_later_is_told(world: World, auditing: Auditing) -> None:
    """A row that pretends to have happened long ago is sealed like any other, and told as late."""
    auditing.seal(world.id)
    world.now += timedelta(hours=3)
    world.store.transact(
        lambda unit: unit.record(world.id).audit(
            kind="test.forged", actor="a", request_id="r", subject_kind="x", subject_id="x",
            before=None, after=None, reason="", now=world.now - timedelta(hours=6),
        )
    )  # fmt: skip
    auditing.seal(world.id)
    found = verified(world, auditing)
    assert found.whole
    assert found.late == (world.audit("x")[0].sequence,)


def test_a_chain_written_anew_without_the_key_is_found(world: World, auditing: Auditing) -> None:
    """Who has the database but not the key can compute every link, and no seal."""
    auditing.seal(world.id)
    run(world, "UPDATE audit SET actor = 'os:nobody' WHERE organization_id = $o AND sequence = ?", rows(world)[1])
    for table in ("audit_chain", "audit_seals", "audit_progress"):
        run(world, f"DELETE FROM {table} WHERE organization_id = $o")
    Auditing(world.store, world.clock, SealKeys([b"x" * 32])).seal(world.id)
    run(world, "UPDATE audit_seals SET key_id = ? WHERE organization_id = $o", KEYS.sign(b"")[0])
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.detail) == (Flaw.SEAL, "its seal is not ours")


def test_seals_of_a_key_that_is_not_here_are_counted(world: World, auditing: Auditing) -> None:
    """They are neither right nor wrong as long as a later seal, which covers them, is of a key that is here."""
    auditing.seal(world.id)
    world.user("unsigned")
    Auditing(world.store, world.clock, SealKeys()).seal(world.id)
    world.user("signed anew")
    later = Auditing(world.store, world.clock, SealKeys([b"x" * 32]))
    later.seal(world.id)
    found = later.verify(world.id)
    assert found.whole
    assert (found.seals, found.unsigned, found.unknown) == (3, 1, 1)
    found = Auditing(world.store, world.clock, SealKeys([b"x" * 32, b"k" * 32])).verify(world.id)
    assert (found.whole, found.unsigned, found.unknown) == (True, 1, 0)
    assert Auditing(world.store, world.clock, SealKeys()).verify(world.id).whole


@pytest.mark.parametrize("key_id", ["", "0123456789abcdef"])
def test_a_chain_written_anew_without_seals_that_can_be_checked_is_found(
    world: World, auditing: Auditing, key_id: str
) -> None:
    """Leaving the MACs out, or making up the id of a key, is no way around the key; whoever has it is told."""
    auditing.seal(world.id)
    run(world, "UPDATE audit SET actor = 'os:nobody' WHERE organization_id = $o AND sequence = ?", rows(world)[1])
    for table in ("audit_chain", "audit_seals", "audit_progress"):
        run(world, f"DELETE FROM {table} WHERE organization_id = $o")
    Auditing(world.store, world.clock, SealKeys([b"x" * 32] if key_id else ())).seal(world.id)
    run(world, "UPDATE audit_seals SET key_id = ? WHERE organization_id = $o", key_id)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.detail) == (Flaw.SEAL, "the newest seal is of no key that is here")


def test_a_tail_that_is_sealed_anew_without_the_key_is_found(world: World, auditing: Auditing) -> None:
    """What was written after the last honest seal is not taken on trust."""
    auditing.seal(world.id)
    world.user("later")
    Auditing(world.store, world.clock, SealKeys()).seal(world.id)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.detail) == (Flaw.SEAL, "the newest seal is of no key that is here")


def test_a_missing_seal_is_found(world: World, auditing: Auditing) -> None:
    """Every stretch of the chain has a seal."""
    auditing.seal(world.id)
    world.user("more")
    auditing.seal(world.id)
    run(world, "DELETE FROM audit_seals WHERE organization_id = $o AND first = 1")
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.position) == (Flaw.SEAL, 1)


def test_a_kept_anchor_proves_that_nothing_was_written_anew(world: World, auditing: Auditing) -> None:
    """Even who has the key cannot make another chain with the link that was kept elsewhere."""
    auditing.seal(world.id)
    kept = verified(world, auditing).head
    assert kept is not None
    assert verified(world, auditing, kept).whole
    for table in ("audit_chain", "audit_seals", "audit_progress"):
        run(world, f"DELETE FROM {table} WHERE organization_id = $o")
    auditing.seal(world.id)
    assert verified(world, auditing).whole
    broken = verified(world, auditing, kept).broken
    assert broken is not None
    assert broken.flaw is Flaw.ANCHOR
    far = verified(world, auditing, Anchor(10_000, kept.link)).broken
    assert far is not None
    assert far.detail == "the chain is not that long"


# --- retention -------------------------------------------------------------------------------------------------


@pytest.fixture
def old(world: World, auditing: Auditing) -> Auditing:
    """An audit of which the first seals are older than is kept: all but the last row."""
    auditing.seal(world.id)
    world.user("second")
    auditing.seal(world.id)
    world.now += timedelta(days=40)
    world.user("recent")
    auditing.seal(world.id)
    return Auditing(world.store, world.clock, KEYS, days=30)


def test_retention_leaves_the_chain_whole(world: World, old: Auditing) -> None:
    """What is too old goes; a seal stands for it, a row tells of it, and what is kept verifies."""
    before = rows(world)
    assert old.retain(OPERATOR, world.id) == len(before) - 1
    assert [entry.kind for entry in world.audit()] == ["audit.pruned", "user.created"]
    found = verified(world, old)
    assert found.whole
    assert (found.pruned, found.rows) == (len(before) - 1, 2)
    told = json.loads(world.audit()[0].after or "")
    assert told["position"] == found.pruned
    assert old.retain(OPERATOR, world.id) == 0


def test_retention_that_was_interrupted_verifies(world: World, old: Auditing, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells how far it was to go is sealed first, so that only a part of it may be gone."""
    monkeypatch.setattr(Sealer, "_seals_up_to", lambda self, organization_id, first, last: iter([]))
    old.retain(OPERATOR, world.id)
    with world.store.read() as unit:
        first, *_ = unit.sealing(world.id).seals(0, 1)
    world.store.transact(lambda unit: unit.sealing(world.id).prune(first.anchor.position))
    found = verified(world, old)
    assert found.whole
    assert found.pruned == first.anchor.position


def test_deleting_by_hand_is_not_retention(world: World, auditing: Auditing) -> None:
    """Rows that go without a row that tells of it are missed, though a seal stands where they ended."""
    auditing.seal(world.id)
    world.user("kept")
    auditing.seal(world.id)
    with world.store.read() as unit:
        through = unit.sealing(world.id).seals(0, 1)[0].anchor.position
    world.store.transact(lambda unit: unit.sealing(world.id).prune(through))
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.position) == (Flaw.PRUNED, through)


def test_an_anchor_of_what_was_pruned_cannot_be_checked(world: World, old: Auditing) -> None:
    """It is said, not passed over."""
    old.retain(OPERATOR, world.id)
    broken = verified(world, old, Anchor(1, bytes(32))).broken
    assert broken is not None
    assert broken.detail.startswith("it was pruned")


# --- erasing ---------------------------------------------------------------------------------------------------


def test_a_deleted_users_data_can_be_erased(world: World, auditing: Auditing) -> None:
    """Bodies, reasons and the name go; ids, roles and the chain stay, and the erasure is recorded."""
    user = world.user("ana", title="Secret title")
    group = world.group("Admins", [user])
    world.change(group, remove(user))
    world.provisioning.delete_user(world.okta, user)
    auditing.seal(world.id)
    erased = auditing.erase(OPERATOR, world.id, "ana@acme.example", reason="request 17")
    assert (erased.user_id, erased.mentioned, erased.files) == (user, (), ())
    texts = "\n".join(f"{entry.before} {entry.after} {entry.reason}" for entry in world.audit())
    assert "ana@" not in texts
    assert "Secret title" not in texts
    assert all("ana@" not in entry.payload for entry in world.outbox())
    grants = [entry for entry in world.audit(user) if entry.kind == "grants.changed"]
    assert "admin" in {grant["role"] for grant in json.loads(grants[-1].after or "")}
    told = world.audit(user)[0]
    assert (told.kind, told.actor, told.reason) == ("user.erased", OPERATOR.actor, "request 17")
    assert json.loads(told.after or "")["rows"] == erased.rows
    found = verified(world, auditing)
    assert found.whole
    assert found.erased == erased.rows
    with pytest.raises(NotFound):
        auditing.erase(OPERATOR, world.id, "ana@acme.example", reason="again")
    assert auditing.erase(OPERATOR, world.id, user, reason="again").rows == 0
    assert verified(world, auditing).whole


def test_nobody_who_is_there_is_erased(world: World, auditing: Auditing) -> None:
    """Who is still in the directory is refused, and so is an erasure without a reason."""
    user = world.user("ana")
    with pytest.raises(Invalid, match="still in the directory"):
        auditing.erase(OPERATOR, world.id, user, reason="x")
    with pytest.raises(Invalid, match="reason is needed"):
        auditing.erase(OPERATOR, world.id, user, reason=" ")


def test_an_erasure_that_nobody_recorded_is_found(world: World, auditing: Auditing) -> None:
    """Texts that are gone without a row that tells of it are not taken for erased."""
    user = world.user("ana")
    auditing.seal(world.id)
    target = world.audit(user)[-1].sequence
    tomb = "erased:sha256:" + "0" * 64
    run(world, "UPDATE audit SET after = ? WHERE organization_id = $o AND sequence = ?", tomb, target)
    run(world, "UPDATE audit_chain SET erased_by = 99999999 WHERE organization_id = $o AND entry = ?", target)
    broken = verified(world, auditing).broken
    assert broken is not None
    assert (broken.flaw, broken.sequence) == (Flaw.ERASED, target)


def test_where_the_name_stands_still_is_told(world: World, auditing: Auditing) -> None:
    """Rows about others and mapping files that name the person are listed, for somebody to look at."""
    user = world.user("ana")
    world.apply(MAPPING + "  - id: named\n    users: [ana@acme.example]\n    grant: {workspace_role: admin}\n")
    world.provisioning.delete_user(world.okta, user)
    erased = auditing.erase(OPERATOR, world.id, user, reason="x")
    assert erased.files == ("2: mappings/vision.yaml",)


# --- reading ---------------------------------------------------------------------------------------------------


def test_pages_go_through_everything(world: World, auditing: Auditing) -> None:
    """Page after page every row comes once, newest first."""
    auditing.seal(world.id)
    seen: list[int] = []
    before = None
    while True:
        page = auditing.page(world.id, before=before, limit=3)
        seen += [row.entry.sequence for row in page.rows]
        if page.before is None:
            break
        before = page.before
    assert seen == sorted(rows(world), reverse=True)


def test_pages_find_what_is_asked_for(world: World, auditing: Auditing) -> None:
    """By kind and its beginning, subject, actor, request and time."""
    user = world.user("ana")
    began = world.clock()
    world.activate(user, False)

    def found(**wanted: Any) -> list[str]:
        return [row.entry.kind for row in auditing.page(world.id, WantedAudit(**wanted)).rows]

    assert found(subject_id=user) == ["user.deactivated", "user.created"]
    assert set(found(kind="user.")) == {"user.created", "user.deactivated"}
    assert found(kind="user.deactivated") == ["user.deactivated"]
    assert found(actor="connection:okta", since=began) == ["user.deactivated"]
    assert "user.deactivated" not in found(until=began)
    assert set(found(request_id=OPERATOR.request_id)) >= {"organization.added", "mapping.applied"}
    assert found(subject_id="\0") == []


def test_an_export_is_one_moment(world: World, auditing: Auditing) -> None:
    """What happens meanwhile does not show; rows come oldest first."""
    auditing.seal(world.id)
    known = rows(world)
    with auditing.export(world.id) as exported:
        first = next(exported)
        assert first.sealed is not None
        numbers = [first.entry.sequence, *(row.entry.sequence for row in exported)]
    assert numbers == known


def test_a_moment_is_found_by_halving(world: World) -> None:
    """The place before a moment is before every row after it, and the rest is not looked at."""
    for number in range(20):
        world.now += timedelta(hours=1)
        world.user(f"person{number}")
    middle = world.audit()[10]
    with world.store.read() as unit:
        place = unit.audit(world.id).place_before(middle.at)
    between = [entry for entry in world.audit() if place < entry.sequence <= middle.sequence]
    assert 1 <= len(between) <= 3
    assert all(entry.sequence > place for entry in world.audit() if entry.at > middle.at)
