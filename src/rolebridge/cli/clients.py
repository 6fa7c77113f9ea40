"""`rolebridge client`: OAuth 2.0 clients of a connection, for identity providers that want no long-lived token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import click

from rolebridge.bridge.key_documents import credential_document
from rolebridge.cli import credentials
from rolebridge.cli.options import Expiry, csv_option, expires_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session, the_connection
from rolebridge.cli.terminal import counted, faint, minute, strong, table
from rolebridge.core.moments import stamp, stamp_or_none

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Client, ClientCredential

MINUTES = (60, 360)
"""`bridge.clients.TOKEN_MINUTES`, which `--help` need not import a database for; a test keeps them equal."""
SECRET_LIFE = timedelta(days=730)
"""For how long a client secret works when nobody says."""
CSV_HEAD = ("client_id", "name", "connection", "token_minutes", "created", "revoked_at")
LONGEST_FILE = 65_537  # characters: one more than any file of keys may have

_client_argument = click.argument("client", metavar="CLIENT")
secret_expires = click.option(
    "--expires",
    type=Expiry(),
    metavar="730d|DATE",
    help="When the secret stops working: in so many days, or after that day (UTC). Otherwise in two years.",
)


@click.group()
def client() -> None:
    """OAuth clients: identity providers that fetch short-lived tokens with a secret or a signature."""


@client.group()
def secret() -> None:
    """Secrets of a client: several work at a time, so that one can be replaced without a gap."""


@client.group()
def key() -> None:
    """Public keys of a client, which then signs instead of showing a secret (private_key_jwt)."""


# --- clients ---------------------------------------------------------------------------------------------------


@client.command()
@click.argument("name")
@click.option("--connection", metavar="NAME", help="The connection; may be left out when there is only one.")
@click.option(
    "--minutes",
    type=click.IntRange(*MINUTES),
    default=MINUTES[0],
    show_default=True,
    help="How long its access tokens live.",
)
@click.option("--no-secret", is_flag=True, help="Make no secret: the client will sign with a key.")
@secret_expires
@org_option
@json_option
@pass_session
def add(  # noqa: PLR0917 - the options of a command
    session: Session,
    name: str,
    connection: str | None,
    minutes: int,
    no_secret: bool,
    expires: datetime | None,
    org: str | None,
) -> None:
    """Add a client with its first secret, and print what the identity provider needs, once."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        owner = the_connection(installation, organization, connection)
        added = installation.clients.add(session.operator, owner, name, minutes)
        made = None
        if not no_secret:
            ends = expires or session.clock() + SECRET_LIFE
            made = installation.clients.add_secret(session.operator, added, "first", ends)
        document = {**_document(added, owner.name), **_endpoints(installation)}
    document |= {"client_secret": made[1].text if made else None}
    lines = [
        f"client {strong(name)} of connection {owner.name} added, its access tokens live {minutes} minutes",
        f"  SCIM base URL   {document['scim_base_url']}",
        f"  token endpoint  {document['token_endpoint']}",
        f"  client id       {strong(added.id)}",
    ]
    if made:
        until = made[0].credential.expires_at
        lines += [f"  client secret   {strong(made[1].text)}", "  The secret is not shown again."]
        lines += [f"  It works until {minute(until)}."] if until else []
        document["client_secret_expires_at"] = stamp_or_none(until)
    else:
        lines.append(f"  It proves itself with a key: rolebridge client key add {added.id} NAME FILE")
    session.answer(document, "\n".join(lines))


@client.command("list")
@click.option("--connection", metavar="NAME", help="Clients of this connection only.")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, connection: str | None, org: str | None) -> None:
    """List OAuth clients, the revoked ones included."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        names = {one.id: one.name for one in installation.administration.connections(organization)}
        owner = installation.administration.connection(organization, connection) if connection else None
        known = installation.clients.clients(organization, owner)
    document = {
        "organization": organization.name,
        "clients": [_document(one, names[one.connection_id]) for one in known],
    }
    rows = [
        (one.id, one.name, names[one.connection_id], str(one.token_minutes), minute(one.created), _state(one))
        for one in known
    ]
    text = table(("CLIENT ID", "NAME", "CONNECTION", "MINUTES", "CREATED", "STATE"), rows)
    if not known:
        text = "there is no OAuth client: rolebridge client add NAME --connection NAME"
    session.answer_list(document, "clients", CSV_HEAD, text)


@client.command()
@_client_argument
@org_option
@json_option
@pass_session
def revoke(session: Session, client: str, org: str | None) -> None:
    """Make a client and all its tokens worthless, at once. CLIENT is its id, the beginning of it, or its name."""
    with session.installation() as installation:
        found = installation.clients.client(installation.administration.organization(org), client)
        installation.clients.revoke(session.operator, found)
    document = {"revoked": found.id, "name": found.name}
    session.answer(document, f"client {strong(found.name)} revoked, with every token it was given")


# --- secrets ---------------------------------------------------------------------------------------------------


@secret.command("add")
@_client_argument
@click.argument("name")
@secret_expires
@org_option
@json_option
@pass_session
def add_secret(session: Session, client: str, name: str, expires: datetime | None, org: str | None) -> None:
    """Add a secret beside those the client has, and print it, once."""
    with session.installation() as installation:
        found = installation.clients.client(installation.administration.organization(org), client)
        ends = expires or session.clock() + SECRET_LIFE
        added, made = installation.clients.add_secret(session.operator, found, name, ends)
        document = {**_credential_document(added, session.clock()), "client_id": found.id, **_endpoints(installation)}
    lines = (
        f"secret {strong(name)} of client {found.name} added, works until {minute(ends)}",
        f"  client id      {found.id}",
        f"  client secret  {strong(made.text)}",
        "  It is not shown again.",
    )
    session.answer({**document, "client_secret": made.text}, "\n".join(lines))


@secret.command("list")
@_client_argument
@org_option
@csv_option
@json_option
@pass_session
def list_secrets(session: Session, client: str, org: str | None) -> None:
    """List a client's secrets, the revoked and expired ones included; never the secrets themselves."""
    _list(session, client, org, keys=False)


