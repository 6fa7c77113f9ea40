"""Every route with every credential: who gets in, who does not, and that nobody sees or changes another's data.

All routes come from the application itself: one that is not classified here fails its test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.hostile.doors import BULK, GROUP, SEARCH, USER, proper
from tests.hostile.tenants import Tenants, patch
from werkzeug.test import TestResponse

from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.api.routing import Endpoint

ROUTES = {
    "/healthz": "open",
    "/readyz": "open",
    "/problems/<kind>": "open",
    "/oauth/token": "token",
    "/oauth/introspect": "token",
    "/oauth/revoke": "token",
    "/oauth/userinfo": "token",
    "/oauth/jwks": "open",
    "/.well-known/oauth-authorization-server": "open",
    "/.well-known/openid-configuration": "open",
    "/assets/<name>": "open",
    "/oauth/authorize": "browser",
    "/oauth/logout": "browser",
    "/sign-in": "browser",
    "/sign-out": "browser",
    "/account": "browser",
    "/account/sessions": "browser",
    "/sso/<connection_id>/login": "browser",
    "/sso/<connection_id>/acs": "browser",
    "/sso/<connection_id>/callback": "browser",
    "/sso/<connection_id>/backchannel-logout": "browser",
    "/sso/<connection_id>/metadata": "browser",
    "/sso/<connection_id>/jwks": "browser",
    "/api/v1/": "api",
    "/api/v1/<anypath:path>": "api",
}
"""Every rule of the application, and whose it is. The SCIM door stands in front of them and has none: `scim_paths`."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
STRANGERS = ["neighbour", "neighbour access token", "stranger", "stranger access token"]
NOT_FOR_SCIM = [
    *("nobody", "garbage", "basic", "expired", "revoked", "key of a stranger"),
    *(f"key of the {role}" for role in ("owner", "operator", "auditor", "reader")),
]
KEYS_OF_OTHERS = ["key of a stranger", "key of a stranger's workspace", "key of another workspace"]
"""Keys that may work, and see nothing of the victim: of another organization, or of another workspace of its own."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def tenants(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """The victim and its neighbours, on both databases."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('tenants')}/rolebridge.db"
    else:
        url = request.getfixturevalue("postgres_module_database")
    made = Tenants(url)
    yield made
    made.close()


def test_every_route_is_classified(tenants: Tenants) -> None:
    """A route that is added is added to this matrix."""
    assert {rule.rule for rule in tenants.door.app.url_map.iter_rules()} == set(ROUTES)


def filtered(question: str, value: str) -> str:
    """Return a query with a filter that compares with `value`."""
    return "?filter=" + quote(f'{question} "{value}"')


def scim_paths(tenants: Tenants) -> list[str]:
    """Return a path for everything that the SCIM door has, the victim's resources included."""
    user, group = tenants.user, tenants.group
    return [
        *("", "/", "/Users", "/Groups", "/Users/.search", "/Groups/.search", "/.search", "/Bulk", "/Me"),
        *(f"/Users/{user}", f"/Groups/{group}", f"/Users/{group}", f"/Groups/{user}", f"/users/{user}"),
        *(
            "/ServiceProviderConfig",
            "/Schemas",
            f"/Schemas/{USER}",
            "/ResourceTypes",
            "/ResourceTypes/User",
            "/nothing",
        ),
        *(f"/Users/{user}/", f"/Users/../Groups/{group}", f"/Users/{user}%2F", f"/Users/%2e%2e/Groups/{group}"),
        "/Users" + filtered("id eq", user),
        "/Groups" + filtered("members eq", user),
    ]


def bodies(tenants: Tenants, method: str, path: str) -> list[Any]:
    """Return what an attacker sends there: things that name the victim's resources."""
    user, group = tenants.user, tenants.group
    if path.endswith("/.search"):
        filters = [f'id eq "{user}"', f'userName sw "{tenants.canary}"', f'displayName co "{tenants.canary}"', "id pr"]
        return [{"schemas": [SEARCH], "filter": text} for text in filters]
    if path == "/Bulk":
        wanted = [
            {"method": "DELETE", "path": f"/Users/{user}"},
            {"method": "DELETE", "path": f"/Groups/{group}"},
            {"method": "PATCH", "path": f"/Groups/{group}", "data": patch({"op": "remove", "path": "members"})},
            {
                "method": "PATCH",
                "path": f"/Users/{user}",
                "data": patch({"op": "replace", "path": "active", "value": False}),
            },
        ]
        return [{"schemas": [BULK], "Operations": wanted}]
    if method == "PATCH":
        steps = [{"op": "replace", "path": "displayName", "value": "taken over"}, {"op": "remove", "path": "members"}]
        return [patch(step) for step in steps]
    if method in ("POST", "PUT"):
        return [
            {"schemas": [USER], "userName": "taken@over.example"},
            {"schemas": [GROUP], "displayName": "taken over"},
        ]
    return [None]


