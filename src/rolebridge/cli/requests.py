"""`rolebridge requests`: what identity providers sent, and what became of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.options import Since, csv_option, json_option, org_option
from rolebridge.cli.session import Session, as_json, hinting, pass_session
from rolebridge.cli.terminal import say

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Organization
    from rolebridge.store.request_log import LoggedRequest, Wanted

_FOLLOW_SECONDS = 1.0
_LATE = timedelta(seconds=20)
"""How far back a follower looks again: servers write what happened some seconds later, each in its own time."""


class Statuses(click.ParamType[tuple[int, int]]):
    """An HTTP status (`409`) or a class of them (`4xx`)."""

    name = "status"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return the least and the greatest status that is meant."""
        text = str(value).lower()
        if re.fullmatch(r"[1-5]xx", text):
            return int(text[0]) * 100, int(text[0]) * 100 + 99
        if not re.fullmatch(r"[1-5][0-9]{2}", text):
            self.fail(f"`{text}` is neither a status (`409`) nor a class of them (`4xx`)", param, ctx)
        return int(text), int(text)


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of whose log; `names` are the connections' names by id."""

    organization_id: str
    wanted: Wanted
    names: dict[str, str]


class _Requests(click.Group):
    """Lists requests, unless its first word is a command: a connection's name stands in the same place."""

    default = "list"
    """The command that is meant where none is said."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say the default command where none is said."""
        says_command = bool(args) and (args[0] in self.commands or args[0] in {"--help", "-h"})
        return super().parse_args(ctx, args if says_command else [self.default, *args])


@click.group(cls=_Requests)
def requests() -> None:
    """The request log: what identity providers sent, and what became of it.

    `rolebridge requests [CONNECTION] [OPTIONS]` lists; `rolebridge requests list --help` shows the options.
    """


@requests.command("list")
@click.argument("connection", required=False)
@click.option(
    "--since", type=Since(), metavar="1h|DATE", help="Only since so long ago, or since a day or moment (UTC)."
)
@click.option("--errors", is_flag=True, help="Only refused requests.")
@click.option("--status", "statuses", type=Statuses(), metavar="409|4xx", help="Only answers with this status.")
@click.option(
    "--user", metavar="USER", help="Only requests about this user: a userName, an id, or what stands before the @."
)
@click.option("--path", metavar="TEXT", help="Only requests with this in their path or query.")
@click.option("--unknown", is_flag=True, help="Requests without a credential that is known, whosoever they were.")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many, the newest.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, /, *, follow: bool, limit: int, org: str | None, **chosen: Any) -> None:
    """List requests, the newest last: when, which, its answer, and why it was refused.

    Values are not kept: a filter shows its attributes, a path its ids. Requests appear some seconds after their answer.
    """
    from rolebridge.cli.views import requests as view

    _refuse_contradictions(chosen)
    with session.installation() as installation:
        organization = None if chosen["unknown"] else installation.administration.organization(org)
        question = _question(installation, organization, chosen)
        rows = _newest(installation, question, limit)
        printer = view.Printer(
            question.names, view.Form.CSV if session.csv else view.Form.JSON if session.json else view.Form.TEXT
        )
        if session.json and not follow:
            document = {"organization": organization and organization.name, "requests": printer.documents(rows)}
            say(as_json(document))
            return
        printer.print(rows)
        if follow:
            _follow(installation, question, printer, rows, session)
        elif not rows and not session.csv:
            say("no such request is logged")


def _refuse_contradictions(chosen: dict[str, Any]) -> None:
    if chosen["errors"] and chosen["statuses"]:
        raise click.UsageError("--errors and --status say two different things: choose one")
    if chosen["unknown"] and (chosen["connection"] or chosen["user"]):
        raise click.UsageError("--unknown are requests of no connection and about no user that is known")


def _question(installation: Installation, organization: Organization | None, chosen: dict[str, Any]) -> _Question:
    from rolebridge.store.request_log import NOBODY, Wanted

    statuses = (400, 999) if chosen["errors"] else chosen["statuses"] or (0, 999)
    if organization is None:
        return _Question(NOBODY, Wanted(None, chosen["since"], statuses, chosen["path"]), {})
    connection = None
    if chosen["connection"]:
        connection = installation.administration.connection(organization, chosen["connection"]).id
    user = None
    if chosen["user"]:
        with hinting(installation, organization):
            user = installation.access.user_id(organization.id, chosen["user"])
    names = {one.id: one.name for one in installation.administration.connections(organization)}
    return _Question(organization.id, Wanted(connection, chosen["since"], statuses, chosen["path"], user), names)


def _newest(installation: Installation, question: _Question, limit: int) -> list[LoggedRequest]:
    """Return the newest rows, oldest first."""
    page = installation.request_log.page(question.organization_id, question.wanted, limit=limit)
    return list(reversed(page.rows))


def _follow(
    installation: Installation, question: _Question, printer: Any, shown: list[LoggedRequest], session: Session
) -> None:
    """Print what is written from now on, in the order in which it becomes known."""
    seen = {(row.at, row.request_id) for row in shown}
    begun = session.clock()
    while True:
        time.sleep(_FOLLOW_SECONDS)
        back = max(begun, session.clock() - _LATE) - timedelta(seconds=1)
        rows = [row for row in _since(installation, question, back) if (row.at, row.request_id) not in seen]
        seen = {key for key in seen if key[0] >= back} | {(row.at, row.request_id) for row in rows}
        printer.print(rows)


def _since(installation: Installation, question: _Question, moment: datetime) -> Iterator[LoggedRequest]:
    from dataclasses import replace

    wanted = replace(question.wanted, since=max(moment, question.wanted.since or moment))
    yield from reversed(installation.request_log.page(question.organization_id, wanted, limit=10_000).rows)


@requests.command()
@click.argument("request_id")
@click.option("--unknown", is_flag=True, help="A request without a credential that is known.")
@org_option
@json_option
@pass_session
def show(session: Session, request_id: str, unknown: bool, org: str | None) -> None:
    """Show all that is known of one request: REQUEST_ID is the answer's header X-Request-Id."""
    from rolebridge.bridge.status_documents import request_document
    from rolebridge.cli.views import requests as view
    from rolebridge.store.request_log import NOBODY

    with session.installation() as installation:
        organization = None if unknown else installation.administration.organization(org)
        row = installation.request_log.request(organization.id if organization else NOBODY, request_id)
        known = installation.administration.connections(organization) if organization else ()
    names = {one.id: one.name for one in known}
    session.answer(request_document(row, names), view.whole(row, names))
