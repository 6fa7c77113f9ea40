"""Endpoints as values: a row says everything about one; router and OpenAPI document are made of the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from rolebridge.api.parameters import Parameters, Query
from rolebridge.api.shapes import LONGEST, Schema
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.permissions import Permission
from rolebridge.core.errors import NotFound
from rolebridge.store.statements import storable
from rolebridge.web.keys import KeyHolder
from rolebridge.web.problems import Kind, Problem
from rolebridge.web.requests import Request

JSON_TYPE: Final = "application/json"
SMALL_BODY: Final = 64 * 1024
"""Bytes of a body that holds no files."""
LARGE_BODY: Final = 8 * 1024 * 1024
"""Bytes of a body that holds mapping files; the installation's own limit may be lower."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint says: a document, or None for no body; of another media type than JSON a text."""

    document: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media: str = JSON_TYPE
    next_cursor: str | None = None
    """After which place a text goes on; a JSON document says it itself."""


class Call:
    """One request to an endpoint, read and permitted."""

    def __init__(
        self, request: Request, holder: KeyHolder, path: Mapping[str, str], query: Parameters, body: dict[str, Any]
    ) -> None:
        self.request = request
        self.holder = holder
        self.path = path
        self.query = query
        self.body = body

    @property
    def organization_id(self) -> str:
        """Return the organization that the key belongs to."""
        return self.holder.organization_id

    def prefers(self, media: str) -> bool:
        """Return whether `Accept` names this media type, and JSON not before it."""
        asked = [part.partition(";")[0].strip().lower() for part in self.request.headers.get("accept", "").split(",")]
        return media in asked and JSON_TYPE not in asked[: asked.index(media)]

    @property
    def operator(self) -> Operator:
        """Return who acts, as audit rows name them."""
        return Operator(self.holder.actor, self.request.request_id)

    @cached_property
    def workspace(self) -> str | None:
        """Return the workspace that is asked for, or the only one of the key. Raises NotFound for another one."""
        return limited(self.holder, self.path.get("workspace") or self.query.text_if_known("workspace"))

    @property
    def the_workspace(self) -> str:
        """Return the workspace of the path."""
        found = self.workspace
        assert found is not None  # the path has one
        return found


def permit(holder: KeyHolder, permission: Permission | None) -> None:
    """Refuse a key that lacks a permission. Raises Problem."""
    if permission is None or holder.may(permission):
        return
    scope = f", for workspace `{holder.workspace}` alone" if holder.workspace else ""
    detail = f"the key `{holder.name}` has the role {holder.role}{scope}, and this needs `{permission}`"
    raise Problem(Kind.FORBIDDEN, detail, more={"permission": permission, "role": holder.role})


def limited(holder: KeyHolder, asked: str | None) -> str | None:
    """Return the workspace that is asked for, or the only one of the key. Raises NotFound for another one."""
    if holder.workspace is not None and asked not in {None, holder.workspace}:
        raise NotFound("workspace", asked or "")
    return holder.workspace or asked


Handler = Callable[[UseCases, Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    """What one method on one path does. `permission` None means that any key may; `body` is the schema of one."""

    method: str
    path: str
    summary: str
    permission: Permission | None
    answer: str | None
    handler: Handler
    query: tuple[Query, ...] = ()
    body: Schema | None = None
    body_limit: int = SMALL_BODY
    status: int = 200
    also: tuple[int, ...] = ()
    """Other statuses with the same answer."""
    description: str = ""
    problems: tuple[Kind, ...] = ()
    safe: bool = False
    """That it changes nothing, though its method is not GET."""
    proposes: bool = False
    """That it may answer 202 with a proposal, where a second person has to agree first."""
    media: tuple[str, ...] = ()
    """Media types in which it can answer besides JSON."""
    secret: bool = False
    """That its answer holds a secret, which nobody keeps."""

    @property
    def changes(self) -> bool:
        """Return whether it may change something."""
        return self.method != "GET" and not self.safe

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Return the parts of the path between slashes."""
        return tuple(self.path.strip("/").split("/"))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parameters of the path."""
        return tuple(part[1:-1] for part in self.segments if part.startswith("{"))

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Return the parameters of a path that is this endpoint's."""
        if len(parts) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for segment, part in zip(self.segments, parts, strict=True):
            if segment.startswith("{"):
                found[segment[1:-1]] = part
            elif segment != part:
                return None
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """The endpoints of one path by their methods, and the parameters of the path."""

    endpoints: Mapping[str, Endpoint]
    path: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def allow(self) -> str:
        """Return the methods that the path knows."""
        methods = [*self.endpoints, *(["HEAD"] if "GET" in self.endpoints else [])]
        return ", ".join(sorted(methods))

    def endpoint(self, method: str) -> Endpoint:
        """Return the endpoint of a method. Raises Problem."""
        found = self.endpoints.get(method)
        if found is None:
            detail = (
                f"{method[:20]} is not possible here; {self.allow} are"
                if "," in self.allow
                else (f"{method[:20]} is not possible here; {self.allow} is")
            )
            raise Problem(Kind.METHOD_NOT_ALLOWED, detail, headers=(("Allow", self.allow),))
        return found


class Router:
    """Finds the endpoints of a path; fixed words win over parameters."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = by_path.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"{endpoint.method} {endpoint.path} is there twice")
            methods[endpoint.method] = endpoint
        self._paths = sorted(by_path.values(), key=lambda methods: _precedence(next(iter(methods.values()))))

    def place(self, path: str) -> Place:
        """Return what is at a path. Raises Problem."""
        parts = path.removesuffix("/").removeprefix("/").split("/")
        if all(0 < len(part) <= LONGEST for part in parts) and storable(path):
            for methods in self._paths:
                found = next(iter(methods.values())).match(parts)
                if found is not None:
                    return Place(methods, found)
        raise Problem(Kind.NOT_FOUND, f"there is nothing at `{path[:200]}`")


def _precedence(endpoint: Endpoint) -> tuple[bool, ...]:
    return tuple(part.startswith("{") for part in endpoint.segments)
