"""`rolebridge login`: what a connection makes of logins, and for which domains it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session
from rolebridge.cli.terminal import strong, table

if TYPE_CHECKING:
    from rolebridge.bridge.sso_connections import SsoConnection
    from rolebridge.core.login_rules import LoginRules

_NONE: Final = "none"
_SUBJECT: Final = "subject"


class Filled(click.ParamType[tuple[str, str]]):
    """An attribute of a user and where it stands in a login: `displayName=name`."""

    name = "attribute"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return attribute and place."""
        if isinstance(value, tuple):
            return value
        from rolebridge.core.login_rules import TAKEN_OVER, attribute_path

        attribute, equals, place = str(value).partition("=")
        path = attribute_path(attribute)
        if not equals or not place:
            self.fail(f"`{value}` says not where it stands; write it like `displayName=name`", param, ctx)
        if path not in TAKEN_OVER:
            known = ", ".join(sorted(one.rpartition(":")[2] for one in TAKEN_OVER))
            self.fail(f"a login cannot fill in `{attribute}`; it can {known}", param, ctx)
        return path, place


@click.group()
def login() -> None:
    """What a connection makes of logins: names, groups, who may come in."""


@login.command("set")
@click.argument("connection")
@click.option(
    "--preset", metavar="NAME", help="Where a kind of identity provider puts names and groups, to begin with."
)
@click.option("--user-name", metavar="CLAIM", help="Where the userName stands; `subject` for the NameID or `sub`.")
@click.option("--external-id", metavar="CLAIM", help="Where the externalId stands; `none` if nowhere.")
@click.option(
    "--attribute", "filled", type=Filled(), multiple=True, metavar="ATTRIBUTE=CLAIM",
    help="Where an attribute of new users stands. All that are filled in are named together.",
)  # fmt: skip
@click.option("--groups", metavar="CLAIM", help="Where the groups stand; `none` if nowhere.")
@click.option("--groups-shape", type=click.Choice(["list", "single", "delimited"]), help="What the groups look like.")
@click.option("--groups-delimiter", metavar="TEXT", help="What stands between groups that are `delimited`.")
@click.option("--groups-by", type=click.Choice(["name", "id"]), help="Whether groups are named or identified.")
@click.option(
    "--overage", "signs", multiple=True, metavar="CLAIM",
    help="A claim whose presence says that groups were left out. All signs are named together.",
)  # fmt: skip
@click.option("--authority", type=click.Choice(["scim", "login"]), help="Whether groups of logins count.")
@click.option("--link/--no-link", default=None, help="Let a first login take up the user of that name.")
@click.option("--create/--no-create", default=None, help="Let a first login make the user.")
@click.option("--update/--no-update", default=None, help="Let later logins change users whom a login made.")
@click.option("--plain-names/--no-plain-names", default=None, help="Let in userNames without a domain.")
@click.option("--days", type=int, metavar="DAYS", help="For how long what a login states of groups holds.")
@click.option("--domain", "domains", multiple=True, metavar="DOMAIN", help="A domain that the connection speaks for.")
@click.option("--withdraw", multiple=True, metavar="DOMAIN", help="A domain that it no longer speaks for.")
@org_option
@json_option
@pass_session
def set_(session: Session, /, *, connection: str, org: str | None, **said: Any) -> None:
    """Change what a connection makes of logins; what is not said stays.

    A domain is declared here by whoever holds the machine: that is its verification, and one connection of the whole
    installation has it.
    """
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.administration.connection(organization, connection)
        before = installation.sso.needed(found)
        rules = _changed(before.rules, said)
        if rules != before.rules:
            installation.sso.set_rules(session.operator, found, rules)
        if said["domains"]:
            installation.sso.declare_domains(session.operator, found, said["domains"])
        for domain in said["withdraw"]:
            installation.sso.withdraw_domain(session.operator, found, domain)
        after = installation.sso.needed(found)
    _answer(session, after, _preset_notes(after, said["preset"]))


