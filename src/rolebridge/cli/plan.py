"""`rolebridge plan`: what mapping files would do, before they do it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent
from typing import IO, TYPE_CHECKING, Any

import click

from rolebridge.cli.apply import read, refusing
from rolebridge.cli.exits import Exit
from rolebridge.cli.options import MAPPINGS, csv_option, json_option, org_option, vars_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rolebridge.bridge.planning import Planned
    from rolebridge.core.plan import PlannedChange

_LISTED = 10_000
"""How many changes of a workspace `--changes` lists in order; CSV and JSON have every one."""
_IN_MEMORY = 1 << 20
"""Bytes of changes that wait in memory for their place in a JSON document; more wait in a file."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a plan is to be shown."""

    workspace: str | None
    markdown: bool
    changes: bool
    command: str
    suppositions: tuple[str, ...] = ()


@click.command()
@click.argument("path", metavar="[PATH]", type=click.Path(path_type=Path), required=False)
@click.option("--revision", type=click.IntRange(1), metavar="N", help="Plan a rollback to this revision instead.")
@click.option(
    "--what-if",
    "suppositions",
    metavar="SENTENCE",
    multiple=True,
    help='Suppose a change of the directory: "user ana joins group LBX Admins". May be given several times.',
)
@click.option("--workspace", metavar="WORKSPACE", help="Show only this workspace; the digest is of all.")
@click.option("--changes", is_flag=True, help="List every change, not only the sums.")
@click.option("--markdown", is_flag=True, help="Print Markdown, for a pull request.")
@vars_option
@org_option
@csv_option
@json_option
@pass_session
def plan(
    session: Session,
    *,
    path: Path | None,
    revision: int | None,
    suppositions: tuple[str, ...],
    workspace: str | None,
    changes: bool,
    markdown: bool,
    org: str | None,
) -> Exit:
    """Say who gains, loses or changes which role if a folder's mapping files were applied, now and on later days.

    PATH is the folder, by default `mappings`. Nothing is written. The digest binds `rolebridge apply --digest` to what
    was shown. With --what-if the mapping in force is asked about a directory that is otherwise: a user joins or leaves
    a group, is deactivated, activated or deleted, has an attribute; a group is deleted or renamed.

    Exit codes: 0 nothing to do, 2 there are changes, 1 the files have errors.
    """
    _refuse_contradictions(session, path, revision, suppositions, markdown)
    source = f"rolebridge rollback --to {revision}" if revision else f"rolebridge apply {path or MAPPINGS}"
    wanted = _Wanted(workspace, markdown, changes, source, suppositions)
    files = {} if revision or suppositions else read(path or Path(MAPPINGS), session.variables)
    with session.installation() as installation, refusing(files, source):
        organization = installation.administration.organization(org)

        def make(**options: Any) -> Planned:
            if suppositions:
                return installation.supposing.plan(organization.id, suppositions, **options).planned
            if revision:
                return installation.planning.plan_rollback(organization.id, revision, **options)
            return installation.planning.plan(organization.id, files, **options)

        planned = _shown(session, organization.name, wanted, make)
    return Exit.CHANGES if planned.plan.differs else Exit.DONE


def _refuse_contradictions(
    session: Session, path: Path | None, revision: int | None, suppositions: tuple[str, ...], markdown: bool
) -> None:
    if (path is not None) + (revision is not None) + bool(suppositions) > 1:
        raise click.UsageError("a folder, --revision and --what-if are different things to plan: choose one")
    if markdown and (session.json or session.csv):
        raise click.UsageError("--markdown, --json and --csv are ways to print the same: choose one")


def _shown(session: Session, organization: str, wanted: _Wanted, make: Callable[..., Planned]) -> Planned:
    """Make a plan and print it as it is wanted."""
    from rolebridge.bridge.supposing import is_held
    from rolebridge.cli.views import plan as text
    from rolebridge.cli.views.plan_markdown import markdown

    if session.csv:
        return _print_csv(wanted, make)
    if session.json and wanted.changes:
        return _print_long_json(organization, wanted, make)
    listed = {"shown": _LISTED} if wanted.changes else {}
    planned = _only(make(**listed), wanted.workspace)
    if session.json:
        say(as_json(_document(organization, planned, wanted)))
    elif wanted.markdown:
        say(markdown(planned, apply=wanted.command, changes=wanted.changes))
    elif wanted.suppositions:
        say(text.supposed_text(wanted.suppositions, planned, held=is_held(wanted.suppositions)))
    else:
        say(text.planned_text(planned, apply=wanted.command, changes=wanted.changes))
    return planned


def _only(planned: Planned, workspace: str | None) -> Planned:
    return planned if workspace is None else replace(planned, plan=planned.plan.only(workspace))


def _document(organization: str, planned: Planned, wanted: _Wanted, *, changes: bool = True) -> dict[str, Any]:
    from rolebridge.bridge.plan_documents import plan_document
    from rolebridge.cli.views import diagnostics

    return {
        "organization": organization,
        **({"what_if": list(wanted.suppositions)} if wanted.suppositions else {}),
        **diagnostics.document(planned.diagnostics),
        **plan_document(planned.plan, changes=changes),
    }


def _print_csv(wanted: _Wanted, make: Callable[..., Planned]) -> Planned:
    """Print one row for each change as soon as it is found."""
    from rolebridge.cli.views.csv import BLOCK
    from rolebridge.cli.views.plan import CSV_HEAD, csv_row
    from rolebridge.core.sheets import text_of

    rows: list[tuple[object, ...]] = [CSV_HEAD]

    def hear(change: PlannedChange) -> None:
        if wanted.workspace in (None, change.change.workspace):
            rows.append(csv_row(change))
            if len(rows) >= BLOCK:
                say(text_of(rows), newline=False)
                rows.clear()

    planned = make(shown=0, told=hear)
    if rows:
        say(text_of(rows), newline=False)
    return planned


def _print_long_json(organization: str, wanted: _Wanted, make: Callable[..., Planned]) -> Planned:
    """Print the document with every change at its end; they wait in a file until the sums are known."""
    from rolebridge.bridge.plan_documents import planned_document

    with _waiting() as waiting:
        heard = 0

        def hear(change: PlannedChange) -> None:
            nonlocal heard
            if wanted.workspace in (None, change.change.workspace):
                waiting.write((",\n" if heard else "") + indent(as_json(planned_document(change)), "    "))
                heard += 1

        planned = _only(make(shown=0, told=hear), wanted.workspace)
        head = as_json(_document(organization, planned, wanted, changes=False)).removesuffix("\n}")
        say(head + ',\n  "changes": [' + ("\n" if heard else ""), newline=False)
        waiting.seek(0)
        while block := waiting.read(_IN_MEMORY):
            say(block, newline=False)
        say("\n  ]\n}" if heard else "]\n}")
    return planned


@contextmanager
def _waiting() -> Iterator[IO[str]]:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", errors="surrogatepass", newline="") as file:
        yield file
