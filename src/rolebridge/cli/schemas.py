"""`rolebridge schema`: the schema extensions that an organization defines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, strong, table

if TYPE_CHECKING:
    from rolebridge.core.extensions import ExtensionAttribute, ExtensionSchema


@click.group()
def schema() -> None:
    """Schemas: attributes of users and groups beyond those of SCIM, defined by an organization."""


@schema.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--extends",
    type=click.Choice(["User", "Group"]),
    required=True,
    help="The type of resource that gets the attributes.",
)
@click.option("--required", is_flag=True, help="Every user (group) must have the extension when it is created.")
@click.option("--grow", is_flag=True, help="Take the place of the schema with the same URN, and add attributes to it.")
@org_option
@json_option
@pass_session
def add(session: Session, file: Path, extends: str, required: bool, grow: bool, org: str | None) -> None:
    """Define the attributes that FILE describes: a schema resource (RFC 7643 §7) as JSON.

    They are announced, read, answered and filtered by at once, for all connections of the organization, and conditions
    of its mapping may use them. A file with problems changes nothing.
    """
    from rolebridge.core.extensions import Resource

    text = _read(file)
    with session.installation() as installation, _refusing():
        organization = installation.administration.organization(org)
        added = installation.schemas.add(
            session.operator, organization.id, text, Resource(extends), required=required, grow=grow
        )
    what = f"schema {strong(added.urn)} of {organization.name}: {counted(len(added.attributes), 'attribute')}"
    session.answer({**_document(added), "organization": organization.name}, f"{what} of every {extends.lower()}")


@schema.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List the schemas that an organization defines."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        known = installation.schemas.schemas(organization.id)
    document = {"organization": organization.name, "schemas": [_document(one) for one in known]}
    rows = [
        (one.urn, one.extends, str(len(one.attributes)), "required" if one.required else "optional") for one in known
    ]
    text = table(("URN", "EXTENDS", "ATTRIBUTES", ""), rows)
    if not known:
        text = "there is no schema yet: rolebridge schema add FILE --extends User"
    session.answer_list(document, "schemas", ("urn", "name", "extends", "required", "attributes"), text)


@schema.command()
@click.argument("urn", metavar="URN")
@org_option
@json_option
@pass_session
def show(session: Session, urn: str, org: str | None) -> None:
    """Show a schema with its attributes, and how many users (groups) hold values of it."""
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.schemas.schema(organization.id, urn)
        holders = installation.schemas.holders(organization.id, found)
    rows = [row for attribute in found.attributes for row in _rows(attribute, "")]
    optional = "required" if found.required else "optional"
    lines = (
        f"schema {strong(found.urn)} of {organization.name}, extends {found.extends}, {optional}",
        f"  held by  {counted(holders, found.extends.lower())}",
        table(("ATTRIBUTE", "TYPE", "MUTABILITY", "RETURNED", ""), rows),
    )
    session.answer(
        {**_document(found), "organization": organization.name, "holders": holders, "resource": found.document()},
        "\n".join(lines),
    )


@schema.command()
@click.argument("urn", metavar="URN")
@click.option("--force", is_flag=True, help="Remove it even if there are values of it; they are lost.")
@org_option
@json_option
@pass_session
def remove(session: Session, urn: str, force: bool, org: str | None) -> None:
    """Remove a schema. With values of it that needs --force, and the values are lost."""
    with session.installation() as installation, _refusing():
        organization = installation.administration.organization(org)
        found = installation.schemas.schema(organization.id, urn)
        lost = installation.schemas.remove(session.operator, organization.id, urn, force=force)
    document = {"removed": found.urn, "organization": organization.name, "cleared": lost}
    cleared = f", {counted(lost, found.extends.lower())} lost values" if lost else ""
    session.answer(document, f"schema {strong(found.urn)} of {organization.name} removed{cleared}")


def _read(file: Path) -> str:
    from rolebridge.core.errors import Invalid
    from rolebridge.core.extensions import MAX_FILE

    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid(f"`{file}` cannot be read: {reason}", "file") from error


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell a refusal with all there is to know about it."""
    from rolebridge.bridge.extensions import MappingInTheWay, SchemaInUse
    from rolebridge.cli.views import diagnostics as view
    from rolebridge.core.extensions import SchemaRefused

    try:
        yield
    except SchemaRefused as error:
        problems = [{"where": one.where, "problem": one.detail} for one in error.problems]
        notes = tuple(map(str, error.problems))
        raise Refused(error, notes=notes, more={"problems": problems}) from error
    except MappingInTheWay as error:
        more = view.document(error.diagnostics)
        help_ = "change the mapping first, or the schema"
        raise Refused(error, help_, before=view.text(error.diagnostics, error.files), more=more) from error
    except SchemaInUse as error:
        help_ = "--force removes the schema and these values"
        raise Refused(error, help_, more={"holders": error.holders}) from error


def _rows(attribute: ExtensionAttribute, holder: str) -> Iterator[tuple[str, ...]]:
    name = f"{holder}{attribute.name}"
    type_ = f"{attribute.type}{', several' if attribute.multi_valued else ''}"
    yield name, type_, attribute.mutability, attribute.returned, "required" if attribute.required else ""
    for sub in attribute.sub:
        yield from _rows(sub, f"{name}.")


def _document(one: ExtensionSchema) -> dict[str, Any]:
    return {
        "urn": one.urn,
        "name": one.name,
        "extends": str(one.extends),
        "required": one.required,
        "attributes": [attribute.name for attribute in one.attributes],
    }