def _preset_notes(connection: SsoConnection, name: str | None) -> list[str]:
    """Return what has to be set at the identity provider for a preset, and whether it is one of another protocol."""
    if name is None:
        return []
    from rolebridge.sso.presets import presets

    notes = [f"for this preset, at the identity provider: {presets()[name].note}"]
    if name.rpartition("-")[2] != connection.protocol.value:
        notes.append(f"`{name}` is for another protocol than the connection's, which is {connection.protocol}")
    return notes


def _changed(rules: LoginRules, said: dict[str, Any]) -> LoginRules:
    """Return the rules with what an administrator said. Raises Invalid."""
    from rolebridge.core.login_rules import read_login_rules

    document = rules.document()
    if said["preset"]:
        document |= _preset(said["preset"])
    if said["user_name"] is not None:
        document["user_name"] = "" if said["user_name"] == _SUBJECT else said["user_name"]
    if said["external_id"] is not None:
        document["external_id"] = "" if said["external_id"] == _NONE else said["external_id"]
    if said["filled"]:
        document["attributes"] = dict(said["filled"])
    document["groups"] = _groups(document["groups"], said)
    plain = {"authority", "link", "create", "update", "plain_names"}
    document |= {name: said[name] for name in plain if said[name] is not None}
    if said["days"] is not None:
        document["membership_days"] = said["days"]
    return read_login_rules(document)


def _preset(name: str) -> dict[str, Any]:
    from rolebridge.core.diagnostics import did_you_mean
    from rolebridge.sso.presets import presets

    found = presets().get(name)
    if found is None:
        hint = did_you_mean(name, presets()) or f"there are {', '.join(presets())}"
        raise click.UsageError(f"there is no preset `{name}`; {hint}")
    return {"user_name": "", "external_id": "", "attributes": {}, "groups": None, **found.rules}


def _groups(groups: dict[str, Any] | None, said: dict[str, Any]) -> dict[str, Any] | None:
    if said["groups"] == _NONE:
        return None
    told = {
        "name": said["groups"],
        "shape": said["groups_shape"],
        "key": said["groups_by"],
        "delimiter": said["groups_delimiter"],
        "overage": list(said["signs"]) or None,
    }
    changes = {name: value for name, value in told.items() if value is not None}
    if groups is None and not changes:
        return None
    if groups is None and "name" not in changes:
        raise click.UsageError("--groups says in which claim the groups stand; without it there are none")
    if changes.get("shape", "delimited") != "delimited" and "delimiter" not in changes:
        changes["delimiter"] = ""
    return {**(groups or {}), **changes}


@login.command()
@click.argument("connection")
@org_option
@json_option
@pass_session
def show(session: Session, connection: str, org: str | None) -> None:
    """Show what a connection makes of logins, and for which domains it speaks."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        _answer(session, installation.sso.needed(installation.administration.connection(organization, connection)))


@login.command("presets")
@json_option
@pass_session
def presets_(session: Session) -> None:
    """List the presets: where the usual identity providers put names and groups, and what to set there."""
    from rolebridge.sso.presets import presets

    known = presets().values()
    document = {
        "presets": [
            {"name": one.name, "summary": one.summary, "note": one.note, "rules": dict(one.rules)} for one in known
        ]
    }
    session.answer(document, table(("PRESET", "WHAT IT SAYS"), [(one.name, one.summary) for one in known]))


@login.command()
@click.argument("connection")
@click.argument("user")
@org_option
@json_option
@pass_session
def forget(session: Session, connection: str, user: str, org: str | None) -> None:
    """Forget who somebody is at the identity provider: the next login is as their first one.

    What their login stated of groups ends, and they are signed out. USER may be somebody who was deleted: then a login
    may make a user of that name again.
    """
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.administration.connection(organization, connection)
        with hinting(installation, organization):
            user_id = installation.login_upkeep.forget(session.operator, found, user)
    document = {"connection": found.name, "user_id": user_id}
    session.answer(document, f"{strong(user)} is nobody at {found.name} any more; the next login is as a first one")


def _answer(session: Session, connection: SsoConnection, notes: Sequence[str] = ()) -> None:
    from rolebridge.bridge.login_documents import rules_document
    from rolebridge.cli.views import logins as view

    text = "\n".join([view.rules_text(connection), *(f"  note: {note}" for note in notes)])
    session.answer({**rules_document(connection), **({"notes": list(notes)} if notes else {})}, text)
