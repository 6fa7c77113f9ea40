"""`rolebridge project`: projects registered at run time, beside those that mapping files declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rolebridge.cli.apply import refusing
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import counted, doubtful, faint, good, strong, table

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.projects import KnownProject, ProjectChanged, ProjectDraft
    from rolebridge.store.records import Organization

_Command = TypeVar("_Command", bound=Callable[..., Any])

_CSV_HEAD = ("workspace", "project", "name", "tags", "in", "declared", "archived_at")


@click.group()
def project() -> None:
    """Projects beside those of the mapping files: registered, tagged, archived at run time, without an apply.

    Rules speak of them as of declared ones: by tag, container, glob, `all` and the capture `{project}`.
    """


def _named(command: _Command) -> _Command:
    command = click.option("--workspace", metavar="WORKSPACE", help="May be left out when there is only one.")(command)
    return click.argument("id", metavar="PROJECT")(command)


def _described(command: _Command) -> _Command:
    for option in (
        click.option("--in", "container", metavar="CONTAINER", help='Its container (`in:`); "" takes it out.'),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag; may be said several times."),
        click.option("--name", metavar="NAME", help="What it is called."),
    ):
        command = option(command)
    return command


def _guarded(command: _Command) -> _Command:
    for option in (
        click.option("--reason", default="", metavar="TEXT", help="Why; it is kept in the audit."),
        click.option("--force", is_flag=True, help="Even if a guard rail forbids it; needs --reason."),
    ):
        command = option(command)
    return command


@project.command()
@_named
@_described
@_guarded
@org_option
@json_option
@pass_session
def add(session: Session, /, id: str, workspace: str | None, org: str | None, **options: Any) -> None:
    """Register a project. Who gains roles there by rules has them at once."""
    from rolebridge.bridge.projects import ProjectDraft

    draft = ProjectDraft(options.pop("name"), options.pop("tags"), options.pop("container"))
    with _changing(session, org, workspace, options) as (installation, organization, place, why):
        done = installation.projects.register(session.operator, organization.id, place, id, draft, **why)
    _answer(session, organization, done, "registered")


@project.command("set")
@_named
@_described
@click.option("--no-tags", is_flag=True, help="Take all its tags away.")
@_guarded
@org_option
@json_option
@pass_session
def set_(session: Session, /, id: str, workspace: str | None, no_tags: bool, **options: Any) -> None:
    """Rename a registered project, tag it anew (with all its tags), or put it in a container."""
    from rolebridge.bridge.projects import ProjectDraft

    tags = options.pop("tags")
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags contradict each other")
    draft = ProjectDraft(options.pop("name"), tags or (() if no_tags else None), options.pop("container"))
    _revise(session, id, workspace, draft, "changed", options)


@project.command()
@_named
@_guarded
@org_option
@json_option
@pass_session
def archive(session: Session, /, id: str, workspace: str | None, **options: Any) -> None:
    """Let a registered project carry no roles any more. What was given there by hand is kept, and does not hold.

    Guard rails of the workspace speak as they do to an apply.
    """
    from rolebridge.bridge.projects import ProjectDraft

    _revise(session, id, workspace, ProjectDraft(archived=True), "archived", options)


@project.command()
@_named
@_guarded
@org_option
@json_option
@pass_session
def restore(session: Session, /, id: str, workspace: str | None, **options: Any) -> None:
    """Take an archived project back into use: rules and hands give there what they gave before."""
    from rolebridge.bridge.projects import ProjectDraft

    _revise(session, id, workspace, ProjectDraft(archived=False), "in use again", options)


@project.command("list")
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--archived", is_flag=True, help="Archived ones too.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, workspace: str | None, archived: bool, org: str | None) -> None:
    """List the projects of workspaces, declared and registered."""
    from rolebridge.bridge.project_documents import project_document
    from rolebridge.cli.views import csv

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = list(_all(installation, organization.id, workspace, archived))
    documents = [project_document(one) for one in found]
    if session.csv:
        csv.print_documents(_CSV_HEAD, documents)
        return
    session.answer({"organization": organization.name, "projects": documents}, _table(found))


def _all(
    installation: Installation, organization_id: str, workspace: str | None, archived: bool
) -> Iterator[KnownProject]:
    after = None
    while True:
        page = installation.projects.listing(organization_id, workspace=workspace, archived=archived, after=after)
        yield from page.rows
        if page.after is None:
            return
        after = page.after


def _revise(
    session: Session, id_: str, workspace: str | None, draft: ProjectDraft, words: str, options: dict[str, Any]
) -> None:
    with _changing(session, options.pop("org"), workspace, options) as (installation, organization, place, why):
        done = installation.projects.change(session.operator, organization.id, place, id_, draft, **why)
    _answer(session, organization, done, words)


@contextmanager
def _changing(
    session: Session, org: str | None, workspace: str | None, options: dict[str, Any]
) -> Iterator[tuple[Installation, Organization, str, dict[str, str]]]:
    """Give what a change of a project works with; a refusal is told with all there is to know about it."""
    reason = options["reason"].strip()
    if options["force"] and not reason:
        raise click.UsageError("--force needs --reason: who passes a guard rail says why")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization), refusing({}, "the same command with"):
            place = workspace or installation.observing.only_workspace(organization.id)
            yield (
                installation,
                organization,
                place,
                {
                    "reason": reason,
                    "force_reason": reason if options["force"] else "",
                },
            )


def _answer(session: Session, organization: Organization, done: ProjectChanged, words: str) -> None:
    from rolebridge.bridge.project_documents import project_changed_document

    one = done.project
    name = f"{strong(one.project.id)} of {one.workspace}"
    people = {change.user_id for change in done.changes}
    felt = f": {counted(len(people), 'person holds', 'people hold')} something else now" if people else ""
    text = f"{good('✓')} project {name} {words}{felt}" if done.new else f"nothing to do: project {name} is so already"
    lines = [text, *(f"{doubtful('forced')}: {trip}" for trip in done.forced)]
    session.answer({"organization": organization.name, **project_changed_document(done)}, "\n".join(lines))


def _table(found: list[KnownProject]) -> str:
    if not found:
        return "no project is declared or registered"
    head = ("WORKSPACE", "PROJECT", "NAME", "TAGS", "IN", "KNOWN FROM")
    rows = (
        (
            one.workspace,
            one.project.id,
            one.project.name,
            ", ".join(sorted(one.project.tags)),
            one.project.container or "",
            str(one.project.place) if one.declared else "archived" if one.archived_at else "registered",
        )
        for one in found
    )
    return f"{table(head, rows)}\n{faint(counted(len(found), 'project'))}"
