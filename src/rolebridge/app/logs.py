"""The log of a process: lines on the standard error, for people or as JSON, and no personal data in either.

What a line says is up to those who write it: names, numbers and reasons, never what somebody sent. The rest is taken
care of here: an exception is told by its type and its place in the program. Its own words repeat values (a row that a
unique index refused, a text that could not be read), so they are told at the level `debug` only.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rolebridge.web.requests import current_request_id

_FRAMES: Final = 30
"""Places of a traceback that are told, the innermost ones."""
_CAUSES: Final = 5


def set_up(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Let everything that the process logs go to the standard error (or `stream`), in this format, from this level."""
    handler = logging.StreamHandler(stream or sys.stderr)
    wordy = log_level == "debug"
    handler.setFormatter(JsonLines(wordy=wordy) if log_format == "json" else TextLines(wordy=wordy))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(log_level.upper())


class _Lines(logging.Formatter):
    """What both formats share: the exception, told by type and place."""

    def __init__(self, *, wordy: bool) -> None:
        super().__init__()
        self._wordy = wordy

    def _raised(self, record: logging.LogRecord) -> list[dict[str, Any]]:
        """Return the exceptions of a record, the one that came out first, then its causes."""
        told: list[dict[str, Any]] = []
        error = record.exc_info[1] if record.exc_info else None
        while error is not None and len(told) < _CAUSES:
            frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
            one: dict[str, Any] = {
                "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
            if self._wordy:
                one["says"] = str(error)
            told.append(one)
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return told


class JsonLines(_Lines):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        request_id = current_request_id.get()
        if request_id:
            line["request_id"] = request_id
        line.update(getattr(record, "fields", {}))
        raised = self._raised(record)
        if raised:
            line["exceptions"] = raised
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(_Lines):
    """One line for people; what was raised stands below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        message = record.getMessage()
        request_id = current_request_id.get()
        about = f" (request {request_id})" if request_id and request_id not in message else ""
        # One event stays one line: what somebody made us repeat must not look like an event of its own.
        head = f"{_moment(record)} {record.levelname} {record.name} {message}{about}"
        lines = ["\\n".join(head.splitlines())]
        for one in self._raised(record):
            said = f": {one['says']}" if "says" in one else ""
            lines += ["  " + "\\n".join(f"{one['type']}{said}".splitlines()), *(f"    at {at}" for at in one["at"])]
        return "\n".join(lines)


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
