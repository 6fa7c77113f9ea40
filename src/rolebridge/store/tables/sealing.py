"""The sealed chain over the audit, and what was true before: memberships and nestings that have ended."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, UniqueConstraint

from rolebridge.store.tables.columns import metadata, organization, text


def _number(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, autoincrement=False)


def _bytes(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


# One row for each audit row that is sealed: its place in the chain, in the order in which it was found committed.
audit_chain: Final = Table(
    "audit_chain",
    metadata,
    organization(),
    _number("position"),
    _number("entry"),
    _bytes("salts"),
    _bytes("digest"),
    _bytes("link"),
    _number("erased_by", null=True),
    PrimaryKeyConstraint("organization_id", "position"),
    UniqueConstraint("organization_id", "entry"),
)

# Every stretch of the chain that was sealed at once; the last one before what is kept stands for what was pruned.
audit_seals: Final = Table(
    "audit_seals",
    metadata,
    organization(),
    _number("position"),
    _number("first"),
    text("at"),
    _bytes("link"),
    text("key_id"),
    _bytes("mac"),
    PrimaryKeyConstraint("organization_id", "position"),
    Index(None, "organization_id", "at"),
)

# How far sealing is: no row up to `settled` can still appear; none up to `mark`, once transactions reach `horizon`.
audit_progress: Final = Table(
    "audit_progress",
    metadata,
    organization(),
    _number("settled"),
    _number("mark", null=True),
    _number("horizon", null=True),
    PrimaryKeyConstraint("organization_id"),
)

# The columns begin with the key, in its order: else the integrity check of SQLite 3.40 finds NULLs that are not there.
past_memberships: Final = Table(
    "past_memberships",
    metadata,
    organization(),
    text("user_id"),
    text("until"),
    text("group_id"),
    text("since"),
    text("source"),
    PrimaryKeyConstraint("organization_id", "user_id", "until", "group_id", "since"),
    Index(None, "organization_id", "until"),
    sqlite_with_rowid=False,
)

past_children: Final = Table(
    "past_children",
    metadata,
    organization(),
    text("child_id"),
    text("until"),
    text("parent_id"),
    text("since"),
    PrimaryKeyConstraint("organization_id", "child_id", "until", "parent_id", "since"),
    Index(None, "organization_id", "until"),
    sqlite_with_rowid=False,
)
