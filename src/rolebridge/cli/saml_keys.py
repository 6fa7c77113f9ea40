"""`rolebridge saml cert` and `rolebridge saml key`: whom a connection trusts, and what it signs and decrypts with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import strong, table

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.records import Connection

CERT_HEAD: Final = ("fingerprint", "subject", "key", "not_before", "not_after", "expired")
KEY_HEAD: Final = ("id", "created", "signs", *CERT_HEAD)
_LARGEST_FILE: Final = 65_536

_connection_argument = click.argument("connection", metavar="CONNECTION")


@click.group()
def cert() -> None:
    """Certificates of the identity provider that a connection trusts: one, or two while one follows the other."""


@click.group()
def key() -> None:
    """Our keys for a connection: the older one signs, both decrypt, both are announced."""


# --- certificates of the identity provider ---------------------------------------------------------------------


@cert.command("list")
@_connection_argument
@org_option
@csv_option
@json_option
@pass_session
def list_certs(session: Session, connection: str, org: str | None) -> None:
    """List the certificates that a connection trusts."""
    from rolebridge.sso.saml.documents import certificate_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        trusted = installation.saml.settings(found).pinned
    listed = [certificate_document(one, session.clock()) for one in trusted]
    document = {"connection": found.name, "certificates": listed}
    text = table(("FINGERPRINT", "KEY", "ENDS", "SUBJECT"), [_cells(one) for one in listed])
    session.answer_list(document, "certificates", CERT_HEAD, text)


@cert.command("add")
@_connection_argument
@click.argument("file", type=click.File("rb"))
@org_option
@json_option
@pass_session
def add_cert(session: Session, connection: str, file: BinaryIO, org: str | None) -> None:
    """Trust the certificate in FILE (PEM or DER; `-` is the standard input) beside the one that is trusted."""
    from rolebridge.bridge.certificates import read_certificate
    from rolebridge.sso.saml.documents import certificate_document

    certificate = read_certificate(file.read(_LARGEST_FILE))
    with session.installation() as installation:
        found = _connection(installation, connection, org)
        installation.saml.trust(session.operator, found, certificate)
    document: dict[str, Any] = {"connection": found.name, "added": certificate_document(certificate, session.clock())}
    text = f"connection {strong(found.name)} trusts {document['added']['fingerprint'][:16]}… from now on"
    session.answer(document, text)


@cert.command("remove")
@_connection_argument
@click.argument("fingerprint")
@org_option
@json_option
@pass_session
def remove_cert(session: Session, connection: str, fingerprint: str, org: str | None) -> None:
    """Trust a certificate no longer. FINGERPRINT is the beginning of its SHA-256, of at least eight digits."""
    from rolebridge.sso.saml.documents import certificate_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        left = installation.saml.distrust(session.operator, found, fingerprint).pinned
    listed = [certificate_document(one, session.clock()) for one in left]
    document = {"connection": found.name, "certificates": listed}
    text = f"connection {strong(found.name)} trusts {listed[0]['fingerprint'][:16]}… alone"
    session.answer(document, text)


# --- our keys --------------------------------------------------------------------------------------------------


@key.command("list")
@_connection_argument
@org_option
@csv_option
@json_option
@pass_session
def list_keys(session: Session, connection: str, org: str | None) -> None:
    """List our keys, the oldest first."""
    from rolebridge.sso.saml.documents import key_documents

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        listed = key_documents(installation.saml.keys(found), session.clock())
    rows = [(*_cells(one)[:3], "signs, decrypts" if one["signs"] else "decrypts") for one in listed]
    text = table(("FINGERPRINT", "KEY", "ENDS", "DOES"), rows) if rows else f"connection {found.name} has no key yet"
    session.answer_list({"connection": found.name, "keys": listed}, "keys", KEY_HEAD, text)


@key.command("add")
@_connection_argument
@org_option
@json_option
@pass_session
def add_key(session: Session, connection: str, org: str | None) -> None:
    """Make a second key, which is announced in our metadata and decrypts; the first one signs until it retires.

    Then give the identity provider our metadata again, and retire the first one.
    """
    from rolebridge.sso.saml.documents import certificate_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        installation.saml.settings(found)
        added = installation.saml.add_key(session.operator, found)
    document: dict[str, Any] = {
        "connection": found.name,
        "added": {"id": added.id, **certificate_document(added.public, session.clock())},
    }
    lines = (
        f"connection {strong(found.name)} has a second key, {document['added']['fingerprint'][:16]}…",
        f"  Give the identity provider our metadata again: rolebridge saml metadata {found.name}",
        f"  Then: rolebridge saml key retire {found.name}",
    )
    session.answer(document, "\n".join(lines))


@key.command("retire")
@_connection_argument
@org_option
@json_option
@pass_session
def retire_key(session: Session, connection: str, org: str | None) -> None:
    """Take the older of two keys away: from now on the newer one signs, and decrypts alone."""
    from rolebridge.sso.saml.documents import certificate_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        gone, stays = installation.saml.retire_key(session.operator, found)
    document: dict[str, Any] = {
        "connection": found.name,
        "retired": {"id": gone.id, **certificate_document(gone.public, session.clock())},
        "signs": {"id": stays.id, **certificate_document(stays.public, session.clock())},
    }
    session.answer(
        document, f"connection {strong(found.name)} signs with {document['signs']['fingerprint'][:16]}… from now on"
    )


# --- shared ----------------------------------------------------------------------------------------------------


def _connection(installation: Installation, name: str, org: str | None) -> Connection:
    organization = installation.administration.organization(org)
    return installation.administration.connection(organization, name)


def _cells(one: dict[str, Any]) -> tuple[str, str, str, str]:
    ends = f"expired {one['not_after'][:10]}" if one["expired"] else one["not_after"][:10]
    return f"{one['fingerprint'][:16]}…", one["key"], ends, one["subject"]
