"""A victim and its neighbours: organizations and connections whose every value is a canary, and every credential."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.databases import with_schema
from tests.hostile.doors import GROUP, OPERATOR, PATCH, USER, Door
from tests.sso.saml.bridging import SETTINGS

from rolebridge.app import open_installation
from rolebridge.app.wsgi import create_app
from rolebridge.bridge.permissions import KeyRole
from rolebridge.core.applications import AppKind
from rolebridge.settings import load
from rolebridge.store.records import Connection, Organization

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MAPPING = """\
workspace: {canary}-workspace
platform: labelbox
connections: [okta]
projects: {{p: {{name: {canary} project}}}}
rules:
  - id: {canary}-rule
    groups: ["{canary} group"]
    projects: [p]
    grant: {{project_role: reviewer}}
    note: {canary} note
"""


class Tenants:
    """`canaries` are found in the victim's data and nowhere else; `credentials` are all ways to ask.

    The victim is the connection `okta` of one organization. Its neighbours: `entra` of the same organization, and
    `okta` of another one, each with a user and a group of its own.
    """

    def __init__(self, database_url: str) -> None:
        with_schema(database_url)
        self.past = timedelta(0)
        said = {
            "ROLEBRIDGE_DATABASE_URL": database_url,
            "ROLEBRIDGE_SECRET_KEY": secrets.token_urlsafe(32),
            "ROLEBRIDGE_RATE_LIMIT": "none",
        }
        self.installation = open_installation(load(said), clock=lambda: datetime.now(UTC) - self.past)
        self.door = Door(self.installation, create_app(self.installation))
        self.canary = f"canary{secrets.token_hex(4)}"
        self.victims = self.door.organization("victims")
        self.others = self.door.organization("others")
        self.victim, token = self.door.connection(self.victims, "okta")
        neighbour, neighbour_token = self.door.connection(self.victims, "entra")
        stranger, stranger_token = self.door.connection(self.others, "okta")
        self.user, self.group = self._people(token, self.canary)
        self.theirs = {
            "neighbour": self._people(neighbour_token, "neighbour"),
            "stranger": self._people(stranger_token, "stranger"),
        }
        texts = {"mappings/m.yaml": MAPPING.format(canary=self.canary)}
        self.installation.planning.apply(OPERATOR, self.victims.id, texts, force_reason="")
        self.installation.request_log.flush()
        key, _ = self.installation.administration.add_key(OPERATOR, self.victims, "victim", KeyRole.OPERATOR)
        self.key_id = key.credential.id
        self.app = self._application()
        workspace = f"{self.canary}-workspace"
        self.credentials: dict[str, str | None] = {
            "nobody": None,
            "garbage": "Bearer rbt_" + "x" * 43,
            "basic": "Basic b2t0YTpva3Rh",
            "own": f"Bearer {token}",
            "own access token": f"Bearer {self._access_token(self.victim)}",
            "neighbour": f"Bearer {neighbour_token}",
            "neighbour access token": f"Bearer {self._access_token(neighbour)}",
            "stranger": f"Bearer {stranger_token}",
            "stranger access token": f"Bearer {self._access_token(stranger)}",
            "expired": f"Bearer {self._expired()}",
            "revoked": f"Bearer {self._revoked()}",
            "key of a stranger": f"Bearer {self._key(self.others, KeyRole.OWNER)}",
            "key of a stranger's workspace": f"Bearer {self._key(self.others, KeyRole.OWNER, workspace)}",
            "key of another workspace": f"Bearer {self._key(self.victims, KeyRole.OWNER, 'elsewhere')}",
            **{f"key of the {role}": f"Bearer {self._key(self.victims, role)}" for role in KeyRole},
        }

    def headers(self, credential: str) -> dict[str, str]:
        """Return the headers that show a credential."""
        said = self.credentials[credential]
        return {} if said is None else {"Authorization": said}

    def state(self) -> tuple[bytes, bytes]:
        """Return the victim's user and group as they are answered to the victim."""
        said = self.headers("own")
        user = self.door.scim("GET", f"/Users/{self.user}", **said)
        group = self.door.scim("GET", f"/Groups/{self.group}", **said)
        return user.get_data(), group.get_data()

    def access(self) -> tuple[bytes, ...]:
        """Return what the victim's administrators see: who holds what, how it is run, what lets whom in."""
        said, client = self.headers("key of the owner"), self.door.app.test_client()
        workspace = f"/workspaces/{self.canary}-workspace"
        paths = ("/access", "/assignments", "/holds", workspace, f"{workspace}/projects", "/revisions", "/proposals")
        logins = ("/applications", f"/applications/{self.app}/credentials", "/connections/okta/login-rules")
        keys = [key.credential.revoked_at for key in self.installation.administration.keys(self.victims)]
        return (*(client.get(f"/api/v1{path}", headers=said).data for path in (*paths, *logins)), repr(keys).encode())

    def close(self) -> None:
        """Close the installation."""
        self.installation.close()

    def _people(self, token: str, name: str) -> tuple[str, str]:
        """Make a user and a group of which every value holds `name`."""
        self.door.token = token
        user = {
            "schemas": [USER, ENTERPRISE],
            "userName": f"{name}@acme.example",
            "externalId": f"{name}-user",
            "displayName": f"{name} Person",
            "name": {"formatted": f"{name} Formatted", "givenName": name, "familyName": name},
            "emails": [{"value": f"{name}@work.example", "type": "work"}],
            "phoneNumbers": [{"value": f"tel:{name}", "type": "work"}],
            "roles": [{"value": f"{name} role"}],
            "entitlements": [{"value": f"{name} entitlement"}],
            ENTERPRISE: {"department": f"{name} department", "manager": {"value": f"{name}-manager"}},
        }
        user_id = self._made("/Users", user)
        group = {"schemas": [GROUP], "displayName": f"{name} group", "externalId": f"{name}-group"}
        group_id = self._made("/Groups", {**group, "members": [{"value": user_id}]})
        return user_id, group_id

    def _made(self, path: str, body: dict[str, Any]) -> str:
        said = self.door.scim("POST", path, body)
        assert said.status_code == 201, said.text
        id_: str = said.get_json(force=True)["id"]
        return id_

    def _application(self) -> str:
        """Let the victim log people in, to an application with a secret; return its id."""
        made, name = self.installation, self.canary
        made.saml.configure(OPERATOR, self.victim, SETTINGS)
        made.sso.declare_domains(OPERATOR, self.victim, [f"{name}.example"])
        said = {"redirect_uris": [f"https://{name}.example/callback"], "audience": f"https://{name}.example"}
        app = made.applications.add(OPERATOR, self.victims, f"{name} app", AppKind.CONFIDENTIAL, said)
        made.applications.add_secret(OPERATOR, app, f"{name} secret", None)
        return app.id

    def _access_token(self, connection: Connection) -> str:
        clients = self.installation.clients
        client = clients.add(OPERATOR, connection, "provider")
        _, secret = clients.add_secret(OPERATOR, client, "first", None)
        form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": secret.text}
        said = self.door.app.test_client().post("/oauth/token", data=form)
        assert said.status_code == 200, said.text
        token: str = said.get_json()["access_token"]
        return token

    def _expired(self) -> str:
        self.past = timedelta(days=2)
        expires = datetime.now(UTC) - timedelta(days=1)
        _, secret = self.installation.administration.add_token(OPERATOR, self.victim, "old", expires)
        self.past = timedelta(0)
        return secret.text

    def _revoked(self) -> str:
        token, secret = self.installation.administration.add_token(OPERATOR, self.victim, "gone", None)
        self.installation.administration.revoke_token(OPERATOR, self.victim, token.credential.id)
        return secret.text

    def _key(self, organization: Organization, role: KeyRole, workspace: str | None = None) -> str:
        _, secret = self.installation.administration.add_key(
            OPERATOR, organization, f"{role} key", role, workspace=workspace
        )
        return secret.text


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a PATCH."""
    return {"schemas": [PATCH], "Operations": list(operations)}