@secret.command("revoke")
@_client_argument
@click.argument("id")
@org_option
@json_option
@pass_session
def revoke_secret(session: Session, client: str, id: str, org: str | None) -> None:
    """Make a secret and the tokens it brought worthless, at once. ID is the secret's id, or the beginning of it."""
    _revoke(session, client, id, org, keys=False)


# --- keys ------------------------------------------------------------------------------------------------------


@key.command("add")
@_client_argument
@click.argument("name")
@click.argument("file", type=click.File(encoding="utf-8", errors="surrogateescape"))
@expires_option
@org_option
@json_option
@pass_session
def add_key(session: Session, client: str, name: str, file: TextIO, expires: datetime | None, org: str | None) -> None:
    """Register the public keys in FILE (PEM, JWK or JWK Set; `-` is the standard input)."""
    from rolebridge.oauth.keys import read_public_keys

    keys = read_public_keys(file.read(LONGEST_FILE))
    with session.installation() as installation:
        found = installation.clients.client(installation.administration.organization(org), client)
        added = [installation.clients.add_key(session.operator, found, name, one, expires) for one in keys]
        endpoints = _endpoints(installation)
    now = session.clock()
    document = {"client_id": found.id, **endpoints, "keys": [_credential_document(one, now) for one in added]}
    hints = ", ".join(f"…{one.credential.hint}" for one in added)
    session.answer(document, f"{counted(len(added), 'key')} ({hints}) of client {strong(found.name)} registered")


@key.command("list")
@_client_argument
@org_option
@csv_option
@json_option
@pass_session
def list_keys(session: Session, client: str, org: str | None) -> None:
    """List a client's public keys, the revoked and expired ones included."""
    _list(session, client, org, keys=True)


@key.command("revoke")
@_client_argument
@click.argument("id")
@org_option
@json_option
@pass_session
def revoke_key(session: Session, client: str, id: str, org: str | None) -> None:
    """Make a key and the tokens it brought worthless, at once. ID is the key's id, or the beginning of it."""
    _revoke(session, client, id, org, keys=True)


# --- shared ----------------------------------------------------------------------------------------------------


def _list(session: Session, client: str, org: str | None, *, keys: bool) -> None:
    with session.installation() as installation:
        found = installation.clients.client(installation.administration.organization(org), client)
        held = [one for one in installation.clients.credentials(found) if (one.jwk is not None) == keys]
    now = session.clock()
    word = "keys" if keys else "secrets"
    document = {"client_id": found.id, "name": found.name, word: [_credential_document(one, now) for one in held]}
    rows = [credentials.cells(one.credential, now) for one in held]
    text = table(credentials.HEAD, rows) if rows else f"the client {found.name} has no {word}"
    session.answer_list(document, word, (*credentials.CSV_HEAD, *(["kid"] if keys else [])), text)


def _revoke(session: Session, client: str, id_: str, org: str | None, *, keys: bool) -> None:
    with session.installation() as installation:
        found = installation.clients.client(installation.administration.organization(org), client)
        revoked = installation.clients.revoke_credential(session.operator, found, id_, key=keys)
    document = {"revoked": revoked.id, "name": revoked.name, "client_id": found.id}
    word = "key" if keys else "secret"
    text = f"{word} {strong(revoked.name)} …{revoked.hint} of client {found.name} revoked, with the tokens it brought"
    session.answer(document, text)


def _document(one: Client, connection: str) -> dict[str, Any]:
    return {
        "client_id": one.id,
        "name": one.name,
        "connection": connection,
        "token_minutes": one.token_minutes,
        "created": stamp(one.created),
        "revoked_at": stamp_or_none(one.revoked_at),
    }


def _endpoints(installation: Installation) -> dict[str, str]:
    return {"token_endpoint": installation.token_endpoint, "scim_base_url": installation.scim_base_url}


def _credential_document(one: ClientCredential, now: datetime) -> dict[str, Any]:
    document = credential_document(one.credential, now)
    return document if one.jwk is None else {**document, "kid": one.credential.key_id or None}


def _state(one: Client) -> str:
    return faint(f"revoked {minute(one.revoked_at)}") if one.revoked_at else "works"
