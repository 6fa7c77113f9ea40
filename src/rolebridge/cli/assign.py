"""`rolebridge assign`, `unassign` and `assignments`: roles given by hand, where no lock holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import Day, csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Organization

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _place_options(command: _Command) -> _Command:
    """Add where a role is given or ended."""
    for option in (
        click.option(
            "--phase", default="", metavar="PHASE", help="With --as: the phase of the work, where it matters."
        ),
        click.option(
            "--as", "on_behalf_of", default="", metavar="USER", help="For this user, if the platform lets them."
        ),
        click.option("--slot", metavar="SLOT", help="The slot, where several have a role of that name."),
        click.option(
            "--project", metavar="PROJECT", help="The project; without it the workspace's own roles are meant."
        ),
        click.option("--workspace", metavar="WORKSPACE", help="The workspace; may be left out where only one can be."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("user")
@_place_options
@click.option("--role", required=True, metavar="ROLE", help="The role: its id, or what the platform calls it.")
@click.option("--until", type=Day(), metavar="DATE", help="The last day (UTC) on which it holds; otherwise it stays.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the assignment.")
@org_option
@json_option
@pass_session
def assign(  # noqa: PLR0913, PLR0917 - the options of a command
    session: Session,
    /,
    user: str,
    workspace: str | None,
    project: str | None,
    slot: str | None,
    role: str,
    until: date | None,
    reason: str,
    org: str | None,
    **delegation: str,
) -> None:
    """Give somebody a role by hand. A lock refuses it (exit code 4) and says what would release it.

    USER is a userName, an id, or what stands before the @ of one userName. In a slot that holds one role the new one
    takes the place of what was given by hand before.
    """
    from rolebridge.bridge.assigning import Wanted
    from rolebridge.bridge.assignment_documents import assigned_document
    from rolebridge.cli.views import assignments as view

    wanted = Wanted(user, role, workspace, project, slot, until, **delegation)
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization), _refusing():
            done = installation.assigning.assign(session.operator, organization.id, wanted, _said(reason))
        catalogues = installation.access.catalogues(organization.id)
    document = {"organization": organization.name, **assigned_document(done)}
    session.answer(document, view.assigned_text(done, catalogues))


@click.command()
@click.argument("user")
@_place_options
@click.option("--role", default="", metavar="ROLE", help="Only this role, where a slot holds several.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the ended assignment.")
@org_option
@json_option
@pass_session
def unassign(  # noqa: PLR0917 - the options of a command
    session: Session,
    /,
    user: str,
    workspace: str | None,
    project: str | None,
    slot: str | None,
    role: str,
    reason: str,
    org: str | None,
    **delegation: str,
) -> None:
    """End what was given to somebody by hand, in a project or (without --project) in the workspace's own roles.

    What a lock shadows may be ended too; that changes nothing now. A role that a rule gives is not a hand's to take: it
    is refused (exit code 4) with what would release it.
    """
    from rolebridge.bridge.assigning import Wanted
    from rolebridge.bridge.assignment_documents import unassigned_document
    from rolebridge.cli.views import assignments as view

    wanted = Wanted(user, role, workspace, project, slot, None, **delegation)
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization), _refusing():
            done = installation.assigning.unassign(session.operator, organization.id, wanted, _said(reason))
        catalogues = installation.access.catalogues(organization.id)
    document = {"organization": organization.name, **unassigned_document(done)}
    session.answer(document, view.unassigned_text(done, catalogues))


@click.command()
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="Only this project.")
@click.option("--user", metavar="USER", help="Only this person: a userName, an id, or what stands before the @.")
@click.option("--ended", is_flag=True, help="Those that were ended too.")
@org_option
@csv_option
@json_option
@pass_session
def assignments(
    session: Session, workspace: str | None, project: str | None, user: str | None, ended: bool, org: str | None
) -> None:
    """List what is given by hand: by whom, until when, why, and whether it holds or what holds its place instead."""
    from rolebridge.bridge.assignment_documents import listed_document
    from rolebridge.cli.views import assignments as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            _check(installation, organization, workspace)
            rows = installation.assigning.rows(
                organization.id, workspace=workspace, project=project, user=user, ended=ended
            )
            if session.csv:
                view.print_csv(rows)
                return
            found = list(rows)
        catalogues = installation.access.catalogues(organization.id)
    document = {"organization": organization.name, "assignments": [listed_document(row) for row in found]}
    session.answer(document, view.text(found, catalogues))


def _check(installation: Installation, organization: Organization, workspace: str | None) -> None:
    """Raise NotFound for a workspace that nobody has heard of: an empty list would look like an answer."""
    from rolebridge.core.errors import NotFound

    known = {state.workspace for state in installation.observing.workspaces(organization.id)}
    if (
        workspace is not None
        and workspace not in known
        and not next(installation.assigning.rows(organization.id, workspace=workspace, ended=True), None)
    ):
        raise NotFound("workspace", workspace)


def _said(reason: str) -> str:
    if not reason.strip():
        raise click.UsageError("--reason says why")
    return reason.strip()


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell a refusal with the ways out of it."""
    from rolebridge.bridge.assignment_documents import refusal_document
    from rolebridge.cli.views import assignments as view
    from rolebridge.core.by_hand import AssignmentRefused

    try:
        yield
    except AssignmentRefused as refused:
        context = refused.context
        help_ = view.refusal_help(context.user, context.program.workspace, refused.refusal.project)
        raise Refused(refused, help_, notes=view.refusal_notes(refused), more=refusal_document(refused)) from refused
