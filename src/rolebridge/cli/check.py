"""`rolebridge check`: what is wrong with mapping files, without changing or asking anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import bad, counted, good, say

if TYPE_CHECKING:
    from rolebridge.core.diagnostics import Diagnostic


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option(
    "--org", metavar="NAME", help="Also check the connections that the files name against this organization's."
)
@json_option
@pass_session
def check(session: Session, paths: tuple[Path, ...], org: str | None) -> Exit:
    """Check mapping files: every problem with its place, the words that are wrong, and what to do.

    PATH is a folder of mapping files or one of its files. Without --org no database is needed.
    """
    from rolebridge.cli.mappings import read_paths
    from rolebridge.mapfile import UnreadableFiles

    try:
        files = read_paths(paths)
    except UnreadableFiles as error:
        return _told(session, paths, {}, error.diagnostics)
    return _told(session, paths, files, _diagnostics(session, org, files))


def _diagnostics(session: Session, org: str | None, files: Mapping[str, str]) -> Sequence[Diagnostic]:
    if org is None:
        from rolebridge.bridge.testing import check_files

        return check_files(files)[1]
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        return installation.planning.check(organization.id, files)[1]


def _told(session: Session, paths: Sequence[Path], files: Mapping[str, str], diagnostics: Sequence[Diagnostic]) -> Exit:
    from rolebridge.cli.views import diagnostics as view
    from rolebridge.core.diagnostics import has_errors

    failed = has_errors(diagnostics)
    if session.json:
        say(as_json({"files": sorted(files), "ok": not failed, **view.document(diagnostics)}))
    else:
        summary = f"{' '.join(map(str, paths))}: {counted(len(files), 'file')}, {view.counted_text(diagnostics)}"
        say(view.text(diagnostics, files) + f"{bad('✗') if failed else good('✓')} {summary}")
    return Exit.REFUSED if failed else Exit.DONE
