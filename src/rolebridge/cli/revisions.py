"""`rolebridge revisions`: the mapping files that were in force, and how they differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import bad, faint, good, minute, one_line, strong, table

if TYPE_CHECKING:
    from rolebridge.store.records import Revision

_HEAD = ("revision", "in_force", "created", "actor", "gain", "change", "lose", "restores", "reason", "digest", "plan")


@click.group()
def revisions() -> None:
    """The mapping revisions: what was in force, since when, by whom and why."""


@revisions.command("list")
@click.option("--before", type=click.IntRange(1), metavar="N", help="Only revisions before this one.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many at most.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, before: int | None, limit: int, org: str | None) -> None:
    """List the revisions, newest first."""
    from rolebridge.bridge.plan_documents import revision_document

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        newest = installation.planning.revisions(organization.id, limit=1)
        found = installation.planning.revisions(organization.id, before=before, limit=limit)
    active = newest[0].number if newest else 0
    documents = [revision_document(one, in_force=one.number == active) for one in found]
    if session.csv:
        documents = [{**one, **one["counts"]} for one in documents]
    document = {"organization": organization.name, "revisions": documents}
    rows = (_row(one, active) for one in found)
    head = ("REVISION", "SINCE", "BY", "CHANGES", "WHY")
    session.answer_list(document, "revisions", _HEAD, table(head, rows) if found else "no mapping was applied yet")


def _row(one: Revision, active: int) -> tuple[str, ...]:
    counts = one.carried_out.counts
    did = f"+{counts.get('gain', 0):,} ~{counts.get('change', 0):,} -{counts.get('lose', 0):,}" if counts else ""
    restores = f"rollback to {one.carried_out.restores}" if one.carried_out.restores else ""
    why = ": ".join(part for part in (restores, one_line(one.reason)) if part)
    number = f"{one.number} in force" if one.number == active else str(one.number)
    return (number, minute(one.created), one_line(one.actor), did, why)


@revisions.command()
@click.argument("number", metavar="N", type=click.IntRange(1))
@org_option
@json_option
@pass_session
def show(session: Session, number: int, org: str | None) -> None:
    """Show a revision with its files."""
    from rolebridge.bridge.plan_documents import revision_document, revision_files

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        one, files = installation.planning.revision(organization.id, number)
        active = installation.planning.revisions(organization.id, limit=1)[0].number
    document = {
        "organization": organization.name,
        **revision_document(one, in_force=number == active),
        "files": revision_files(files),
    }
    session.answer(document, "\n".join(_shown(one, files, active)))


def _shown(one: Revision, files: Mapping[str, str], active: int) -> Iterator[str]:
    labels = ("revision", "since", "by", "changes", "why")
    yield from (f"{label:9} {cell}" for label, cell in zip(labels, _row(one, active), strict=True) if cell)
    yield f"{'digest':9} {one.digest}"
    if one.carried_out.plan:
        yield f"{'plan':9} {one.carried_out.plan}"
    for name, text in sorted(files.items()):
        yield ""
        yield strong(f"--- {name}")
        yield text.rstrip("\n")


@revisions.command()
@click.argument("older", metavar="N", type=click.IntRange(1))
@click.argument("newer", metavar="M", type=click.IntRange(1))
@org_option
@json_option
@pass_session
def diff(session: Session, older: int, newer: int, org: str | None) -> None:
    """Show how the files of revision M differ from those of revision N."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        _, before = installation.planning.revision(organization.id, older)
        _, after = installation.planning.revision(organization.id, newer)
    files = list(_differences(before, after))
    document = {"organization": organization.name, "from": older, "to": newer, "files": files}
    text = "\n".join(line for one in files for line in _coloured(str(one["diff"])))
    session.answer(document, text or f"the files of revisions {older} and {newer} are the same")


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    from rolebridge.core.plan import files_differ

    for name, fate in files_differ(before, after):
        old, new = (side.get(name, "").splitlines() for side in (before, after))
        lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")
        yield {"name": name, "fate": fate, "diff": "\n".join(islice(lines, _LINES))}


_LINES = 20_000
"""Lines of a file's difference that are shown at most."""


def _coloured(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(("+++", "---")):
            yield strong(line)
        elif line.startswith("@@"):
            yield faint(line)
        else:
            yield good(line) if line.startswith("+") else bad(line) if line.startswith("-") else line
