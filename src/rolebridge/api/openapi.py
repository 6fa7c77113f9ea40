"""The API as an OpenAPI 3.1 document; a test holds answers against its schemas."""

from __future__ import annotations

from typing import Any, Final

from rolebridge import __version__
from rolebridge.api.parameters import DEFAULT_LIMIT, MAX_LIMIT
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.status import Concern
from rolebridge.web.problems import PROBLEM_TYPE, Kind

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_MOMENT: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
OBJECT: Final[Schema] = {"type": "object"}


def openapi(base_url: str) -> dict[str, Any]:
    """Return the document. `base_url` is where the API's paths begin."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rolebridge API",
            "version": __version__,
            "description": "Who holds which role and why, what identity providers sent, and how connections fare.",
        },
        "servers": [{"url": base_url}],
        "security": [{"key": []}],
        "paths": _PATHS,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `rolebridge key add`."}
            },
            "schemas": SCHEMAS,
            "responses": {"problem": _PROBLEM},
        },
    }


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, *, required: bool = True) -> Schema:
    """Return an object that has these properties and no others."""
    described: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return described | {"required": list(properties)} if required else described


_TRAFFIC: Final = _object({"requests": COUNT, "refused": COUNT, "failed": COUNT, "not_logged": COUNT})

SCHEMAS: Final[Schema] = {
    "Request": _object(
        {
            "request_id": TEXT,
            "at": MOMENT,
            "connection": MAYBE_TEXT,
            "method": MAYBE_TEXT,
            "path": TEXT,
            "query": TEXT,
            "status": {"type": ["integer", "null"]},
            "scim_type": MAYBE_TEXT,
            "detail": TEXT,
            "duration_ms": {"type": "number", "minimum": 0},
            "resource_id": MAYBE_TEXT,
            "credential_id": MAYBE_TEXT,
            "peer": TEXT,
            "user_agent": TEXT,
            "tolerances": _list_of(TEXT),
            "unknown_members": COUNT,
            "request_bytes": COUNT,
            "answer_bytes": {"type": ["integer", "null"]},
            "body_shape": {"description": "Names and types of a refused body, its values left out."},
            "lost": {**COUNT, "description": "Above 0: so many requests could not be logged, and this row is none."},
        }
    ),
    "Requests": _object({"requests": _list_of(_ref("Request")), "next_cursor": MAYBE_TEXT}),
    "Connection": _object(
        {
            "name": TEXT,
            "profile": TEXT,
            "users": COUNT,
            "groups": COUNT,
            "last_contact": MAYBE_MOMENT,
            "silent_after_seconds": {"type": ["integer", "null"]},
            "last_hour": _TRAFFIC,
            "last_day": _TRAFFIC,
            "last_refusal": {"anyOf": [_ref("Request"), {"type": "null"}]},
            "tolerances": {"type": "object", "additionalProperties": COUNT},
        }
    ),
    "Secret": _object(
        {
            "kind": {"enum": ["token", "client", "key"]},
            "connection": MAYBE_TEXT,
            "id": TEXT,
            "name": TEXT,
            "hint": TEXT,
            "expires_at": MAYBE_MOMENT,
            "revoked_at": MAYBE_MOMENT,
            "usable": {"type": "boolean"},
            "refused_in_last_day": COUNT,
            "last_refused": MAYBE_MOMENT,
        }
    ),
    "Notice": _object({"concern": {"enum": [concern.value for concern in Concern]}, "subject": TEXT, "text": TEXT}),
    "Status": _object(
        {
            "organization": TEXT,
            "at": MOMENT,
            "notices": _list_of(_ref("Notice")),
            "connections": _list_of(_ref("Connection")),
            "secrets": _list_of(_ref("Secret")),
            "mapping": {"anyOf": [_object({"revision": COUNT, "applied": MOMENT}), {"type": "null"}]},
            "workspaces": {
                "type": "object",
                "additionalProperties": _object(
                    {"people": COUNT, "grants": COUNT, "blocked": COUNT, "conflicts": COUNT}
                ),
            },
        }
    ),
    "Grant": _object(
        {
            "user": _object({"id": TEXT, "user_name": TEXT, "name": MAYBE_TEXT}),
            "workspace": TEXT,
            "project": MAYBE_TEXT,
            "slot": TEXT,
            "role": TEXT,
            "acts_as": {"anyOf": [_object({"slot": TEXT, "role": TEXT}), {"type": "null"}]},
            "state": {"enum": ["effective", "blocked", "conflict"]},
            "lock": MAYBE_TEXT,
            "reach": MAYBE_TEXT,
            "source": TEXT,
            "rule": MAYBE_TEXT,
            "revision": COUNT,
            "valid_from": MAYBE_TEXT,
            "valid_until": MAYBE_TEXT,
            "because": OBJECT,
        }
    ),
    "Access": _object({"access": _list_of(_ref("Grant")), "next_cursor": MAYBE_TEXT}),
    "Claim": {
        "type": "object",
        "description": "An assignment and where it comes from; what does not apply is absent.",
        "properties": {"slot": TEXT, "project": MAYBE_TEXT, "role": TEXT, "source": TEXT},
        "required": ["slot", "project", "role", "source"],
    },
    "Role": _object(
        {
            "slot": TEXT,
            "project": MAYBE_TEXT,
            "role": TEXT,
            "name": TEXT,
            "acts_as": {"anyOf": [_object({"slot": TEXT, "role": TEXT}), {"type": "null"}]},
            "lock": MAYBE_TEXT,
            "source": TEXT,
            "winners": _list_of(_ref("Claim")),
        }
    ),
    "Lock": _object(
        {
            "kind": TEXT,
            "slot": TEXT,
            "project": MAYBE_TEXT,
            "role": TEXT,
            "by": _list_of(_ref("Claim")),
            "release": _list_of(OBJECT),
        }
    ),
    "Explanation": _object(
        {
            "user": _object(
                {"id": TEXT, "user_name": TEXT, "name": TEXT, "active": {"type": "boolean"}, "connection": TEXT}
            ),
            "workspace": TEXT,
            "platform": TEXT,
            "project": MAYBE_TEXT,
            "revision": COUNT,
            "roles": _list_of(_ref("Role")),
            "from_above": _list_of(_ref("Role")),
            "locks": _list_of(_ref("Lock")),
            "lost": _list_of(_ref("Claim")),
            "conflicts": _list_of(_object({"slot": TEXT, "project": MAYBE_TEXT, "claims": _list_of(_ref("Claim"))})),
            "findings": _list_of(OBJECT),
        }
    ),
    "Explanations": _object({"organization": TEXT, "explanations": _list_of(_ref("Explanation"))}),
    "Problem": {
        "type": "object",
        "description": "RFC 9457. Further members depend on the type.",
        "properties": {
            "type": {"enum": [f"urn:rolebridge:problem:{kind}" for kind in Kind]},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "request_id": TEXT,
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    },
}

_PROBLEM: Final[Schema] = {
    "description": "A refusal: 400, 401, 403, 404, 405 or 503.",
    "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}},
}


def _get(summary: str, answer: str, permission: Permission, parameters: list[Schema]) -> Schema:
    """Return the description of an endpoint that is read."""
    found = {"description": "Found.", "content": {"application/json": {"schema": _ref(answer)}}}
    return {
        "get": {
            "summary": summary,
            "description": f"Needs `{permission}`.",
            "parameters": parameters,
            "responses": {"200": found, "default": {"$ref": "#/components/responses/problem"}},
        }
    }


def _query(name: str, meaning: str, schema: Schema = TEXT, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "description": meaning, "schema": schema}


def _in_path(name: str, meaning: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": meaning, "schema": TEXT}


_PAGED: Final = [
    _query(
        "limit",
        "Entries of a page.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
    ),
    _query("cursor", "The `next_cursor` of the page before."),
]
_USER: Final = "A userName, an id, or what stands before the @ of one userName."
_CONNECTION: Final = _in_path("name", "The connection's name.")

_PATHS: Final[Schema] = {
    "/status": _get("How connections fare, and what needs attention", "Status", Permission.READ_RECORD, []),
    "/connections/{name}/requests": _get(
        "What a connection sent, newest first",
        "Requests",
        Permission.READ_RECORD,
        [
            _CONNECTION,
            _query("since", "Only since this moment.", MOMENT),
            _query("status", "Only answers with this status (`409`), or of this class (`4xx`)."),
            _query("errors", "Only refused requests.", {"type": "boolean", "default": False}),
            _query("path", "Only requests with this in their path or query."),
            _query("user", f"Only requests about this user. {_USER}"),
            *_PAGED,
        ],
    ),
    "/connections/{name}/requests/{id}": _get(
        "One request of a connection",
        "Request",
        Permission.READ_RECORD,
        [_CONNECTION, _in_path("id", "The answer's X-Request-Id.")],
    ),
    "/access": _get(
        "Who holds what, as recorded",
        "Access",
        Permission.READ_ACCESS,
        [
            _query("workspace", "Only this workspace."),
            _query("project", "Only who is in this project, roles that reach every one included."),
            _query("user", f"Only this person. {_USER}"),
            *_PAGED,
        ],
    ),
    "/explanations": _get(
        "Why somebody has the roles they have, and what would change them",
        "Explanations",
        Permission.READ_ACCESS,
        [
            _query("user", _USER, required=True),
            _query("workspace", "Only this workspace."),
            _query("project", "One project, with what would change the role there."),
        ],
    ),
}
