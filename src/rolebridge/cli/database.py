"""`rolebridge db`: the database's schema."""

from __future__ import annotations

import click

from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import strong
from rolebridge.settings import redacted_url


@click.group()
def db() -> None:
    """The database."""


@db.command()
@json_option
@pass_session
def upgrade(session: Session) -> None:
    """Bring the database's schema to this version's. Make a backup first; there is no way back."""
    from rolebridge.store.engine import Store

    store = Store.open(session.settings.database_url, create=True)
    try:
        before = store.upgrade()
    finally:
        store.close()
    document = {
        "database_url": redacted_url(session.settings.database_url),
        "before": before.current,
        "after": before.head,
        "changed": not before.is_current,
    }
    if before.is_current:
        session.answer(document, f"nothing to do: the database is at {before.head}")
    else:
        session.answer(document, f"database upgraded from {before.current or 'empty'} to {strong(before.head)}")
