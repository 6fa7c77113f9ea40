"""`rolebridge app`: applications that people sign in to through the bridge (OpenID Connect clients)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rolebridge.bridge.app_documents import app_credential_document, application_document
from rolebridge.cli.app_credentials import app_argument, key, secret
from rolebridge.cli.app_logouts import logouts
from rolebridge.cli.clients import SECRET_LIFE, secret_expires
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, faint, minute, strong, table
from rolebridge.core.applications import ACCESS_MINUTES, REFRESH_DAYS, AppKind, GroupsForm, RolesForm, Scope
from rolebridge.core.moments import stamp_or_none

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.store.provider_records import Application

CSV_HEAD = ("client_id", "name", "kind", "created", "revoked_at")

_Command = TypeVar("_Command", bound=Callable[..., Any])

_SETTINGS = (
    click.option("--redirect", "redirect_uris", multiple=True, metavar="URL", help="Where people are sent back to."),
    click.option("--post-logout", "post_logout_redirect_uris", multiple=True, metavar="URL", help="After signing out."),
    click.option("--backchannel", "backchannel_logout_uri", metavar="URL", help="Is told when a session ends."),
    click.option("--scope", "scopes", multiple=True, type=click.Choice([str(one) for one in Scope]),
                 help="What it may ask for; otherwise all but offline_access."),
    click.option("--audience", metavar="URL", help="The `aud` of access tokens; otherwise the client id."),
    click.option("--access-minutes", type=click.IntRange(ACCESS_MINUTES[0], ACCESS_MINUTES[-1]),
                 help="How long access and ID tokens live; otherwise 10."),
    click.option("--refresh-days", type=click.IntRange(REFRESH_DAYS[0], REFRESH_DAYS[-1]),
                 help="How long refresh tokens can be renewed after a sign-in; otherwise 30."),
    click.option("--groups-claim", metavar="NAME", help="The claim with groups; otherwise `groups`."),
    click.option("--groups-form", type=click.Choice([str(one) for one in GroupsForm]), help="Otherwise `names`."),
    click.option("--group", "groups_only", multiple=True, metavar="NAME", help="Only this group (`lbx-*`: so begun)."),
    click.option("--roles-claim", metavar="NAME", help="The claim with roles; otherwise `roles`."),
    click.option("--roles-form", type=click.Choice([str(one) for one in RolesForm]), help="Otherwise `objects`."),
    click.option("--workspace", "roles_workspaces", multiple=True, metavar="WORKSPACE", help="Only roles of this one."),
    click.option("--entry", "entry_workspaces", multiple=True, metavar="WORKSPACE",
                 help="Only people with a role in this workspace may sign in."),
)  # fmt: skip
_WITHIN = {
    "groups_claim": ("groups", "claim"),
    "groups_form": ("groups", "form"),
    "groups_only": ("groups", "only"),
    "roles_claim": ("roles", "claim"),
    "roles_form": ("roles", "form"),
    "roles_workspaces": ("roles", "workspaces"),
}


def settings_options(command: _Command) -> _Command:
    """Add the options that settle an application; one that may be given several times is the whole list."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def settings_document(given: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the settings that options name, as `core.applications.read_settings` reads them; parts are made whole."""
    document: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == ():
            continue
        plain = list(value) if isinstance(value, tuple) else value
        if name in _WITHIN:
            part, member = _WITHIN[name]
            document.setdefault(part, dict((before or {}).get(part, {})))[member] = plain
        else:
            document[name] = plain
    return document


@click.group()
def app() -> None:
    """Applications that people sign in to: OpenID Connect clients, told who came and which roles hold."""


app.add_command(logouts)
app.add_command(secret)
app.add_command(key)


@app.command()
@click.argument("name")
@click.option("--public", is_flag=True, help="It cannot keep a secret: it runs in a browser or on a device.")
@click.option("--no-secret", is_flag=True, help="Make no secret: it will sign with a key.")
@secret_expires
@settings_options
@org_option
@json_option
@pass_session
def add(
    session: Session,
    /,
    name: str,
    public: bool,
    no_secret: bool,
    expires: datetime | None,
    org: str | None,
    **given: Any,
) -> None:
    """Add an application with its first secret, and print what it needs, once."""
    kind = AppKind.PUBLIC if public else AppKind.CONFIDENTIAL
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        added = installation.applications.add(session.operator, organization, name, kind, settings_document(given))
        installation.signing_keys.ensure()
        made = None
        if not public and not no_secret:
            ends = expires or session.clock() + SECRET_LIFE
            made = installation.applications.add_secret(session.operator, added, "first", ends)
        notes = _notes(installation, added)
        document = {**application_document(added), **_endpoints(installation), "notes": notes}
    document["client_secret"] = made[1].text if made else None
    lines = [
        f"application {strong(name)} added to {organization.name}",
        f"  issuer         {document['issuer']}",
        f"  client id      {strong(added.id)}",
    ]
    if made:
        until = made[0].credential.expires_at
        document["client_secret_expires_at"] = stamp_or_none(until)
        lines += [f"  client secret  {strong(made[1].text)}", "  The secret is not shown again."]
        lines += [f"  It works until {minute(until)}."] if until else []
    elif public:
        lines.append("  It has no secret: PKCE (S256) protects its codes.")
    else:
        lines.append(f"  It proves itself with a key: rolebridge app key add {added.id} NAME FILE")
    lines.append("  PKCE with S256 is required; the rest is in its discovery document.")
    session.answer(document, "\n".join([*lines, *(f"  note: {note}" for note in notes)]))


