"""`rolebridge logins` and `login-preview`: how logins went, and what one would do."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import Moment, csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.core.errors import Invalid
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.login_preview import Preview
    from rolebridge.bridge.sso_connections import SsoConnection

_LARGEST: Final = 1_048_576
_CSV_HEAD: Final = ("at", "request_id", "outcome", "code", "user_id", "detail")
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@click.argument("connection")
@click.option("--refused", is_flag=True, help="Only logins that were refused.")
@click.option("--request", "request_id", metavar="ID", help="The login of a request, with every check.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many, the newest.")
@org_option
@csv_option
@json_option
@pass_session
def logins(
    session: Session, connection: str, refused: bool, request_id: str | None, limit: int, org: str | None
) -> None:
    """List the last logins of a connection, the newest first: what came of each, and which check refused it.

    The page that refused somebody shows them the id of its request. What was asserted is not kept: the checks say what
    was wrong with it without its values.
    """
    from rolebridge.bridge.login_documents import login_document
    from rolebridge.bridge.login_log import LoginOutcome
    from rolebridge.cli.views import logins as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.administration.connection(organization, connection)
        if request_id is not None:
            rows = [installation.login_log.of_request(found, request_id)]
        else:
            outcome = LoginOutcome.REFUSED if refused else None
            rows = list(installation.login_log.newest(found, outcome=outcome, limit=limit))
        ids = {row.user_id for row in rows if row.user_id}
        names = installation.access.user_names(organization.id, ids)
    document = {"connection": found.name, "logins": [login_document(row) for row in rows]}
    text = view.log_text(rows, names, whole=request_id is not None)
    session.answer_list(document, "logins", _CSV_HEAD, text)


@click.command("login-preview")
@click.argument("connection")
@click.option(
    "--assertion", type=_FILE, metavar="FILE", help="A SAML response: XML, base64 or the form, - for standard input."
)
@click.option("--claims", type=_FILE, metavar="FILE", help="The claims of an ID token, or attributes, as JSON.")
@click.option(
    "--at", type=Moment(), metavar="DATE", help="Judge the response as at a moment, not as when it was issued."
)
@org_option
@json_option
@pass_session
def login_preview(
    session: Session, connection: str, assertion: Path | None, claims: Path | None, at: datetime | None, org: str | None
) -> int:
    """Show which user, groups and roles a login would give. Nobody is logged in, and nothing is written.

    A response is validated as at a login; claims are taken as true. Exit code 1 when the login would be refused.
    """
    if (assertion is None) == (claims is None):
        raise click.UsageError("--assertion FILE or --claims FILE says what the login is")
    if at is not None and assertion is None:
        raise click.UsageError("--at goes with --assertion: claims are of no time")
    from rolebridge.bridge.login_preview import preview_document
    from rolebridge.cli.views import logins as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.sso.needed(installation.administration.connection(organization, connection))
        if assertion is not None:
            preview = _of_assertion(installation, found, assertion, at)
        else:
            assert claims is not None  # one of the two was said
            preview = installation.login_previews.preview(found, _claimed(found, _content(claims)), Trail())
        catalogues = installation.access.catalogues(organization.id)
    session.answer(preview_document(preview), view.preview_text(preview, catalogues))
    return Exit.REFUSED if preview.refused else Exit.DONE


def _of_assertion(installation: Installation, connection: SsoConnection, file: Path, at: datetime | None) -> Preview:
    from rolebridge.bridge.login_preview import Preview
    from rolebridge.sso.saml.trying import ResponseTrials, read_kept

    if connection.protocol is not Protocol.SAML:
        raise Invalid(f"connection `{connection.name}` logs people in by {connection.protocol}; use --claims", "claims")
    trials = ResponseTrials(installation.sso, installation.settings.base_url)
    encoded, trail = read_kept(_content(file)), Trail()
    try:
        moment = at or trials.claimed(encoded).issued or installation.clock()
        identity = trials.validate(connection, encoded, moment, trail)
    except LoginRefused as refused:
        if not any(check.code == refused.code for check in trail.checks):
            trail.failed(refused)
        return Preview(connection, None, trail, refused)
    return installation.login_previews.preview(connection, identity, trail)


def _claimed(connection: SsoConnection, content: bytes) -> AssertedIdentity:
    """Return the identity that claims tell of, taken as true. Raises Invalid."""
    from rolebridge.core.oidc_claims import flattened

    try:
        claims: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Invalid("the claims are not JSON", "claims") from None
    subject = claims.get("sub", claims.get("NameID")) if isinstance(claims, dict) else None
    if not isinstance(subject, str) or not subject:
        raise Invalid("the claims are a JSON object with the subject as `sub` (or `NameID`)", "claims")
    issuer = claims.get("iss") or _issuer(connection)
    if not isinstance(issuer, str):
        raise Invalid("`iss` is a text", "claims")
    return AssertedIdentity(connection.protocol, issuer, subject, flattened(claims))


def _issuer(connection: SsoConnection) -> str:
    """Return who issues a connection's logins, as its settings say."""
    if connection.protocol is Protocol.OIDC:
        from rolebridge.core.oidc_settings import read_oidc_settings

        return read_oidc_settings(connection.settings).issuer
    from rolebridge.core.saml_settings import read_saml_settings

    return read_saml_settings(connection.settings).idp.entity_id


def _content(file: Path) -> bytes:
    with click.open_file(str(file), "rb") as opened:
        content: bytes = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise Invalid(f"the file has more than {_LARGEST:,} bytes", "file")
    return content
