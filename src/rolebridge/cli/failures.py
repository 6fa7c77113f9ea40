"""From whatever went wrong to an exit code and a few lines, or a JSON document, that say what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.session import as_json
from rolebridge.cli.terminal import bad, faint, one_line, say
from rolebridge.settings import SettingsError


class Refused(Exception):
    """That a command was refused, with more than the use case's refusal `cause` says by itself.

    `help` is what to do, `notes` are lines below the message, `before` is text above it, `more` is for JSON.
    """

    def __init__(
        self,
        cause: Exception,
        help_: str | None = None,
        *,
        notes: tuple[str, ...] = (),
        before: str = "",
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.help = help_
        self.notes = notes
        self.before = before
        self.more = dict(more or {})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as it is told: `code` for programs, `message` in one line, `notes` below it, `help` what to do."""

    exit: Exit
    code: str
    message: str
    help: str | None = None
    notes: tuple[str, ...] = ()
    before: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def document(self, request_id: str) -> dict[str, Any]:
        """Return the failure as JSON has it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.help:
            error["help"] = self.help
        return {"error": {**error, **self.more, "request_id": request_id, "exit": int(self.exit)}}

    def text(self, request_id: str) -> str:
        """Return the failure as people read it."""
        lines = [f"{self.before}{bad('error')}: {self.message}", *(f"  {note}" for note in self.notes)]
        if self.help:
            lines.append(f"  help: {self.help}")
        if self.exit is not Exit.USAGE:
            lines.append(faint(f"  request {request_id}"))
        return "\n".join(lines)


def tell(failure: Failure, request_id: str, *, json: bool) -> None:
    """Print a failure to the standard error."""
    say(as_json(failure.document(request_id)) if json else failure.text(request_id), err=True)


def failure_of(error: Exception) -> Failure | None:
    """Return how a foreseen error is told, or None for one that nobody foresaw."""
    if isinstance(error, click.ClickException):
        return _of_usage(error)
    if isinstance(error, SettingsError):
        more = {"problems": list(error.problems)}
        return Failure(Exit.REFUSED, "settings", "the settings cannot be used", notes=error.problems, more=more)
    if isinstance(error, Refused):
        found = failure_of(error.cause)
        return found and replace(
            found,
            help=error.help or found.help,
            notes=(*found.notes, *error.notes),
            before=error.before,
            more={**found.more, **error.more},
        )
    return _of_domain(error)


def _of_usage(error: click.ClickException) -> Failure:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # its message is the whole help
        text = f"{error.format_message().rstrip()}\n\n"
        return Failure(Exit.USAGE, "usage", "a command is missing", before=text)
    context = error.ctx if isinstance(error, click.UsageError) else None
    help_ = f"`{context.command_path} --help` shows how it is used" if context else None
    return Failure(Exit.USAGE, "usage", one_line(error.format_message()), help_)


def _of_domain(error: Exception) -> Failure | None:
    # Imported by whoever raised it; a command that failed before that has no such error.
    from rolebridge.core import errors

    if not isinstance(error, errors.RolebridgeError):
        return None
    exit_ = Exit.UNAVAILABLE if _is_of_the_store(error) else Exit.LOCKED if _is_locked(error) else Exit.REFUSED
    more: dict[str, Any] = {}
    help_ = None
    match error:
        case errors.NotFound():
            more = {"kind": error.kind, "name": error.name}
        case errors.Taken():
            more = {"kind": error.kind, "attribute": error.attribute, "value": error.value}
        case errors.Invalid() if error.field:
            more = {"field": error.field}
        case errors.Unavailable():
            help_ = "try again in a moment"
    return Failure(exit_, _code(error), one_line(str(error)), help_, more=more)


def _is_of_the_store(error: Exception) -> bool:
    from rolebridge.core.errors import Unavailable
    from rolebridge.store.problems import StoreProblem

    return isinstance(error, Unavailable | StoreProblem)


def _is_locked(error: Exception) -> bool:
    from rolebridge.core.by_hand import AssignmentRefused

    return isinstance(error, AssignmentRefused)


def _code(error: Exception) -> str:
    """Return the error's name in words: `NotFound` → `not-found`."""
    name = type(error).__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")


def defect(error: Exception) -> Failure:
    """Return how an error that nobody foresaw is told: in one line, without a traceback."""
    what = one_line(f"{type(error).__name__}: {error}")
    help_ = "this is a defect of Rolebridge; `rolebridge --traceback …` shows where it happened"
    return Failure(Exit.DEFECT, "defect", f"unexpected {what}", help_)
