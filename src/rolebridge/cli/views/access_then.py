"""Roles that people held at a moment, as a table, as CSV and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from rolebridge.bridge.access_then import HeldThen, held_then_document
from rolebridge.cli.terminal import aligned, counted, faint, minute, one_line, say, strong, width
from rolebridge.cli.views import csv
from rolebridge.cli.views.roles import provenance_words
from rolebridge.core.catalogue import Reach
from rolebridge.core.grants import GrantState
from rolebridge.core.moments import stamp

HEAD = ("PERSON", "WORKSPACE", "PROJECT", "ROLE", "LOCK", "BECAUSE")
CSV_HEAD = ("at", "user_name", "user_id", "deleted", "workspace", "project", "slot", "role", "acts_as", "state", "lock",
            "reach", "source", "rule", "revision", "valid_until", "held_since", "because")  # fmt: skip


def print_table(rows: Iterable[HeldThen], at: datetime) -> None:
    """Print rows in columns, block by block, and how many there were."""
    number, people, columns = 0, set[str](), [len(title) for title in HEAD]
    for block in csv.blocks(rows):
        lines = [_cells(row) for row in block]
        columns = [max(before, *(width(line[n]) for line in lines)) for n, before in enumerate(columns)]
        head = [_as_of(at), aligned([strong(title) for title in HEAD], columns)] if number == 0 else []
        say("\n".join([*head, *(aligned(line, columns) for line in lines)]))
        number += len(block)
        people |= {row.user_id for row in block if row.role.state == GrantState.EFFECTIVE}
    if number:
        say(faint(f"{counted(len(people), 'person', 'people')}, {counted(number, 'row')}"))
    else:
        say(f"{_as_of(at)}\nnobody held anything here")


def _as_of(at: datetime) -> str:
    return faint(f"as of {minute(at)}, as recorded:")


def print_csv(rows: Iterable[HeldThen], at: datetime) -> None:
    """Print rows as CSV, ids and all."""
    csv.print_rows(CSV_HEAD, (_csv_row(row, at) for row in rows))


def print_json(organization: str, rows: Iterable[HeldThen], at: datetime) -> None:
    """Print one document, `{"organization", "at", "access": […]}`, as it is read."""
    begin = f'{{\n  "organization": {json.dumps(organization, ensure_ascii=False)},\n  "at": {json.dumps(stamp(at))},'
    begin += '\n  "access": ['
    for block in csv.blocks(rows):
        lines = ["    " + json.dumps(held_then_document(row), ensure_ascii=False) for row in block]
        say(begin + "\n" + ",\n".join(lines), newline=False)
        begin = ","
    say(f"{begin if begin != ',' else ''}\n  ]\n}}")


def _cells(row: HeldThen) -> Sequence[str]:
    role = row.role
    reach = {Reach.ALL: "(all)", Reach.OWN: "(own)"}.get(Reach(role.reach), "-") if role.reach else "-"
    name = role.role if not role.acts_as_role else f"{role.acts_as_role} (by {role.role})"
    deleted = " (deleted since)" if row.deleted else ""
    return (
        one_line(row.user_name or row.user_id) + deleted,
        role.workspace,
        role.project or reach,
        "-" if role.state == GrantState.CONFLICT else name,
        role.lock or ("-" if role.state == GrantState.EFFECTIVE else role.state),
        f"rule {role.rule}" if role.rule else role.source,
    )


def _csv_row(row: HeldThen, at: datetime) -> Sequence[object]:
    role = row.role
    return (at, row.user_name, row.user_id, row.deleted, role.workspace, role.project, role.slot, role.role,
            role.acts_as_role, role.state, role.lock, role.reach, role.source, role.rule, role.revision,
            role.valid_until, role.held_since, provenance_words(role.because))  # fmt: skip
