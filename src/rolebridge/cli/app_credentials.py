"""`rolebridge app secret` and `rolebridge app key`: what applications prove themselves with."""

from __future__ import annotations

from datetime import datetime
from typing import TextIO

import click

from rolebridge.bridge.app_documents import app_credential_document
from rolebridge.cli import credentials
from rolebridge.cli.clients import LONGEST_FILE, SECRET_LIFE, secret_expires
from rolebridge.cli.options import csv_option, expires_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, minute, strong, table

app_argument = click.argument("app", metavar="APP")


@click.group()
def secret() -> None:
    """Secrets of an application: several work at a time, so that one can be replaced without a gap."""


@click.group()
def key() -> None:
    """Public keys of an application, which then signs instead of showing a secret (private_key_jwt)."""


@secret.command("add")
@app_argument
@click.argument("name")
@secret_expires
@org_option
@json_option
@pass_session
def add_secret(session: Session, app: str, name: str, expires: datetime | None, org: str | None) -> None:
    """Add a secret beside those the application has, and print it, once."""
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        ends = expires or session.clock() + SECRET_LIFE
        added, made = installation.applications.add_secret(session.operator, found, name, ends)
    document = {**app_credential_document(added, session.clock()), "client_id": found.id, "client_secret": made.text}
    lines = (
        f"secret {strong(name)} of application {found.name} added, works until {minute(ends)}",
        f"  client id      {found.id}",
        f"  client secret  {strong(made.text)}",
        "  It is not shown again.",
    )
    session.answer(document, "\n".join(lines))


@secret.command("list")
@app_argument
@org_option
@csv_option
@json_option
@pass_session
def list_secrets(session: Session, app: str, org: str | None) -> None:
    """List an application's secrets, the revoked and expired ones included; never the secrets themselves."""
    _list(session, app, org, keys=False)


@secret.command("revoke")
@app_argument
@click.argument("id")
@org_option
@json_option
@pass_session
def revoke_secret(session: Session, app: str, id: str, org: str | None) -> None:
    """Make a secret worthless, at once. ID is the secret's id, or the beginning of it."""
    _revoke(session, app, id, org)


@key.command("add")
@app_argument
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
@expires_option
@org_option
@json_option
@pass_session
def add_key(session: Session, app: str, name: str, file: TextIO, expires: datetime | None, org: str | None) -> None:
    """Register the public keys in FILE (PEM, JWK or JWK Set; `-` is the standard input)."""
    from rolebridge.oauth.keys import read_public_keys

    keys = read_public_keys(file.read(LONGEST_FILE))
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        added = [installation.applications.add_key(session.operator, found, name, one, expires) for one in keys]
    now = session.clock()
    document = {"client_id": found.id, "keys": [app_credential_document(one, now) for one in added]}
    hints = ", ".join(f"…{one.credential.hint}" for one in added)
    text = f"{counted(len(added), 'key')} ({hints}) of application {strong(found.name)} registered"
    session.answer(document, text)


@key.command("list")
@app_argument
@org_option
@csv_option
@json_option
@pass_session
def list_keys(session: Session, app: str, org: str | None) -> None:
    """List an application's public keys, the revoked and expired ones included."""
    _list(session, app, org, keys=True)


@key.command("revoke")
@app_argument
@click.argument("id")
@org_option
@json_option
@pass_session
def revoke_key(session: Session, app: str, id: str, org: str | None) -> None:
    """Make a key worthless, at once. ID is the key's id, or the beginning of it."""
    _revoke(session, app, id, org)


def _list(session: Session, app: str, org: str | None, *, keys: bool) -> None:
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        held = [one for one in installation.applications.credentials(found) if (one.jwk is not None) == keys]
    now, word = session.clock(), "keys" if keys else "secrets"
    document = {"client_id": found.id, "name": found.name, word: [app_credential_document(one, now) for one in held]}
    rows = [credentials.cells(one.credential, now) for one in held]
    text = table(credentials.HEAD, rows) if rows else f"the application {found.name} has no {word}"
    session.answer_list(document, word, (*credentials.CSV_HEAD, *(["kid"] if keys else [])), text)


def _revoke(session: Session, app: str, id_: str, org: str | None) -> None:
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        revoked = installation.applications.revoke_credential(session.operator, found, id_)
    word = "secret" if revoked.jwk is None else "key"
    document = {"revoked": revoked.credential.id, "name": revoked.credential.name, "client_id": found.id}
    text = f"{word} {strong(revoked.credential.name)} …{revoked.credential.hint} of application {found.name} revoked"
    session.answer(document, text)
