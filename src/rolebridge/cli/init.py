"""`rolebridge init`: from nothing to an installation that can serve; run again, it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.keys import OWNER_KEY
from rolebridge.cli.machine import config_path, make_database_folder, make_files
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import faint, good, strong
from rolebridge.settings import SettingsError, redacted_url

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Organization


@dataclass(slots=True)
class _Report:
    """What was made and what was there, as it is told at the end."""

    lines: list[str] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, value: str, new: bool, **more: Any) -> None:
        """Note one part of the installation."""
        label = name.replace("_", " ")
        mark, rest = (good("made"), "") if new else (faint("kept"), faint(" (was there)"))
        self.lines.append(f"{mark}  {label:13} {value}{rest}")
        self.document[name] = {"value": value, "new": new, **more}


@click.command()
@click.option("--org", default="default", show_default=True, metavar="NAME", help="The first organization's name.")
@json_option
@pass_session
def init(session: Session, org: str) -> None:
    """Set an installation up: settings, secret key, database, an organization, an owner key.

    What is there is kept: a second run says so and changes nothing.
    """
    report = _Report()
    _make_settings(session, report)
    _make_database(session, report)
    with session.installation() as installation:
        organization = _make_organization(session, installation, org, report)
        secret = _make_owner_key(session, installation, organization, report)
    report.document["key"] = secret
    if secret is not None:
        report.lines += [
            "",
            f"owner key  {strong(secret)}",
            "It is not shown again; `rolebridge key recover` makes another.",
        ]
    report.lines += [
        "",
        "next: rolebridge connection add NAME --profile PROFILE, rolebridge check mappings/, rolebridge serve",
    ]
    session.answer(report.document, "\n".join(report.lines))


def _make_settings(session: Session, report: _Report) -> None:
    config = config_path(session.environ, session.config)
    try:
        made = make_files(session.environ, config)
    except OSError as error:
        raise SettingsError((f"{error.filename or config}: cannot be made: {error.strerror}",)) from error
    if made is not None:
        settings, key = made
        report.add("settings", str(settings.path), settings.new)
        report.add("secret_key", str(key.path), key.new)
        session.config = config
    elif config.exists():
        report.add("settings", str(config), False)
    if session.settings.secret_key is None:
        raise Refused(
            SettingsError((f"{config}: there is no secret_key and no secret_key_file",)),
            'add one of them; python3 -c "import secrets; print(secrets.token_urlsafe(32))" makes a key',
        )


def _make_database(session: Session, report: _Report) -> None:
    from rolebridge.store.engine import Store

    url = session.settings.database_url
    try:
        make_database_folder(url)
    except OSError as error:
        raise SettingsError((f"{error.filename}: cannot be made: {error.strerror}",)) from error
    store = Store.open(url, create=True)
    try:
        new = store.schema_state().current is None
        if new:
            store.upgrade()
    finally:
        store.close()
    report.add("database", redacted_url(url), new)


def _make_organization(session: Session, installation: Installation, name: str, report: _Report) -> Organization:
    known = installation.administration.organizations()
    named = [one for one in known if one.name.casefold() == name.casefold()]
    if known:
        organization = (named or list(known))[0]
        report.add("organization", ", ".join(one.name for one in known), False)
    else:
        organization = installation.administration.add_organization(session.operator, name)
        report.add("organization", organization.name, True, id=organization.id)
    return organization


def _make_owner_key(
    session: Session, installation: Installation, organization: Organization, report: _Report
) -> str | None:
    """Make an owner key unless one works; return the secret of a new one."""
    from rolebridge.bridge.permissions import KeyRole

    now = session.clock()
    working = [
        one
        for one in installation.administration.keys(organization)
        if one.role == KeyRole.OWNER and one.credential.usable(now)
    ]
    if working:
        credential = working[0].credential
        report.add("owner_key", f"{credential.name} …{credential.hint}", False, id=credential.id)
        return None
    key, secret = installation.administration.add_key(session.operator, organization, OWNER_KEY, KeyRole.OWNER)
    report.add("owner_key", f"{key.credential.name} …{secret.hint}", True, id=key.credential.id)
    return secret.text
