"""Single sign-on: how connections log in, identities, memberships that a login asserts, the log of logins."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what this revision adds."""
