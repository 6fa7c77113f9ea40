"""`rolebridge connection`: the identity providers of an organization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rolebridge.bridge.key_documents import credential_document
from rolebridge.cli import admission, adopt, credentials
from rolebridge.cli.admission import allowed_text, limits_of
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import minute, strong, table
from rolebridge.core.moments import stamp

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Connection, Organization


CSV_HEAD = ("id", "name", "organization", "profile", "created", "scim_base_url")


class ProfileName(click.ParamType[str]):
    """The name of a tolerance profile; a wrong one is answered with the nearest that there is."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name of a profile that exists."""
        from rolebridge.core.diagnostics import did_you_mean
        from rolebridge.scim.profile import profiles

        name, known = str(value), profiles()
        if name not in known:
            hint = did_you_mean(name, known)
            self.fail(f"there is no profile `{name}`; {hint or 'there are ' + ', '.join(known)}", param, ctx)
        return name


@click.group()
def connection() -> None:
    """Connections: the identity providers of an organization, each with its own SCIM tokens."""


@connection.command()
@click.argument("name")
@click.option(
    "--profile",
    type=ProfileName(),
    required=True,
    metavar="PROFILE",
    help="How the identity provider speaks SCIM: okta, entra, google, keycloak, …, generic or strict.",
)
@org_option
@json_option
@pass_session
def add(session: Session, name: str, profile: str, org: str | None) -> None:
    """Add a connection and print its first SCIM token, once."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        added, secret = installation.administration.add_connection(session.operator, organization, name, profile)
        document = {**_document(installation, organization, added), "token": secret.text}
    session.answer(document, _added_text(document))


def _added_text(document: dict[str, Any]) -> str:
    return "\n".join(
        (
            f"connection {strong(document['name'])} added to {document['organization']}, profile {document['profile']}",
            f"  SCIM base URL  {document['scim_base_url']}",
            f"  token          {strong(document['token'])}",
            "  Give both to the identity provider now: the token is not shown again.",
        )
    )


@connection.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List an organization's connections."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        known = installation.administration.connections(organization)
        document = {
            "organization": organization.name,
            "connections": [_document(installation, organization, one) for one in known],
        }
    rows = [(one.name, one.profile, minute(one.created), one.id) for one in known]
    text = table(("NAME", "PROFILE", "CREATED", "ID"), rows)
    if not known:
        text = "there is no connection yet: rolebridge connection add NAME --profile PROFILE"
    session.answer_list(document, "connections", CSV_HEAD, text)


@connection.command()
@click.argument("name")
@org_option
@json_option
@pass_session
def show(session: Session, name: str, org: str | None) -> None:
    """Show a connection with its URLs, limits, tokens and OAuth clients (not the secrets)."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.administration.connection(organization, name)
        tokens = [token.credential for token in installation.administration.tokens(found)]
        document = _document(installation, organization, found)
        clients = installation.clients.clients(organization, found)
        document |= {"token_endpoint": installation.token_endpoint, **limits_of(found, session)}
    now = session.clock()
    document["clients"] = [{"client_id": one.id, "name": one.name, "usable": not one.revoked_at} for one in clients]
    document["tokens"] = [credential_document(credential, now) for credential in tokens]
    lines = (
        f"connection {strong(found.name)} of {organization.name}, profile {found.profile}",
        f"  since           {minute(found.created)}",
        f"  SCIM base URL   {document['scim_base_url']}",
        f"  token endpoint  {document['token_endpoint']}",
        *(f"  OAuth client    {one.id}  {one.name}" for one in clients if not one.revoked_at),
        f"  rate limit      {document['rate_limit']} requests a second",
        f"  requests from   {allowed_text(found)}",
        table(credentials.HEAD, [credentials.cells(credential, now) for credential in tokens]),
    )
    session.answer(document, "\n".join(lines))


@connection.command()
@click.argument("name")
@click.argument("to", type=ProfileName(), metavar="PROFILE")
@org_option
@json_option
@pass_session
def profile(session: Session, name: str, to: str, org: str | None) -> None:
    """Read a connection's requests by another tolerance profile, from the next one on."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.administration.connection(organization, name)
        changed = installation.administration.set_profile(session.operator, found, to)
        document = _document(installation, organization, changed)
    was = "as before" if found.profile == changed.profile else f"was {found.profile}"
    session.answer(document, f"connection {strong(changed.name)}: profile {changed.profile} ({was})")


connection.add_command(admission.limit)
connection.add_command(admission.allow)
connection.add_command(adopt.adopt)


def _document(installation: Installation, organization: Organization, one: Connection) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "organization": organization.name,
        "profile": one.profile,
        "created": stamp(one.created),
        "scim_base_url": installation.scim_base_url,
    }
