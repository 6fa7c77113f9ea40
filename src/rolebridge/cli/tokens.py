"""`rolebridge token`: the SCIM tokens of a connection."""

from __future__ import annotations

from datetime import datetime

import click

from rolebridge.bridge.key_documents import credential_document
from rolebridge.cli import credentials
from rolebridge.cli.options import csv_option, expires_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session, the_connection
from rolebridge.cli.terminal import minute, strong, table

_connection_option = click.option(
    "--connection", metavar="NAME", help="The connection; may be left out when there is only one."
)


@click.group()
def token() -> None:
    """SCIM tokens: what identity providers prove themselves with."""


@token.command()
@click.argument("name")
@_connection_option
@expires_option
@click.option("--user", metavar="NAME", help="The user whom `/Me` means with this token: a userName or id.")
@org_option
@json_option
@pass_session
def add(
    session: Session, name: str, connection: str | None, expires: datetime | None, user: str | None, org: str | None
) -> None:
    """Add a token beside those there are, so that one can be replaced without a gap, and print it, once."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        owner = the_connection(installation, organization, connection)
        added, secret = installation.administration.add_token(session.operator, owner, name, expires, user)
        base_url = installation.scim_base_url
    document = {
        **credential_document(added.credential, session.clock()),
        "connection": owner.name,
        "user_id": added.user_id,
        "scim_base_url": base_url,
        "token": secret.text,
    }
    until = f", works until {minute(expires)}" if expires else ""
    lines = (
        f"token {strong(name)} of connection {owner.name} added{until}",
        f"  token  {strong(secret.text)}",
        "  It is not shown again.",
    )
    session.answer(document, "\n".join(lines))


@token.command("list")
@_connection_option
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, connection: str | None, org: str | None) -> None:
    """List a connection's tokens, the revoked and expired ones included; never the secrets."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        owner = the_connection(installation, organization, connection)
        tokens = installation.administration.tokens(owner)
    now = session.clock()
    documents = [{**credential_document(one.credential, now), "user_id": one.user_id} for one in tokens]
    lines = table(credentials.HEAD, [credentials.cells(one.credential, now) for one in tokens])
    document = {"connection": owner.name, "tokens": documents}
    session.answer_list(document, "tokens", (*credentials.CSV_HEAD, "user_id"), lines)


@token.command()
@click.argument("id")
@_connection_option
@org_option
@json_option
@pass_session
def revoke(session: Session, id: str, connection: str | None, org: str | None) -> None:
    """Make a token worthless, at once. ID is the token's id, or the beginning of it."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        owner = the_connection(installation, organization, connection)
        revoked = installation.administration.revoke_token(session.operator, owner, id)
    document = {"revoked": revoked.id, "name": revoked.name, "connection": owner.name}
    session.answer(document, f"token {strong(revoked.name)} …{revoked.hint} of connection {owner.name} revoked")