def _notes(installation: Installation, application: Application) -> list[str]:
    """Return what may be a slip of the pen: workspaces that are not there."""
    settings, organization_id = application.settings, application.organization_id
    there = {one.workspace for one in installation.observing.workspaces(organization_id)}
    entry = [name for name in settings.entry_workspaces if name not in there]
    told = [name for name in settings.roles.workspaces if name not in there]
    notes = [f"there is no workspace `{name}` yet, whose people may sign in" for name in entry]
    return notes + [f"there is no workspace `{name}` yet, whose roles it may be told" for name in told]


@app.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List applications, the revoked ones included."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        known = installation.applications.all(organization)
    document = {"organization": organization.name, "applications": [application_document(one) for one in known]}
    rows = [(one.id, one.name, one.kind, minute(one.created), _state(one)) for one in known]
    text = table(("CLIENT ID", "NAME", "KIND", "CREATED", "STATE"), rows)
    if not known:
        text = "there is no application: rolebridge app add NAME --redirect URL"
    session.answer_list(document, "applications", CSV_HEAD, text)


@app.command()
@app_argument
@org_option
@json_option
@pass_session
def show(session: Session, app: str, org: str | None) -> None:
    """Show an application with its settings, secrets and keys (never the secrets themselves)."""
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        held = installation.applications.credentials(found)
        document = {**application_document(found), **_endpoints(installation)}
    now = session.clock()
    document["credentials"] = [app_credential_document(one, now) for one in held]
    working = sum(one.credential.usable(now) for one in held)
    settings = [f"  {name:<26} {_shown(value)}" for name, value in found.settings.document().items()]
    lines = (
        f"application {strong(found.name)} ({found.kind}), {_state(found)}",
        f"  {'client id':<26} {found.id}",
        f"  {'issuer':<26} {document['issuer']}",
        *settings,
        f"  {'secrets and keys':<26} {counted(working, 'credential')} that work",
    )
    session.answer(document, "\n".join(lines))


@app.command("set")
@app_argument
@click.option("--name", metavar="NAME", help="Another name.")
@click.option(
    "--clear",
    multiple=True,
    type=click.Choice(
        ["post_logout_redirect_uris", "backchannel_logout_uri", "audience", "groups", "roles", "entry_workspaces"]
    ),
    help="Make this as it is by default.",
)
@settings_options
@org_option
@json_option
@pass_session
def set_(
    session: Session, /, app: str, name: str | None, clear: tuple[str, ...], org: str | None, **given: Any
) -> None:
    """Change settings of an application; what is not named stays, a list that is named is replaced."""
    from rolebridge.core.applications import AppSettings

    default = AppSettings().document()
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        before = {**found.settings.document(), **{one: default[one] for one in clear}}
        changes = {**{one: default[one] for one in clear}, **settings_document(given, before)}
        if not changes and name is None:
            raise click.UsageError("say what to change; `rolebridge app set --help` lists what can be")
        changed = installation.applications.change(session.operator, found, changes, name)
        notes = _notes(installation, changed)
    lines = [f"application {strong(changed.name)} changed", *(f"  note: {note}" for note in notes)]
    session.answer({**application_document(changed), "notes": notes}, "\n".join(lines))


@app.command()
@app_argument
@org_option
@json_option
@pass_session
def revoke(session: Session, app: str, org: str | None) -> None:
    """Make an application worthless, at once, with all that sign-ins gave it. APP is its id, its beginning or name."""
    with session.installation() as installation:
        found = installation.applications.application(installation.administration.organization(org), app)
        ended = installation.applications.revoke(session.operator, found)
    document = {"revoked": found.id, "name": found.name, "ended": ended}
    session.answer(document, f"application {strong(found.name)} revoked; {counted(ended, 'sign-in')} to it ended")


def _endpoints(installation: Installation) -> dict[str, str]:
    issuer = installation.settings.base_url
    return {"issuer": issuer, "discovery": f"{issuer}/.well-known/openid-configuration"}


def _state(one: Application) -> str:
    return faint(f"revoked {minute(one.revoked_at)}") if one.revoked_at else "works"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(str(one) for one in value) or faint("–")
    return faint("–") if value in {None, ""} else str(value)
