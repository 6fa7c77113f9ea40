"""Sealing the audit: rows that are committed get their place in the chain, afterwards and in stretches.

In the transaction of a change the chain would queue every writer behind the one before; afterwards it costs them
nothing. What is not sealed yet is told by `verify`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from rolebridge.bridge.callers import Operator
from rolebridge.core.chain import SALT_BYTES, Anchor, beginning, is_tombstone, next_link, row_digest, same, seal_text
from rolebridge.store.audit_listing import DISORDER
from rolebridge.store.documents import stamp
from rolebridge.store.engine import Store
from rolebridge.store.sealing import LOOKED_THROUGH, Link, Progress, Seal, Sealable, Sealing, Tail
from rolebridge.store.unit import Unit

STRETCH: Final = 1_000
"""Rows that are sealed in one transaction."""
PRUNED: Final = "audit.pruned"
"""The kind of the row that tells how far the audit was pruned."""
ERASED: Final = "user.erased"
"""The kind of the row that tells that somebody's data were erased."""
_PURPOSE: Final = b"rolebridge audit seal v1"


class SealKeys:
    """What seals are signed with (HMAC-SHA-256): keys derived from the installation's, the present one first.

    Who can write to the database alone can write a whole chain anew, but not its seals. Without any key there are
    none, and only an anchor kept elsewhere tells such a chain from the first one.
    """

    def __init__(self, secret_keys: Iterable[bytes] = ()) -> None:
        keys = [hmac.digest(key, _PURPOSE, "sha256") for key in secret_keys]
        self._keys = {hashlib.sha256(key).hexdigest()[:16]: key for key in keys}

    def sign(self, text: bytes) -> tuple[str, bytes]:
        """Return the id of the present key and the MAC of `text`; both are empty without a key."""
        for id_, key in self._keys.items():
            return id_, hmac.digest(key, text, "sha256")
        return "", b""

    def __bool__(self) -> bool:
        """Return whether there is a key."""
        return bool(self._keys)

    def holds(self, seal: Seal, text: bytes) -> bool | None:
        """Return whether a seal's MAC is right; None when its key is not here."""
        key = self._keys.get(seal.key_id)
        return None if key is None else same(hmac.digest(key, text, "sha256"), seal.mac)


