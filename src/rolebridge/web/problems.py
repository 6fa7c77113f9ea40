"""Problem documents (RFC 9457): how the API refuses, and what each kind of problem means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from rolebridge.web.requests import Response

PROBLEM_TYPE: Final = "application/problem+json"
PROBLEMS_PATH: Final = "/problems"
"""Where the kinds of problems are explained, below the base URL: a problem's `type` is an address there."""


class Kind(StrEnum):
    """A kind of problem: the end of its `type`, which programs may go by. docs/reference/problems.md lists them."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_ACCEPTABLE = "not-acceptable"
    LOCKED = "locked"
    TAKEN = "taken"
    REFUSED = "refused"
    PLAN_MOVED = "plan-moved"
    GUARDED = "guarded"
    IN_PROGRESS = "in-progress"
    ANSWER_LOST = "answer-lost"
    GONE = "gone"
    PRECONDITION_FAILED = "precondition-failed"
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    MAPPING_ERRORS = "mapping-errors"
    KEY_REUSED = "idempotency-key-reused"
    TOO_MANY = "too-many-requests"
    UNAVAILABLE = "unavailable"

    @property
    def status(self) -> int:
        """Return the HTTP status of the kind."""
        return MEANINGS[self].status

    @property
    def heading(self) -> str:
        """Return what is the same for all problems of the kind."""
        return MEANINGS[self].title


class Meaning(NamedTuple):
    """What a kind of problem is: its status and title, what it means and helps, and its further members by name."""

    status: int
    title: str
    text: str
    members: Mapping[str, str] = MappingProxyType({})


MEANINGS: Final[Mapping[Kind, Meaning]] = MappingProxyType(
    {
        Kind.INVALID: Meaning(
            400,
            "The request cannot be understood",
            "A parameter, a header or a member of the body is missing, unknown, given twice or not what it should be. "
            "`detail` says which one and why; sending the same again is of no use.",
            {"parameter": "the parameter of the query", "field": "the member of the body, or what cannot be"},
        ),
        Kind.UNAUTHENTICATED: Meaning(
            401,
            "No API key that works",
            "The request has no `Authorization: Bearer` header with an API key, or the key is unknown, revoked or "
            "expired. `rolebridge key add` makes one.",
        ),
        Kind.FORBIDDEN: Meaning(
            403,
            "The key may not do this",
            "The key works, but its role lacks a permission, or it is for one workspace and this is the whole "
            "organization's.",
            {"permission": "what is missing", "role": "the role of the key"},
        ),
        Kind.NOT_FOUND: Meaning(
            404,
            "There is no such thing",
            "Nothing is at this path, or what it names is not there for this key: another organization's and, for a "
            "key of one workspace, another workspace's things do not exist.",
            {"kind": "what was looked for", "name": "under which name", "hint": "what may have been meant"},
        ),
        Kind.METHOD_NOT_ALLOWED: Meaning(
            405,
            "The method is not possible here",
            "The path exists; the header `Allow` says which methods it knows.",
        ),
        Kind.NOT_ACCEPTABLE: Meaning(
            406,
            "There is no answer of that media type",
            "The header `Accept` leaves out `application/json`, which is what there is.",
        ),
        Kind.LOCKED: Meaning(
            409,
            "Locked",
            "What was to be changed by hand is held by a group, a rule, a role of the whole workspace or the platform, "
            "or may not be given at all. Nothing was written. `lock` says by what, `release` what would open it and "
            "what the person would become, `explain` where the whole story is.",
            {
                "reason": "the kind of lock, or why the role cannot be given",
                "lock": "what holds it, with the rules and where they stand",
                "release": "each way out",
                "explain": "the path of the explanation",
            },
        ),
        Kind.TAKEN: Meaning(
            409,
            "It is taken",
            "A name or id that must be unique belongs to something else already.",
        ),
        Kind.REFUSED: Meaning(
            409,
            "Not possible as things are",
            "The request is understood, but what it asks for does not fit what is there: the role cannot be given to "
            "this person, the project is archived, whoever proposed something cannot approve it. Nothing was written. "
            "`detail` says why, and `reason` in one word where there is one.",
            {"reason": "why, in one word", "roles": "which roles cannot be kept by hand, when a hold is discarded"},
        ),
        Kind.PLAN_MOVED: Meaning(
            409,
            "The plan says something else now",
            "The digest is of a plan that was made of other files, over another revision, or before the directory "
            "changed or a day passed. Nothing was written. Plan again, look, and apply with the new digest.",
            {
                "moved": "what is not as it was: `files`, `revision`, `directory`",
                "digest": "the digest of the present plan",
                "base_revision": "the revision in force",
            },
        ),
        Kind.GUARDED: Meaning(
            409,
            "A guard rail is in the way",
            "The change would pass a limit of the mapping files. Nothing was written. `trips` says which limit, and "
            "what the change would come to; with `force` and a `reason` an owner's key does it all the same, which is "
            "recorded.",
            {"trips": "the limits that would be passed"},
        ),
        Kind.IN_PROGRESS: Meaning(
            409,
            "Still being carried out",
            "The first request with this `Idempotency-Key` has not been answered yet. Ask again after `Retry-After` "
            "seconds to get its answer.",
        ),
        Kind.ANSWER_LOST: Meaning(
            409,
            "Carried out, but not answered",
            "The request with this `Idempotency-Key` was carried out, and the server ended before it had kept the "
            "answer. Read what it was about; it is not carried out again.",
        ),
        Kind.GONE: Meaning(
            410,
            "The changes are not kept any more",
            "Changes after this cursor were taken away, or the database was restored to an earlier state. Read "
            "everything again: take `changes_cursor` of the first page of `GET /api/v1/access`, read all pages, then "
            "follow the changes from that cursor.",
            {"resync": "the path to read everything from"},
        ),
        Kind.PRECONDITION_FAILED: Meaning(
            412,
            "It has changed meanwhile",
            "`If-Match` or `If-None-Match` asks for another state than the present one. Nothing was written. Read it "
            "again, look, and write with the `ETag` of that answer.",
        ),
        Kind.TOO_LARGE: Meaning(413, "The body is too large", "`detail` says what the limit is."),
        Kind.UNSUPPORTED_MEDIA_TYPE: Meaning(
            415,
            "The body is not JSON",
            "The header `Content-Type` of a request with a body is `application/json`.",
        ),
        Kind.MAPPING_ERRORS: Meaning(
            422,
            "The mapping files have errors",
            "Nothing was written. `diagnostics` has every error and warning with its place and what would cure it, as "
            "`rolebridge check --json` prints them; where cases beside the files fail, `cases` has them, with what was "
            "expected, what came of it and why.",
            {"diagnostics": "all errors and warnings", "cases": "the cases that were run, if they were"},
        ),
        Kind.KEY_REUSED: Meaning(
            422,
            "The idempotency key is another request's",
            "This `Idempotency-Key` came within the last day with another method, path or body. Every request has a "
            "key of its own; only its repetitions have the same one.",
        ),
        Kind.TOO_MANY: Meaning(
            429,
            "Too many requests",
            "The key has used up its rate, `rate_limit` in the settings. Nothing was looked up or written. Go on after "
            "`Retry-After` seconds.",
        ),
        Kind.UNAVAILABLE: Meaning(
            503,
            "Not possible at this time",
            "The database cannot take the work now. Nothing was written. Try again after `Retry-After` seconds.",
        ),
    }
)


class Problem(Exception):
    """A refusal of the API: `detail` is one line for people, `more` are further members of the document."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        more: Mapping[str, Any] | None = None,
        title: str = "",
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.more = dict(more or {})
        self.title = title or kind.heading

    def response(self, request_id: str, base_url: str) -> Response:
        """Return the answer that says so; `base_url` is the installation's."""
        document = {
            "type": type_of(self.kind, base_url),
            "title": self.title,
            "status": self.kind.status,
            "detail": self.detail,
            **self.more,
        }
        if request_id:  # in front of the application only the header has it
            document["request_id"] = request_id
        body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return Response(self.kind.status, (("Content-Type", PROBLEM_TYPE), *self.headers), body)


def type_of(kind: Kind, base_url: str) -> str:
    """Return the `type` of problems of a kind."""
    return f"{base_url}{PROBLEMS_PATH}/{kind}"


def explanation_of(kind: Kind) -> str:
    """Return what stands at the address of a kind, as text for people."""
    meaning = MEANINGS[kind]
    lines = [f"{kind} ({meaning.status}): {meaning.title}", "", meaning.text]
    if meaning.members:
        lines += ["", "Further members:", *(f"  {name}: {what}" for name, what in meaning.members.items())]
    return "\n".join(lines) + "\n"
