"""`rolebridge org`: the tenants of an installation."""

from __future__ import annotations

import click

from rolebridge.cli.options import csv_option, json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import minute, strong, table
from rolebridge.core.moments import stamp


@click.group()
def org() -> None:
    """Organizations: the tenants. Everything belongs to exactly one."""


@org.command()
@click.argument("name")
@json_option
@pass_session
def add(session: Session, name: str) -> None:
    """Add an organization."""
    with session.installation() as installation:
        added = installation.administration.add_organization(session.operator, name)
    document = {"id": added.id, "name": added.name, "created": stamp(added.created)}
    session.answer(document, f"organization {strong(added.name)} added")


@org.command("list")
@csv_option
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the organizations."""
    with session.installation() as installation:
        known = installation.administration.organizations()
    document = {"organizations": [{"id": one.id, "name": one.name, "created": stamp(one.created)} for one in known]}
    text = table(("NAME", "CREATED", "ID"), [(one.name, minute(one.created), one.id) for one in known])
    if not known:
        text = "there is no organization yet: rolebridge org add NAME"
    session.answer_list(document, "organizations", ("id", "name", "created"), text)
