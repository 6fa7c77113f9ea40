"""`rolebridge access`: who holds what, in force and not."""

from __future__ import annotations

import click

from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session


@click.command()
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="Only who is in this project, roles that reach every one included.")
@click.option("--user", metavar="USER", help="Only this person: a userName, an id, or what stands before the @.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: ids, one row for each role, no totals.")
@org_option
@json_option
@pass_session
def access(
    session: Session, workspace: str | None, project: str | None, user: str | None, as_csv: bool, org: str | None
) -> None:
    """List effective roles as recorded, with what locks them and where they come from.

    Claims that are blocked or in conflict are listed too: they give no access until somebody acts.
    """
    from rolebridge.cli.views import access as view

    if as_csv and session.json:
        raise click.UsageError("--csv and --json are two ways to print the same: choose one")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            rows = installation.access.rows(organization.id, workspace=workspace, project=project, user=user)
            if as_csv:
                view.print_csv(rows)
            elif session.json:
                view.print_json(organization.name, rows)
            else:
                view.print_table(rows, installation.access.catalogues(organization.id))
