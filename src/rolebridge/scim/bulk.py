"""`POST /Bulk` (RFC 7644 §3.7): many operations in one request, each answered for itself.

Every operation is a request of its own to the same handlers: its own transaction, its own row in the request log (the
bulk request's id, a hyphen and the operation's number), the connection's profile, limits and conditions. There is no
atomicity over the operations, as the RFC has none. Results come in the order of the request, as they are ready, and
whoever else waits for this process gets a turn after each operation. A client that hangs up ends the job after the
operation under way.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from scim2_models import BulkRequest, BulkResponse

from rolebridge.core.filter_tree import shown
from rolebridge.scim.bulk_plan import BulkOperation, Step, may_refer, plan, resolved, resolved_path, without
from rolebridge.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value, too_large
from rolebridge.scim.limits import MAX_BULK_BODY, MAX_BULK_OPERATIONS
from rolebridge.scim.redaction import redacted_path
from rolebridge.scim.tolerances import Reading, Tolerance
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.scim")

BULK_REQUEST: Final = str(BulkRequest.__schema__)
BULK_RESPONSE: Final = str(BulkResponse.__schema__)

_WITH_DATA: Final = ("POST", "PUT", "PATCH")
_METHODS: Final = (*_WITH_DATA, "DELETE")
# What of a resource costs with its size and is not in a result.
_SPARED: Final = {"Users": "groups", "Groups": "members"}
_FORWARDED: Final = ("user-agent",)
_LONGEST_PATH: Final = 500

Send = Callable[[Request], Response]
"""Answers one operation. Raises what is a defect."""


@dataclass(frozen=True, slots=True)
class BulkJob:
    """What a bulk request asks for. It ends early when `fail_on_errors` operations have failed, None for never."""

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int | None


# --- reading -------------------------------------------------------------------------------------------------


def check_size(body: bytes) -> None:
    """Refuse a body that is larger than announced, before it is read (RFC 7644 §3.7.4)."""
    if len(body) > MAX_BULK_BODY:
        raise too_large(f"the bulk request has {len(body)} bytes, more than maxPayloadSize ({MAX_BULK_BODY})")


def read_job(body: Any, reading: Reading) -> BulkJob:
    """Read the body of a bulk request. Raises `ScimError` for what is wrong with all of it."""
    if not isinstance(body, dict):
        raise invalid_syntax("the body is not a JSON object")
    members = {key.lower(): value for key, value in body.items()}
    urns = members.get("schemas")
    if not isinstance(urns, list) or BULK_REQUEST not in urns:
        reading.forgive(Tolerance.SCHEMAS_INCOMPLETE, invalid_syntax, f"`schemas` lacks `{BULK_REQUEST}`")
    listed = members.get("operations")
    if not isinstance(listed, list) or not listed:
        raise invalid_syntax("`Operations` is not a list of at least one operation")
    if len(listed) > MAX_BULK_OPERATIONS:
        detail = f"the bulk request has {len(listed)} operations, more than maxOperations ({MAX_BULK_OPERATIONS})"
        raise too_large(detail)
    limit = members.get("failonerrors")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise invalid_syntax("`failOnErrors` is not a whole number")
    taken: set[str] = set()
    return BulkJob(tuple(_operation(number, item, taken) for number, item in enumerate(listed, 1)), limit)


def _operation(number: int, item: Any, taken: set[str]) -> BulkOperation:
    """Read one operation; `taken` are the bulkIds of creations before it."""
    if not isinstance(item, dict):
        raise invalid_syntax(f"operation {number} is not an object")
    members = {key.lower(): value for key, value in item.items()}
    path = members.get("path")
    if isinstance(path, str):  # relative to the service's root (§3.7), with or without the slash that says so
        members["path"] = path = f"/{path.strip('/')}" if len(path) <= _LONGEST_PATH else ""
    method, bulk_id, version = members.get("method"), members.get("bulkid"), members.get("version")
    fault = _fault(members, taken)
    if method == "POST" and fault is None and isinstance(bulk_id, str):
        taken.add(bulk_id)
    return BulkOperation(
        number,
        method if isinstance(method, str) else "",
        path if isinstance(path, str) else "",
        bulk_id if isinstance(bulk_id, str) else None,
        version if isinstance(version, str) else None,
        members.get("data") if fault is None and method in _WITH_DATA else None,
        fault,
    )


def _fault(members: dict[str, Any], taken: set[str]) -> ScimError | None:
    """Return what is wrong with an operation by itself."""
    method, path, bulk_id = members.get("method"), members.get("path"), members.get("bulkid")
    if method not in _METHODS:
        return invalid_syntax(f"the `method` of an operation is one of {', '.join(_METHODS)}")
    for name in ("bulkid", "version"):
        if not isinstance(members.get(name), str | None):
            return invalid_syntax(f"the `{'bulkId' if name == 'bulkid' else name}` of an operation is a string")
    if not isinstance(path, str) or not path:
        return invalid_syntax(f"an operation has a `path`, such as `/Users`, of {_LONGEST_PATH} characters at most")
    if (refusal := _path_fault(str(method), path)) is not None:
        return refusal
    if method in _WITH_DATA and not isinstance(members.get("data"), dict):
        return invalid_syntax(f"a {method} has `data`, which is an object")
    if method == "POST":
        if not bulk_id:
            return invalid_syntax("a POST has a `bulkId` (RFC 7644 §3.7)")
        if bulk_id in taken:
            return invalid_value(f"the bulkId {shown(bulk_id)} belongs to a POST before this one")
    return None


def _path_fault(method: str, path: str) -> ScimError | None:
    segments = path.split("/")
    if segments[1] not in _SPARED or len(segments) > 3 or segments[-1] == ".search":
        return invalid_path(f"{shown(path)} is no path of a bulk operation: those are below `/Users` and `/Groups`")
    if method == "POST" and len(segments) != 2:
        return invalid_path("a POST goes to `/Users` or `/Groups`")
    if method != "POST" and len(segments) != 3:
        return invalid_path(f"a {method} goes to one resource, such as `/Users/…`")
    return None


# --- running -------------------------------------------------------------------------------------------------


class BulkRun:
    """One bulk request being answered. `location` is the base URL that results begin with."""

    def __init__(self, job: BulkJob, outer: Request, send: Send, location: str) -> None:
        self._operations = job.operations
        self._limit = job.fail_on_errors
        self._outer = outer
        self._send = send
        self._location = location
        self._refers = may_refer(outer.body)
        self._created: dict[str, str] = {}
        self._unfinished: dict[int, tuple[Step, Response]] = {}
        self._results: dict[int, bytes] = {}
        self._errors = 0
        self._told = 0
        self._separator = b""

    def blocks(self) -> Iterator[bytes]:
        """Run the job and yield the answer, at least a block for every step."""
        yield f'{{"schemas":["{BULK_RESPONSE}"],"Operations":['.encode()
        try:
            for step in plan(self._operations) if self._refers else map(Step, range(len(self._operations))):
                self._take(step)
                if self._stopped:
                    break
                yield self._ready(until=self._first_open()) or b"\n"
        finally:  # also when the client has gone: nothing stays half made
            for step, _ in list(self._unfinished.values()):
                self._complete(step)
        yield self._ready(until=len(self._operations)) + b"]}"

    @property
    def _stopped(self) -> bool:
        return self._limit is not None and self._errors >= max(1, self._limit)

    def _first_open(self) -> int:
        """Return the index of the first operation that has no result yet."""
        index = self._told
        while index in self._results:
            index += 1
        return index

    def _ready(self, until: int) -> bytes:
        """Return the results that were not told yet, of operations before `until`, in the order of the request."""
        ready = [self._results.pop(index) for index in range(self._told, until) if index in self._results]
        self._told = until
        if not ready:
            return b""
        text = self._separator + b",".join(ready)
        self._separator = b","
        return text

    # one operation

    def _take(self, step: Step) -> None:
        if step.completes:
            if step.index in self._unfinished:
                self._complete(step)
            return
        operation = self._operations[step.index]
        try:
            response, path = self._first(operation, step.missing)
        except ScimError as error:
            self._refuse(step.index, error)
            return
        if response.status < 300 and operation.creates:
            self._created[str(operation.bulk_id)] = _id(response)
            if step.missing:
                self._unfinished[step.index] = (step, response)
                return
        self._finish(step.index, response, path)

    def _first(self, operation: BulkOperation, missing: frozenset[str]) -> tuple[Response, str]:
        """Run an operation, without what refers to `missing`; returns the answer and the resolved path."""
        if operation.fault is not None:
            raise operation.fault
        path, data = operation.path, operation.data
        if self._refers:
            path = resolved_path(path, self._find)
            data = resolved(without(data, missing) if missing else data, self._find)
        conditions = {} if operation.version is None or operation.creates else {"if-match": operation.version}
        return self._ask(operation, operation.method, path, data, conditions), path

    def _complete(self, step: Step) -> None:
        """Put into a resource what refers to those made after it; where that fails, the resource is not made."""
        _, made = self._unfinished.pop(step.index)
        operation = self._operations[step.index]
        path = f"{operation.path}/{_id(made)}"
        try:
            put = self._closed(operation, path, made)
        except ScimError as error:
            del self._created[str(operation.bulk_id)]
            self._ask(operation, "DELETE", path, None, _unchanged(made))
            self._refuse(step.index, _circular(error.detail))
        else:
            self._finish(step.index, Response(201, put.headers), path)

    def _closed(self, operation: BulkOperation, path: str, made: Response) -> Response:
        put = self._ask(operation, "PUT", path, resolved(operation.data, self._find), _unchanged(made))
        if put.status >= 300:
            raise ScimError(put.status, None, _detail(put))
        return put

    def _find(self, bulk_id: str) -> str:
        found = self._created.get(bulk_id)
        if found is None:
            raise ScimError(409, None, f"no operation of this request has created the bulkId {shown(bulk_id)}")
        return found

    def _ask(self, operation: BulkOperation, method: str, path: str, data: Any, conditions: dict[str, str]) -> Response:
        outer = self._outer
        headers = {name: value for name, value in outer.headers.items() if name in _FORWARDED}
        request = Request(
            method=method,
            path=path,
            query=() if method == "DELETE" else (("excludedAttributes", _SPARED[path.split("/")[1]]),),
            headers=headers | conditions,
            body=b"" if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(),
            request_id=f"{outer.request_id}-{operation.number}",
            peer=outer.peer,
        )
        try:
            return self._send(request)
        except Exception:  # a defect that one operation meets is that operation's answer; the others have theirs
            logger.exception("request %s: %s %s failed", request.request_id, method, redacted_path(path))
            detail = f"an unexpected error; the server's log tells it under request id `{request.request_id}`"
            return Response(500, (), ScimError(500, None, detail).body())

    # results

    def _refuse(self, index: int, error: ScimError) -> None:
        operation = self._operations[index]
        self._finish(index, Response(error.status, error.headers, error.body()), operation.path)

    def _finish(self, index: int, response: Response, path: str) -> None:
        operation = self._operations[index]
        failed = response.status >= 300
        self._errors += failed
        result: dict[str, Any] = {"method": operation.method} if operation.method else {}
        if operation.bulk_id is not None:
            result["bulkId"] = operation.bulk_id
        if location := _header(response, "Location"):
            result["location"] = location
        elif operation.method != "POST" and path:
            result["location"] = f"{self._location}{path}"
        if tag := _header(response, "ETag"):
            result["version"] = tag
        result["status"] = str(response.status)
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
        if failed and isinstance(response.body, bytes) and response.body:
            text = text[:-1] + b',"response":' + response.body + b"}"
        self._results[index] = text


def _circular(detail: str) -> ScimError:
    """Return the refusal of a creation that a circle of references needs and that cannot be finished (§3.7.1)."""
    return ScimError(409, None, f"the circle of references cannot be closed, so the resource was not made: {detail}")


def _unchanged(made: Response) -> dict[str, str]:
    """Return the condition that nobody has changed what was made a moment ago."""
    return {"if-match": _header(made, "ETag")}


def _detail(response: Response) -> str:
    body: dict[str, Any] = json.loads(response.body) if isinstance(response.body, bytes) else {}
    return str(body.get("detail", f"status {response.status}"))


def _header(response: Response, name: str) -> str:
    return next((value for key, value in response.headers if key == name), "")


def _id(response: Response) -> str:
    return _header(response, "Location").rpartition("/")[2]