def answers(tenants: Tenants, credential: str) -> Iterator[tuple[str, str, TestResponse]]:
    """Send every request with a credential."""
    for path in scim_paths(tenants):
        for method in METHODS:
            for body in bodies(tenants, method, path.partition("?")[0]):
                said = tenants.headers(credential)
                client = tenants.door.app.test_client()
                raw = None if body is None else json.dumps(body)
                yield (
                    method,
                    path,
                    client.open(
                        f"/scim/v2{path}",
                        method=method,
                        data=raw,
                        headers={**said, "Content-Type": "application/scim+json"},
                    ),
                )


@pytest.mark.parametrize("credential", NOT_FOR_SCIM)
def test_the_scim_door_is_shut(tenants: Tenants, credential: str) -> None:
    """Without a token that works everything answers 401 (404 or 405 where the door has no such method)."""
    before = tenants.state()
    for method, path, said in answers(tenants, credential):
        allowed = {401} if method not in ("OPTIONS", "TRACE") else {401, 404, 405}
        assert said.status_code in allowed, (method, path, said.status_code)
        proper(said)
        assert tenants.canary not in said.text
    assert tenants.state() == before


@pytest.mark.parametrize("credential", STRANGERS)
def test_nobody_reaches_another_connection(tenants: Tenants, credential: str) -> None:
    """With the token of another connection the victim's resources are not there (404), and none is seen or changed."""
    before = tenants.state()
    for method, path, said in answers(tenants, credential):
        proper(said)
        assert tenants.canary not in said.text, (method, path)
        named = f"/{tenants.user}" in path or f"/{tenants.group}" in path
        if named and method not in ("OPTIONS", "TRACE"):
            assert said.status_code in (400, 404, 405), (method, path, said.status_code)
        elif path == "/Bulk" and method == "POST":
            statuses = {operation["status"] for operation in said.get_json(force=True)["Operations"]}
            assert statuses == {"404"}
    assert tenants.state() == before


@pytest.mark.parametrize("credential", ["own", "own access token"])
def test_the_owner_gets_in(tenants: Tenants, credential: str) -> None:
    """The victim's own tokens see what the others do not, which shows that the canaries are where they should be."""
    for path in (f"/Users/{tenants.user}", f"/Groups/{tenants.group}", "/Users", "/Groups"):
        said = tenants.door.scim("GET", path, **tenants.headers(credential))
        assert said.status_code == 200
        assert tenants.canary in said.text


@pytest.mark.parametrize("credential", STRANGERS)
def test_nobody_refers_to_another_connections_people(tenants: Tenants, credential: str) -> None:
    """Foreign ids in members, managers and filters are unknown: they bring nothing into one's own answers."""
    said, (_, mine) = tenants.headers(credential), tenants.theirs[credential.split(maxsplit=1)[0]]
    before = tenants.state()
    door = tenants.door
    step = {"op": "add", "path": "members", "value": [{"value": tenants.user}, {"value": tenants.group}]}
    answered = door.scim("PATCH", f"/Groups/{mine}", patch(step), **said)
    assert answered.status_code in (200, 204)
    assert answered.headers["X-Rolebridge-Unknown-Members"] == "2"
    group = door.scim("GET", f"/Groups/{mine}", **said)
    assert tenants.user not in group.text
    members = [{"value": tenants.user}]
    made = door.scim("POST", "/Groups", {"schemas": [GROUP], "displayName": "new", "members": members}, **said)
    assert made.status_code == 201
    assert tenants.user not in made.text
    assert door.scim("DELETE", f"/Groups/{made.get_json(force=True)['id']}", **said).status_code == 204
    for attribute in ("members.value", "id", "externalId", "meta.location"):
        for value in (tenants.user, tenants.group, f"{tenants.canary}-group"):
            found = door.scim("GET", "/Groups" + filtered(f"{attribute} co", value), **said)
            assert found.status_code == 400 or found.get_json(force=True)["totalResults"] == 0
    assert tenants.state() == before


