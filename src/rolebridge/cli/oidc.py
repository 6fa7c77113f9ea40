"""`rolebridge oidc`: connections that log people in by OpenID Connect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.saml import NoneOr, moved_notes, next_lines, one_protocol, replace_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import good, strong

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.core.oidc_settings import OidcSettings
    from rolebridge.store.records import Connection

METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
"""`core.oidc_settings.ClientAuthentication`, which `--help` need not import; a test keeps them equal."""
_NONE: Final = "none"
_LISTS: Final = ("algorithms", "scopes", "acr_values", "audiences")
_LONGEST_FILE: Final = 5_000  # characters: more than a secret may have


@click.group()
def oidc() -> None:
    """OpenID Connect: connect a provider, its client secret or our key, and try it out."""


_connection_argument = click.argument("connection", metavar="CONNECTION")


@oidc.command("set")
@_connection_argument
@click.option("--issuer", metavar="URL", help="The provider, exactly as its discovery document says it.")
@click.option("--client-id", metavar="ID", help="What the provider calls the bridge.")
@click.option("--secret-file", type=click.File(), metavar="FILE", help="The client secret, in a file or from `-`.")
@click.option("--authentication", type=click.Choice(METHODS), help="How the bridge proves to the provider who it is.")
@click.option(
    "--algorithm", "algorithms", multiple=True, metavar="ALG",
    help="What tokens may be signed with, instead of RS256; may be given several times.",
)  # fmt: skip
@click.option(
    "--scope", "scopes", multiple=True, metavar="SCOPE",
    help="What to ask for beside `openid`, instead of `profile` and `email`; `none` for nothing.",
)  # fmt: skip
@click.option(
    "--acr", "acr_values", multiple=True, metavar="CONTEXT",
    help="An authentication context to ask for, such as one for several factors; `none` for any.",
)  # fmt: skip
@click.option("--acr-required/--no-acr-required", default=None, help="Refuse logins of another context.")
@click.option("--prompt", metavar="login|select_account|consent|none", help="What the provider should show.")
@click.option(
    "--max-age", type=NoneOr(click.INT), metavar="SECONDS|none",
    help="How long ago people may have proved who they are.",
)  # fmt: skip
@click.option("--userinfo/--no-userinfo", default=None, help="Fetch claims from the provider's userinfo, too.")
@click.option(
    "--audience", "audiences", multiple=True, metavar="NAME",
    help="Who may stand beside the client id in a token's audience; `none` for nobody.",
)  # fmt: skip
@click.option("--skew", type=click.INT, metavar="SECONDS", help="How far clocks may differ.")
@click.option("--idp-logout/--no-idp-logout", default=None, help="Sign people out at the provider, too.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether people log in by the connection.")
@click.option("--offline", is_flag=True, help="Do not ask the provider whether the issuer is its own.")
@replace_option
@org_option
@json_option
@pass_session
def set_(
    session: Session,
    /,
    connection: str,
    org: str | None,
    offline: bool,
    secret_file: TextIO | None,
    replaces: bool,
    **given: Any,
) -> None:
    """Have a connection log people in by OpenID Connect, or change how; what is not named stays as it is.

    The first time, --issuer and --client-id are needed. Prints what the provider has to be told.
    """
    from rolebridge.sso.oidc.discovery import doubts
    from rolebridge.sso.oidc.documents import client_document, settings_document

    notes: list[str] = []
    with session.installation() as installation:
        found = _connection(installation, connection, org)
        known = installation.oidc.find(found)
        is_first = known is None
        settings = _changed(installation, found, given)
        if not offline:
            with _told():
                said = installation.oidc.discover(settings)
            if is_first:
                settings = _as_offered(said, settings, given)
            notes = doubts(said, settings)
        with one_protocol():
            set_up = installation.oidc.set(
                session.operator, found, settings, enabled=given["enabled"], replaces=replaces
            )
        if secret_file is not None:
            installation.oidc.set_secret(session.operator, found, _secret(secret_file))
        notes += moved_notes(known.settings["issuer"] if known else None, settings.issuer)
        if not installation.oidc.credentials(set_up):
            what = "key" if settings.authentication.value == METHODS[-1] else "secret"
            notes.append(f"it has no {what} yet: rolebridge oidc {what} {found.name}")
        told = client_document(installation.oidc.base_url, found.id)
    document = {"connection": found.name, "client": told, **settings_document(settings), "notes": notes}
    lines = [_first_line(found.name, enabled=set_up.enabled), *_client_lines(document)]
    lines.append(f"  {'signatures':<22}  {', '.join(settings.algorithms)}")
    lines += [f"  note: {note}" for note in notes]
    session.answer(document, "\n".join([*lines, *(next_lines(found.name) if is_first else [])]))


@oidc.command()
@_connection_argument
@org_option
@json_option
@pass_session
def show(session: Session, connection: str, org: str | None) -> None:
    """Show how a connection logs people in by OpenID Connect, and what the provider has to be told.

    Works before `oidc set`, too: many providers want our URLs first.
    """
    from rolebridge.core.oidc_settings import read_oidc_settings
    from rolebridge.sso.oidc.documents import client_document, credential_documents, settings_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        known = installation.oidc.find(found)
        document: dict[str, Any] = {
            "connection": found.name,
            "client": client_document(installation.oidc.base_url, found.id),
            "set_up": known is not None,
        }
        if known is not None:
            document |= {"enabled": known.enabled, **settings_document(read_oidc_settings(known.settings))}
            document["credentials"] = credential_documents(installation.oidc.credentials(known))
    if known is None:
        lines = [f"connection {strong(found.name)} does not log people in by OpenID Connect yet"]
        lines += [*_client_lines(document), f"  rolebridge oidc set {found.name} --issuer URL --client-id ID"]
        session.answer(document, "\n".join(lines))
    else:
        session.answer(document, "\n".join(_shown(document)))


@oidc.command()
@_connection_argument
@org_option
@json_option
@pass_session
def test(session: Session, connection: str, org: str | None) -> None:
    """Ask the provider for everything that a login needs before anybody logs in, and say which check it fails."""
    with session.installation() as installation:
        found = installation.oidc.needed(_connection(installation, connection, org))
        with _told():
            tried = installation.oidc.attempt(found)
    checks = [check.code for check in tried.trail.checks]
    document = {
        "connection": found.name,
        "authorization_endpoint": tried.provider.authorization_endpoint,
        "token_endpoint": tried.provider.token_endpoint,
        "jwks_uri": tried.provider.jwks_uri,
        "userinfo_endpoint": tried.provider.userinfo_endpoint,
        "end_session_endpoint": tried.provider.end_session_endpoint,
        "keys": tried.keys,
        "passed": checks,
        "notes": list(tried.doubts),
    }
    lines = [f"connection {strong(found.name)}: the provider answers, {tried.keys} keys"]
    lines += [f"  {good('passed')}  {code}" for code in checks]
    session.answer(document, "\n".join([*lines, *(f"  note: {note}" for note in tried.doubts)]))


@oidc.command()
@_connection_argument
@click.argument("file", type=click.File(), metavar="FILE")
@org_option
@json_option
@pass_session
def secret(session: Session, connection: str, file: TextIO, org: str | None) -> None:
    """Keep the client secret in FILE (`-` is the standard input) in place of the one before, sealed."""
    with session.installation() as installation:
        found = _connection(installation, connection, org)
        installation.oidc.set_secret(session.operator, found, _secret(file))
    session.answer({"connection": found.name}, f"the client secret of connection {strong(found.name)} is kept")


@oidc.command()
@_connection_argument
@org_option
@json_option
@pass_session
def key(session: Session, connection: str, org: str | None) -> None:
    """Make a key that the connection signs with from now on (private_key_jwt), and print its public half.

    The key before it stays in the key set, so that the provider finds both.
    """
    from rolebridge.sso.oidc.documents import client_document, credential_documents

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        made = installation.oidc.make_key(session.operator, found)
        told = client_document(installation.oidc.base_url, found.id)
    document = {"connection": found.name, "client": told, **credential_documents([made])[0]}
    lines = [
        f"connection {strong(found.name)} signs with a new key from now on",
        f"  {'key set URL':<22}  {strong(told['jwks_uri'])}",
        f"  {'key id':<22}  {document['jwk']['kid']}",
        document["certificate"].rstrip(),
    ]
    session.answer(document, "\n".join(lines))


# --- shared ------------------------------------------------------------------------------------------------------


def _connection(installation: Installation, name: str, org: str | None) -> Connection:
    organization = installation.administration.organization(org)
    return installation.administration.connection(organization, name)


def _changed(installation: Installation, connection: Connection, given: dict[str, Any]) -> OidcSettings:
    """Return a connection's settings with what options say. Raises Invalid."""
    from rolebridge.core.oidc_settings import read_oidc_settings

    known = installation.oidc.find(connection)
    if known is None and not (given["issuer"] and given["client_id"]):
        raise click.UsageError("name the provider, and what it calls the bridge: --issuer and --client-id")
    document = dict(known.settings) if known else {}
    for name, value in given.items():
        if name == "enabled" or value is None or value == ():
            continue
        if name in _LISTS:
            document[name] = [] if value == (_NONE,) else list(value)
        elif value == _NONE:
            document[name] = None if name == "max_age" else ""
        else:
            document[name] = value
    return read_oidc_settings(document)


