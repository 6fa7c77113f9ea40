"""Idempotency keys: which request a key stood for, and what was answered to it.

A key is claimed before its request is carried out, sealed in the transaction that carries it out, and given its answer
when that is known. A claim whose request never committed anything lapses, and may be taken over; whoever lost it that
way finds it gone when sealing, and their transaction is undone.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, select, update

from rolebridge.store.documents import moment, stamp
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Statement, given, insert_into
from rolebridge.store.tables.api import idempotency_keys as keys

SEALED: Final = 0
"""The status of a key whose request was carried out and whose answer is not known (yet)."""


class KeyPlace(NamedTuple):
    """Which key: the credential that it came with, and its text."""

    key_id: str
    text: str


class Claim(NamedTuple):
    """A key's row. `status` is None while its request is at work and SEALED until the answer is known."""

    digest: bytes
    attempt: str
    at: datetime
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _same() -> tuple[ColumnElement[bool], ...]:
    return (
        keys.c.organization_id == given("organization_id"),
        keys.c.key_id == given("of_key_id"),
        keys.c.idempotency_key == given("of_text"),
    )


INSERT: Final = Statement(lambda db: insert_into(db, keys, unless_taken=True))
FIND: Final = Statement(
    lambda _: select(keys.c.digest, keys.c.attempt, keys.c.at, keys.c.status, keys.c.headers, keys.c.body).where(
        *_same()
    )
)
TAKE_OVER: Final = Statement(
    lambda _: (
        update(keys)
        .where(*_same(), keys.c.attempt == given("of_attempt"), keys.c.status.is_(None))
        .values(attempt=given("attempt"), at=given("at"))
    )
)
SEAL: Final = Statement(
    lambda _: (
        update(keys)
        .where(*_same(), keys.c.attempt == given("of_attempt"), keys.c.status.is_(None))
        .values(status=SEALED)
    )
)
ANSWER: Final = Statement(
    lambda _: (
        update(keys)
        .where(*_same(), keys.c.attempt == given("of_attempt"))
        .values(status=given("status", keys.c.status), headers=given("headers"), body=given("body", keys.c.body))
    )
)
RELEASE: Final = Statement(
    lambda _: delete(keys).where(*_same(), keys.c.attempt == given("of_attempt"), keys.c.status.is_(None))
)
EXPIRE: Final = Statement(
    lambda _: delete(keys).where(keys.c.organization_id == given("organization_id"), keys.c.at < given("before"))
)


class IdempotencyRows(Scope):
    """The idempotency keys of one organization."""

    __slots__ = ()

    def claim(self, place: KeyPlace, digest: bytes, attempt: str, now: datetime) -> Claim | None:
        """Claim a key for the request `attempt`; return the claim that is there already, None if it is ours now."""
        values = {"key_id": place.key_id, "idempotency_key": place.text, "digest": digest, "attempt": attempt}
        empty = {"status": None, "headers": None, "body": None}
        taken = self._link.run(INSERT, organization_id=self._organization_id, **values, at=stamp(now), **empty)
        return None if taken else self.find(place)

    def find(self, place: KeyPlace) -> Claim | None:
        """Return the claim of a key."""
        row = self._link.one(FIND, **self._of(place))
        if row is None:
            return None
        digest, attempt, at, status, headers, body = row
        named = tuple((name, value) for name, value in json.loads(headers)) if headers else ()
        return Claim(bytes(digest), attempt, moment(at), status, named, bytes(body or b""))

    def take_over(self, place: KeyPlace, lapsed: str, attempt: str, now: datetime) -> bool:
        """Claim a key from an attempt that lapsed. Return whether nobody else was faster."""
        values = {"of_attempt": lapsed, "attempt": attempt, "at": stamp(now)}
        return self._link.run(TAKE_OVER, **self._of(place), **values) > 0

    def seal(self, place: KeyPlace, attempt: str) -> bool:
        """Say that the attempt is carried out, in its own transaction. Return whether the claim was still its."""
        return self._link.run(SEAL, **self._of(place), of_attempt=attempt) > 0

    def answer(
        self, place: KeyPlace, attempt: str, status: int, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> None:
        """Keep the answer to a request."""
        values = {"status": status, "headers": json.dumps(headers), "body": body}
        self._link.run(ANSWER, **self._of(place), of_attempt=attempt, **values)

    def release(self, place: KeyPlace, attempt: str) -> None:
        """Give a key back that an attempt claimed and that changed nothing."""
        self._link.run(RELEASE, **self._of(place), of_attempt=attempt)

    def expire(self, before: datetime) -> int:
        """Forget the keys of before a moment, and return how many those were."""
        return self._link.run(EXPIRE, organization_id=self._organization_id, before=stamp(before))

    def _of(self, place: KeyPlace) -> dict[str, str]:
        return {"organization_id": self._organization_id, "of_key_id": place.key_id, "of_text": place.text}