def test_a_clash_of_names_tells_nothing_else(tenants: Tenants) -> None:
    """A userName that another connection has answers 409 and names the connection, but none of the user's data."""
    name = f"{tenants.canary}@acme.example"
    said = tenants.door.scim("POST", "/Users", {"schemas": [USER], "userName": name}, **tenants.headers("neighbour"))
    assert said.status_code == 409
    detail = said.text.replace(name, "")
    assert tenants.canary not in detail
    assert tenants.user not in detail
    body = {"schemas": [USER], "userName": name}
    stranger = tenants.door.scim("POST", "/Users", body, **tenants.headers("stranger"))
    assert stranger.status_code == 201, "another organization has names of its own"
    gone = tenants.door.scim("DELETE", f"/Users/{stranger.get_json(force=True)['id']}", **tenants.headers("stranger"))
    assert gone.status_code == 204


def api_bodies(canary: str) -> dict[str, Any]:
    """Return what is sent to each endpoint of the API that takes a body: all of it names what is the victim's."""
    workspace, user = f"{canary}-workspace", f"{canary}@acme.example"
    question = {"user": user, "permission": "review_labels", "workspace": workspace, "project": "p"}
    reason = {"reason": "because"}
    return {
        "POST /decisions": {"questions": [question]},
        "PUT /workspaces/{workspace}/mode": {"mode": "observe", **reason},
        "PUT /workspaces/{workspace}/projects/{project}": {"name": "taken over", **reason},
        "PATCH /workspaces/{workspace}/projects/{project}": {"name": "taken over", "archived": True, **reason},
        "PUT /users/{user}/assignments/{workspace}": {"default_role": "labeler"},
        "PUT /users/{user}/assignments/{workspace}/{project}": {"project_role": "labeler"},
        "POST /plans": {"rollback_to": 1},
        "POST /revisions": {"files": {}, "digest": "0" * 64, **reason},
        "POST /holds/{id}/release": reason,
        "POST /holds/{id}/discard": reason,
        "POST /workspaces/{workspace}/holds/release": reason,
        "POST /workspaces/{workspace}/holds/discard": reason,
        "POST /proposals/{id}/approval": {},
        "POST /users/{user}/erasure": reason,
        "PUT /connections/{connection}/login-rules": {"create": True},
        "POST /applications": {"name": "taken", "kind": "public", "redirect_uris": ["https://evil.example/callback"]},
        "PATCH /applications/{application}": {"redirect_uris": ["https://evil.example/callback"]},
        "POST /applications/{application}/secrets": {"name": "taken"},
        "POST /keys": {"name": "taken", "role": "owner", "workspace": workspace},
    }


def api_path(tenants: Tenants, endpoint: Endpoint) -> str:
    """Return a path of an endpoint, and all of its query that can name something, with what is the victim's."""
    mine = {
        "workspace": f"{tenants.canary}-workspace",
        "user": f"{tenants.canary}@acme.example",
        "actor": f"{tenants.canary}@acme.example",
        "target": f"{tenants.canary}@acme.example",
        "project": "p",
        "connection": "okta",
        "application": tenants.app,
        "number": "1",
        "id": tenants.key_id,
        "permission": "review_labels",
        "act": "grant",
        "role": "reviewer",
        "reason": "because",
    }
    path = "/".join(mine[part[1:-1]] if part.startswith("{") else part for part in endpoint.segments)
    asked = [(one.name, mine[one.name]) for one in endpoint.query if one.name in mine]
    return f"/api/v1/{path}" + (f"?{urlencode(asked)}" if asked else "")


def ask_api(tenants: Tenants, endpoint: Endpoint, credential: str) -> TestResponse:
    """Send a request to an endpoint, as somebody who knows all the victim's names and ids."""
    body = api_bodies(tenants.canary).get(f"{endpoint.method} {endpoint.path}")
    client = tenants.door.app.test_client()
    said = client.open(
        api_path(tenants, endpoint), method=endpoint.method, json=body, headers=tenants.headers(credential)
    )
    assert said.status_code != 500, said.text
    return said