def _as_offered(said: Mapping[str, Any], settings: OidcSettings, given: dict[str, Any]) -> OidcSettings:
    """Return the first settings of a connection, with what the provider offers where no option says otherwise."""
    from dataclasses import replace

    from rolebridge.sso.oidc.discovery import chosen

    offered = chosen(said, settings)
    algorithms = settings.algorithms if given["algorithms"] else offered.algorithms
    method = settings.authentication if given["authentication"] else offered.authentication
    userinfo = offered.userinfo if given["userinfo"] is None else settings.userinfo
    return replace(settings, algorithms=algorithms, authentication=method, userinfo=userinfo)


@contextmanager
def _told() -> Iterator[None]:
    """Have the check that a provider fails told with its code and where it is explained."""
    from rolebridge.cli.failures import Refused
    from rolebridge.core.login import LoginRefused

    try:
        yield
    except LoginRefused as refused:
        page = f"docs/login-errors/{refused.code}.md says what `{refused.code}` wants"
        raise Refused(refused, page, more={"check": refused.code}) from refused


def _secret(file: TextIO) -> str:
    return file.read(_LONGEST_FILE).rstrip("\r\n")


def _first_line(name: str, *, enabled: bool) -> str:
    return f"connection {strong(name)} logs people in by OpenID Connect{'' if enabled else ', but is switched off'}"


