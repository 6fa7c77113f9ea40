"""`rolebridge access`: who holds what, in force and not."""

from __future__ import annotations

import click

from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session


@click.command()
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="Only who is in this project, roles that reach every one included.")
@click.option("--user", metavar="USER", help="Only this person: a userName, an id, or what stands before the @.")
@org_option
@csv_option
@json_option
@pass_session
def access(session: Session, workspace: str | None, project: str | None, user: str | None, org: str | None) -> None:
    """List effective roles as recorded, with what locks them and where they come from.

    Claims that are blocked or in conflict are listed too: they give no access until somebody acts.
    """
    from rolebridge.cli.views import access as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            rows = installation.access.rows(organization.id, workspace=workspace, project=project, user=user)
            if session.csv:
                view.print_csv(rows)
            elif session.json:
                view.print_json(organization.name, rows)
            else:
                view.print_table(rows, installation.access.catalogues(organization.id))
