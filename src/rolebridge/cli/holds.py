"""`rolebridge hold`: revocations that a guard rail keeps from taking effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rolebridge.cli.approvals import approval_asked
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import counted, good

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.holding import Chosen, HeldAccess, Settled

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group()
def hold() -> None:
    """What guard rails hold: listed, released or discarded.

    A mapping's `hold_revocations` and `keep` hold what a directory change would take away from too many.
    """


def _choosing(command: _Command) -> _Command:
    """Add the options that say which holds are meant."""
    command = click.option("--all", "everything", is_flag=True, help="Every open hold of the organization.")(command)
    command = click.option("--user", metavar="USER", help="Those of this person.")(command)
    command = click.option("--workspace", metavar="WORKSPACE", help="Those of this workspace.")(command)
    return click.argument("ids", metavar="[ID]...", nargs=-1)(command)


def _because(command: _Command) -> _Command:
    """Add the reason, without which nothing is settled."""
    return click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept in the audit.")(command)


@hold.command("list")
@click.option("--workspace", metavar="WORKSPACE", help="Only those of this workspace.")
@click.option(
    "--user", metavar="USER", help="Only those of this person: a userName, an id, or what stands before the @."
)
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, workspace: str | None, user: str | None, org: str | None) -> None:
    """List what is held: whose roles, since when, by which limit, and what would have taken them away."""
    from rolebridge.bridge.hold_documents import hold_document
    from rolebridge.cli.views import holds as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = list(_all(installation, organization.id, workspace, user))
        catalogues = installation.access.catalogues(organization.id)
    if session.csv:
        view.print_csv(found)
        return
    document = {"organization": organization.name, "holds": [hold_document(one) for one in found]}
    session.answer(document, view.text(found, catalogues))


def _all(
    installation: Installation, organization_id: str, workspace: str | None, user: str | None
) -> Iterator[HeldAccess]:
    after = None
    while True:
        page = installation.holds.listing(organization_id, workspace=workspace, user=user, after=after)
        yield from page.rows
        if page.after is None:
            return
        after = page.after


@hold.command()
@_choosing
@_because
@org_option
@json_option
@pass_session
def release(session: Session, /, reason: str, org: str | None, **which: Any) -> None:
    """Let held revocations take effect: the people lose the roles. Held deliveries go out.

    ID is a hold's id, or the beginning of it.
    """

    def settle(installation: Installation, organization_id: str, chosen: Chosen) -> Settled:
        return installation.holds.release(session.operator, organization_id, chosen, reason=reason)

    _settle(session, org, which, settle, "released")


@hold.command()
@_choosing
@_because
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The last day on which the roles are kept by hand.",
)
@org_option
@json_option
@pass_session
def discard(session: Session, /, reason: str, until: datetime | None, org: str | None, **which: Any) -> None:
    """Throw held revocations away: the people keep the roles, as assignments by hand. Held deliveries are dropped.

    ID is a hold's id, or the beginning of it. If the identity provider is put right, nothing needs to be discarded:
    holds end by themselves when the memberships return.
    """
    last = until.date() if until else None

    def settle(installation: Installation, organization_id: str, chosen: Chosen) -> Settled:
        return installation.holds.discard(session.operator, organization_id, chosen, reason=reason, until=last)

    _settle(session, org, which, settle, "discarded")


def _settle(
    session: Session,
    org: str | None,
    which: dict[str, Any],
    settle: Callable[[Installation, str, Chosen], Settled],
    done: str,
) -> None:
    from rolebridge.bridge.hold_documents import settled_document
    from rolebridge.bridge.holding import Chosen

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization), approval_asked():
            settled = settle(installation, organization.id, Chosen(**which))
    changed = counted(len({change.user_id for change in settled.changes}), "person's access", "people's access")
    text = f"{good('✓')} {counted(len(settled.holds), 'hold')} {done}; {changed} changed"
    session.answer({"organization": organization.name, **settled_document(settled)}, text)
