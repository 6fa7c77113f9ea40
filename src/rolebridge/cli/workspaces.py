"""`rolebridge workspace`: workspaces in use are observed first, then enforced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.apply import refusing
from rolebridge.cli.exits import Exit
from rolebridge.cli.failures import Refused
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import bad, counted, doubtful, faint, good, one_line, strong, table

if TYPE_CHECKING:
    from rolebridge.bridge.observing import Enforcement, WorkspaceState
    from rolebridge.bridge.role_import import RolesImported
    from rolebridge.bridge.role_table import TableRefused

_CSV_HEAD = ("workspace", "mode", "platform", "people", "imported", "changed", "changed_by", "reason")
_MAX_BYTES = 128 * 1024 * 1024
_PROBLEMS_SHOWN = 50

_FATES = {
    "redundant": "rules give the same role",
    "shadowed": "rules give another role",
    "kept": "no rule speaks: the role stays, by hand",
    "manual-forbidden": "the mapping forbids it by hand, and no rule gives it",
    "denied": "a rule denies it",
    "blocked": "it lacks a prerequisite",
    "inactive": "the person is inactive",
    "overruled": "a workspace role overrules it",
}


@click.group()
def workspace() -> None:
    """How workspaces are run: observed, so that rules are only compared with what people hold, or enforced.

    A workspace in use begins observed: import who holds what today, apply the mapping, look at what enforcing would do,
    enforce. Until then rules neither give nor take anything.
    """


@workspace.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List workspaces: their mode, and how many people hold something there."""
    from rolebridge.bridge.project_documents import workspace_document
    from rolebridge.cli.views import csv

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.observing.workspaces(organization.id)
    documents = [workspace_document(state) for state in found]
    if session.csv:
        csv.print_documents(_CSV_HEAD, documents)
        return
    session.answer({"organization": organization.name, "workspaces": documents}, _table(found))


@workspace.command()
@click.argument("name", metavar="WORKSPACE")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the mode.")
@org_option
@json_option
@pass_session
def observe(session: Session, name: str, reason: str, org: str | None) -> None:
    """Let a workspace be observed, before its first apply: rules will give and take nothing until it is enforced.

    A workspace in which people hold roles through rules already cannot be observed: that would take them away.
    """
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        new = installation.observing.observe(session.operator, organization.id, name, reason.strip())
    text = f"{good('✓')} {strong(name)} is observed" if new else f"nothing to do: {strong(name)} is observed already"
    session.answer({"organization": organization.name, "workspace": name, "mode": "observe", "new": new}, text)


@workspace.command()
@click.argument("name", metavar="WORKSPACE")
@click.option("--digest", metavar="DIGEST", help="Enforce it, if nothing has moved since this digest was shown.")
@click.option("--force", is_flag=True, help="Even if a guard rail forbids it; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with the mode.")
@click.option("--retire-imported", is_flag=True, help="End imported roles that rules replace: they will not come back.")
@click.option("--changes", is_flag=True, help="List every change.")
@org_option
@json_option
@pass_session
def enforce(  # noqa: PLR0917 - the options of a command
    session: Session,
    name: str,
    digest: str | None,
    force: bool,
    reason: str,
    retire_imported: bool,
    changes: bool,
    org: str | None,
) -> Exit:
    """Show what enforcing an observed workspace would do and to whom; with --digest, do it.

    Ends with 2 when it shows changes. Imported roles stay as assignments by hand: where a rule decides they are
    shadowed, elsewhere they go on holding.
    """
    from rolebridge.bridge.project_documents import enforced_document, enforcement_document

    why = reason.strip()
    if force and not why:
        raise click.UsageError("--force needs --reason: who passes a guard rail says why")
    if digest is None and (force or retire_imported):
        raise click.UsageError("without --digest nothing is enforced: look at the plan first")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with (
            hinting(installation, organization),
            refusing({}, f"rolebridge workspace enforce {name} --digest {digest}"),
        ):
            if digest is None:
                shown = None if changes else 20
                found = installation.observing.enforcement(organization.id, name, shown=shown)
                session.answer(
                    {"organization": organization.name, **enforcement_document(found)}, _enforcement(found, changes)
                )
                return Exit.CHANGES if found.plan.counts.felt else Exit.DONE
            done = installation.observing.enforce(
                session.operator,
                organization.id,
                name,
                digest=digest,
                reason=why,
                force_reason=why if force else "",
                retire_imported=retire_imported,
            )
    retired = f", {counted(done.retired, 'imported role')} ended" if done.retired else ""
    text = f"{good('✓')} {strong(name)} is enforced{retired}" if done.new else f"{strong(name)} is enforced already"
    lines = [*(f"{doubtful('forced')}: {trip}" for trip in done.forced), text]
    session.answer({"organization": organization.name, **enforced_document(done)}, "\n".join(lines))
    return Exit.DONE