class Sealer:
    """Seals the audit of organizations, and prunes what is old."""

    def __init__(self, store: Store, clock: Callable[[], datetime], keys: SealKeys) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys

    def seal(self, organization_id: str) -> int:
        """Seal what is committed and not sealed; return how many rows. Two at a time seal each row once."""
        with self._store.read() as unit:
            if not unit.sealing(organization_id).waits():
                return 0
        sealed = 0
        while True:
            rows = self._store.transact(lambda unit: self._stretch(unit.sealing(organization_id), organization_id))
            sealed += rows
            if rows < STRETCH:
                return sealed

    def sweep(self, organization_id: str) -> int:
        """Seal what is not sealed however old it is; return how many rows.

        `seal` looks no further back than where it knows that nothing can appear; this asks nobody, and looks at all.
        """
        with self._store.read() as unit:
            at, newest = 0, unit.sealing(organization_id).newest()
        while at < newest:
            through = at + LOOKED_THROUGH
            with self._store.read() as unit:
                found = unit.sealing(organization_id).left_out(at, through)
            if found is not None:
                self._store.transact(partial(_look_again, organization_id=organization_id, after=found - 1))
                break
            at = through
        return self.seal(organization_id)

    def prune(self, operator: Operator, organization_id: str, until: datetime) -> int:
        """Delete what was sealed before a moment; return how many rows.

        The last seal before it stays, and a row of the audit tells how far was pruned: so the chain still verifies.
        """
        self.sweep(organization_id)
        with self._store.read() as unit:
            last = unit.sealing(organization_id).sealed_before(until)
            first = unit.sealing(organization_id).first_position()
        if last is None or first is None or last.anchor.position < first:
            return 0
        through = last.anchor

        def tell(unit: Unit) -> None:
            told = {"position": through.position, "link": through.link.hex(), "sealed": stamp(last.at)}
            unit.record(organization_id).audit(
                kind=PRUNED,
                actor=operator.actor,
                request_id=operator.request_id,
                subject_kind="organization",
                subject_id=organization_id,
                before=None,
                after=json.dumps(told),
                reason=f"kept until {stamp(until)}",
                now=self._clock(),
            )

        self._store.transact(tell)
        self.seal(organization_id)  # what tells of it is in the chain before anything goes
        pruned = 0
        for position in self._seals_up_to(organization_id, first, through.position):
            pruned += self._store.transact(partial(_prune, organization_id=organization_id, position=position))
        return pruned

    def _seals_up_to(self, organization_id: str, first: int, last: int) -> Iterator[int]:
        at = first
        while at <= last:
            with self._store.read() as unit:
                seals = unit.sealing(organization_id).seals(at, 1)
            if not seals or seals[0].anchor.position > last:
                return
            yield seals[0].anchor.position
            at = seals[0].anchor.position + 1

    def _stretch(self, rows: Sealing, organization_id: str) -> int:
        progress = rows.lock()
        # Asked before what is read below: a transaction that ended before then has all its rows there.
        horizon, newest = rows.horizon(), rows.newest()
        found = rows.unsealed(progress.settled, STRETCH)
        if found:
            self._append(rows, organization_id, found)
        if len(found) < STRETCH:
            later = _later(progress, horizon, newest)
            if later != progress:
                rows.advance(later)
        return len(found)

    def _append(self, rows: Sealing, organization_id: str, found: Iterable[Sealable]) -> None:
        head = rows.head() or Anchor(0, beginning(organization_id))
        links, position, link = [], head.position, head.link
        for row in found:
            salts = secrets.token_bytes(SALT_BYTES)
            digest = row_digest(row.head, row.payload, salts)
            position, link = position + 1, next_link(link, digest)
            links.append(Link(position, row.sequence, salts, digest, link))
        rows.add(links)
        now, end = self._clock(), Anchor(position, link)
        text = seal_text(organization_id, head.position + 1, end, stamp(now))
        rows.add_seal(Seal(head.position + 1, end, now, *self._keys.sign(text)))


def _look_again(unit: Unit, *, organization_id: str, after: int) -> None:
    """Let sealing begin after a number again, if it has left that behind."""
    rows = unit.sealing(organization_id)
    if rows.lock().settled > after:
        rows.advance(Progress(after))


def _prune(unit: Unit, *, organization_id: str, position: int) -> int:
    return unit.sealing(organization_id).prune(position)


def _later(progress: Progress, horizon: tuple[int, int] | None, newest: int) -> Progress:
    """Return how far sealing is once every row that can be seen is sealed."""
    if horizon is None:
        return Progress(newest)
    oldest_running, next_one = horizon
    settled, mark, until = progress.settled, progress.mark, progress.horizon
    if mark is not None and until is not None and oldest_running >= until:
        settled, mark = max(settled, mark), None
    if mark is None or until is None or until > next_one:  # greater only in a database restored to another server
        return Progress(settled, newest, next_one) if newest > settled else Progress(settled)
    return Progress(settled, mark, until)


# --- verifying -------------------------------------------------------------------------------------------------


