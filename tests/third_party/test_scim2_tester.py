"""scim2-tester, whole, against the profile that forgives nothing."""

from __future__ import annotations

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from tests.idp.served import Served

pytestmark = pytest.mark.loopback

NOT_APPLICABLE: dict[tuple[str | None, str | None], str] = {}
"""Checks (resource type, title) that are not run, each with why."""


def test_every_check_of_scim2_tester_passes(each_bridge: Served) -> None:
    """Discovery, creation, reading, queries, search, PUT, PATCH of every attribute, deletion: nothing deviates."""
    headers = {"Authorization": f"Bearer {each_bridge.token('strict')}"}
    with Client(base_url=each_bridge.base, headers=headers, timeout=30) as http:
        results = check_server(SyncSCIMClient(http))
    passed = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}
    odd = [one for one in results if one.status not in passed]
    assert [f"{one.resource_type} {one.title}: {one.status.name} {one.reason}" for one in odd] == [
        reason for (resource, title), reason in NOT_APPLICABLE.items()
    ]
    assert len(results) > 130, "a service that could not be discovered is hardly checked"
