"""`rolebridge audit`: what happened, by whom and why; whether the record is whole; and how personal data leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import Since, csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rolebridge.app import Installation
    from rolebridge.store.audit_listing import AuditRow, WantedAudit
    from rolebridge.store.records import Organization

_FILTERS = (
    click.option("--kind", metavar="KIND", help="Only this: `user.updated`, or `user.` for all that begins so."),
    click.option("--user", metavar="USER", help="Only about this user, deleted ones included: a userName or id."),
    click.option("--subject", metavar="ID", help="Only about the group, connection, key … with this id."),
    click.option("--actor", metavar="ACTOR", help="Only by this actor, as listed: `connection:okta`, `os:mia`, …"),
    click.option("--request", "request_id", metavar="ID", help="Only what this request did."),
    click.option("--since", type=Since(), metavar="1h|DATE", help="Only since so long ago, or since a day or moment."),
    click.option("--until", type=Since(), metavar="1h|DATE", help="Only before that."),
)


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """The audit: who did what, when and why, sealed so that nothing can be changed unseen."""


@audit.command("list")
@_filters
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many, the newest.")
@click.option("--before", type=int, metavar="NUMBER", help="Only rows before this number: to go on with.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, /, *, limit: int, before: int | None, org: str | None, **chosen: Any) -> None:
    """List what happened, the newest first."""
    from rolebridge.bridge.audit_documents import audit_document
    from rolebridge.cli.views import audit as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        wanted = _wanted(installation, organization, chosen)
        rows, place = _rows(installation, organization, wanted, before, limit)
        names = installation.auditing.names(organization.id, {row.entry.subject_id for row in rows})
    if session.csv:
        view.print_csv(rows)
        return
    document = {"organization": organization.name, "audit": [audit_document(row) for row in rows], "before": place}
    more = [f"older ones: --before {place}"] if place is not None else []
    session.answer(document, "\n".join([view.text(rows, names), *more]) if rows else "nothing of that is recorded")


@audit.command()
@_filters
@click.option(
    "--format", "kind_of_file", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="JSON lines unless said."
)
@org_option
@json_option
@pass_session
def export(session: Session, /, *, kind_of_file: str, org: str | None, **chosen: Any) -> None:
    """Print all rows as of this moment, the oldest first, with what it takes to verify them elsewhere."""
    from rolebridge.cli.views import audit as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        wanted = _wanted(installation, organization, chosen)
        with installation.auditing.export(organization.id, wanted) as rows:
            (view.print_csv if kind_of_file == "csv" else view.print_lines)(rows)


@audit.command()
@click.option("--anchor", "anchors", multiple=True, metavar="ANCHOR", help="An anchor kept elsewhere must be in it.")
@org_option
@json_option
@pass_session
def verify(session: Session, anchors: tuple[str, ...], org: str | None) -> Exit:
    """Check the whole chain: every row as it was, none gone, none moved, every seal ours; exit code 1 if not.

    Prints an anchor: kept where nobody who can write to this database can, it proves later that nothing before it was
    written anew.
    """
    from rolebridge.bridge.audit_documents import verified_document
    from rolebridge.cli.views import audit as view
    from rolebridge.core.chain import read_anchor

    wanted = [read_anchor(text) for text in anchors]
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.auditing.verify(organization.id, wanted)
    session.answer({"organization": organization.name, **verified_document(found)}, view.verified(found))
    return Exit.DONE if found.whole else Exit.REFUSED


@audit.command()
@org_option
@json_option
@pass_session
def seal(session: Session, org: str | None) -> None:
    """Seal what is not sealed yet, as the worker does every few seconds."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        sealed = installation.auditing.seal(organization.id)
    session.answer({"organization": organization.name, "sealed": sealed}, f"{counted(sealed, 'row')} sealed")


@audit.command()
@click.argument("user")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the audit, so name nobody in it.")
@org_option
@json_option
@pass_session
def erase(session: Session, user: str, reason: str, org: str | None) -> None:
    """Erase a deleted user's personal data from the record. USER is the id, or the last userName.

    Names, attributes and texts about the user go; ids, roles and digests stay, so that the chain still verifies.
    """
    from rolebridge.bridge.audit_documents import erased_document
    from rolebridge.cli.views import audit as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.auditing.erase(session.operator, organization.id, user, reason=reason)
    session.answer({"organization": organization.name, **erased_document(found)}, view.erased(user, found))


def _wanted(installation: Installation, organization: Organization, chosen: dict[str, Any]) -> WantedAudit:
    from rolebridge.store.audit_listing import WantedAudit

    user, subject = chosen["user"], chosen["subject"]
    if user and subject:
        raise click.UsageError("--user and --subject say two different things: choose one")
    if user:
        with hinting(installation, organization):
            subject = installation.auditing.user_id(organization.id, user)
    since: datetime | None = chosen["since"]
    return WantedAudit(
        kind=chosen["kind"],
        subject_id=subject,
        actor=chosen["actor"],
        request_id=chosen["request_id"],
        since=since,
        until=chosen["until"],
    )


def _rows(
    installation: Installation, organization: Organization, wanted: WantedAudit, before: int | None, limit: int
) -> tuple[list[AuditRow], int | None]:
    """Return the newest rows, however far back they are, and where to go on."""
    rows: list[AuditRow] = []
    while True:
        page = installation.auditing.page(organization.id, wanted, before=before, limit=limit - len(rows))
        rows += page.rows
        before = page.before
        if before is None or len(rows) >= limit:
            return rows, before
