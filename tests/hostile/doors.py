"""An installation that is attacked through its WSGI application, and what every answer of it must be."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Flask
from tests.databases import with_schema
from werkzeug.test import TestResponse

from rolebridge.app import Installation, open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.callers import Operator
from rolebridge.settings import load
from rolebridge.store.records import Connection, Organization

OPERATOR = Operator("os:tests", "tests")
SCIM = "application/scim+json"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@dataclass
class Door:
    """The application of an installation; `token` is that of one connection, which has a user and a group."""

    installation: Installation
    app: Flask
    token: str = ""
    user: str = ""
    group: str = ""

    def organization(self, name: str) -> Organization:
        """Make an organization."""
        return self.installation.administration.add_organization(OPERATOR, name)

    def connection(self, organization: Organization, name: str, profile: str = "generic") -> tuple[Connection, str]:
        """Make a connection; return it and its token."""
        made, secret = self.installation.administration.add_connection(OPERATOR, organization, name, profile)
        return made, secret.text

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send a request with a token and JSON (bytes are sent as they are); `path` is in a URL's form."""
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        said = {"Authorization": f"Bearer {self.token}", "Content-Type": SCIM}
        return self.app.test_client().open(path, method=method, data=raw, headers={**said, **_named(headers)})

    def scim(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send a request below the SCIM door and look at the answer as everybody may expect it."""
        return proper(self.send(method, "/scim/v2" + path, body, **headers))

    def ask(self, path: str, **query: str) -> TestResponse:
        """Ask with query parameters."""
        return self.scim("GET", path + "?" + "&".join(f"{name}={quote(value)}" for name, value in query.items()))

    def found(self) -> None:
        """Make the user and the group that attacks are about."""
        user = {"schemas": [USER], "userName": "ana@acme.example", "emails": [{"type": "work", "value": "a@b.example"}]}
        self.user = self.scim("POST", "/Users", user).get_json(force=True)["id"]
        group = {"schemas": [GROUP], "displayName": "Team", "members": [{"value": self.user}]}
        self.group = self.scim("POST", "/Groups", group).get_json(force=True)["id"]


def proper(response: TestResponse) -> TestResponse:
    """Assert that an answer of the SCIM door is one of SCIM (RFC 7644 §3.12): never a defect, never HTML."""
    text = response.get_data()
    assert response.status_code != 500, text
    assert b"Traceback" not in text
    assert b"<html" not in text.lower()
    if response.status_code >= 400 and response.request.method != "HEAD":
        assert response.content_type == SCIM, response.content_type
        document = json.loads(text)
        assert document["schemas"] == [ERROR]
        assert document["status"] == str(response.status_code)
        assert isinstance(document["detail"], str)
        assert len(text) < 10_000, "a refusal repeats what it was sent"
    elif text:
        assert response.content_type == SCIM
        json.loads(text, parse_constant=_no_constant)
        text.decode()
    return response


def _no_constant(name: str) -> None:
    raise AssertionError(f"the answer holds {name}, which is not JSON")


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def door(database_url: str) -> Iterator[Door]:
    """Make an installation with a user and a group to attack."""
    with_schema(database_url)
    key = secrets.token_urlsafe(32)
    said = {
        "ROLEBRIDGE_DATABASE_URL": database_url,
        "ROLEBRIDGE_SECRET_KEY": key,
        "ROLEBRIDGE_RATE_LIMIT": "none",
    }
    installation = open_installation(load(said))
    try:
        opened = Door(installation, create_app(installation))
        _, opened.token = opened.connection(opened.organization("acme"), "okta")
        opened.found()
        yield opened
    finally:
        installation.close()
