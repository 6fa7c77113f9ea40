"""Mapping revisions and their files."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, PrimaryKeyConstraint, Table

from rolebridge.store.tables.columns import metadata, organization, text

revisions: Final = Table(
    "revisions",
    metadata,
    organization(),
    Column("number", BigInteger, nullable=False, autoincrement=False),
    text("digest"),
    text("connections"),
    text("created"),
    text("actor"),
    text("reason"),
    # The digest of the plan that was carried out, what it did as JSON, and the revision whose files it repeats.
    text("plan", null=True),
    text("counts", null=True),
    Column("restores", BigInteger, nullable=True),
    PrimaryKeyConstraint("organization_id", "number"),
)

revision_files: Final = Table(
    "revision_files",
    metadata,
    organization(),
    Column("number", BigInteger, nullable=False, autoincrement=False),
    text("name"),
    text("content"),
    PrimaryKeyConstraint("organization_id", "number", "name"),
    ForeignKeyConstraint(["organization_id", "number"], ["revisions.organization_id", "revisions.number"]),
)
