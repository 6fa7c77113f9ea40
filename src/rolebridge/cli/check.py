"""`rolebridge check`: what is wrong with mapping files, without changing or asking anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import MAPPINGS, json_option, vars_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import bad, counted, good, say

if TYPE_CHECKING:
    from rolebridge.bridge.planning import FilesInForce
    from rolebridge.core.diagnostics import Diagnostic


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]", type=click.Path(path_type=Path), default=(MAPPINGS,))
@click.option(
    "--org", metavar="NAME", help="Also check against this organization: its connections, and the revision in force."
)
@vars_option
@json_option
@pass_session
def check(session: Session, paths: tuple[Path, ...], org: str | None) -> Exit:
    """Check mapping files: every problem with its place, the words that are wrong, and what to do.

    PATH is a folder of mapping files or one of its files, by default `mappings`. Without --org no database is needed.
    """
    from rolebridge.cli.mappings import named_from_folder, read_paths
    from rolebridge.mapfile import UnreadableFiles

    try:
        files = read_paths(paths, session.variables)
    except UnreadableFiles as error:
        return _told(session, paths, {}, error.diagnostics)
    if org is None:
        from rolebridge.bridge.testing import check_files

        return _told(session, paths, files, check_files(files)[1])
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.planning.check(organization.id, files)[1]
        in_force = installation.planning.difference(organization.id, named_from_folder(files))
    if not all(path.is_dir() for path in paths):  # of a file that was not named nothing is known
        in_force = replace(in_force, differing=tuple(one for one in in_force.differing if one[1] != "removed"))
    return _told(session, paths, files, found, in_force)


def _told(
    session: Session,
    paths: Sequence[Path],
    files: Mapping[str, str],
    diagnostics: Sequence[Diagnostic],
    in_force: FilesInForce | None = None,
) -> Exit:
    from rolebridge.cli.views import diagnostics as view
    from rolebridge.core.diagnostics import has_errors

    failed = has_errors(diagnostics)
    if session.json:
        document = {"files": sorted(files), "ok": not failed, **view.document(diagnostics)}
        if in_force is not None:
            differing = [{"name": name, "fate": fate} for name, fate in in_force.differing]
            document["in_force"] = {"revision": in_force.revision, "differing": differing}
        say(as_json(document))
    else:
        summary = f"{' '.join(map(str, paths))}: {counted(len(files), 'file')}, {view.counted_text(diagnostics)}"
        say(view.text(diagnostics, files) + f"{bad('✗') if failed else good('✓')} {summary}")
        if in_force is not None:
            say("\n".join(_compared(in_force)))
    return Exit.REFUSED if failed else Exit.DONE


def _compared(in_force: FilesInForce) -> Iterator[str]:
    """Yield how the files differ from the revision in force."""
    if not in_force.revision:
        yield "  no mapping is in force yet"
    elif not in_force.differing:
        yield f"  the files are those of revision {in_force.revision}, which is in force"
    else:
        yield f"  revision {in_force.revision} is in force; the files differ from it:"
        yield from (f"    {fate:7}  {name}" for name, fate in in_force.differing)
