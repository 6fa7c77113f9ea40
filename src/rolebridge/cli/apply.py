"""`rolebridge apply` and `rolebridge rollback`: putting mapping files in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from rolebridge.cli.approvals import approval_asked
from rolebridge.cli.failures import Refused
from rolebridge.cli.options import MAPPINGS, json_option, org_option, vars_option
from rolebridge.cli.session import Session, pass_session

if TYPE_CHECKING:
    from rolebridge.bridge.planning import Applied

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SHOWN = 20
"""How many changes of a workspace are listed one by one."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Under what an apply goes ahead, as the options say it."""

    digest: str | None
    force: bool
    reason: str
    everybody: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """Return what the use case takes. Raises UsageError."""
        why = self.reason.strip()
        if self.force and not why:
            raise click.UsageError("--force needs --reason: who passes a guard rail says why")
        return {
            "digest": self.digest,
            "force_reason": why if self.force else "",
            "reason": why,
            "shown": None if self.everybody else _SHOWN,
        }


def _approval_options(command: _Command) -> _Command:
    """Add the options of `Approval`, which the command gets as `approval`."""

    @wraps(command)
    def with_approval(*args: Any, digest: str | None, force: bool, reason: str, everybody: bool, **others: Any) -> Any:
        return command(*args, approval=Approval(digest, force, reason, everybody), **others)

    wrapped: Any = with_approval
    for option in (
        click.option("--all", "everybody", is_flag=True, help="List every change, not only the first."),
        click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the revision."),
        click.option("--force", is_flag=True, help="Go ahead even if a guard rail forbids it; needs --reason."),
        click.option("--digest", metavar="DIGEST", help="Only if nothing has moved since `plan` showed this digest."),
    ):
        wrapped = option(wrapped)
    return cast("_Command", wrapped)


@click.command()
@click.argument("path", metavar="[PATH]", type=click.Path(path_type=Path), default=MAPPINGS)
@_approval_options
@vars_option
@org_option
@json_option
@pass_session
def apply(session: Session, path: Path, approval: Approval, org: str | None) -> None:
    """Make the mapping files of a folder the mapping in force: all their effects at once, or none.

    PATH holds the whole mapping, by default `mappings`: a workspace without a file in it loses its mapping. Files with
    errors change nothing, and neither does a mapping that a guard rail of the files forbids. With the digest that
    `plan` shows, nothing is applied but what was planned.
    """
    arguments = approval.arguments
    files = read(path, session.variables)
    with session.installation() as installation, refusing(files, f"rolebridge apply {path}"):
        organization = installation.administration.organization(org)
        applied = installation.planning.apply(session.operator, organization.id, files, **arguments)
    _answer(session, organization.name, applied)


@click.command()
@click.option("--to", type=click.IntRange(1), metavar="N", help="The revision to go back to; else the last but one.")
@_approval_options
@org_option
@json_option
@pass_session
def rollback(session: Session, to: int | None, approval: Approval, org: str | None) -> None:
    """Apply the files of an earlier revision again; they become a new revision, and nothing is forgotten.

    `rolebridge plan --revision N` shows beforehand what it would do. Guard rails hold as they do for `apply`.
    """
    arguments = approval.arguments
    with session.installation() as installation, refusing({}, "rolebridge rollback" + (f" --to {to}" if to else "")):
        organization = installation.administration.organization(org)
        applied = installation.planning.rollback(session.operator, organization.id, to, **arguments)
    _answer(session, organization.name, applied)


def _answer(session: Session, organization: str, applied: Applied) -> None:
    from rolebridge.bridge.plan_documents import applied_document
    from rolebridge.cli.views import diagnostics
    from rolebridge.cli.views.plan import applied_text

    document = {
        "organization": organization,
        **applied_document(applied),
        **diagnostics.document(applied.diagnostics),
    }
    session.answer(document, applied_text(applied, everything=": --all lists them"))


def read(path: Path, variables: Path | None = None) -> dict[str, str]:
    """Return the mapping files of a folder under the names that a revision keeps. Raises Refused with every problem."""
    from rolebridge.cli.mappings import named_from_folder, read_paths
    from rolebridge.cli.views import diagnostics as view
    from rolebridge.mapfile import UnreadableFiles

    try:
        return named_from_folder(read_paths([path], variables))
    except UnreadableFiles as error:
        more = view.document(error.diagnostics)
        raise Refused(error, before=view.text(error.diagnostics, {}), more=more) from error


@contextmanager
def refusing(files: Mapping[str, str], command: str) -> Iterator[None]:
    """Tell a refusal of the files or of the plan with all there is to know about it; `command` is what was tried."""
    from rolebridge.bridge.plan_documents import trip_document
    from rolebridge.bridge.planning import DigestNeeded, GuardTripped, MappingRefused, PlanMoved
    from rolebridge.bridge.testing import CasesFailed
    from rolebridge.cli.views import cases
    from rolebridge.cli.views import diagnostics as view

    unchanged = ("nothing was changed",)
    try:
        with approval_asked():
            yield
    except MappingRefused as error:
        more = view.document(error.diagnostics)
        raise Refused(error, before=view.text(error.diagnostics, files), more=more) from error
    except CasesFailed as error:
        before = cases.text(error.run, files) + "\n"
        raise Refused(error, before=before, more={"cases": cases.document(error.run)}) from error
    except GuardTripped as error:
        help_ = f'if that is meant: {command} --force --reason "why"'
        trips = [trip_document(trip) for trip in error.trips]
        raise Refused(error, help_, notes=unchanged, more={"trips": trips}) from error
    except PlanMoved as error:
        help_ = "plan again, and look at what differs"
        told = {"moved": list(error.moved), "digest": error.digest, "base_revision": error.base_revision}
        raise Refused(error, help_, notes=unchanged, more=told) from error
    except DigestNeeded as error:
        help_ = "`rolebridge plan` shows the digest; the setting `apply_needs_digest` asks for it"
        raise Refused(error, help_, notes=unchanged) from error
