"""Requests to answers, without a framework: what each endpoint does with each method (RFC 7644 §3.2).

A request comes in whole and proved; what goes out is status, headers and bytes (a large group's in blocks). Every
refusal is a SCIM Error, and everything that was answered or forgiven is told to an observer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.callers import Caller, CredentialOwner
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.core.directory import GroupChange, UserDraft
from rolebridge.core.errors import Taken
from rolebridge.core.versions import Versions
from rolebridge.scim import answers
from rolebridge.scim.answers import Projection
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.bulk import BulkRun, Send, check_size, read_job
from rolebridge.scim.canonical import read_group, read_user
from rolebridge.scim.cursors import CursorSeal
from rolebridge.scim.discovery import discovery
from rolebridge.scim.errors import (
    TRANSLATED,
    ScimError,
    forbidden,
    not_found,
    too_large,
    translated,
)
from rolebridge.scim.exchanges import Exchange, Observer, log_refusal, now
from rolebridge.scim.http import SCIM_TYPE, answer_type, check_body, parameters_of, resource_of
from rolebridge.scim.limits import MAX_MEMBERS, MAX_USER_BODY
from rolebridge.scim.membership import read_group_change, read_group_replacement
from rolebridge.scim.patch import read_user_change, read_user_replacement
from rolebridge.scim.preconditions import IF_NONE_MATCH, entity_tag, is_known, wanted_versions
from rolebridge.scim.profile import PatchAnswer, Profile, UnknownMembers, profile
from rolebridge.scim.queries import projection_of, search_parameters
from rolebridge.scim.schemas import schemas_of, standard
from rolebridge.scim.searching import GROUPS, USERS, Searching, user_text
from rolebridge.store.records import GroupAnswer, UserAnswer
from rolebridge.web.requests import Request, Response

UNKNOWN_MEMBERS: Final = "X-Rolebridge-Unknown-Members"
"""The answer's header that counts the member ids which name no user or group of the connection."""

_DISCOVERY: Final = frozenset({"Schemas", "ResourceTypes", "ServiceProviderConfig"})


class ScimFace:
    """The SCIM service of an installation."""

    def __init__(
        self,
        provisioning: Provisioning,
        observe: Observer = log_refusal,
        clock: Callable[[], datetime] = now,
        secret_key: bytes | None = None,
        previous_keys: tuple[bytes, ...] = (),
        max_members: int = MAX_MEMBERS,
    ) -> None:
        """Answer from `provisioning`, whose `scim_base` begins every location, and tell `observe` of every request.

        The installation's `secret_key` seals cursors; those sealed by `previous_keys` are still good. A request may
        list `max_members` members of a group.
        """
        self._provisioning = provisioning
        self._seal = CursorSeal(secret_key, clock, previous_keys)
        self._max_members = max_members
        self._observe = observe
        self._clock = clock

    def handle(self, request: Request, caller: Caller) -> Response:
        """Return the answer to a request of a proved caller. What it raises is a defect."""
        exchange = Exchange.begin(request, caller.owner, self._clock)
        spoken = profile(caller.profile)
        send = self._operation(caller)
        work = _Work(self._provisioning, request, caller, spoken, send, self._seal, max_members=self._max_members)
        refusal: ScimError | None = None
        words: tuple[str, ...] = ()
        try:
            response = work.answer()
        except ScimError as error:
            refusal, response = error, refused(error)
        except TRANSLATED as error:
            words = (error.owner,) if isinstance(error, Taken) and error.owner else ()
            refusal = translated(error)
            response = refused(refusal)
        except Exception:  # whatever it is, it is answered elsewhere: here it is only told to the request log
            refusal = ScimError(500, None, "an unexpected error; the server's log tells it under this request id")
            self._observe(exchange.end(refused(refusal), refusal, forgiven=work.reading.used))
            raise
        response = as_preferred(response, request)
        told = exchange.end(response, refusal, forgiven=work.reading.used, unknown_members=work.unknown, words=words)
        self._observe(told)
        return response

    def _operation(self, caller: Caller) -> Send:
        """Return what answers the operations of a bulk request, each under a request id of its own."""
        return lambda request: self.handle(request, replace(caller, request_id=request.request_id))

    def turn_away(self, request: Request, refusal: ScimError, owner: CredentialOwner | None) -> Response:
        """Return the answer to a request that is refused before `handle`: no credential that works, a limit.

        `owner` is whose the credential is, if it is one of ours.
        """
        response = as_preferred(refused(refusal), request)
        self._observe(Exchange.begin(request, owner, self._clock).end(response, refusal))
        return response