class Flaw(StrEnum):
    """What can be wrong with the chain."""

    CHANGED = "changed"
    MISSING = "missing"
    MOVED = "moved"
    ERASED = "erased without a record"
    PRUNED = "pruned without a record"
    SEAL = "seal"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold: `position` in the chain, `sequence` of the audit row."""

    flaw: Flaw
    position: int
    sequence: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying found.

    `rows` hold, up to `head`. `pruned` is how many places of the chain are no longer kept. `tail` waits to be sealed;
    `late` rows (their numbers, the first few) happened long before they were sealed, as rows that somebody wrote into
    the database later would. `unsigned` seals have no MAC, the keys of `unknown` ones are not here.
    """

    broken: Break | None
    rows: int
    erased: int
    pruned: int
    seals: int
    unsigned: int
    unknown: int
    head: Anchor | None
    tail: Tail
    late: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Return whether everything that is sealed holds."""
        return self.broken is None


_SHOWN: Final = 20


class Verification:
    """One walk along an organization's chain, in one state of the database."""

    def __init__(self, unit: Unit, organization_id: str, keys: SealKeys, anchors: Iterable[Anchor] = ()) -> None:
        self._rows = unit.sealing(organization_id)
        self._organization_id = organization_id
        self._keys = keys
        self._anchors: Mapping[int, bytes] = {anchor.position: anchor.link for anchor in anchors}
        self._passed: set[int] = set()
        self._erasures: dict[str, int] = {}
        self._late: list[int] = []
        self._sealed_at: datetime | None = None
        self._doubted: Link | None = None
        self.counted = dict.fromkeys(("rows", "erased", "pruned", "seals", "unsigned", "unknown"), 0)
        self.head: Anchor | None = None

    def run(self) -> Verified:
        """Walk until the end or the first break."""
        broken = self._walk()
        return Verified(broken, head=self.head, tail=self._rows.tail(), late=tuple(self._late), **self.counted)

    def _walk(self) -> Break | None:
        start = self._begin()
        if isinstance(start, Break):
            return start
        place, seals = start, self._seals(start.position)
        seal = next(seals, None)
        while page := self._rows.walk(place.position, STRETCH):
            for link, row in page:
                flaw = self._check(place, link, row)
                if flaw is not None:
                    return flaw
                place = Anchor(link.position, link.link)
                self.head = place
                self.counted["rows"] += 1
                if seal is None or seal.first > link.position:
                    return Break(Flaw.SEAL, link.position, link.sequence, "no seal covers it")
                if seal.anchor.position == link.position:
                    flaw = self._check_seal(seal, link)
                    if flaw is not None:
                        return flaw
                    self._remember(seal)
                    seal = next(seals, None)
        if seal is not None:
            detail = f"sealed up to {seal.anchor.position}, but the chain ends before"
            return Break(Flaw.MISSING, place.position + 1, None, detail)
        return self._unproved() or self._missed_anchor()

    def _unproved(self) -> Break | None:
        """Return the flaw of a chain whose newest seal is of no key that is here, though there is one.

        A MAC covers everything before it, so only the newest one has to be right. Whoever can write to the database
        alone could leave all of them out, or make up the id of a key.
        """
        doubted = self._doubted
        if doubted is None or not self._keys:
            return None
        return Break(Flaw.SEAL, doubted.position, doubted.sequence, "the newest seal is of no key that is here")

    def _begin(self) -> Anchor | Break:
        """Return the place before the first one that is kept."""
        first = self._rows.first_position()
        stub = next(iter(self._rows.seals(0, 1)), None)
        if first is None and stub is None:
            return Anchor(0, beginning(self._organization_id))
        if first == 1:
            return Anchor(0, beginning(self._organization_id))
        through = (first or 0) - 1
        if stub is None or first is None or stub.anchor.position != through:
            return Break(Flaw.MISSING, 1, None, "the beginning of the chain is gone, and nothing stands for it")
        told = self._rows.sealed_of_kind(self._organization_id, PRUNED)
        document = json.loads(told.payload[1] or "{}") if told and not is_tombstone(told.payload[1]) else {}
        known = document.get("position", 0)
        link = stub.anchor.link if known == through else self._rows.link_at(known) if known > through else None
        if link is None or link.hex() != document.get("link"):
            return Break(Flaw.PRUNED, through, None, f"no row of the audit tells that it was pruned up to {through}")
        text = seal_text(self._organization_id, stub.first, stub.anchor, stamp(stub.at))
        if self._keys.holds(stub, text) is False:
            return Break(Flaw.SEAL, through, None, "the seal that stands for what was pruned is not ours")
        self.counted["pruned"] = through
        self._remember(stub)
        self.head = stub.anchor
        return self._anchor_at(stub.anchor, None) or stub.anchor

    def _seals(self, after: int) -> Iterator[Seal]:
        at = after + 1
        while page := self._rows.seals(at, STRETCH):
            yield from page
            at = page[-1].anchor.position + 1

    def _check(self, before: Anchor, link: Link, row: Sealable | None) -> Break | None:
        if link.position != before.position + 1:
            return Break(Flaw.MISSING, before.position + 1, None, f"the chain goes on at {link.position}")
        if not same(next_link(before.link, link.digest), link.link):
            return Break(Flaw.MOVED, link.position, link.sequence, "it does not follow the one before")
        if row is None:
            return Break(Flaw.MISSING, link.position, link.sequence, "the row is gone")
        if link.erased_by is not None and not self._erasure(row, link.erased_by):
            detail = f"row {link.erased_by} does not tell of it"
            return Break(Flaw.ERASED, link.position, link.sequence, detail)
        digest = row_digest(row.head, row.payload, link.salts, erased=link.erased_by is not None)
        if not same(digest, link.digest):
            return Break(Flaw.CHANGED, link.position, link.sequence, f"`{row.kind}` of {row.head[1]}")
        self.counted["erased"] += link.erased_by is not None
        if self._sealed_at is not None and row.at < self._sealed_at - DISORDER and len(self._late) < _SHOWN:
            self._late.append(row.sequence)
        return self._anchor_at(Anchor(link.position, link.link), link.sequence)

    def _erasure(self, row: Sealable, by: int) -> bool:
        """Return whether the audit tells, in a later row of number `by`, that this row's subject was erased."""
        if row.subject_id not in self._erasures:
            told = self._rows.sealed_of_kind(row.subject_id, ERASED)
            self._erasures[row.subject_id] = told.sequence if told else 0
        return row.sequence < by <= self._erasures[row.subject_id]

    def _check_seal(self, seal: Seal, link: Link) -> Break | None:
        self.counted["seals"] += 1
        self._doubted = link
        if not same(seal.anchor.link, link.link):
            return Break(Flaw.SEAL, link.position, link.sequence, "it was sealed with another link")
        if not seal.key_id and not seal.mac:
            self.counted["unsigned"] += 1
            return None
        text = seal_text(self._organization_id, seal.first, seal.anchor, stamp(seal.at))
        right = self._keys.holds(seal, text)
        if right is False:
            return Break(Flaw.SEAL, link.position, link.sequence, "its seal is not ours")
        self.counted["unknown"] += right is None
        self._doubted = link if right is None else None
        return None

    def _remember(self, seal: Seal) -> None:
        """Remember when all that there was had been sealed: after a full stretch there may be more."""
        if seal.anchor.position - seal.first + 1 < STRETCH:
            self._sealed_at = seal.at

    def _anchor_at(self, place: Anchor, sequence: int | None) -> Break | None:
        kept = self._anchors.get(place.position)
        if kept is None:
            return None
        self._passed.add(place.position)
        if same(kept, place.link):
            return None
        return Break(Flaw.ANCHOR, place.position, sequence, "the anchor that was kept has another link")

    def _missed_anchor(self) -> Break | None:
        missed = sorted(set(self._anchors) - self._passed)
        if not missed:
            return None
        if missed[0] < self.counted["pruned"]:
            detail = f"it was pruned: the chain is kept from {self.counted['pruned']} on"
            return Break(Flaw.ANCHOR, missed[0], None, detail)
        return Break(Flaw.ANCHOR, missed[0], None, "the chain is not that long")
