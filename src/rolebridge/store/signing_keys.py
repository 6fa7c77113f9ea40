"""The keys that sign tokens: the installation's, of no organization."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import delete, select, update

from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Link, Row
from rolebridge.store.provider_records import SigningKey
from rolebridge.store.statements import Statement, given, insert_into
from rolebridge.store.tables.provider import signing_keys as keys

_INSTALLATION: Final = ""
_COLUMNS: Final = tuple(column for column in keys.columns if column.name != "organization_id")
_THIS: Final = (keys.c.organization_id == given("organization_id"), keys.c.id == given("of"))

INSERT: Final = Statement(lambda db: insert_into(db, keys))
ALL: Final = Statement(
    lambda _: (
        select(*_COLUMNS).where(keys.c.organization_id == given("organization_id")).order_by(keys.c.created, keys.c.id)
    )
)
MOVE: Final = Statement(
    lambda _: (
        update(keys)
        .where(*_THIS)
        .values(active_at=given("active_at"), retired_at=given("retired_at"), gone_at=given("gone_at"))
    )
)
RESEAL: Final = Statement(lambda _: update(keys).where(*_THIS).values(private=given("private", keys.c.private)))
DELETE_GONE: Final = Statement(
    lambda _: delete(keys).where(keys.c.organization_id == given("organization_id"), keys.c.gone_at <= given("now"))
)


class SigningKeyRows:
    """The rows of signing keys. They are few, and read whole."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    def all(self) -> list[SigningKey]:
        """Return the keys, oldest first; those that are gone too, until `forget` takes them away."""
        return [_key(row) for row in self._link.all(ALL, organization_id=_INSTALLATION)]

    def add(self, key: SigningKey) -> None:
        """Add a key."""
        self._link.run(
            INSERT,
            organization_id=_INSTALLATION,
            id=key.id,
            algorithm=key.algorithm,
            public=key.public,
            private=key.private,
            created=stamp(key.created),
            **_times(key),
        )

    def move(self, key: SigningKey) -> None:
        """Store when a key becomes active, retires and is gone."""
        self._link.run(MOVE, organization_id=_INSTALLATION, of=key.id, **_times(key))

    def reseal(self, id: str, private: bytes) -> None:
        """Store a key's private half as it was sealed anew."""
        self._link.run(RESEAL, organization_id=_INSTALLATION, of=id, private=private)

    def forget(self, now: datetime) -> int:
        """Delete the keys that are gone; return how many."""
        return self._link.run(DELETE_GONE, organization_id=_INSTALLATION, now=stamp(now))


def _times(key: SigningKey) -> dict[str, str | None]:
    return {name: stamp_or_none(getattr(key, name)) for name in ("active_at", "retired_at", "gone_at")}


def _key(row: Row) -> SigningKey:
    id_, algorithm, public, private, created, active, retired, gone = row
    times = (moment_or_none(active), moment_or_none(retired), moment_or_none(gone))
    return SigningKey(id_, algorithm, public, bytes(private), moment(created), *times)
