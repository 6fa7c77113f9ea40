"""`rolebridge catalogue`: the platforms' role models, their roles and their permission tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rolebridge.cli.options import csv_option, json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, table

if TYPE_CHECKING:
    from rolebridge.core.catalogue import Catalogue, Role


_ROLE_HEAD = ["ROLE", "NAME", "ALSO", "ASSIGNABLE", "REACHES", "LIMITS"]
_OVERRIDE = {
    "never": "in the place of project roles",
    "both": "beside project roles",
    "yields": "unless a project role is held",
}


@click.command()
@click.argument("platform", required=False)
@click.option(
    "--mappings",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Also know the catalogues of your own in this folder of mapping files.",
)
@csv_option
@json_option
@pass_session
def catalogue(session: Session, platform: str | None, mappings: Path | None) -> None:
    """List the platforms, or show one: its slots and roles, its settings, and its permissions, cell by cell."""
    from rolebridge.bridge.decision_documents import catalogue_document
    from rolebridge.cli.failures import Refused
    from rolebridge.core.diagnostics import did_you_mean
    from rolebridge.core.errors import NotFound

    known = _known(mappings)
    if platform is None:
        documents = [_brief(one) for one in known.values()]
        rows = [[str(value) for value in one.values()] for one in documents]
        head = list(documents[0])
        session.answer_list({"platforms": documents}, "platforms", head, table([one.upper() for one in head], rows))
        return
    if platform not in known:
        raise Refused(NotFound("platform", platform), did_you_mean(platform, known) or f"known: {', '.join(known)}")
    document = catalogue_document(known[platform])
    cells = [
        {
            **{key: row[key] for key in ("matrix", "permission", "name", "section", "note")},
            "column": column,
            "value": cell["value"],
            "qualifier": cell["setting"] or cell["note"],
        }
        for row in document["permissions"]
        for column, cell in row["cells"].items()
    ]
    head = ["matrix", "permission", "name", "section", "note", "column", "value", "qualifier"]
    if session.csv:
        session.answer_list({"cells": cells}, "cells", head, "")
    else:
        session.answer(document, _text(known[platform]))


def _known(mappings: Path | None) -> Mapping[str, Catalogue]:
    """Return the platforms of the package, and those that a folder of mapping files describes."""
    from rolebridge.bridge.rulebooks import read_mappings
    from rolebridge.cli.failures import Refused
    from rolebridge.cli.mappings import read_paths
    from rolebridge.core.errors import Invalid
    from rolebridge.mapfile import UnreadableFiles, shipped_catalogues

    shipped = shipped_catalogues()
    if mappings is None:
        return shipped
    try:
        found, _ = read_mappings(read_paths([mappings]), None)
    except UnreadableFiles:
        found = None
    if found is None:
        raise Refused(Invalid(f"the files in `{mappings}` have errors", "mappings"), f"`rolebridge check {mappings}`")
    return {**shipped, **found.catalogues}


def _brief(one: Catalogue) -> dict[str, object]:
    rows = {row for matrix in one.matrices for row in matrix.rows}
    return {"platform": one.id, "name": one.name, "slots": len(one.slots), "permissions": len(rows)}


def _assigned(role: Role) -> str:
    return "" if role.assignable == "yes" else str(role.assignable)


def _reaches(role: Role) -> str:
    """Return where a workspace role carries, and what it does to project roles there."""
    if role.reach == "none":
        return ""
    return f"{role.reach} projects, {_OVERRIDE[role.project_override]}"


def _role_row(role: Role) -> list[str]:
    from rolebridge.cli.views.roles import sight_words

    limits = "; ".join(sight_words(role))
    return [role.id, role.name, ", ".join(role.aliases), _assigned(role), _reaches(role), limits]


def _text(one: Catalogue) -> str:
    from rolebridge.cli.views.decisions import cell_words

    parts = [f"{one.name} ({one.id})"]
    for slot in one.slots.values():
        rows = [_role_row(role) for role in slot.roles.values()]
        parts.append(f"{slot.id}: {slot.name}, held per {slot.level}\n" + table(_ROLE_HEAD, rows))
    if one.member_states:
        rows = [[id_, words] for id_, words in one.member_states.items()]
        parts.append("states of a member, which are no roles\n" + table(["STATE", "MEANING"], rows))
    if one.settings:
        parts.append("settings\n" + table(["SETTING", "MEANING"], [[s.id, s.name] for s in one.settings.values()]))
    for matrix in one.matrices:
        head = ["PERMISSION", *(column.id.upper() for column in matrix.columns)]
        rows = [
            [row.id, *(cell_words(one, row.cell(column.id)) for column in matrix.columns)]
            for row in matrix.rows.values()
        ]
        parts.append(f"{matrix.id}: {matrix.name}, {counted(len(rows), 'permission')}\n" + table(head, rows))
    if one.custom_roles:
        rows = [[id_, words] for id_, words in one.custom_roles.permissions.items()]
        parts.append(f"for custom roles in {one.custom_roles.slot}\n" + table(["PERMISSION", "MEANING"], rows))
    return "\n\n".join(parts)
