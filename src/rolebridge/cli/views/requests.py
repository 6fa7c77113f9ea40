"""Requests as lines of a log, as CSV and as JSON, and one request with all that is known of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from rolebridge.bridge.status_documents import request_document
from rolebridge.cli.terminal import aligned, bad, counted, doubtful, faint, good, one_line, say, strong, width
from rolebridge.core.sheets import text_of
from rolebridge.store.request_log import LoggedRequest

HEAD = ("TIME (UTC)", "CONNECTION", "STATUS", "MS", "REQUEST", "WHAT", "REQUEST ID")
CSV_HEAD = ("at", "connection", "method", "path", "query", "status", "scim_type", "detail", "duration_ms",
            "resource_id", "credential_id", "peer", "user_agent", "tolerances", "unknown_members",
            "request_bytes", "answer_bytes", "lost", "request_id")  # fmt: skip
_WIDEST = 70
"""Columns of a cell; `show` has the whole of it."""


class Form(Enum):
    """How rows are printed."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


class Printer:
    """Prints rows block after block under one head; followed rows in JSON are one document a line."""

    def __init__(self, names: Mapping[str, str], form: Form) -> None:
        self._names = names
        self._form = form
        self._columns: list[int] = []

    def documents(self, rows: Sequence[LoggedRequest]) -> list[dict[str, Any]]:
        """Return rows as JSON has them."""
        return [request_document(row, self._names) for row in rows]

    def print(self, rows: Sequence[LoggedRequest]) -> None:
        """Print some more rows."""
        lines = list({Form.TEXT: self._text, Form.CSV: self._csv, Form.JSON: self._json}[self._form](rows))
        if lines:
            say("\n".join(lines))

    def _json(self, rows: Sequence[LoggedRequest]) -> Iterator[str]:
        yield from (json.dumps(document, ensure_ascii=False) for document in self.documents(rows))

    def _csv(self, rows: Sequence[LoggedRequest]) -> Iterator[str]:
        head = [] if self._columns else [CSV_HEAD]
        self._columns = [1]
        documents = ({**one, "tolerances": " ".join(one["tolerances"])} for one in self.documents(rows))
        text = text_of([*head, *([document[name] for name in CSV_HEAD] for document in documents)])
        if text:
            yield text.removesuffix("\n")

    def _text(self, rows: Sequence[LoggedRequest]) -> Iterator[str]:
        if not rows:
            return
        lines = [self._cells(row) for row in rows]
        begun = bool(self._columns)
        widths = self._columns or [len(title) for title in HEAD]
        self._columns = [max(before, *(width(line[at]) for line in lines)) for at, before in enumerate(widths)]
        if not begun:
            yield aligned([strong(title) for title in HEAD], self._columns)
        yield from (aligned(line, self._columns) for line in lines)

    def _cells(self, row: LoggedRequest) -> Sequence[str]:
        asked = f"{row.method} {row.path}{'?' * bool(row.query)}{row.query}" if row.method else "-"
        return (
            f"{row.at:%Y-%m-%d %H:%M:%S}",
            self._names.get(row.connection_id, "-"),
            _status(row),
            f"{row.duration_us / 1_000:.1f}" if row.status else "-",
            _cut(asked),
            _cut(what(row)) or "-",
            row.request_id,
        )


def what(row: LoggedRequest) -> str:
    """Return what there is to say of a request: why it was refused, what was forgiven, who was not known."""
    parts = [f"{row.scim_type}: {row.detail}" if row.scim_type else row.detail] * bool(row.detail)
    if row.unknown_members:
        parts.append(counted(row.unknown_members, "unknown member"))
    if row.tolerances:
        parts.append(f"forgiven: {row.tolerances.replace(' ', ', ')}")
    return one_line("; ".join(parts))


def _status(row: LoggedRequest) -> str:
    colour = bad if row.status >= 500 else doubtful if row.status >= 400 else good
    return colour(str(row.status)) if row.status else "-"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def whole(row: LoggedRequest, names: Mapping[str, str]) -> str:
    """Return all that is known of one request."""
    lines = {
        "at": f"{row.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC",
        "connection": names.get(row.connection_id, "-"),
        "from": f"{row.peer}   {one_line(row.user_agent)}".strip(),
        "credential": row.credential_id,
        "about": row.resource_id,
        "took": f"{row.duration_us / 1_000:.2f} ms",
        "bytes": f"{row.request_bytes:,} in, {'streamed' if row.answer_bytes is None else f'{row.answer_bytes:,}'} out",
        "forgiven": row.tolerances.replace(" ", ", "),
        "unknown": counted(row.unknown_members, "member") if row.unknown_members else "",
        "refused": one_line(f"{row.scim_type}: {row.detail}" if row.scim_type else row.detail),
    }
    head = (
        f"{strong(f'{row.method} {row.path}')}{'?' * bool(row.query)}{row.query} {_status(row)}" if row.method else "-"
    )
    shown = [f"  {label:<12}{text}" for label, text in lines.items() if text]
    shape = ["  the body had, without its values", *_indented(row.shape)] if row.shape else []
    return "\n".join([head, *shown, *shape, faint(f"  request {row.request_id}")])


def _indented(shape: str) -> Iterator[str]:
    text = json.dumps(json.loads(shape), ensure_ascii=False, indent=2)
    yield from (f"    {line}" for line in text.splitlines())