def refused(error: ScimError) -> Response:
    """Return the answer that refuses."""
    return Response(error.status, (("Content-Type", SCIM_TYPE), *error.headers), error.body())


def as_preferred(response: Response, request: Request) -> Response:
    """Return an answer in the type that the client prefers."""
    type_ = answer_type(request.headers)
    if type_ == SCIM_TYPE:
        return response
    headers = tuple((name, type_ if value == SCIM_TYPE else value) for name, value in response.headers)
    return replace(response, headers=headers)


class _Work:
    """One request being answered."""

    def __init__(
        self,
        provisioning: Provisioning,
        request: Request,
        caller: Caller,
        spoken: Profile,
        send: Send,
        seal: CursorSeal,
        *,
        max_members: int,
    ) -> None:
        self.max_members = max_members
        self.send = send
        self.seal = seal
        self.provisioning = provisioning
        self.request = request
        self.caller = caller
        self.profile = spoken
        self.reading = spoken.reading(standard())
        self.schemas = self.reading.schemas
        self.unknown = 0
        self.parameters: dict[str, str] = {}

    def answer(self) -> Response:
        """Find what the path names, and do what the method says."""
        if self.caller.schemas_version:
            self.take_up_extensions()
        endpoint, id_ = resource_of(self.request.path, self.reading)
        self.parameters = parameters_of(self.request.query)
        if endpoint == "Users":
            return self.users(id_)
        if endpoint == "Groups":
            return self.groups(id_)
        if endpoint in _DISCOVERY:
            return self.discovery(f"/{endpoint}/{id_}".rstrip("/"))
        if endpoint == ".search" and not id_:
            return self.by_method(POST=lambda: self.searched(USERS, GROUPS))
        if not endpoint:
            return self.by_method(GET=lambda: self.listed(USERS, GROUPS))
        if endpoint == "Me" and not id_:
            return self.me()
        if endpoint == "Bulk" and not id_:
            return self.by_method(POST=self.bulk)
        raise not_found(f"there is nothing at `{self.request.path[:200]}`")

    def take_up_extensions(self) -> None:
        """Answer by the schemas that the organization defines."""
        registered = self.provisioning.extensions.of(self.caller.organization_id, self.caller.schemas_version)
        self.caller = replace(self.caller, schemas_version=registered.version)
        self.schemas = self.reading.schemas = schemas_of(registered)

    def by_method(self, **handlers: Callable[[], Response]) -> Response:
        """Return what the handler of the request's method answers."""
        handler = handlers.get(self.request.method)
        if handler is None:
            allowed = ", ".join(handlers)
            detail = f"{self.request.method[:20]} is not possible here; {allowed} is"
            raise ScimError(405, None, detail, (("Allow", allowed),))
        return handler()

    # --- discovery -----------------------------------------------------------------------------------------

    def discovery(self, path: str) -> Response:
        def get() -> Response:
            if "filter" in self.parameters:
                raise forbidden("what the service says about itself is not filtered (RFC 7644 §4)")
            told = discovery(self.provisioning.scim_base, self.profile.unannounced, self.schemas)
            found = told.answer(path)
            if found is None:
                raise not_found(f"there is nothing at `{self.request.path[:200]}`")
            return Response(200, (("Content-Type", SCIM_TYPE),), found)

        return self.by_method(GET=get)

    # --- users ---------------------------------------------------------------------------------------------

    def users(self, id_: str) -> Response:
        if not id_:
            return self.by_method(GET=lambda: self.listed(USERS), POST=self.create_user)
        if id_ == ".search":
            return self.by_method(POST=lambda: self.searched(USERS))
        return self.user(id_)

    def user(self, id_: str) -> Response:
        return self.by_method(
            GET=lambda: self.get_user(id_),
            PUT=lambda: self.put_user(id_),
            PATCH=lambda: self.patch_user(id_),
            DELETE=lambda: self.delete_user(id_),
        )

    def get_user(self, id_: str) -> Response:
        projection = projection_of(self.parameters, self.schemas.user, self.reading)
        user = self.provisioning.user(self.caller, id_)
        tag = entity_tag(user.version, user.groups if projection.related("groups") else None)
        if is_known(self.request.headers, tag):
            return Response(304, (("ETag", tag),))
        return self.user_answer(200, user, projection)

    def create_user(self) -> Response:
        projection = projection_of(self.parameters, self.schemas.user, self.reading)
        draft = read_user(self.user_body(), self.reading)
        return self.user_answer(201, self.provisioning.create_user(self.caller, draft), projection)

    def put_user(self, id_: str) -> Response:
        return self.change_user(id_, read_user_replacement(self.user_body(), self.reading), PatchAnswer.RESOURCE)

    def patch_user(self, id_: str) -> Response:
        return self.change_user(id_, read_user_change(self.user_body(), self.reading), self.profile.patch_user)

    def change_user(self, id_: str, change: Callable[[UserDraft], UserDraft], answered: PatchAnswer) -> Response:
        projection = projection_of(self.parameters, self.schemas.user, self.reading)
        user = self.provisioning.change_user(self.caller, id_, change, self.versions())
        if answered is PatchAnswer.NO_CONTENT and "attributes" not in self.parameters:
            return Response(204, (("ETag", entity_tag(user.version, user.groups)),))
        return self.user_answer(200, user, projection)

    def delete_user(self, id_: str) -> Response:
        self.provisioning.delete_user(self.caller, id_, self.versions())
        return Response(204)

    def user_answer(self, status: int, user: UserAnswer, projection: Projection) -> Response:
        projection = projection.with_specified(self.reading)
        shown = user if projection.related("groups") else UserAnswer(user.id, user.body, user.version)
        body = user_text(self.provisioning.scim_base, shown, projection).encode()
        return Response(status, self.headers("/Users/", user.id, entity_tag(user.version, shown.groups)), body)

    # --- groups --------------------------------------------------------------------------------------------

    def groups(self, id_: str) -> Response:
        if not id_:
            return self.by_method(GET=lambda: self.listed(GROUPS), POST=self.create_group)
        if id_ == ".search":
            return self.by_method(POST=lambda: self.searched(GROUPS))
        return self.by_method(
            GET=lambda: self.get_group(id_),
            PUT=lambda: self.change_group(id_, read_group_replacement(self.body(), self.reading), PatchAnswer.RESOURCE),
            PATCH=lambda: self.change_group(
                id_, read_group_change(self.body(), self.reading), self.profile.patch_group
            ),
            DELETE=lambda: self.delete_group(id_),
        )

    def get_group(self, id_: str) -> Response:
        projection = projection_of(self.parameters, self.schemas.group, self.reading)
        if IF_NONE_MATCH in self.request.headers:
            tag = entity_tag(self.provisioning.group(self.caller, id_, with_members=False).version)
            if is_known(self.request.headers, tag):
                return Response(304, (("ETag", tag),))
        group = self.provisioning.group(self.caller, id_, with_members=projection.related("members"))
        return self.group_answer(200, group, projection)

    def create_group(self) -> Response:
        projection = projection_of(self.parameters, self.schemas.group, self.reading)
        draft, ids = read_group(self.body(), self.reading)
        self.check_members(len(ids or ()))
        group, unknown = self.provisioning.create_group(
            self.caller, draft, ids or (), refuse_unknown=self.refuses_unknown
        )
        self.unknown = len(unknown)
        return self.group_answer(201, group, projection)

    def change_group(self, id_: str, change: GroupChange, answered: PatchAnswer) -> Response:
        projection = projection_of(self.parameters, self.schemas.group, self.reading)
        self.check_members(sum(len(step.ids) for step in change.steps))
        version, unknown = self.provisioning.change_group(
            self.caller, id_, change, refuse_unknown=self.refuses_unknown, versions=self.versions()
        )
        self.unknown = len(unknown)
        if answered is PatchAnswer.NO_CONTENT and "attributes" not in self.parameters:
            return Response(204, (("ETag", entity_tag(version)), *self.unknown_header()))
        group = self.provisioning.group(self.caller, id_, with_members=projection.related("members"))
        return self.group_answer(200, group, projection)

    def delete_group(self, id_: str) -> Response:
        self.provisioning.delete_group(self.caller, id_, self.versions())
        return Response(204)

    def group_answer(self, status: int, group: GroupAnswer, projection: Projection) -> Response:
        projection = projection.with_specified(self.reading)
        headers = (*self.headers("/Groups/", group.id, entity_tag(group.version)), *self.unknown_header())
        blocks = (group.members or ()) if projection.related("members") else ()
        location = self.location("/Groups/", group.id)
        if len(blocks) > 1:
            streamed: Iterator[bytes] = answers.streamed(group.body, location, projection, "members", blocks)
            return Response(status, headers, streamed)
        text = answers.resource_text(group.body, location, projection, "members", "".join(blocks))
        return Response(status, headers, text.encode())

    def check_members(self, listed: int) -> None:
        if listed > self.max_members:
            more = "add the others by further PATCHes"
            raise too_large(f"the request lists {listed:,} members, the limit is {self.max_members:,}; {more}")

    @property
    def refuses_unknown(self) -> bool:
        return self.profile.unknown_members is UnknownMembers.REFUSE

    def unknown_header(self) -> tuple[tuple[str, str], ...]:
        return ((UNKNOWN_MEMBERS, str(self.unknown)),) if self.unknown else ()

    # --- whom the token is bound to ------------------------------------------------------------------------

    def me(self) -> Response:
        """Do with the user whom the token is bound to what their own path would do (RFC 7644 §3.11)."""
        subject = self.caller.subject
        if not subject:
            detail = "this credential speaks for a connection, not for a user; `rolebridge token add --user` binds one"
            raise ScimError(501, None, detail)
        response = self.user(subject)
        location = ("Location", self.location("/Users/", subject))
        headers = tuple(header for header in response.headers if header[0] != location[0])
        return replace(response, headers=(*headers, location))

    # --- many operations in one request --------------------------------------------------------------------

    def bulk(self) -> Response:
        check_size(self.request.body)
        job = read_job(self.body(), self.reading)
        run = BulkRun(job, self.request, self.send, self.provisioning.scim_base)
        return Response(200, (("Content-Type", SCIM_TYPE),), run.blocks())

    # --- shared --------------------------------------------------------------------------------------------

    def body(self) -> Any:
        """Return the request's JSON."""
        check_body(self.request.body, self.request.headers)
        return parse_body(self.request.body)

    def user_body(self) -> Any:
        if len(self.request.body) > MAX_USER_BODY:
            raise too_large(f"a user's body has {len(self.request.body)} bytes, the limit is {MAX_USER_BODY}")
        return self.body()

    def listed(self, *endpoints: str) -> Response:
        """Answer a question for resources."""
        searching = Searching(self.provisioning, self.caller, self.schemas, self.reading, self.seal)
        return Response(200, (("Content-Type", SCIM_TYPE),), searching.find(endpoints, self.parameters))

    def searched(self, *endpoints: str) -> Response:
        """Answer a question that stands in the body; what the URL says beside it is passed over (RFC 7644 §3.4.3)."""
        self.parameters = search_parameters(self.body())
        return self.listed(*endpoints)

    def location(self, endpoint: str, id_: str) -> str:
        return f"{self.provisioning.scim_base}{endpoint}{id_}"

    def headers(self, endpoint: str, id_: str, tag: str) -> tuple[tuple[str, str], ...]:
        return (("Content-Type", SCIM_TYPE), ("Location", self.location(endpoint, id_)), ("ETag", tag))

    def versions(self) -> Versions:
        """Return which versions of the resource the client wants to change."""
        return wanted_versions(self.request.headers)
