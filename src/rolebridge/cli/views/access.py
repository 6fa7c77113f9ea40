"""Recorded effective roles as a table, as CSV and as JSON, printed as they are read: a listing may be long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from rolebridge.bridge.access import Totals
from rolebridge.bridge.grant_documents import held_document
from rolebridge.cli.terminal import aligned, bad, counted, doubtful, faint, one_line, say, strong, width
from rolebridge.cli.views import csv
from rolebridge.cli.views.csv import BLOCK, blocks
from rolebridge.cli.views.roles import because_words, held_words, lock_words, scope_words
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.grants import GrantState
from rolebridge.store.records import HeldGrant

HEAD = ("PERSON", "WORKSPACE", "PROJECT", "ROLE", "LOCK", "BECAUSE")
CSV_HEAD = ("user_name", "user_id", "workspace", "project", "slot", "role", "acts_as_slot", "acts_as_role", "state",
            "lock", "reach", "source", "rule", "revision", "valid_from", "valid_until", "held_since",
            "because")  # fmt: skip


def print_table(rows: Iterable[HeldGrant], catalogues: Mapping[str, Catalogue]) -> None:
    """Print rows in columns, and totals.

    What fits into one block is sorted by person; a longer listing keeps its order, and its columns are as wide as the
    widest cell so far.
    """
    totals = Totals()
    columns = [len(title) for title in HEAD]
    for number, block in enumerate(blocks(rows)):
        for row in block:
            totals.count(row.grant)
        if number == 0 and len(block) < BLOCK:
            block.sort(key=lambda row: (row.user_name.casefold(), row.grant.workspace, row.grant.project))
        lines = [_cells(row, catalogues.get(row.grant.workspace)) for row in block]
        columns = [max(before, *(width(line[at]) for line in lines)) for at, before in enumerate(columns)]
        if number == 0:
            say(aligned([strong(title) for title in HEAD], columns))
        say("\n".join(aligned(line, columns) for line in lines))
    say(_totals(totals))


def _cells(row: HeldGrant, catalogue: Catalogue | None) -> Sequence[str]:
    grant = row.grant
    colour = {GrantState.BLOCKED: doubtful, GrantState.CONFLICT: bad}.get(grant.state, str)
    return (
        one_line(row.user_name),
        grant.workspace,
        scope_words(grant),
        held_words(catalogue, grant),
        colour(lock_words(grant)),
        because_words(catalogue, grant),
    )


def _totals(totals: Totals) -> str:
    if not (totals.grants or totals.blocked or totals.conflicts):
        return "nobody holds anything here"
    counts = (
        counted(totals.people, "person", "people"),
        counted(totals.grants, "grant"),
        f"{totals.blocked:,} blocked",
        counted(totals.conflicts, "conflict"),
    )
    return faint(", ".join(counts))


def print_csv(rows: Iterable[HeldGrant], catalogues: Mapping[str, Catalogue]) -> None:
    """Print rows as CSV, ids and all; why, in the words of the table."""
    csv.print_rows(CSV_HEAD, (_csv_row(row, catalogues.get(row.grant.workspace)) for row in rows))


def _csv_row(row: HeldGrant, catalogue: Catalogue | None) -> Sequence[object]:
    grant = row.grant
    told = {"user_name": row.user_name, "because": because_words(catalogue, grant)}
    return [told[name] if name in told else getattr(grant, name) for name in CSV_HEAD]


def print_json(organization: str, rows: Iterable[HeldGrant]) -> None:
    """Print one document, `{"organization", "access": […], "totals"}`, without ever holding it whole."""
    totals = Totals()
    begin = f'{{\n  "organization": {json.dumps(organization, ensure_ascii=False)},\n  "access": ['
    for block in blocks(rows):
        lines = []
        for row in block:
            totals.count(row.grant)
            lines.append("    " + json.dumps(held_document(row), ensure_ascii=False))
        say(begin + "\n" + ",\n".join(lines), newline=False)
        begin = ","
    if begin != ",":
        say(begin, newline=False)
    counts = {
        "people": totals.people,
        "grants": totals.grants,
        "blocked": totals.blocked,
        "conflicts": totals.conflicts,
    }
    say(f'\n  ],\n  "totals": {json.dumps(counts)}\n}}')
