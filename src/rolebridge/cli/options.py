"""Options that several commands share, and the values they read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar

import click

from rolebridge.cli.session import Session

MAPPINGS: Final = "mappings"
"""The folder of the mapping files when no other one is named."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _remember_json(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    session = context.ensure_object(Session)
    session.json = wanted
    _refuse_both(session)


def _remember_csv(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    session = context.ensure_object(Session)
    session.csv = wanted
    _refuse_both(session)


def _refuse_both(session: Session) -> None:
    if session.csv and session.json:
        raise click.UsageError("--csv and --json are two ways to print the same: choose one")


def json_option(command: _Command) -> _Command:
    """Add `--json`."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_remember_json,
        help="Print JSON, for programs; errors too, on the standard error.",
    )(command)


def csv_option(command: _Command) -> _Command:
    """Add `--csv`, which stands beside `--json` at every command that lists."""
    return click.option(
        "--csv",
        is_flag=True,
        expose_value=False,
        callback=_remember_csv,
        help="Print CSV, for spreadsheets.",
    )(command)


def org_option(command: _Command) -> _Command:
    """Add `--org`."""
    return click.option("--org", metavar="NAME", help="The organization; may be left out when there is only one.")(
        command
    )


class Expiry(click.ParamType[datetime]):
    """When a secret stops working: a number of days from now, or the last day (UTC) on which it works."""

    name = "expiry"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first moment at which the secret no longer works."""
        text = str(value)
        days = re.fullmatch(r"([1-9][0-9]{0,4})d", text)
        if days:
            session = ctx.find_object(Session) if ctx else None
            return (session or Session()).clock() + timedelta(days=int(days[1]))
        try:
            last = date.fromisoformat(text)
            return datetime.combine(last + timedelta(days=1), time(), UTC)
        except (ValueError, OverflowError):
            self.fail(f"`{text}` is neither a number of days (`90d`) nor a day (`2027-03-31`)", param, ctx)


expires_option = click.option(
    "--expires",
    type=Expiry(),
    metavar="90d|DATE",
    help="When it stops working: in so many days, or after that day (UTC). Otherwise never.",
)
