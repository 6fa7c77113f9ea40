"""The audit: read page by page, exported as it is read, sealed and verified; and how a person's data leave it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.naming import user_then
from rolebridge.bridge.sealing import ERASED, Sealer, SealKeys, Verification, Verified
from rolebridge.core.chain import PAYLOAD, Anchor, erase
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.store.audit_listing import LAST, AuditRow, WantedAudit
from rolebridge.store.engine import Store
from rolebridge.store.records import Departed
from rolebridge.store.scope import USER
from rolebridge.store.unit import Unit

ANYTHING: Final = WantedAudit()
"""Every row."""
GRANTS_CHANGED: Final = "grants.changed"
"""The kind of the rows that tell what became of a person's grants: ids and roles, which stay after an erasure."""

_KEPT: Final = {GRANTS_CHANGED: ("reason",), ERASED: ()}  # what is erased of rows that must go on telling something
_SWEEP_EVERY: Final = timedelta(days=1)
_LOOKED: Final = 20_000  # rows that one look goes through for what may be rare
_LOOKS: Final = 10  # looks of one page: what lies further back is found by going on
_PAGE: Final = 500
_SHOWN: Final = 20
_NO_REASON: Final = "a reason is needed: it stays in the audit"


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some rows, newest first, and the number to go on before; None when these were the last.

    A page may hold fewer rows than were asked for, even none, and still not be the last: it looked far enough back.
    """

    rows: tuple[AuditRow, ...]
    before: int | None


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased of a deleted user: how many rows of the audit, and how many of the feed of changes.

    `mentioned` are the numbers of rows about others whose texts hold the userName still (the first few), `files` the
    mapping files (`revision: name`) that do: what names a person there is for whoever wrote it to take out.
    """

    user_id: str
    rows: int
    told: int
    mentioned: tuple[int, ...]
    files: tuple[str, ...]


