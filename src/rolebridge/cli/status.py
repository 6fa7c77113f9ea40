"""`rolebridge status`: how an organization's connections fare."""

from __future__ import annotations

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session


@click.command()
@click.option("--check", is_flag=True, help="Leave with exit code 1 when anything needs attention, for monitoring.")
@org_option
@csv_option
@json_option
@pass_session
def status(session: Session, check: bool, org: str | None) -> Exit:
    """Show how connections fare: last contact, requests and refusals, tolerances used, secrets about to expire.

    What needs attention stands first. Numbers come from the request log, which lags some seconds behind. --csv has one
    row for each connection.
    """
    from rolebridge.bridge.status_documents import status_document, traffic_document
    from rolebridge.cli.views import status as view

    with session.installation() as installation:
        found = installation.status.of(installation.administration.organization(org))
    document = {**status_document(found), "without_known_credential": traffic_document(found.nobodys)}
    if session.csv:
        view.print_csv(found, document["connections"])
    else:
        session.answer(document, view.text(found))
    return Exit.REFUSED if check and found.notices else Exit.DONE
