"""The OpenID Provider: applications, codes, refresh tokens, signing keys, notices of logout."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds."""
