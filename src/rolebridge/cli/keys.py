"""`rolebridge key`: the API keys of an organization."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from rolebridge.bridge.key_documents import key_document
from rolebridge.cli import credentials
from rolebridge.cli.options import csv_option, expires_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import minute, strong, table

if TYPE_CHECKING:
    from rolebridge.store.records import Key

ROLES = ("owner", "operator", "auditor", "reader")
"""`bridge.permissions.KeyRole`, which `--help` need not import a database for; a test keeps them equal."""
OWNER_KEY = "owner"
"""The name of the key that `init` makes."""


@click.group()
def key() -> None:
    """API keys: what people and programs prove themselves with at the API."""


@key.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@click.option("--workspace", metavar="WORKSPACE", help="The only workspace for which it may do so.")
@expires_option
@org_option
@json_option
@pass_session
def add(
    session: Session, name: str, role: str, workspace: str | None, expires: datetime | None, org: str | None
) -> None:
    """Add an API key and print it, once."""
    from rolebridge.bridge.permissions import KeyRole

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        added, secret = installation.administration.add_key(
            session.operator, organization, name, KeyRole(role), workspace=workspace, expires_at=expires
        )
    _answer_new(session, added, organization.name, secret.text)


@key.command()
@org_option
@json_option
@pass_session
def recover(session: Session, org: str | None) -> None:
    """Make a new owner key: whoever holds the machine always can. It is recorded under your login name."""
    from rolebridge.bridge.permissions import KeyRole

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        name = f"recovered by {session.operator.actor}"
        added, secret = installation.administration.add_key(session.operator, organization, name, KeyRole.OWNER)
    _answer_new(session, added, organization.name, secret.text)


@key.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List an organization's API keys, the revoked and expired ones included; never the secrets."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        known = installation.administration.keys(organization)
    now = session.clock()
    document = {"organization": organization.name, "keys": [key_document(one, now) for one in known]}
    rows = [(*credentials.cells(one.credential, now), one.role, one.workspace or "every") for one in known]
    text = table((*credentials.HEAD, "ROLE", "WORKSPACE"), rows) if known else "there is no key: rolebridge key recover"
    session.answer_list(document, "keys", (*credentials.CSV_HEAD, "role", "workspace"), text)


@key.command()
@click.argument("id")
@org_option
@json_option
@pass_session
def revoke(session: Session, id: str, org: str | None) -> None:
    """Make an API key worthless, at once. ID is the key's id, or the beginning of it."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        revoked = installation.administration.revoke_key(session.operator, organization, id)
    document = {"revoked": revoked.id, "name": revoked.name, "organization": organization.name}
    session.answer(document, f"key {strong(revoked.name)} …{revoked.hint} of {organization.name} revoked")


def _answer_new(session: Session, added: Key, organization: str, secret: str) -> None:
    document = {**key_document(added, session.clock()), "organization": organization, "key": secret}
    where = f"workspace {added.workspace} of {organization}" if added.workspace else organization
    expires = added.credential.expires_at
    until = f", works until {minute(expires)}" if expires else ""
    lines = (
        f"key {strong(added.credential.name)} added: {added.role} of {where}{until}",
        f"  key  {strong(secret)}",
        "  It is not shown again.",
    )
    session.answer(document, "\n".join(lines))
