"""`rolebridge session`: who is signed in with a browser, and signing people out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import counted, good, minute, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rolebridge.app import Installation
    from rolebridge.bridge.sessions import SignedIn

_PAGE = 200
_CSV = (
    "id", "user_id", "user_name", "connection", "protocol", "context", "authenticated_at", "begun_at", "seen_at",
    "agent", "address",
)  # fmt: skip


@click.group("session")
def session_() -> None:
    """Sessions of people who are signed in with a browser."""


@session_.command("list")
@click.option("--user", metavar="USER", help="Only this person's.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, user: str | None, org: str | None) -> None:
    """List who is signed in: with which browser, from where, and when they were last here."""
    from rolebridge.bridge.session_documents import session_document

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            user_id = installation.access.user_id(organization.id, user) if user else None
        found = list(_all(installation, organization.id, user_id))
    document = {"organization": organization.name, "sessions": [session_document(one) for one in found]}
    rows = [_cells(one) for one in found]
    head = ("USER", "CONNECTION", "SIGNED IN", "LAST SEEN", "BROWSER", "ADDRESS", "ID")
    session.answer_list(document, "sessions", _CSV, table(head, rows) if rows else "nobody is signed in")


@session_.command()
@click.argument("user", required=False)
@click.option("--id", "id_", metavar="ID", help="One session, by its id.")
@click.option("--all", "everybody", is_flag=True, help="Everybody's.")
@org_option
@json_option
@pass_session
def end(session: Session, user: str | None, id_: str | None, everybody: bool, org: str | None) -> None:
    """Sign somebody out everywhere, end one session, or sign everybody out; their applications are told.

    USER is a userName, an id, or what stands before the @ of one userName. Deactivating a person ends their sessions
    by itself.
    """
    if (user is not None) + (id_ is not None) + everybody != 1:
        raise click.UsageError("name a USER, or one session with --id, or --all")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            ended = _end(session, installation, organization.id, user, id_)
    document = {"organization": organization.name, "ended": ended}
    session.answer(document, good(f"{counted(ended, 'session')} ended"))


def _end(session: Session, installation: Installation, organization_id: str, user: str | None, id_: str | None) -> int:
    sessions, operator = installation.sessions, session.operator
    if id_ is not None:
        sessions.end_one(operator, organization_id, id_)
        return 1
    if user is not None:
        return sessions.end_of_person(operator, organization_id, installation.access.user_id(organization_id, user))
    return sessions.end_of_everybody(operator, organization_id)


def _all(installation: Installation, organization_id: str, user_id: str | None) -> Iterator[SignedIn]:
    after = ""
    while page := installation.sessions.page(organization_id, after, _PAGE, user_id):
        yield from page
        after = page[-1].session.id


def _cells(one: SignedIn) -> tuple[str, ...]:
    session = one.session
    moments = (minute(session.begun_at), minute(session.seen_at))
    return (one.user_name, one.connection, *moments, session.agent, session.address, session.id)