def test_every_write_of_the_api_is_attacked() -> None:
    """An endpoint that takes a body has one here."""
    assert {f"{one.method} {one.path}" for one in ENDPOINTS if one.body is not None} <= set(api_bodies("x"))


NO_KEYS = [*(name for name in NOT_FOR_SCIM if not name.startswith("key")), *STRANGERS, "own", "own access token"]


@pytest.mark.parametrize("credential", NO_KEYS)
def test_the_api_opens_for_keys_alone(tenants: Tenants, credential: str) -> None:
    """Whatever else somebody shows, SCIM tokens of the victim included: 401, and a problem that tells nothing."""
    for endpoint in ENDPOINTS:
        said = ask_api(tenants, endpoint, credential)
        assert (said.status_code, said.content_type) == (401, "application/problem+json"), endpoint.path
        assert tenants.canary not in said.text


@pytest.mark.parametrize("credential", KEYS_OF_OTHERS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_no_key_of_others_sees_or_changes_the_victim(tenants: Tenants, endpoint: Endpoint, credential: str) -> None:
    """In the answer to a request that names everything the victim has is nothing that the request did not say."""
    before = tenants.access()
    said = ask_api(tenants, endpoint, credential)
    told = said.text + str(said.headers)
    for name in (f"{tenants.canary}-workspace", f"{tenants.canary}%40acme.example", f"{tenants.canary}@acme.example"):
        told = told.replace(name, "")
    assert tenants.canary not in told, told
    for id_ in (tenants.user, tenants.group, tenants.victim.id):
        assert id_ not in told
    if credential == "key of another workspace" and "{workspace}" in endpoint.path:
        assert said.status_code in (403, 404), said.text
    assert tenants.access() == before


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "PATCH"])
@pytest.mark.parametrize("credential", ["nobody", "key of a stranger", "key of the owner"])
def test_methods_that_the_api_does_not_have(tenants: Tenants, method: str, credential: str) -> None:
    """They are refused as problems, and without a key nothing tells which paths there are."""
    for path in ("/access", "/keys", f"/workspaces/{tenants.canary}-workspace", "/nothing", "/"):
        said = tenants.door.app.test_client().open(f"/api/v1{path}", method=method, headers=tenants.headers(credential))
        if method == "PROPFIND":
            expected = {405}  # no route has it
        elif credential == "nobody":
            expected = {401}
        else:
            expected = {404} if path in {"/nothing", "/"} else {405}
        assert said.status_code in expected, (path, said.text)
        assert said.content_type == "application/problem+json"
        kind = {401: "unauthenticated", 404: "not-found", 405: "method-not-allowed"}[said.status_code]
        document = said.get_json(force=True)
        assert document["type"].endswith(f"/problems/{kind}")
        assert document["request_id"] == said.headers["X-Request-Id"]


def test_open_routes_tell_nothing(tenants: Tenants) -> None:
    """What needs no credential says nothing of any organization, and refuses in its own form."""
    for rule, kind in ROUTES.items():
        if kind not in ("open", "token", "browser"):
            continue
        allowed = (200, 204, 400, 401, 404, 405, *((303, 403) if kind == "browser" else ()))
        for method in METHODS:
            said = tenants.door.app.test_client().open(rule, method=method)
            assert said.status_code in allowed, (method, rule)
            assert tenants.canary not in said.text
            assert "victims" not in said.text


@pytest.mark.parametrize("text", ["\0", "a\0b", "%ff", "\uffff", "x" * 3_000])
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/sign-in", ("ask", "idp", "organization", "login_hint")),
        ("/oauth/authorize", ("client_id", "redirect_uri", "continue", "idp")),
        ("/oauth/logout", ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "continue")),
    ],
)
def test_no_text_in_a_url_is_a_defect(tenants: Tenants, path: str, names: tuple[str, ...], text: str) -> None:
    """Not even one that a database cannot hold: it is answered by a page, as any that is wrong."""
    for name in names:
        said = tenants.door.app.test_client().get(path, query_string={name: text})
        assert said.status_code in (200, 303, 400, 403, 429), (name, said.text)
