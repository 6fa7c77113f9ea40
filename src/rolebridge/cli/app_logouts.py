"""`rolebridge app logouts`: whether an application heard that sessions ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rolebridge.bridge.logout_documents import logout_document, state_of
from rolebridge.cli.app_credentials import app_argument
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import minute, table

if TYPE_CHECKING:
    from rolebridge.store.logout_notices import LogoutNotice

CSV_HEAD = (
    "id", "application", "user", "session", "created", "state", "attempts", "next_at", "delivered_at", "given_up_at",
    "problem",
)  # fmt: skip


@click.command("logouts")
@app_argument
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many, newest first.")
@org_option
@csv_option
@json_option
@pass_session
def logouts(session: Session, app: str, limit: int, org: str | None) -> None:
    """List notices of logout to an application: heard, waiting for another attempt, or given up, and why."""
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        notices = installation.logouts.newest(found, limit)
    document = {"application": found.id, "name": found.name, "logouts": [logout_document(one) for one in notices]}
    rows = [
        (minute(one.created), one.user_id, state_of(one), str(one.attempts), _again(one), one.problem or "")
        for one in notices
    ]
    text = table(("WHEN", "USER", "STATE", "ATTEMPTS", "AGAIN", "PROBLEM"), rows)
    if not notices:
        where = found.settings.backchannel_logout_uri
        text = "no session has ended since" if where else "it is not told: rolebridge app set APP --backchannel URL"
    session.answer_list(document, "logouts", CSV_HEAD, text)


def _again(notice: LogoutNotice) -> str:
    return "" if notice.next_at is None else minute(notice.next_at)
