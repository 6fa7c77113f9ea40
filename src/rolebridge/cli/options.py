"""Options that several commands share, and the values they read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
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


def _remember_variables(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    context.ensure_object(Session).variables = file


def vars_option(command: _Command) -> _Command:
    """Add `--vars`, for commands that read mapping files."""
    return click.option(
        "--vars",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_remember_variables,
        help="The file of variables of this environment; otherwise `vars.yaml` of the folder.",
    )(command)


def org_option(command: _Command) -> _Command:
    """Add `--org`."""
    return click.option("--org", metavar="NAME", help="The organization; may be left out when there is only one.")(
        command
    )


def _now(context: click.Context | None) -> datetime:
    session = context.find_object(Session) if context else None
    return (session or Session()).clock()


def _so_long_ago(text: str, context: click.Context | None) -> datetime | None:
    """Return the moment so many seconds, minutes, hours or days before now; None for what says no span."""
    span = re.fullmatch(r"([0-9]{1,5})([smhd])", text)
    if span is None:
        return None
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[span[2]]
    return _now(context) - timedelta(**{unit: int(span[1])})


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class Expiry(click.ParamType[datetime]):
    """When a secret stops working: a number of days from now, or the last day (UTC) on which it works."""

    name = "expiry"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the first moment at which the secret no longer works."""
        text = str(value)
        days = re.fullmatch(r"([1-9][0-9]{0,4})d", text)
        if days:
            return _now(ctx) + timedelta(days=int(days[1]))
        try:
            last = date.fromisoformat(text)
            return datetime.combine(last + timedelta(days=1), time(), UTC)
        except (ValueError, OverflowError):
            self.fail(f"`{text}` is neither a number of days (`90d`) nor a day (`2027-03-31`)", param, ctx)


class Day(click.ParamType[date]):
    """A whole day (UTC), `2027-03-31`."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day."""
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"`{value}` is no day; write it like `2027-03-31`", param, ctx)


class Since(click.ParamType[datetime]):
    """A moment in the past: so many seconds, minutes, hours or days ago, the beginning of a day, or a moment (UTC)."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment."""
        text = str(value)
        try:
            return _so_long_ago(text, ctx) or _in_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            self.fail(f"`{text}` is neither a span (`90m`, `1h`, `2d`) nor a moment (`2026-11-20T09:00`)", param, ctx)


class Moment(click.ParamType[datetime]):
    """A moment in the past: so many seconds, minutes, hours or days ago, the last one of a day, or a moment (UTC)."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment; of today it is now."""
        text = str(value)
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                day, now = date.fromisoformat(text), _now(ctx)
                return now if day == now.date() else datetime.combine(day, time(23, 59, 59, 999_000), UTC)
            return _so_long_ago(text, ctx) or _in_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            self.fail(f"`{text}` is neither a day or moment (`2026-11-20T09:00`) nor a span (`90m`, `2d`)", param, ctx)


expires_option = click.option(
    "--expires",
    type=Expiry(),
    metavar="90d|DATE",
    help="When it stops working: in so many days, or after that day (UTC). Otherwise never.",
)
