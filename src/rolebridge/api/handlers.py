"""Requests to answers, without a framework: what each endpoint of the API does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rolebridge.api.openapi import openapi
from rolebridge.api.parameters import Parameters, invalid, next_cursor
from rolebridge.bridge.access import Access
from rolebridge.bridge.administration import Administration
from rolebridge.bridge.documents import explanation_document, held_document, request_document, status_document
from rolebridge.bridge.explaining import Explaining
from rolebridge.bridge.permissions import Permission
from rolebridge.bridge.request_log import RequestLog
from rolebridge.bridge.status import Status
from rolebridge.core.errors import Invalid, NotFound, Unavailable
from rolebridge.core.grants import GrantKey
from rolebridge.store.records import Connection, Organization
from rolebridge.store.request_log import Wanted
from rolebridge.web.keys import KeyHolder
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import Request, Response

logger = logging.getLogger("rolebridge.api")

JSON_TYPE: Final = "application/json"
OPENAPI_PATH: Final = "/openapi.json"


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the API offers over HTTP."""

    administration: Administration
    access: Access
    explaining: Explaining
    request_log: RequestLog
    status: Status


class ApiFace:
    """The API of an installation. `base_url` is where its paths begin."""

    def __init__(self, use_cases: UseCases, base_url: str) -> None:
        self._use = use_cases
        self._description = _json(openapi(base_url))

    def description(self) -> Response:
        """Return the OpenAPI document, which is no secret."""
        return self._description

    def handle(self, request: Request, holder: KeyHolder) -> Response:
        """Return the answer to a request of a proved key. What it raises is a defect."""
        try:
            return _json(self._answer(request, holder))
        except Problem as problem:
            return problem.response(request.request_id)
        except NotFound as missing:
            return self._missing(missing, holder).response(request.request_id)
        except Invalid as error:
            return _invalid(error, holder).response(request.request_id)
        except Unavailable as busy:
            logger.error("request %s: %s", request.request_id, busy)  # noqa: TRY400 - a refusal, with its cause in it
            headers = (("Retry-After", str(busy.retry_after)),)
            return Problem(Kind.UNAVAILABLE, busy.told, headers=headers).response(request.request_id)

    def _answer(self, request: Request, holder: KeyHolder) -> Any:
        handler = self._route(request, holder)
        if request.method != "GET":
            detail = f"{request.method[:20]} is not possible here; GET is"
            raise Problem(Kind.METHOD_NOT_ALLOWED, detail, headers=(("Allow", "GET, HEAD"),))
        return handler()

    def _route(self, request: Request, holder: KeyHolder) -> Callable[[], Any]:
        """Return what answers the path."""
        match request.path.strip("/").split("/"):
            case ["status"]:
                return lambda: self._status(request, holder)
            case ["access"]:
                return lambda: self._access(request, holder)
            case ["explanations"]:
                return lambda: self._explanations(request, holder)
            case ["connections", name, "requests"]:
                return lambda: self._requests(request, holder, name)
            case ["connections", name, "requests", request_id]:
                return lambda: self._request(request, holder, name, request_id)
            case _:
                raise Problem(Kind.NOT_FOUND, f"there is nothing at `{request.path[:200]}`")

    # --- what happened ---------------------------------------------------------------------------------------

    def _status(self, request: Request, holder: KeyHolder) -> Any:
        _need(holder, Permission.READ_RECORD)
        Parameters(request, ())
        return status_document(self._use.status.of(self._organization(holder)))

    def _requests(self, request: Request, holder: KeyHolder, name: str) -> Any:
        connection = self._connection(holder, name)
        said = Parameters(request, ("since", "status", "errors", "path", "user", "limit", "cursor"))
        statuses = said.statuses()
        if said.flag("errors"):
            if statuses != (0, 999):
                raise invalid("errors", "and `status` say two different things; choose one")
            statuses = (400, 999)
        user = said.text("user")
        page = self._use.request_log.page(
            holder.organization_id,
            Wanted(
                connection.id,
                said.moment("since"),
                statuses,
                said.text("path"),
                self._use.access.user_id(holder.organization_id, user) if user else None,
            ),
            before=_place(said),
            limit=said.limit(),
        )
        names = {connection.id: connection.name}
        place = (page.before[0].isoformat(), page.before[1]) if page.before else None
        return {
            "requests": [request_document(row, names) for row in page.rows],
            "next_cursor": next_cursor(place),
        }

    def _request(self, request: Request, holder: KeyHolder, name: str, request_id: str) -> Any:
        connection = self._connection(holder, name)
        Parameters(request, ())
        row = self._use.request_log.request(holder.organization_id, request_id)
        if row.connection_id != connection.id:
            raise NotFound("logged request", request_id)
        return request_document(row, {connection.id: connection.name})

    # --- access ----------------------------------------------------------------------------------------------

    def _access(self, request: Request, holder: KeyHolder) -> Any:
        _need(holder, Permission.READ_ACCESS)
        said = Parameters(request, ("workspace", "project", "user", "limit", "cursor"))
        after = said.cursor(len(GrantKey._fields))
        listing = self._use.access.listing(
            holder.organization_id,
            workspace=_workspace(said, holder),
            project=said.text("project"),
            user=said.text("user"),
            limit=said.limit(),
            after=GrantKey(*after) if after else None,
        )
        place = [getattr(listing.after, name) for name in GrantKey._fields] if listing.after else None
        return {"access": [held_document(row) for row in listing.rows], "next_cursor": next_cursor(place)}

    def _explanations(self, request: Request, holder: KeyHolder) -> Any:
        _need(holder, Permission.READ_ACCESS)
        said = Parameters(request, ("user", "workspace", "project"))
        found = self._use.explaining.explain(
            holder.organization_id,
            said.required("user"),
            workspace=_workspace(said, holder),
            project=said.text("project"),
        )
        organization = self._organization(holder)
        return {"organization": organization.name, "explanations": [explanation_document(one) for one in found]}

    # --- shared ----------------------------------------------------------------------------------------------

    def _organization(self, holder: KeyHolder) -> Organization:
        found = {one.id: one for one in self._use.administration.organizations()}
        return found[holder.organization_id]

    def _connection(self, holder: KeyHolder, name: str) -> Connection:
        """Return a connection whose record the key may read."""
        _need(holder, Permission.READ_RECORD)
        return self._use.administration.connection(self._organization(holder), name)

    def _missing(self, missing: NotFound, holder: KeyHolder) -> Problem:
        """Return the refusal, with what may have been meant where the key may know that."""
        hint = None if holder.workspace else self._use.access.hint(holder.organization_id, missing)
        more = {"kind": missing.kind, "name": missing.name[:200], **({"hint": hint} if hint else {})}
        return Problem(Kind.NOT_FOUND, str(missing)[:500], more=more)


