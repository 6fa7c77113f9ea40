"""`rolebridge test`: the cases that stand beside mapping files, run without changing or asking anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.failures import Refused
from rolebridge.cli.options import MAPPINGS, json_option, vars_option
from rolebridge.cli.session import Session, pass_session

if TYPE_CHECKING:
    from rolebridge.bridge.testing import CaseRun


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]", type=click.Path(path_type=Path), default=(MAPPINGS,))
@click.option("--coverage", is_flag=True, help="Name the rules that no case exercises, and refuse if there are any.")
@click.option("--verbose", "-v", is_flag=True, help="Name the cases that pass too.")
@click.option("--org", metavar="NAME", help="Also know this organization's connections and its own attributes.")
@vars_option
@json_option
@pass_session
def test(session: Session, paths: tuple[Path, ...], coverage: bool, verbose: bool, org: str | None) -> Exit:
    """Run the cases in `*.test.yaml` against the mapping files beside them: expected, got, and why.

    PATH is a folder of mapping files, by default `mappings`. Without --org no database is needed. `apply` runs
    the same cases first.
    """
    from rolebridge.cli.mappings import read_paths
    from rolebridge.cli.views import cases as view
    from rolebridge.cli.views import diagnostics
    from rolebridge.mapfile import UnreadableFiles

    try:
        files = read_paths(paths, session.variables)
        run = _run(session, org, files)
    except UnreadableFiles as error:
        raise Refused(
            error, before=diagnostics.text(error.diagnostics, {}), more=diagnostics.document(error.diagnostics)
        ) from error
    session.answer(view.document(run), view.text(run, files, verbose=verbose, coverage=coverage))
    left_out = coverage and any(run.unexercised.values())
    return Exit.DONE if run.passed and not left_out else Exit.REFUSED


def _run(session: Session, org: str | None, files: Mapping[str, str]) -> CaseRun:
    from rolebridge.bridge.testing import read_and_run

    if org is None:
        return read_and_run(files)
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        return installation.planning.run_cases(organization.id, files)