def _client_lines(document: dict[str, Any]) -> list[str]:
    told = document["client"]
    return [
        f"  {'redirect URI':<22}  {strong(told['redirect_uri'])}",
        f"  {'back-channel logout':<22}  {told['backchannel_logout_uri']}",
        f"  {'after signing out':<22}  {told['post_logout_redirect_uri']}",
    ]


def _shown(document: dict[str, Any]) -> list[str]:
    held = [f"{one['kind'].replace('-', ' ')} of {one['created'][:10]}" for one in document["credentials"]]
    required = ", required" if document["acr_required"] else ""
    named = {
        "issuer": document["issuer"],
        "client id": document["client_id"],
        "proved by": f"{document['authentication']}, {', '.join(held) or 'nothing yet'}",
        "signatures": ", ".join(document["algorithms"]),
        "scopes": " ".join(["openid", *document["scopes"]]),
        "contexts": (", ".join(document["acr_values"]) or "any") + required,
        "prompt": document["prompt"] or "what the provider wants",
        "proved within": "any time" if document["max_age"] is None else f"{document['max_age']} s",
        "userinfo": "asked" if document["userinfo"] else "not asked",
        "other audiences": ", ".join(document["audiences"]) or "none",
        "clocks": f"may differ by {document['skew']} s",
        "sign-out": "at the provider, too" if document["idp_logout"] else "here only",
    }
    lines = [_first_line(document["connection"], enabled=document["enabled"])]
    return [*lines, *_client_lines(document), *(f"  {name:<22}  {value}" for name, value in named.items())]
