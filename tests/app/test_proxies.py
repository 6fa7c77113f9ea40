"""Behind a proxy: every URL is the installation's own, whatever a request says; only trusted proxies are believed."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.calling import MAY_I, Answer, Worker, opened, serving

BASE = "https://apps.example/rolebridge"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
LIES = {
    "x_forwarded_host": "evil.example",
    "x_forwarded_proto": "http",
    "x_forwarded_port": "81",
    "x_forwarded_prefix": "/evil",
    "x_forwarded_server": "evil.example",
    "x_original_url": "/evil",
    "x_rewrite_url": "/evil",
    "forwarded": 'for=1.2.3.4;host="evil.example";proto=http',
}
"""What proxies write, and anybody else can."""


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Door:
    """A worker with a path in its base URL, and what a client of it sends, lies included."""

    def __init__(self, folder: Path) -> None:
        settings = serving(folder, base_url=BASE, trusted_proxies="127.0.0.1, 10.0.0.0/8")
        self.installation = opened(settings)
        organization = self.installation.administration.add_organization(MAY_I, "acme")
        self.connection, token = self.installation.administration.add_connection(MAY_I, organization, "okta", "generic")
        self.token = token.text
        self.worker = Worker(settings)

    def send(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        raw = b"" if body is None else json.dumps(body).encode()
        said = {"authorization": f"Bearer {self.token}", "content_type": "application/scim+json", **headers}
        return self.worker.send(method, target, raw, **said)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.worker.close()
    made.installation.close()


def urls(text: str) -> set[str]:
    """Return the places of all http URLs in a text, but those that only name something in RFCs and schemas."""
    found = re.findall(r"https?://[^\s\"'<>)]+", text)
    return {one for one in found if not re.match(r"https?://(tools\.ietf|datatracker|json-schema|www\.)", one)}


def test_no_header_makes_an_answer_point_elsewhere(door: Door) -> None:
    """Locations, discovery and descriptions begin with the base URL, path included, whatever headers say."""
    made = door.send("POST", "/scim/v2/Users", {"schemas": [USER], "userName": "ana"}, **LIES)
    assert made.status == 201
    assert made.headers["location"] == made.json["meta"]["location"]
    assert made.headers["location"].startswith(f"{BASE}/scim/v2/Users/")
    for target in (
        "/scim/v2/Users",
        "/scim/v2/ServiceProviderConfig",
        "/scim/v2/ResourceTypes",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/rolebridge",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/rolebridge",
        "/api/v1/openapi.json",
    ):
        answer = door.send("GET", target, **LIES)
        assert answer.status == 200, target
        text = answer.body.decode()
        assert "evil" not in text
        assert BASE in text
        assert {url for url in urls(text) if not url.startswith(BASE)} == set(), target


def test_an_answer_has_no_redirect(door: Door) -> None:
    """No spelling of a path is answered with a redirect, which would be made of what the request says of itself."""
    for target in ("/scim/v2", "/scim/v2/", "//scim/v2/Users", "/healthz/", "/api/v1", "/api/v1/", "/oauth/token/"):
        answer = door.send("GET", target, **LIES)
        assert not 300 <= answer.status < 400, target
        assert b"evil" not in answer.body


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("203.0.113.9", 200),
        ("198.51.100.1, 203.0.113.9", 200),
        ("203.0.113.9, 198.51.100.1", 403),
        ("203.0.113.9, 10.1.2.3", 200),
        ("203.0.113.9, 10.1.2.3, 198.51.100.1, 10.1.2.3", 403),
        ("203.0.113.9:4711", 200),
        ("unknown", 403),
        ("", 403),
    ],
)
def test_whom_a_trusted_proxy_names(door: Door, forwarded: str, status: int) -> None:
    """The address is the rightmost one that is no trusted proxy's; what a client wrote further left says nothing."""
    administration = door.installation.administration
    administration.set_allowed(MAY_I, door.connection, ["203.0.113.0/24"])
    assert door.send("GET", "/scim/v2/Users", x_forwarded_for=forwarded).status == status


def test_a_line_of_its_own_changes_nothing(door: Door) -> None:
    """A proxy that adds a second header instead of lengthening the first is understood: lines count in their order."""
    door.installation.administration.set_allowed(MAY_I, door.connection, ["203.0.113.0/24"])
    lines = {"x_forwarded_for": "203.0.113.9", "X_Forwarded_For": "198.51.100.1"}
    assert door.send("GET", "/scim/v2/Users", **lines).status == 403
    lines = {"x_forwarded_for": "198.51.100.1", "X_Forwarded_For": "203.0.113.9"}
    assert door.send("GET", "/scim/v2/Users", **lines).status == 200