@workspace.command("import-roles")
@click.argument("name", metavar="WORKSPACE")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--platform", metavar="PLATFORM", help="Its platform, while no mapping speaks of it.")
@click.option("--register-projects", is_flag=True, help="Register projects that nobody knows, under their ids.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@org_option
@json_option
@pass_session
def import_roles(  # noqa: PLR0917 - the options of a command
    session: Session,
    name: str,
    file: str,
    platform: str | None,
    register_projects: bool,
    dry_run: bool,
    org: str | None,
) -> None:
    """Import who holds what today from a CSV with the columns user, project, slot and role. `-` is standard input.

    All of it or nothing: every line that cannot be is told with its number. The roles become assignments by hand,
    marked as imported, and a workspace without a mapping is observed from then on.
    """
    from rolebridge.bridge.project_documents import roles_imported_document
    from rolebridge.bridge.role_import import RoleImport

    text = _read(file)
    wanted = RoleImport(name, "standard input" if file == "-" else Path(file).name, platform, register_projects)
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization), _refusing(wanted.file):
            done = installation.observing.import_roles(session.operator, organization.id, wanted, text, dry_run=dry_run)
    document = {"organization": organization.name, "dry_run": dry_run, **roles_imported_document(done)}
    session.answer(document, _imported(done, dry_run))


def _read(file: str) -> str:
    from rolebridge.core.errors import Invalid

    with click.open_file(file, "rb") as stream:
        data: bytes = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise Invalid(f"the file is larger than {_MAX_BYTES // 1024 // 1024} MiB; import it in parts", "file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"byte {error.start} of the file is not UTF-8", "file") from error


@contextmanager
def _refusing(file: str) -> Iterator[None]:
    """Tell every problem of a table, with its line."""
    from rolebridge.bridge.role_table import TableRefused

    try:
        yield
    except TableRefused as refused:
        problems = [{"line": one.line, "problem": one.problem, "help": one.help or None} for one in refused.problems]
        more: dict[str, Any] = {"problems": problems, "count": refused.count}
        raise Refused(refused, before=_problems(file, refused), more=more) from refused


def _problems(file: str, refused: TableRefused) -> str:
    lines = []
    for one in refused.problems[:_PROBLEMS_SHOWN]:
        lines.append(f"{bad('✗')} {file}:{one.line}  {one_line(one.problem)}")
        if one.help:
            lines.append(f"    help: {one_line(one.help)}")
    hidden = refused.count - min(len(refused.problems), _PROBLEMS_SHOWN)
    if hidden:
        lines.append(f"  and {counted(hidden, 'more problem')}")
    return "\n".join(lines) + "\n"


def _imported(done: RolesImported, dry_run: bool) -> str:
    people = counted(done.people, "person", "people")
    told = f"{counted(done.imported, 'role')} imported, {done.unchanged:,} there already, {done.replaced:,} replaced"
    lines = [f"{strong(done.workspace)}: {people}, {told}"]
    left = [
        f"{done.outside:,} held outside" * bool(done.outside),
        f"{done.empty:,} that mean an empty slot" * bool(done.empty),
    ]
    if any(left):
        lines.append(f"  left alone: {', '.join(one for one in left if one)}")
    if done.inactive:
        lines.append(f"  {counted(done.inactive, 'person is', 'people are')} inactive and hold nothing for now")
    if done.projects:
        lines.append(f"  registered {counted(len(done.projects), 'project')}: {', '.join(done.projects[:12])}")
    if dry_run:
        lines.append(doubtful("nothing was written: --dry-run"))
    elif done.observed:
        lines.append(f"{good('✓')} observed from now on: rules give and take nothing there until it is enforced")
    return "\n".join(lines)


def _enforcement(found: Enforcement, changes: bool) -> str:
    from rolebridge.cli.views.plan import plan_lines, trip_lines

    catalogues = {found.workspace: found.catalogue} if found.catalogue else {}
    lines = list(plan_lines(found.plan, catalogues, changes=changes))
    if found.imported:
        lines.append("  imported roles:")
        lines += [f"    {count:>6,}  {_FATES.get(fate, fate)}" for fate, count in found.imported.items()]
    lines += trip_lines(found.plan)
    lines.append(f"  enforce:  rolebridge workspace enforce {found.workspace} --digest {found.plan.digest}")
    return "\n".join(lines)


def _table(found: tuple[WorkspaceState, ...]) -> str:
    if not found:
        return "no workspace is known yet: rolebridge apply mappings/"
    head = ("WORKSPACE", "MODE", "PLATFORM", "PEOPLE", "IMPORTED", "SINCE")
    rows = (
        (
            state.workspace,
            state.mode,
            state.platform,
            f"{state.people:,}",
            f"{state.imported:,}" if state.imported else "",
            f"{state.changed:%Y-%m-%d} ({state.changed_by})" if state.changed else "",
        )
        for state in found
    )
    return f"{table(head, rows)}\n{faint(counted(len(found), 'workspace'))}"
