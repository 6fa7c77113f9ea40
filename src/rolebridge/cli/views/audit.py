"""The audit as a table, as CSV and as lines of JSON, and what verifying and erasing found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rolebridge.bridge.audit_documents import audit_summary, export_document
from rolebridge.bridge.auditing import Erased
from rolebridge.bridge.sealing import Verified
from rolebridge.cli.terminal import bad, counted, doubtful, faint, good, minute, one_line, say, table
from rolebridge.cli.views import csv
from rolebridge.store.audit_listing import AuditRow

HEAD = ("TIME (UTC)", "WHO", "WHAT", "ABOUT", "", "REQUEST ID")
CSV_HEAD = ("number", "at", "kind", "actor", "request_id", "subject_kind", "subject_id", "reason", "before", "after",
            "position", "link")  # fmt: skip
_WIDEST = 70
_NAME = 36


def text(rows: Sequence[AuditRow], names: Mapping[str, str]) -> str:
    """Return rows as a table, in the order in which they come; `names` are users' and groups' names by id."""
    return table(
        HEAD,
        [
            (
                f"{row.entry.at:%Y-%m-%d %H:%M:%S}",
                row.entry.actor,
                row.entry.kind,
                _cut(one_line(names.get(row.entry.subject_id, row.entry.subject_id)), _NAME),
                _cut(one_line(audit_summary(row))),
                row.entry.request_id,
            )
            for row in rows
        ],
    )


def print_csv(rows: Iterable[AuditRow]) -> None:
    """Print rows as CSV, as they are read."""
    csv.print_rows(CSV_HEAD, map(_csv_row, rows))


def print_lines(rows: Iterable[AuditRow]) -> None:
    """Print rows as lines of JSON, as they are read."""
    for block in csv.blocks(rows):
        say("\n".join(json.dumps(export_document(row), ensure_ascii=False) for row in block))


def _csv_row(row: AuditRow) -> Sequence[object]:
    document = export_document(row)
    flat = {**document, "subject_kind": row.entry.subject_kind, "subject_id": row.entry.subject_id}
    flat |= document["chain"] or {}
    return [flat.get(name) for name in CSV_HEAD]


def _cut(line: str, widest: int = _WIDEST) -> str:
    return line if len(line) <= widest else line[: widest - 1] + "…"


def verified(found: Verified) -> str:
    """Return what verifying found."""
    return "\n".join(_verified(found))


def _verified(found: Verified) -> Iterator[str]:
    broken = found.broken
    if broken is not None:
        row = f", row {broken.sequence}" if broken.sequence is not None else ""
        yield f"{bad('✗')} the chain breaks at {broken.position}{row}: {broken.flaw}: {broken.detail}"
        yield f"  {counted(found.rows, 'row')} before it hold"
    elif found.head is None:
        yield f"{good('✓')} nothing is sealed yet"
    else:
        yield f"{good('✓')} the chain is whole: {counted(found.rows, 'row')}, {counted(found.seals, 'seal')}"
    notes = {
        f"{found.pruned:,} before them were pruned, as recorded": found.pruned,
        f"{counted(found.erased, 'row')} had personal data erased, as recorded": found.erased,
    }
    yield from (f"  {note}" for note, number in notes.items() if number)
    doubts = {
        f"{counted(found.unsigned, 'seal')} made without a secret key prove nothing by themselves": found.unsigned,
        f"{counted(found.unknown, 'seal')} of a key that is not here could not be checked": found.unknown,
        f"happened long before they were sealed: rows {', '.join(map(str, found.late))}": found.late,
    }
    yield from (f"{doubtful('!')} {doubt}" for doubt, number in doubts.items() if number)
    if found.tail.rows and found.tail.oldest:
        yield f"  {counted(found.tail.rows, 'row')} not sealed yet, the oldest of {minute(found.tail.oldest)}"
    if found.whole and found.head:
        yield f"  anchor  {found.head}"
        yield faint("  keep it elsewhere; later: rolebridge audit verify --anchor ANCHOR")


def erased(name: str, found: Erased) -> str:
    """Return what was erased, and where the name stands still."""
    where = f"{counted(found.rows, 'row')} of the audit and {counted(found.told, 'row')} of the feed"
    lines = [f"personal data of {one_line(name)} erased from {where}; the chain holds"]
    if found.mentioned:
        lines.append(f"{doubtful('!')} rows about others name them still: {', '.join(map(str, found.mentioned))}")
    lines += [f"{doubtful('!')} a mapping file names them still: revision {file}" for file in found.files]
    return "\n".join(lines)
