"""A client of the SCIM service without HTTP: says requests to the handlers and reads the answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.bridge.worlds import World

from rolebridge.bridge.callers import Caller
from rolebridge.scim.handlers import ScimFace
from rolebridge.store.request_log import LoggedRequest
from rolebridge.web.requests import Request, Response

BASE = "https://bridge.example/scim/v2"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


@dataclass(frozen=True)
class Said:
    """An answer, read."""

    status: int
    headers: dict[str, str]
    body: Any


class Client:
    """One connection of a world, talking to the service; `exchanges` is what the observer was told."""

    def __init__(self, world: World, caller: Caller | None = None, profile: str = "generic") -> None:
        self.world = world
        self.caller = replace(caller or world.okta, profile=profile)
        self.exchanges: list[LoggedRequest] = []
        self.face = ScimFace(world.provisioning, self.exchanges.append)

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> Said:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, tuple(query.items()), headers or {}, raw, self.caller.request_id)
        return self._read(self.face.handle(request, self.caller))

    def _read(self, response: Response) -> Said:
        raw = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        return Said(response.status, dict(response.headers), json.loads(raw) if raw else None)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: str) -> Said:
        return self.send("GET", path, None, headers, **query)

    def ask(self, path: str, query: dict[str, str]) -> Said:
        parameters: Any = query
        return self.send("GET", path, **parameters)

    def patch(self, path: str, *operations: dict[str, Any], **how: Any) -> Said:
        return self.send("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **how)

    def new_user(self, name: str, **attributes: Any) -> str:
        said = self.send("POST", "/Users", {"schemas": [USER], "userName": name, **attributes})
        assert said.status == 201, said
        id_: str = said.body["id"]
        return id_

    def new_group(self, name: str, *ids: str) -> str:
        members = [{"value": id_} for id_ in ids]
        said = self.send("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": members})
        assert said.status == 201, said
        id_: str = said.body["id"]
        return id_

    def members(self, group_id: str) -> set[str]:
        return {member["value"] for member in self.get(f"/Groups/{group_id}").body.get("members", [])}

    def found(self, endpoint: str, filter: str, **query: str) -> list[str]:
        said = self.ask(endpoint, {"filter": filter, **query})
        assert said.status == 200, said
        assert said.body["totalResults"] == len(said.body["Resources"])
        return [resource["id"] for resource in said.body["Resources"]]
