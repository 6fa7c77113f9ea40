"""How many members one request may list."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scim.talking import GROUP, PATCH, Client

from rolebridge.scim.handlers import ScimFace


@pytest.fixture
def limited(client: Client) -> Client:
    """A client of whom a request may list three members."""
    client.face = ScimFace(client.world.provisioning, client.exchanges.append, max_members=3)
    return client


def patched(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(operations)}


@pytest.mark.parametrize("road", ["POST", "PUT", "PATCH", "two operations", "remove"])
def test_more_are_refused(limited: Client, road: str) -> None:
    """413 in SCIM's form says how many there are, how many may be, and the way out; nothing has changed."""
    ids = [limited.new_user(f"user{number}") for number in range(4)]
    group = limited.new_group("team", ids[0])
    four = [{"value": id_} for id_ in ids]
    whole = {"schemas": [GROUP], "displayName": "team 2", "members": four}
    method, path, body = {
        "POST": ("POST", "/Groups", whole),
        "PUT": ("PUT", f"/Groups/{group}", whole),
        "PATCH": ("PATCH", f"/Groups/{group}", patched({"op": "add", "path": "members", "value": four})),
        "two operations": (
            "PATCH",
            f"/Groups/{group}",
            patched(*({"op": "add", "path": "members", "value": part} for part in (four[:2], four[2:]))),
        ),
        "remove": ("PATCH", f"/Groups/{group}", patched({"op": "remove", "path": "members", "value": four})),
    }[road]
    before = limited.get("/Groups").body
    said = limited.send(method, path, body)
    assert (said.status, said.body["status"]) == (413, "413")
    assert said.body["detail"] == "the request lists 4 members, the limit is 3; add the others by further PATCHes"
    assert limited.get("/Groups").body == before


def test_as_many_as_may_be(limited: Client) -> None:
    """The limit is of what a request lists, not of what a group has: further PATCHes add the others."""
    ids = [limited.new_user(f"user{number}") for number in range(5)]
    group = limited.new_group("team", *ids[:3])
    for id_ in ids[3:]:
        said = limited.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": id_}]})
        assert said.status in {200, 204}
    assert limited.members(group) == set(ids)
