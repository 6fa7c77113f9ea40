"""`rolebridge import`: users and groups from files or from another SCIM server, into a connection."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from rolebridge.cli.connections import ProfileName
from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, pass_session, the_connection
from rolebridge.cli.terminal import bad, counted, doubtful, good, one_line

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.import_entries import Import
    from rolebridge.scim.schemas import SchemaSet
    from rolebridge.scim.transfer.importer import Report, Watcher
    from rolebridge.scim.transfer.remote import ScimServer
    from rolebridge.scim.transfer.rows import Mark, Source
    from rolebridge.store.records import Connection


@click.command("import")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--from-url", metavar="URL", help="The base URL of another SCIM server, instead of files.")
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Its bearer token.")
@click.option("--connection", metavar="NAME", help="Whose they will be; may be left out when there is only one.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), help="Otherwise the file's name tells.")
@click.option("--delimiter", default=";", metavar="TEXT", help="What separates several values of a cell (`;`).")
@click.option(
    "--profile",
    type=ProfileName(),
    default="generic",
    metavar="PROFILE",
    help="Which departures from the RFCs the rows are forgiven (`generic`: all).",
)
@click.option("--create-only", is_flag=True, help="Leave alone what is there already.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Write refused rows to this file.")
@click.option("--restart", is_flag=True, help="Begin at the beginning, even where the same import was broken off.")
@org_option
@json_option
@pass_session
def import_(  # noqa: PLR0913, PLR0917 - the options of a command
    session: Session,
    files: tuple[str, ...],
    from_url: str | None,
    token_file: Path | None,
    connection: str | None,
    kind: str | None,
    delimiter: str,
    profile: str,
    create_only: bool,
    dry_run: bool,
    rejects: Path | None,
    restart: bool,
    org: str | None,
) -> Exit:
    """Import users and groups: SCIM resources, one in each line, or tables (CSV). `-` is the standard input.

    With --from-url they come from another SCIM server.

    What the connection has already, by externalId, else by name, is updated with what the row says; nothing is
    deleted, and no member is removed. A row that is refused does not stop the others. An import that was broken off
    goes on where it was when the same command runs again.
    """
    if bool(files) == bool(from_url):
        raise click.UsageError("say what to import: one or more files, `-`, or --from-url")
    if bool(from_url) != bool(token_file):
        raise click.UsageError("--from-url and --token-file go together")
    from rolebridge.scim.schemas import schemas_of
    from rolebridge.scim.transfer.files import digest_of

    with ExitStack() as stack:
        installation = stack.enter_context(session.installation())
        target = the_connection(installation, installation.administration.organization(org), connection)
        registered = installation.provisioning.extensions.of(target.organization_id, target.schemas_version)
        schemas = schemas_of(registered)
        paths = [_path(stack, name) for name in files]
        sources = [_source(path, name, kind, delimiter, schemas) for path, name in zip(paths, files, strict=True)]
        if from_url and token_file:
            sources = [stack.enter_context(closing(_server(from_url, token_file)))]
        id_ = digest_of(paths, target.id, profile, delimiter, kind or "", str(create_only), from_url or "")
        wanted = _wanted(session, target, id_, schemas, create_only=create_only, dry_run=dry_run)
        stream = stack.enter_context(_rejects(rejects))
        with _watching(session, sources) as watch:
            report = _run(installation, wanted, profile, schemas, sources, stream, watch, restart)
    session.answer({"dry_run": dry_run, "complete": report.complete, **report.document()}, _text(report, dry_run))
    return Exit.DONE if report.complete else Exit.REFUSED


def _run(  # noqa: PLR0917 - what the command has gathered
    installation: Installation,
    wanted: Import,
    profile_name: str,
    schemas: SchemaSet,
    sources: Sequence[Source],
    rejects: BinaryIO | None,
    watch: Watcher,
    restart: bool,
) -> Report:
    from rolebridge.scim.profile import profile
    from rolebridge.scim.transfer.importer import Importer

    spoken = profile(profile_name)
    importer = Importer(
        installation.importing, wanted, lambda: spoken.reading(schemas), sources, rejects=rejects, watch=watch
    )
    return importer.run(installation.clock(), afresh=restart)


def _wanted(
    session: Session, target: Connection, id_: str, schemas: SchemaSet, *, create_only: bool, dry_run: bool
) -> Import:
    from rolebridge.bridge.callers import Caller
    from rolebridge.bridge.import_entries import Import
    from rolebridge.scim.transfer.shape import SchemaShape

    caller = Caller(
        target.organization_id,
        target.id,
        target.name,
        target.profile,
        session.request_id,
        schemas_version=target.schemas_version,
        operator=session.operator.actor,
    )
    return Import(caller, id_, SchemaShape(schemas), create_only, dry_run)


# --- files ---------------------------------------------------------------------------------------------------


def _path(stack: ExitStack, name: str) -> Path:
    from rolebridge.scim.transfer.files import spooled

    return Path(name) if name != "-" else stack.enter_context(spooled(sys.stdin.buffer))


def _source(path: Path, name: str, kind: str | None, delimiter: str, schemas: SchemaSet) -> Source:
    from rolebridge.scim.transfer.files import Format, format_of, open_source

    if kind is None and name == "-":
        raise click.UsageError("say which --format the standard input has")
    format_ = Format(kind) if kind else format_of(path)
    return open_source(path, "standard input" if name == "-" else name, format_, delimiter, schemas)


def _server(url: str, token_file: Path) -> ScimServer:
    from rolebridge.scim.transfer.remote import ScimServer

    return ScimServer(url, token_file.read_text(encoding="utf-8", errors="replace").strip())


@contextmanager
def _rejects(path: Path | None) -> Iterator[BinaryIO | None]:
    """Give the file for refused rows, readable by its owner only; one without any is removed again."""
    if path is None:
        yield None
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        yield stream
        stream.flush()
        if stream.tell() == 0:
            path.unlink()


# --- what is shown -------------------------------------------------------------------------------------------


@contextmanager
def _watching(session: Session, sources: Sequence[Source]) -> Iterator[Watcher]:
    """Give what moves a progress bar on a terminal, and elsewhere does nothing."""
    before: dict[int, int] = {}
    total = 0
    for source in sources:
        before[id(source)] = total
        total += source.size or 0
    shown = sys.stderr.isatty() and not session.json and total
    bar: Any = click.progressbar(length=2 * total, label="users", file=sys.stderr) if shown else nullcontext()
    with bar:
        position = 0

        def watch(kind: str, source: Source, mark: Mark) -> None:
            nonlocal position
            if not shown:
                return
            reached = min(before[id(source)] + mark.offset + (0 if kind == "users" else total), 2 * total)
            bar.label = kind
            bar.update(max(reached - position, 0))
            position = max(position, reached)

        yield watch


def _text(report: Report, dry_run: bool) -> str:
    lines = [f"gone on with from {report.resumed_at}"] if report.resumed_at else []
    if report.restarted:
        lines.append(f"begun anew: {report.restarted} has changed since, and what was imported is found again")
    for kind in ("users", "groups", "rows"):
        counts = {fate: number for (of, fate), number in report.counts.items() if of == kind}
        if counts or kind != "rows":
            told = ", ".join(f"{number:,} {fate}" for fate, number in sorted(counts.items())) or "none"
            lines.append(f"{kind:<8}{told}")
    unknown = f", {report.members_unknown:,} unknown" if report.members_unknown else ""
    lines.append(f"{'members':<8}{report.members_added:,} added{unknown}")
    if report.tolerances:
        lines.append(
            "forgiven " + ", ".join(f"{name} {number:,}×" for name, number in sorted(report.tolerances.items()))
        )
    lines += [f"{bad('✗')} {problem.place}  {one_line(problem.text)}" for problem in report.problems]
    if report.problem_count > len(report.problems):
        lines.append(f"  and {counted(report.problem_count - len(report.problems), 'more problem')}")
    if dry_run:
        lines.append(doubtful("nothing was written: --dry-run"))
    elif report.complete:
        lines.append(good("✓ everything was imported"))
    return "\n".join(lines)
