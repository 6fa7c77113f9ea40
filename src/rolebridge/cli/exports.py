"""`rolebridge export`: the users and groups of a connection, as of one moment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import click

from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, pass_session, the_connection
from rolebridge.cli.terminal import counted

_KINDS = ("users", "groups")


@click.command("export")
@click.option("--connection", metavar="NAME", help="Whose; may be left out when there is only one.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="JSON lines unless said.")
@click.option("--only", type=click.Choice(_KINDS), help="Only users or only groups; a table holds one of them.")
@click.option("--delimiter", default=";", metavar="TEXT", help="What separates several values of a cell (`;`).")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the output.")
@org_option
@json_option
@pass_session
def export(  # noqa: PLR0917 - the options of a command
    session: Session,
    connection: str | None,
    kind: str,
    only: str | None,
    delimiter: str,
    output: Path | None,
    org: str | None,
) -> None:
    """Export users and groups: SCIM resources, one in each line, or a table (CSV).

    All is as of one moment. Ids and versions are left out and members are called by name, so that another
    installation can import it. A file is complete or not there, and readable by its owner only.
    """
    if kind == "csv" and only is None:
        raise click.UsageError("a table holds one kind of resource: --only users or --only groups")
    from rolebridge.scim.transfer.exporter import lines

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        target = the_connection(installation, organization, connection)
        with installation.exporting.snapshot(target) as snapshot, _writing(output) as stream:
            written = 0
            for line in lines(snapshot, kind, only, delimiter):
                stream.write(line.encode())
                written += 1
        written -= kind == "csv"  # the line of heads
    if output is not None:
        document = {"connection": target.name, "output": str(output), "rows": written}
        session.answer(document, f"{counted(written, 'row')} written to {output}")


@contextmanager
def _writing(output: Path | None) -> Iterator[BinaryIO]:
    """Give where the text goes: the standard output, or a new file that takes its name when it is complete."""
    if output is None:
        yield sys.stdout.buffer
        return
    draft = output.with_name(f".{output.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(descriptor)
        draft.replace(output)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
