"""What is counted of a running server. `docs/operations/monitoring.md` says what to make of each."""

from __future__ import annotations

import logging
from typing import Final

from rolebridge.app.installation import API_PATH, SCIM_PATH
from rolebridge.scim.tolerances import Tolerance
from rolebridge.store.request_log import LoggedRequest
from rolebridge.web.metrics import OTHER, SECONDS, Family, Shared, Tally

DOORS: Final = ("scim", "api", "oauth", "sso")
_PATHS: Final = (
    ("scim", SCIM_PATH, f"{SCIM_PATH}/"),
    ("api", API_PATH, f"{API_PATH}/"),
    ("oauth", "/oauth", "/oauth/"),
    ("sso", "/sso", "/sso/"),
    ("sso", "/sign-in", "/sign-in/"),
    ("sso", "/sign-out", "/sign-out/"),
    ("sso", "/account", "/account/"),
)
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CLASSES: Final = ("2xx", "3xx", "4xx", "5xx")
# RFC 7644 §3.12 and RFC 9865 §3.
_SCIM_TYPES: Final = (
    "invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue",
    "invalidVers", "sensitive", "invalidCursor", "expiredCursor", "invalidCount",
)  # fmt: skip
_CLASS_OF: Final = {int(name[0]): name for name in _CLASSES}
_OF_STATUS: Final = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "too-slow",
    409: "conflict",
    412: "precondition",
    413: "too-large",
    415: "media-type",
    429: "too-many",
    431: "too-large",
    500: "defect",
    501: "not-implemented",
    503: "unavailable",
}

REQUESTS: Final = "rolebridge_requests_total"
DURATION: Final = "rolebridge_request_duration_seconds"
REFUSALS: Final = "rolebridge_refusals_total"
SCIM_REFUSALS: Final = "rolebridge_scim_refusals_total"
TOLERANCES: Final = "rolebridge_scim_tolerances_total"
UNKNOWN_MEMBERS: Final = "rolebridge_scim_unknown_members_total"
WRITER_WAIT: Final = "rolebridge_database_writer_wait_seconds"
GUARD_RAILS: Final = "rolebridge_guard_rails_total"
LOG_LINES: Final = "rolebridge_log_lines_total"
STARTS: Final = "rolebridge_worker_process_starts_total"

FAMILIES: Final = (
    Family(
        REQUESTS,
        "Requests answered, by door, method and class of the status.",
        {"door": DOORS, "method": _METHODS, "status": _CLASSES},
    ),
    Family(
        DURATION,
        "Seconds from a complete request to the end of its answer.",
        {"door": DOORS, "method": _METHODS},
        SECONDS,
    ),
    Family(
        REFUSALS,
        "Requests refused, by door and reason.",
        {"door": DOORS, "reason": tuple(dict.fromkeys(_OF_STATUS.values()))},
    ),
    Family(SCIM_REFUSALS, "SCIM requests refused, by scimType (RFC 7644).", {"scim_type": _SCIM_TYPES}),
    Family(TOLERANCES, "SCIM requests forgiven, by tolerance.", {"tolerance": tuple(map(str, Tolerance))}),
    Family(UNKNOWN_MEMBERS, "Members named in SCIM requests that are nobody, and were passed over.", {}),
    Family(
        WRITER_WAIT, "Seconds that a write waited for its turn (SQLite) or for its transaction to begin.", {}, SECONDS
    ),
    Family(
        GUARD_RAILS,
        "Guard rails that a change of the directory met, by whether they held it back.",
        {"event": ("guard.tripped", "guard.passed")},
    ),
    Family(LOG_LINES, "Lines logged, by level.", {"level": ("debug", "info", "warning", "error", "critical")}),
    Family(STARTS, "Worker processes started; more than the workers there are means that some died.", {}),
)


def shared_memory(workers: int) -> Shared:
    """Return the memory for a server of so many workers, and for those that replace them before they are quite gone."""
    return Shared(FAMILIES, 2 * workers)


class Metrics:
    """Counts what one worker process does."""

    def __init__(self, shared: Shared | None = None) -> None:
        """Count in `shared` memory; without it nobody ever reads the numbers."""
        self._tally = Tally(FAMILIES, shared)
        self._tally.count(STARTS)

    def log_handler(self) -> logging.Handler:
        """Return what counts the lines that the process logs."""
        return LogCounter(self._tally)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        door = door_of(path)
        self._tally.count(REQUESTS, door, method, _CLASS_OF.get(status // 100, OTHER))
        self._tally.observe(DURATION, door, method, value=seconds)
        if status >= 400:
            self._tally.count(REFUSALS, door, _OF_STATUS.get(status, OTHER))

    def logged(self, row: LoggedRequest) -> None:
        """Count what the SCIM door tells of a request."""
        if row.scim_type:
            self._tally.count(SCIM_REFUSALS, row.scim_type)
        for name in row.tolerances.split():
            self._tally.count(TOLERANCES, name)
        if row.unknown_members:
            self._tally.count(UNKNOWN_MEMBERS, by=row.unknown_members)

    def waited(self, seconds: float) -> None:
        """Count how long a write waited for its turn."""
        self._tally.observe(WRITER_WAIT, value=seconds)


class LogCounter(logging.Handler):
    """Counts what the process logs, and the events that lines tell of (`extra={"event": …}`)."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        self._tally.count(LOG_LINES, record.levelname.lower())
        event = getattr(record, "event", None)
        if event is not None:
            self._tally.count(GUARD_RAILS, event)


def door_of(path: str) -> str:
    """Return the door that answers a path: nothing of a path but this is ever counted or logged."""
    if path.startswith("//"):
        path = f"/{path.lstrip('/')}"
    for door, itself, below in _PATHS:
        if path.startswith(below) or path == itself:
            return door
    return OTHER
