"""scim2-client, with its checks of every request and answer on: a session of what it can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import (
    NotFoundException,
    PatchOp,
    PreconditionFailedException,
    SearchRequest,
    UniquenessException,
)
from tests.idp.served import Served

pytestmark = pytest.mark.loopback

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture(params=["strict", "entra"])
def scim(bridge: Served, request: pytest.FixtureRequest) -> Iterator[SyncSCIMClient]:
    """A client that has discovered the service, and knows no more of it than the service says."""
    headers = {"Authorization": f"Bearer {bridge.token(request.param)}"}
    with Client(base_url=bridge.base, headers=headers, timeout=30) as http:
        client = SyncSCIMClient(http)
        client.discover()
        yield client


def asked(**said: Any) -> Any:
    """Return a query."""
    return SearchRequest(**said)


def patch(model: Any, op: str, path: str, value: Any = None) -> Any:
    """Return a PATCH of one operation on a resource of the model."""
    operation = {"op": op, "path": path, **({} if value is None else {"value": value})}
    schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    return PatchOp[model].model_validate({"schemas": [schema], "Operations": [operation]})


def test_a_session_of_users(scim: SyncSCIMClient) -> None:
    """Create, refuse the second, query, replace, patch, search and delete: every answer is a valid resource."""
    user: Any = scim.get_resource_model("User")
    given: dict[str, Any] = {"userName": "ana", "emails": [{"value": "ana@example.com", "type": "work"}]}
    ana: Any = scim.create(user, {**given, ENTERPRISE: {"department": "Imaging"}})
    assert (ana.user_name, ana.active, ana.emails[0].type) == ("ana", True, "work")
    with pytest.raises(UniquenessException):
        scim.create(user, {"userName": "ANA"})
    again: Any = scim.query(user, ana.id)
    assert again.model_dump() == ana.model_dump()
    again.title = "Lead"
    replaced: Any = scim.replace(again)
    assert (replaced.title, replaced.id) == ("Lead", ana.id)
    assert replaced.meta.version != ana.meta.version
    scim.modify(user, ana.id, patch(user, "replace", "active", False))
    found: Any = scim.query(user, query_parameters=asked(filter='userName eq "Ana" and active eq false'))
    assert [one.id for one in found.resources] == [ana.id]
    part: Any = scim.query(user, ana.id, query_parameters=asked(attributes=["title"]))
    assert (part.title, part.user_name) == ("Lead", None)
    scim.delete(user, ana.id)
    with pytest.raises(NotFoundException):
        scim.query(user, ana.id)


def test_a_session_of_groups(scim: SyncSCIMClient) -> None:
    """Members come and go, and users tell their groups."""
    user: Any = scim.get_resource_model("User")
    group: Any = scim.get_resource_model("Group")
    people: list[Any] = [scim.create(user, {"userName": name}) for name in ("ana", "ben")]
    street: Any = scim.create(group, {"displayName": "Street", "members": [{"value": people[0].id}]})
    assert [member.value for member in street.members] == [people[0].id]
    scim.modify(group, street.id, patch(group, "add", "members", [{"value": people[1].id}]))
    read: Any = scim.query(group, street.id)
    assert {member.value for member in read.members} == {one.id for one in people}
    told: Any = scim.query(user, people[1].id)
    assert [(one.value, one.display) for one in told.groups] == [(street.id, "Street")]
    scim.modify(group, street.id, patch(group, "remove", f'members[value eq "{people[0].id}"]'))
    scim.delete(user, people[1].id)
    empty: Any = scim.query(group, street.id)
    assert not empty.members
    pages: Any = scim.query(user, query_parameters=asked(start_index=1, count=1))
    assert (pages.total_results, pages.items_per_page) == (1, 1)


def test_a_version_that_was_overtaken_is_not_replaced(scim: SyncSCIMClient) -> None:
    """The client sends the version that it read; where another was faster, it learns that."""
    user: Any = scim.get_resource_model("User")
    ana: Any = scim.create(user, {"userName": "ana"})
    overtaken: Any = scim.query(user, ana.id)
    scim.modify(user, ana.id, patch(user, "replace", "title", "Lead"))
    with pytest.raises(PreconditionFailedException):
        scim.replace(overtaken)


def test_a_search_over_all_resources(scim: SyncSCIMClient) -> None:
    """POST /.search finds users and groups together (RFC 7644 §3.4.3)."""
    user: Any = scim.get_resource_model("User")
    group: Any = scim.get_resource_model("Group")
    made: list[Any] = [scim.create(user, {"userName": "ana"}), scim.create(group, {"displayName": "Street"})]
    found: Any = scim.search(asked(count=10))
    assert {one.id for one in found.resources} == {one.id for one in made}
