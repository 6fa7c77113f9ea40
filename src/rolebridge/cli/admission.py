"""`rolebridge connection limit` and `allow`: how many requests a connection may send, and from where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import strong
from rolebridge.cli.views.csv import print_rows

if TYPE_CHECKING:
    from rolebridge.store.records import Connection

_DEFAULT = "default"


@click.command()
@click.argument("name")
@click.argument("rate", required=False)
@org_option
@json_option
@pass_session
def limit(session: Session, name: str, rate: str | None, org: str | None) -> None:
    """Show or set how many requests a second a connection may send.

    RATE is `25` or `25/100` (in the long run, and at once), `none`, or `default` for the setting `rate_limit`.
    """
    with session.installation() as installation:
        found = installation.administration.connection(installation.administration.organization(org), name)
        if rate is not None:
            wanted = None if rate == _DEFAULT else rate
            found = installation.administration.set_rate_limit(session.operator, found, wanted)
    document = limits_of(found, session)
    own = "its own" if found.rate_limit else "the installation's"
    session.answer(document, f"connection {strong(found.name)}: {document['rate_limit']} requests a second ({own})")


@click.group()
def allow() -> None:
    """Networks from which a connection's requests may come; without one, every address may send."""


@allow.command()
@click.argument("name")
@click.argument("network", nargs=-1, required=True)
@org_option
@json_option
@pass_session
def add(session: Session, name: str, network: tuple[str, ...], org: str | None) -> None:
    """Accept requests from NETWORK (`203.0.113.0/24`, `2001:db8::1`), and from no address that is in none."""
    with session.installation() as installation:
        found = installation.administration.connection(installation.administration.organization(org), name)
        found = installation.administration.set_allowed(session.operator, found, (*found.allowed, *network))
    _answer(session, found)


@allow.command("list")
@click.argument("name")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, name: str, org: str | None) -> None:
    """List the networks from which a connection's requests may come."""
    with session.installation() as installation:
        found = installation.administration.connection(installation.administration.organization(org), name)
    if session.csv:
        print_rows(("connection", "network"), ((found.name, network) for network in found.allowed))
    else:
        _answer(session, found)


@allow.command()
@click.argument("name")
@click.argument("network", nargs=-1, required=True)
@org_option
@json_option
@pass_session
def remove(session: Session, name: str, network: tuple[str, ...], org: str | None) -> None:
    """Accept no more requests from NETWORK; when none is left, every address may send."""
    from rolebridge.core.errors import NotFound
    from rolebridge.core.networks import read_network

    gone = [str(read_network(text)) for text in network]
    with session.installation() as installation:
        found = installation.administration.connection(installation.administration.organization(org), name)
        for text in gone:
            if text not in found.allowed:
                raise NotFound("network of the connection", text)
        left = [text for text in found.allowed if text not in gone]
        found = installation.administration.set_allowed(session.operator, found, left)
    _answer(session, found)


def limits_of(connection: Connection, session: Session) -> dict[str, object]:
    """Return a connection's limits as JSON has them."""
    return {
        "connection": connection.name,
        "rate_limit": connection.rate_limit or session.settings.rate_limit,
        "own_rate_limit": connection.rate_limit is not None,
        "allowed": list(connection.allowed),
    }


def allowed_text(connection: Connection) -> str:
    """Return from where requests may come, in words."""
    return ", ".join(connection.allowed) or "every address"


def _answer(session: Session, connection: Connection) -> None:
    text = f"connection {strong(connection.name)} accepts requests from {allowed_text(connection)}"
    session.answer(limits_of(connection, session), text)
