"""What the tables share: their metadata, and the columns that many of them have."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, LargeBinary, MetaData, Text

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Compared as bytes: the database's locale must decide neither the order of pages nor what is unique.
BYTES: Final = Text().with_variant(Text(collation="C"), "postgresql")


def text(name: str, *, null: bool = False) -> Column[str]:
    """Return a column of text, compared as bytes."""
    return Column(name, BYTES, nullable=null)


def organization() -> Column[str]:
    """Return the column with which every key and index begins."""
    return text("organization_id")


def sequence() -> Column[int]:
    """Return the order of creation; SQLite, which has one writer, counts in the insert itself."""
    return Column("sequence", BigInteger, Identity(always=False), nullable=False)


def credential() -> list[Column[str] | Column[bytes]]:
    """Return what a SCIM token and an API key share; of the secret only an HMAC is kept."""
    return [
        text("id"),
        text("name"),
        Column("hash", LargeBinary, nullable=False),
        text("key_id"),
        text("hint"),
        text("created"),
        text("expires_at", null=True),
        text("revoked_at", null=True),
        text("last_used_at", null=True),
    ]
