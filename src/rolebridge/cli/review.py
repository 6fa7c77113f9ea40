"""`rolebridge review`: what a reviewer of access decides on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.options import Moment, json_option, org_option
from rolebridge.cli.session import Session, as_json, hinting, pass_session
from rolebridge.cli.terminal import say

if TYPE_CHECKING:
    from rolebridge.bridge.reviewing import ReviewRow


@click.command()
@click.argument("workspace")
@click.option("--at", type=Moment(), metavar="DATE", help="As it was at a moment, or at the end of a day (UTC).")
@click.option("--movers", is_flag=True, help="Only what was given by hand before a change of department or manager.")
@org_option
@json_option
@pass_session
def review(session: Session, workspace: str, at: datetime | None, movers: bool, org: str | None) -> None:
    """Print the CSV of an access review: who holds what in WORKSPACE, why, and empty columns for the decision."""
    from rolebridge.bridge.reviewing import COLUMNS, DECISION
    from rolebridge.cli.views.csv import print_rows

    if movers and at is not None:
        raise click.UsageError("--movers are those of today: it does not go with --at")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            if movers:
                rows = installation.reviewing.movers(organization.id, workspace)
            else:
                rows = installation.reviewing.review(organization.id, workspace, at)
            if session.json:
                document = {
                    "organization": organization.name,
                    "workspace": workspace,
                    "review": list(map(_document, rows)),
                }
                say(as_json(document))
            else:
                empty = ("",) * len(DECISION)
                print_rows((*COLUMNS, *DECISION), ((*_cells(row), *empty) for row in rows))


def _document(row: ReviewRow) -> dict[str, Any]:
    from rolebridge.bridge.reviewing import COLUMNS

    return dict(zip(COLUMNS, _cells(row), strict=True))


def _cells(row: ReviewRow) -> list[object]:
    from rolebridge.bridge.reviewing import COLUMNS

    return [getattr(row, name) for name in COLUMNS]
