"""`rolebridge access`: who holds what, in force and not."""

from __future__ import annotations

from datetime import datetime

import click

from rolebridge.cli.options import Moment, csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session


@click.command()
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="Only who is in this project, roles that reach every one included.")
@click.option("--user", metavar="USER", help="Only this person: a userName, an id, or what stands before the @.")
@click.option("--at", type=Moment(), metavar="DATE", help="As recorded at a moment, or at the end of a day (UTC).")
@org_option
@csv_option
@json_option
@pass_session
def access(
    session: Session,
    workspace: str | None,
    project: str | None,
    user: str | None,
    at: datetime | None,
    org: str | None,
) -> None:
    """List effective roles as recorded, with what locks them and where they come from.

    Claims that are blocked or in conflict are listed too: they give no access until somebody acts. With --at people who
    were deleted since are among them.
    """
    if at is not None:
        _then(session, at, workspace=workspace, project=project, user=user, org=org)
        return
    from rolebridge.cli.views import access as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            rows = installation.access.rows(organization.id, workspace=workspace, project=project, user=user)
            if session.csv:
                view.print_csv(rows, installation.access.catalogues(organization.id))
            elif session.json:
                view.print_json(organization.name, rows)
            else:
                view.print_table(rows, installation.access.catalogues(organization.id))


def _then(
    session: Session,
    at: datetime,
    *,
    workspace: str | None,
    project: str | None,
    user: str | None,
    org: str | None,
) -> None:
    from rolebridge.cli.views import access_then as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            user_id = installation.auditing.user_id(organization.id, user, at) if user else None
        scope = {"workspace": workspace, "project": project, "user_id": user_id}
        rows = installation.access_then.rows(organization.id, at, **scope)
        if session.csv:
            view.print_csv(rows, at)
        elif session.json:
            view.print_json(organization.name, rows, at)
        else:
            view.print_table(rows, at)
