"""Requests to answers, without a framework: what is the same for every endpoint of the API."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import quote, urlencode

from rolebridge.api import conditions
from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.api.openapi import openapi
from rolebridge.api.parameters import CURSOR, Parameters
from rolebridge.api.refusals import problem_of
from rolebridge.api.routing import JSON_TYPE, Answer, Call, Endpoint, Place, Router, permit
from rolebridge.api.shapes import check
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.idempotency import Kept, Keyed
from rolebridge.core.errors import NotFound, RolebridgeError
from rolebridge.store.idempotency import KeyPlace
from rolebridge.store.unit import Unit
from rolebridge.web.bodies import BodyRefused, Fault, read_json
from rolebridge.web.keys import KeyHolder
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import Request, Response

OPENAPI_PATH: Final = "/openapi.json"
IDEMPOTENCY_KEY: Final = "idempotency-key"
REPLAYED: Final = "Idempotency-Replayed"

_KEY: Final = re.compile(r"[!-~]{1,255}")
_ACCEPTED: Final = frozenset({JSON_TYPE, "application/*", "*/*"})


class ApiFace:
    """The API of an installation. `base_url` is the installation's, `path` where the API's paths begin below it."""

    def __init__(self, use_cases: UseCases, base_url: str, path: str) -> None:
        self._use = use_cases
        self._base_url = base_url
        self._url = base_url + path
        self._router = Router(ENDPOINTS)
        self._description = _response(Answer(openapi(self._url)))

    def description(self) -> Response:
        """Return the OpenAPI document, which is no secret."""
        return self._description

    def refusal(self, problem: Problem, request_id: str) -> Response:
        """Return the answer that tells of a problem."""
        return problem.response(request_id, self._base_url)

    def handle(self, request: Request, holder: KeyHolder) -> Response:
        """Return the answer to a request of a proved key. What it raises is a defect."""
        try:
            return self._answer(request, holder)
        except Problem as problem:
            return self.refusal(problem, request.request_id)
        except RolebridgeError as error:
            found = problem_of(error, self._use, holder, request.request_id)
            if found is None:
                raise
            return self.refusal(found, request.request_id)

    def _answer(self, request: Request, holder: KeyHolder) -> Response:
        place = self._router.place(request.path)
        endpoint = place.endpoint(request.method)
        permit(holder, endpoint.permission)
        _acceptable(request, endpoint)
        query = Parameters(request, endpoint.query)
        call = Call(request, holder, place.path, query, _body(endpoint, request))
        call.workspace  # noqa: B018 - refuses another workspace than the key's, whatever the endpoint does with it
        if not endpoint.changes:
            return self._read(endpoint, call)
        return self._write(place, endpoint, call)

    def _read(self, endpoint: Endpoint, call: Call) -> Response:
        answer = endpoint.handler(self._use, call)
        response = _response(answer, self._links(endpoint, call, answer))
        if endpoint.method != "GET":
            return response
        assert isinstance(response.body, bytes)
        tag = conditions.tag_of(response.body)
        headers = (*response.headers, ("ETag", tag))
        if conditions.is_known(call.request.headers, tag):
            return Response(304, (("ETag", tag),))
        return Response(response.status, headers, response.body)

    def _links(self, endpoint: Endpoint, call: Call, answer: Answer) -> tuple[tuple[str, str], ...]:
        """Return the `Link` to the next page (RFC 8288) of a list that has one."""
        after = answer.next_cursor
        if CURSOR in endpoint.query and answer.media == JSON_TYPE:
            after = answer.document.get("next_cursor")
        if not after:
            return ()
        kept = [(name, value) for name, value in call.request.query if name != CURSOR.name]
        query = urlencode([*kept, (CURSOR.name, after)])
        return (("Link", f'<{self._url}{quote(call.request.path)}?{query}>; rel="next"'),)

    # --- writes

    def _write(self, place: Place, endpoint: Endpoint, call: Call) -> Response:
        def work() -> Kept:
            response = _response(self._do(place, endpoint, call))
            assert isinstance(response.body, bytes)
            return Kept(response.status, response.headers, response.body)

        text = call.request.headers.get(IDEMPOTENCY_KEY)
        if text is None:
            kept = work()
        else:
            kept = self._use.idempotency.once(_keyed(endpoint, call, text), work)
        headers = (*kept.headers, (REPLAYED, "true")) if kept.replayed else kept.headers
        return Response(kept.status, headers, kept.body)

    def _do(self, place: Place, endpoint: Endpoint, call: Call) -> Answer:
        """Carry out a write, in the state only that it asks for."""
        if not conditions.has_condition(call.request.headers):
            return endpoint.handler(self._use, call)

        def before(unit: Unit) -> None:
            # Nobody changes anything of the organization until this transaction ends: what is read now stays so.
            unit.directory(call.organization_id).lock_organization(exclusive=True)
            self._check(place, call)

        self._check(place, call)  # a write that changes nothing has no transaction
        with self._use.store.attended(before=before):
            return endpoint.handler(self._use, call)

    def _check(self, place: Place, call: Call) -> None:
        conditions.check(call.request.headers, self._present(place, call))

    def _present(self, place: Place, call: Call) -> str | None:
        """Return the tag of what a GET of the path would answer, None if there is nothing."""
        reading = place.endpoints.get("GET")
        if reading is None:
            return None
        bare = Request("GET", call.request.path, (), {}, b"", call.request.request_id, call.request.peer)
        asked = Call(bare, call.holder, call.path, Parameters(bare, reading.query), {})
        try:
            response = _response(reading.handler(self._use, asked))
        except NotFound:
            return None
        assert isinstance(response.body, bytes)
        return conditions.tag_of(response.body)


def _keyed(endpoint: Endpoint, call: Call, text: str) -> Keyed:
    """Return a write with its idempotency key. Raises Problem for a key that is none."""
    if endpoint.secret:
        raise Problem(Kind.INVALID, "an answer with a secret is not kept: send no Idempotency-Key", more=_FIELD)
    if not _KEY.fullmatch(text):
        raise Problem(Kind.INVALID, "an Idempotency-Key has 1 to 255 visible ASCII characters", more=_FIELD)
    request = call.request
    said = [request.method, request.path, request.query, [request.headers.get(name, "") for name in _CONDITIONS]]
    digest = hashlib.sha256(json.dumps(said).encode() + b"\n" + request.body).digest()
    return Keyed(call.organization_id, KeyPlace(call.holder.key_id, text), digest, request.request_id)


_FIELD: Final = {"field": "Idempotency-Key"}
_CONDITIONS: Final = (conditions.IF_MATCH, conditions.IF_NONE_MATCH)


def _acceptable(request: Request, endpoint: Endpoint) -> None:
    """Refuse a client that does not take what the endpoint answers (RFC 9110 §12.5.1)."""
    accept = request.headers.get("accept", "").strip()
    if not accept:
        return
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        refused = re.search(r"(?:^|;)\s*q=0(?:\.0*)?\s*(?:;|$)", parameters.strip(), re.IGNORECASE)
        if media.strip().lower() in {*_ACCEPTED, *endpoint.media} and not refused:
            return
    there = " or ".join(f"`{one}`" for one in (JSON_TYPE, *endpoint.media))
    raise Problem(Kind.NOT_ACCEPTABLE, f"there is {there} here, which `Accept` leaves out")


def _body(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """Return the body of a request, held against the endpoint's schema; {} where there is none. Raises Problem."""
    if endpoint.body is None:
        if request.body and endpoint.method != "GET":
            raise Problem(Kind.INVALID, "there is no body here")
        return {}
    if len(request.body) > endpoint.body_limit:
        detail = f"the body has {len(request.body)} bytes, the limit is {endpoint.body_limit}"
        raise Problem(Kind.TOO_LARGE, detail)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON_TYPE:
        raise Problem(Kind.UNSUPPORTED_MEDIA_TYPE, f"the body is to be `{JSON_TYPE}`, and `Content-Type` to say so")
    try:
        document = read_json(request.body)
    except BodyRefused as refused:
        kind = Kind.TOO_LARGE if refused.fault is Fault.SIZE else Kind.INVALID
        raise Problem(kind, refused.detail) from refused
    check(endpoint.body, document)
    assert isinstance(document, dict)  # every body is described as an object
    return document


def _response(answer: Answer, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    if answer.document is None:
        return Response(answer.status, (*answer.headers, *headers), b"")
    if answer.media == JSON_TYPE:
        text = json.dumps(answer.document, ensure_ascii=False, default=str)
    else:
        text = answer.document
    body = text.encode("utf-8", "backslashreplace")
    return Response(answer.status, (("Content-Type", _content_type(answer.media)), *answer.headers, *headers), body)


def _content_type(media: str) -> str:
    return f"{media}; charset=utf-8" if media.startswith("text/") else media
