"""`rolebridge explain`: why somebody has the roles they have, had them, or has not; and what would change that."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from rolebridge.cli.options import Moment, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rolebridge.bridge.explaining import Explained


@click.command()
@click.argument("user")
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="One project, with what would change the role there.")
@click.option("--at", type=Moment(), metavar="DATE", help="As it was at a moment, or at the end of a day (UTC).")
@click.option("--role", metavar="ROLE", help="Why not this role: what would have to change for it.")
@click.option("--slot", metavar="SLOT", help="The slot of --role, where several have one of that name.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot"]),
    default="text",
    help="Words, or a graph as Mermaid or Graphviz read it.",
)
@org_option
@json_option
@pass_session
def explain(  # noqa: PLR0913, PLR0917 - the options of a command
    session: Session,
    user: str,
    workspace: str | None,
    project: str | None,
    at: datetime | None,
    role: str | None,
    slot: str | None,
    form: str,
    org: str | None,
) -> None:
    """Explain which roles somebody has, why, what locks them, what lost, and what would change them.

    USER is a userName, an id, or what stands before the @ of one userName; with --at also somebody who was deleted
    since.
    """
    _refuse_contradictions(session, at=at, role=role, slot=slot, form=form)
    if role is not None:
        _why_not(session, user, role, workspace=workspace, project=project, slot=slot, org=org)
        return
    from rolebridge.bridge.explanation_documents import explained_document

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        scope = {"workspace": workspace, "project": project}
        with hinting(installation, organization):
            if at is None:
                found = installation.explaining.explain(organization.id, user, **scope)
            else:
                found = installation.explaining.explain_then(organization.id, user, at, **scope)
    document = {"organization": organization.name, "explanations": [explained_document(one) for one in found]}
    if form == "text":
        session.answer(document, _text(found) or "no mapping is in force yet: rolebridge apply mappings/")
    else:
        _print_graph(found, form)


def _refuse_contradictions(
    session: Session, *, at: datetime | None, role: str | None, slot: str | None, form: str
) -> None:
    if role is not None and (at is not None or form != "text"):
        raise click.UsageError("--role asks what would have to change now, in words: --at and --format do not fit")
    if slot is not None and role is None:
        raise click.UsageError("--slot is the slot of --role")
    if form != "text" and session.json:
        raise click.UsageError("--format and --json are two ways to print the same: choose one")


def _why_not(
    session: Session,
    user: str,
    role: str,
    *,
    workspace: str | None,
    project: str | None,
    slot: str | None,
    org: str | None,
) -> None:
    from rolebridge.bridge.explanation_documents import not_held_document
    from rolebridge.cli.views import whynot as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = installation.explaining.why_not(
                organization.id, user, role, workspace=workspace, project=project, slot=slot
            )
    session.answer({"organization": organization.name, "why_not": not_held_document(found)}, view.text(found))


def _text(found: Sequence[Explained]) -> str:
    from rolebridge.cli.views import explanation as view

    return "\n\n".join(view.text(one) for one in found)


def _print_graph(found: Sequence[Explained], form: str) -> None:
    from rolebridge.bridge.explanation_graph import LANGUAGES, graph_of

    say(LANGUAGES[form](graph_of(found)))
