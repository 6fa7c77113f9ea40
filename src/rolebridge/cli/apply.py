"""`rolebridge apply`: putting mapping files in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, pass_session


@click.command()
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Apply even if a guard rail forbids it; needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why a guard rail is passed; it is kept with the revision.")
@click.option("--all", "everybody", is_flag=True, help="List every change, not only the first of each workspace.")
@org_option
@json_option
@pass_session
def apply(session: Session, path: Path, force: bool, reason: str, everybody: bool, org: str | None) -> None:
    """Make the mapping files of a folder the mapping in force: all their effects at once, or none.

    PATH holds the whole mapping: a workspace without a file in it loses its mapping. Files with errors change nothing,
    and neither does a mapping that a guard rail of the files forbids.
    """
    if force != bool(reason.strip()):
        raise click.UsageError("--force and --reason go together: who passes a guard rail says why")
    from rolebridge.cli.views import changes as view

    files = read(path)
    with session.installation() as installation, _refusing(path, files):
        organization = installation.administration.organization(org)
        catalogues = dict(installation.access.catalogues(organization.id))
        applied = installation.planning.apply(session.operator, organization.id, files, force_reason=reason.strip())
        names = view.Names(
            {**catalogues, **installation.access.catalogues(organization.id)},
            installation.access.user_names(organization.id, {change.user_id for change in applied.plan.changes}),
        )
    session.answer(
        view.document(organization.name, applied, names),
        view.text(applied, names, files, most=None if everybody else view.SHOWN),
    )


def read(path: Path) -> dict[str, str]:
    """Return the mapping files of a folder under the names that a revision keeps. Raises Refused with every problem."""
    from rolebridge.cli.mappings import named_from_folder, read_paths
    from rolebridge.cli.views import diagnostics as view
    from rolebridge.mapfile import UnreadableFiles

    try:
        return named_from_folder(read_paths([path]))
    except UnreadableFiles as error:
        more = view.document(error.diagnostics)
        raise Refused(error, before=view.text(error.diagnostics, {}), more=more) from error


@contextmanager
def _refusing(path: Path, files: Mapping[str, str]) -> Iterator[None]:
    """Tell a refusal of the files with all there is to know about it."""
    from rolebridge.bridge.planning import GuardTripped, MappingRefused
    from rolebridge.bridge.testing import CasesFailed
    from rolebridge.cli.views import cases
    from rolebridge.cli.views import diagnostics as view

    try:
        yield
    except MappingRefused as error:
        more = view.document(error.diagnostics)
        raise Refused(error, before=view.text(error.diagnostics, files), more=more) from error
    except CasesFailed as error:
        before = cases.text(error.run, files) + "\n"
        raise Refused(error, before=before, more={"cases": cases.document(error.run)}) from error
    except GuardTripped as error:
        help_ = f'if that is meant: rolebridge apply {path} --force --reason "why"'
        trips = [
            {"guard": trip.kind, "workspace": trip.workspace, "limit": trip.limit, "actual": trip.actual}
            for trip in error.trips
        ]
        raise Refused(error, help_, notes=("nothing was changed",), more={"trips": trips}) from error
