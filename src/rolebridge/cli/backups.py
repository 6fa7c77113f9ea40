"""`rolebridge backup` and `rolebridge restore`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import bad, counted, one_line, strong
from rolebridge.settings import redacted_url

if TYPE_CHECKING:
    from rolebridge.bridge.backups import Manifest

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@json_option
@pass_session
def backup(session: Session, file: Path) -> None:
    """Write the database as it is now into a new FILE, also while the server runs.

    The secret keys are not in it: keep them apart.
    """
    from rolebridge.bridge.backups import Backups
    from rolebridge.store.dumps import ToolMissing, dump_command

    with session.installation() as installation:
        url = session.settings.database_url
        try:
            manifest = Backups(installation.store, url, session.clock).make(file)
        except ToolMissing as missing:
            raise Refused(missing, f"run this where there is one: {dump_command(url)}") from missing
    keys = ", ".join(manifest.key_ids) or "none"
    text = f"{strong(str(file))}: {_size(manifest)}, schema {manifest.schema}, secret keys that it needs: {keys}"
    session.answer({"file": str(file), **asdict(manifest)}, text)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Also when the backup is whole and what it holds is not right.")
@json_option
@pass_session
def restore(session: Session, file: Path, force: bool) -> None:
    """Put a backup into the empty database that the settings name, and check it.

    Refused when the database holds anything, when the backup's schema is another version's, or without the secret keys
    that it needs.
    """
    from rolebridge.bridge import backups
    from rolebridge.store.dumps import ToolMissing

    settings = session.settings
    found: list[str] = []

    def look(url: str) -> list[str]:
        found.extend(_look(session, url))
        return [] if force else found

    try:
        manifest = backups.restore(file, settings.database_url, _key_ids(session), look)
    except ToolMissing as missing:
        raise Refused(missing, "install PostgreSQL's client programs of the server's version") from missing
    address = redacted_url(settings.database_url)
    document = {"restored": str(file), "database_url": address, "problems": found, **asdict(manifest)}
    text = f"{strong(str(file))} of {manifest.made} restored and checked: {_size(manifest)}, schema {manifest.schema}"
    session.answer(document, "\n".join((text, *(f"{bad('✗')} {one_line(problem)}" for problem in found))))


def _key_ids(session: Session) -> tuple[str, ...]:
    from rolebridge.bridge.credentials import Hasher

    settings = session.settings
    if settings.secret_key is None:
        return ()
    return Hasher(settings.secret_key, settings.previous_secret_keys).key_ids


def _look(session: Session, url: str) -> list[str]:
    """Return what is wrong with a restored database: rows, grants, and the audit's chain."""
    from rolebridge.app import open_installation
    from rolebridge.bridge.auditing import Auditing
    from rolebridge.bridge.sealing import SealKeys

    settings = session.settings
    keys = () if settings.secret_key is None else (settings.secret_key, *settings.previous_secret_keys)
    installation = open_installation(replace(settings, database_url=url), clock=session.clock)
    try:
        installation.store.check_schema()
        auditing = Auditing(installation.store, session.clock, SealKeys(keys))
        problems = []
        for organization in installation.administration.organizations():
            rows = installation.consistency.row_problems(organization.id)
            problems += [f"{organization.name}: {found.subject}: {found.problem}" for found in rows]
            # Grants that a date has changed since are no problem of the backup: the worker changes them, or `fsck`.
            broken = auditing.verify(organization.id).broken
            if broken is not None:
                problems.append(f"{organization.name}: the audit's chain breaks at {broken.position}: {broken.detail}")
        return problems
    finally:
        installation.close()


def _size(manifest: Manifest) -> str:
    return counted(manifest.size, "byte")
