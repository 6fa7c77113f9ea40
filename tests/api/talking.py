"""Two organizations behind one application, keys of every role, and how to ask as each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
from flask import Flask
from flask.testing import FlaskClient
from tests.bridge.worlds import MAPPING, OPERATOR

from rolebridge.api.openapi import openapi
from rolebridge.app import Installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.permissions import KeyRole
from rolebridge.store.records import Organization
from rolebridge.web.problems import Kind

DOCUMENT = openapi("http://127.0.0.1:8080/api/v1")
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


@dataclass(frozen=True)
class Said:
    """An answer, read."""

    status: int
    kind: str
    headers: dict[str, str]
    body: Any


@dataclass
class Tenant:
    """An organization with the connection `okta`, a mapping for `vision`, and keys made when asked for."""

    installation: Installation
    client: FlaskClient
    organization: Organization
    token: str
    keys: dict[tuple[str, str | None], str] = field(default_factory=dict)

    @classmethod
    def found(cls, installation: Installation, app: Flask, name: str, *, mapping: bool = True) -> Tenant:
        administration = installation.administration
        organization = administration.add_organization(OPERATOR, name)
        _, secret = administration.add_connection(OPERATOR, organization, "okta", "okta")
        if mapping:
            installation.planning.apply(OPERATOR, organization.id, {"mappings/vision.yaml": MAPPING})
        return cls(installation, app.test_client(), organization, secret.text)

    def key(self, role: str, workspace: str | None = None) -> str:
        """Return a key of a role, for a workspace alone or for the organization."""
        if (role, workspace) not in self.keys:
            _, secret = self.installation.administration.add_key(
                OPERATOR, self.organization, f"{role} {workspace}", KeyRole(role), workspace=workspace
            )
            self.keys[role, workspace] = secret.text
        return self.keys[role, workspace]

    def get(self, path: str, /, key: str | None = None, method: str = "GET", **query: str) -> Said:
        """Ask the API, as the owner unless with another key."""
        return self.ask(method, path, key=key, query=query)

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Said:
        """Send a request to the API, with a body as JSON or as the bytes given."""
        sent = {"Authorization": f"Bearer {key or self.key('owner')}", **(headers or {})}
        content = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        answer = self.client.open(f"/api/v1{path}", method=method, query_string=query, headers=sent, **content)
        document = json.loads(answer.data) if answer.data else None
        return Said(answer.status_code, answer.content_type, dict(answer.headers), document)

    def scim(self, method: str, path: str, body: Any = None, token: str | None = None) -> Said:
        """Send a request as the identity provider does."""
        headers = {"Authorization": f"Bearer {token or self.token}", "User-Agent": "Okta SCIM Client"}
        answer = self.client.open(f"/scim/v2{path}", method=method, json=body, headers=headers)
        document = json.loads(answer.data) if answer.data else None
        return Said(answer.status_code, answer.content_type, dict(answer.headers), document)

    def user(self, name: str) -> str:
        """Create a user and return its id."""
        said = self.scim("POST", "/Users", {"schemas": [USER], "userName": name})
        assert said.status == 201, said
        id_: str = said.body["id"]
        return id_

    def group(self, name: str, *members: str) -> None:
        """Create a group."""
        body = {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}
        assert self.scim("POST", "/Groups", body).status == 201

    def write_log(self) -> None:
        """Write what waits for the request log."""
        self.installation.request_log.flush()


def tenants(installation: Installation) -> tuple[Tenant, Tenant]:
    """Return two organizations of one installation; the first has people who hold roles."""
    app = create_app(installation)
    acme, other = Tenant.found(installation, app, "acme"), Tenant.found(installation, app, "other")
    ana, ben = acme.user("ana@acme.example"), acme.user("ben@acme.example")
    acme.group("Admins", ben)
    acme.group("lbx-cityscapes-reviewers", ana)
    acme.group("lbx-retail-labelers", ana)
    other.group("Admins", other.user("olga@other.example"))
    return acme, other


def a_moment_that_passed() -> datetime:
    """Return now, in a millisecond that is over: the record tells milliseconds apart, and nothing finer."""
    then = datetime.now(UTC)
    while datetime.now(UTC) - then < timedelta(milliseconds=1):
        pass
    return then


def holds(said: Said, schema: str) -> Any:
    """Return an answer's document after holding it against the published schema."""
    assert said.status in {200, 201}, said
    assert said.kind == "application/json"
    jsonschema.Draft202012Validator({**DOCUMENT, "$ref": f"#/components/schemas/{schema}"}).validate(said.body)
    return said.body


def problem(said: Said, kind: Kind) -> Any:
    """Return a problem document after looking at what each must have (RFC 9457 §3)."""
    assert (said.status, said.kind) == (kind.status, "application/problem+json"), said
    schema = {**DOCUMENT, "$ref": "#/components/schemas/Problem"}
    jsonschema.Draft202012Validator(schema).validate(said.body)
    assert said.body["type"] == f"http://127.0.0.1:8080/problems/{kind}"
    assert said.body["request_id"] == said.headers["X-Request-Id"]
    return said.body
