"""The API as an OpenAPI 3.1 document, made of the endpoints that the router routes."""

from __future__ import annotations

from typing import Any, Final

from rolebridge import __version__
from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.api.routing import Endpoint
from rolebridge.api.schemas import SCHEMAS
from rolebridge.api.shapes import GIVEN_TEXT, Schema, ref
from rolebridge.web.problems import MEANINGS, PROBLEM_TYPE, Kind

PATH_MEANINGS: Final = {
    "user": "A userName or an id, or what stands before the @ of one userName.",
    "workspace": "The workspace's id.",
    "project": "The project's id.",
    "connection": "The connection's name.",
    "application": "The application's client id.",
    "id": "Its id.",
    "number": "Its number.",
}

_ALWAYS: Final = (Kind.INVALID, Kind.UNAUTHENTICATED, Kind.NOT_ACCEPTABLE, Kind.TOO_MANY, Kind.UNAVAILABLE)
_OF_BODIES: Final = (Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA_TYPE)
_OF_WRITES: Final = (Kind.IN_PROGRESS, Kind.ANSWER_LOST, Kind.KEY_REUSED, Kind.PRECONDITION_FAILED)
_IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The request is carried out once, however often it arrives with this key within a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_IF_MATCH: Final[Schema] = {
    "name": "If-Match",
    "in": "header",
    "description": "Only in the state that has one of these tags.",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH: Final[Schema] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "GET: 304 when the answer still has this tag. Writes: not in a state that has it; `*`: only if "
    "there is nothing yet.",
    "schema": {"type": "string"},
}


def openapi(base_url: str) -> dict[str, Any]:
    """Return the document. `base_url` is where the API's paths begin."""
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rolebridge API",
            "version": __version__,
            "description": "Who holds which role and why, changes of it, and what happened.",
        },
        "servers": [{"url": base_url}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `rolebridge key add`."}
            },
            "schemas": SCHEMAS,
        },
    }


def _operation(endpoint: Endpoint) -> Schema:
    needs = f"Needs `{endpoint.permission}`." if endpoint.permission else "Any key may."
    found: Schema = {
        "summary": endpoint.summary,
        "description": " ".join(filter(None, (endpoint.description, needs))),
        "operationId": _operation_id(endpoint),
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
    }
    if endpoint.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": endpoint.body}}}
    return found


def _operation_id(endpoint: Endpoint) -> str:
    words = [part.strip("{}").replace("-", "_") for part in endpoint.segments]
    return "_".join([endpoint.method.lower(), *words])


def _parameters(endpoint: Endpoint) -> list[Schema]:
    in_path = [
        {"name": name, "in": "path", "required": True, "description": PATH_MEANINGS[name], "schema": GIVEN_TEXT}
        for name in endpoint.names
    ]
    in_query = [
        {
            "name": one.name,
            "in": "query",
            "required": one.required,
            "description": one.meaning,
            "schema": one.schema,
        }
        for one in endpoint.query
    ]
    return [*in_path, *in_query, *_headers(endpoint)]


def _headers(endpoint: Endpoint) -> list[Schema]:
    if endpoint.method == "GET":
        return [_IF_NONE_MATCH]
    if not endpoint.changes:
        return []
    return [*([] if endpoint.secret else [_IDEMPOTENCY_KEY]), _IF_MATCH, _IF_NONE_MATCH]


def _responses(endpoint: Endpoint) -> Schema:
    done: Schema = {"description": "Done." if endpoint.changes else "Found."}
    if endpoint.answer is not None:
        done["content"] = {
            "application/json": {"schema": ref(endpoint.answer)},
            **{media: {"schema": {"type": "string"}} for media in endpoint.media},
        }
    if endpoint.method == "GET":
        done["headers"] = {"ETag": {"schema": {"type": "string"}}}
    found: Schema = {str(status): done for status in (endpoint.status, *endpoint.also)}
    if endpoint.proposes:
        proposed = {"application/json": {"schema": ref("Proposed")}}
        found["202"] = {"description": "Nothing was done yet: a second person has to agree.", "content": proposed}
    if endpoint.method == "GET":
        found["304"] = {"description": "The answer still has the tag of `If-None-Match`."}
    by_status: dict[int, list[Kind]] = {}
    for kind in _kinds(endpoint):
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in sorted(by_status.items()):
        told = "; ".join(f"`{kind}`: {MEANINGS[kind].title}" for kind in kinds)
        found[str(status)] = {"description": f"{told}.", "content": {PROBLEM_TYPE: {"schema": ref("Problem")}}}
    return found


def _kinds(endpoint: Endpoint) -> list[Kind]:
    kinds = [*_ALWAYS, *endpoint.problems]
    if endpoint.permission is not None:
        kinds.append(Kind.FORBIDDEN)
    if endpoint.names or endpoint.query:
        kinds.append(Kind.NOT_FOUND)
    if endpoint.body is not None:
        kinds += _OF_BODIES
    if endpoint.changes:
        kinds += _OF_WRITES
    return list(dict.fromkeys(kinds))