class Auditing:
    """The audit of organizations."""

    def __init__(self, store: Store, clock: Callable[[], datetime], keys: SealKeys, days: int = 0) -> None:
        """`days` says for how long rows are kept; 0 means for ever."""
        self._store = store
        self._clock = clock
        self._keys = keys
        self._days = days
        self._sealer = Sealer(store, clock, keys)
        self._swept: dict[str, datetime] = {}

    # --- reading

    def page(
        self, organization_id: str, wanted: WantedAudit = ANYTHING, *, before: int | None = None, limit: int = 100
    ) -> AuditPage:
        """Return up to `limit` rows, newest first, only those with a number before `before`."""
        with self._store.read() as unit:
            listing = unit.audit(organization_id)
            place, rows = LAST if before is None else before, list[AuditRow]()
            begin = listing.place_before(wanted.since) if wanted.since else -1
            indexed = wanted.subject_id is not None or wanted.request_id is not None
            for _ in range(_LOOKS):
                floor = begin if indexed else max(listing.floor(place, _LOOKED), begin)
                rows += listing.page(wanted, after=floor - 1, before=place, limit=limit + 1 - len(rows))
                if len(rows) > limit:
                    return AuditPage(tuple(rows[:limit]), rows[limit - 1].entry.sequence)
                if floor <= begin:
                    return AuditPage(tuple(rows), None)
                place = floor
            return AuditPage(tuple(rows), place)

    @contextmanager
    def export(self, organization_id: str, wanted: WantedAudit = ANYTHING) -> Iterator[Iterator[AuditRow]]:
        """Give all rows as of one moment, oldest first, as they are read. Of no use after the `with`."""
        with self._store.read(snapshot=True) as unit:
            yield self._exported(unit, organization_id, wanted)

    def export_page(
        self, organization_id: str, wanted: WantedAudit = ANYTHING, *, after: int | None = None, limit: int = _PAGE
    ) -> AuditPage:
        """Return up to `limit` rows, oldest first, those with a number after `after`; `before` is the last one's.

        Rows that are committed late may lie before it: what is not sealed yet is exported again another time.
        """
        with self._store.read() as unit:
            listing = unit.audit(organization_id)
            place = listing.place_before(wanted.since) if wanted.since else -1
            if after is not None:
                place = max(place, after)
            rows = listing.page(wanted, after=place, limit=limit + 1, forward=True)
        return AuditPage(tuple(rows[:limit]), rows[limit - 1].entry.sequence if len(rows) > limit else None)

    def _exported(self, unit: Unit, organization_id: str, wanted: WantedAudit) -> Iterator[AuditRow]:
        listing = unit.audit(organization_id)
        place = listing.place_before(wanted.since) if wanted.since else -1
        while page := listing.page(wanted, after=place, limit=_PAGE, forward=True):
            yield from page
            place = page[-1].entry.sequence

    def user_id(self, organization_id: str, user: str, at: datetime | None = None) -> str:
        """Return the id of a user, deleted ones included; with `at` of whoever was called so then.

        Raises NotFound, and Invalid when it may be several.
        """
        with self._store.read() as unit:
            return user_then(unit, organization_id, user, at)

    def names(self, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return what users and groups with these ids are called, or were last; others are left out."""
        found: dict[str, str] = {}
        with self._store.read() as unit:
            directory = unit.directory(organization_id)
            wanted = set(ids)
            found |= {user.id: user.user_name for user in directory.core_users(wanted)}
            for id_ in wanted - found.keys():
                group, gone = directory.group(None, id_), directory.departed(id_)
                found[id_] = group.display if group else gone.name if gone else ""
        return {id_: name for id_, name in found.items() if name}

    # --- the chain

    def seal(self, organization_id: str) -> int:
        """Seal what is committed and not sealed yet; return how many rows. For whoever works in the background."""
        return self._sealer.seal(organization_id)

    def retain(self, operator: Operator, organization_id: str) -> int:
        """Delete what is older than is kept; return how many rows went. Once a day, seal whatever was left out."""
        now = self._clock()
        if now - self._swept.get(organization_id, datetime.min.replace(tzinfo=UTC)) >= _SWEEP_EVERY:
            self._swept[organization_id] = now
            self._sealer.sweep(organization_id)
        if not self._days:
            return 0
        until = now - timedelta(days=self._days)
        pruned = self._sealer.prune(operator, organization_id, until)
        with self._store.read() as unit:
            begins = unit.audit(organization_id).begins()
        kept = min(until, begins or until)  # what the audit still reaches, the past must still tell
        while self._store.transact(lambda unit: unit.history(organization_id).prune(kept)):
            pass
        return pruned

    def verify(self, organization_id: str, anchors: Sequence[Anchor] = ()) -> Verified:
        """Walk along the chain and tell whether all that is sealed holds, as of one moment."""
        with self._store.read(snapshot=True) as unit:
            return Verification(unit, organization_id, self._keys, anchors).run()

    # --- erasing

    def erase(self, operator: Operator, organization_id: str, user: str, *, reason: str) -> Erased:
        """Take a deleted user's personal data out of the record; their rows keep their digests, so the chain holds.

        `user` is the id or the last userName. What they held, by ids and roles, stays with the id. Raises NotFound,
        and Invalid for a user who is still there and without a reason.
        """
        if not reason.strip():
            raise Invalid(_NO_REASON, "reason")
        with self._store.read() as unit:
            gone = _departed(unit, organization_id, user)
        self._sealer.sweep(organization_id)  # only what is sealed keeps a digest

        def work(unit: Unit) -> Erased:
            return self._erase(unit, operator, organization_id, gone, reason)

        erased = self._store.transact(work)
        self.seal(organization_id)
        return erased

    def _erase(self, unit: Unit, operator: Operator, organization_id: str, gone: Departed, reason: str) -> Erased:
        sealing = unit.sealing(organization_id)
        sealing.lock()
        after, rows = -1, list[tuple[int, list[str | None], bytes]]()
        while page := sealing.sealed_of(gone.id, after, _PAGE):
            for link, row in page:
                fields = _KEPT.get(row.kind, PAYLOAD)
                left, salts = erase(row.payload, link.salts, fields)
                if tuple(left) != row.payload:
                    rows.append((row.sequence, left, salts))
            after = page[-1][1].sequence
        told = unit.history(organization_id).forget_person(gone.id)
        unit.endings(organization_id).forget_user(gone.id)
        unit.logins(organization_id).forget_users([gone.id])
        unit.login_log(organization_id).forget_user(gone.id)
        unit.record(organization_id).audit(
            kind=ERASED,
            actor=operator.actor,
            request_id=operator.request_id,
            subject_kind=USER,
            subject_id=gone.id,
            before=None,
            after=json.dumps({"rows": len(rows), "changes_told": told}),
            reason=reason,
            now=self._clock(),
        )
        sealing.blank(rows, sealing.newest_of(gone.id))
        return Erased(gone.id, len(rows), told, *_still_named(unit, organization_id, gone))


def _departed(unit: Unit, organization_id: str, user: str) -> Departed:
    directory = unit.directory(organization_id)
    found = directory.departed(user) or next(iter(unit.history(organization_id).departed_users(user)), None)
    if found is not None and found.kind == USER:
        return found
    if directory.user_by_name(user):
        raise Invalid(f"`{user}` is still in the directory; only what is left of deleted users is erased", USER)
    raise NotFound("deleted user", user)


def _still_named(unit: Unit, organization_id: str, gone: Departed) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the numbers of audit rows, and the mapping files, in which the userName stands still."""
    if not gone.name:
        return (), ()
    listing, revisions = unit.audit(organization_id), unit.revisions(organization_id)
    found: list[int] = []
    after, newest = listing.ends()
    after -= 1
    while after < newest and len(found) < _SHOWN:
        through = after + _LOOKED
        found += listing.mentioning(json.dumps(gone.name, ensure_ascii=False)[1:-1], after=after, through=through)
        after = through
    files = [
        f"{revision.number}: {name}"
        for revision in revisions.newest(1_000)
        for name, text in revisions.files(revision.number).items()
        if gone.name.casefold() in text.casefold()
    ]
    return tuple(found[:_SHOWN]), tuple(files[:_SHOWN])