def _invalid(error: Invalid, holder: KeyHolder) -> Problem:
    # The words may name people, of whom a key for one workspace is told nothing.
    detail = "the name may mean several people; say the whole userName" if holder.workspace else str(error)
    return Problem(Kind.INVALID, detail, more={"field": error.field} if error.field else {})


def _need(holder: KeyHolder, permission: Permission) -> None:
    if holder.may(permission):
        return
    scope = f", for workspace `{holder.workspace}` alone" if holder.workspace else ""
    detail = f"the key `{holder.name}` is a {holder.role}'s{scope}, and this needs `{permission}`"
    raise Problem(Kind.FORBIDDEN, detail, more={"permission": permission, "role": holder.role})


def _workspace(said: Parameters, holder: KeyHolder) -> str | None:
    """Return the workspace that is asked for. Raises NotFound for another one than the key's."""
    asked = said.text("workspace")
    if holder.workspace is not None and asked not in {None, holder.workspace}:
        raise NotFound("workspace", asked or "")
    return holder.workspace or asked


def _place(said: Parameters) -> tuple[datetime, str] | None:
    found = said.cursor(2)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[0]).astimezone(UTC), found[1]
    except (ValueError, OverflowError):
        raise invalid("cursor", "is not the `next_cursor` of a page of this list") from None


def _json(document: Any) -> Response:
    body = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")
    return Response(200, (("Content-Type", JSON_TYPE),), body)
