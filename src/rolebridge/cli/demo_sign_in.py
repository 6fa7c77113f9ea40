"""Signing in at a demo: an identity provider and an application of its own, and a bridge that knows both."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rolebridge.cli.demo_story import ORGANIZATION, connection_of, organization_of, player_of
from rolebridge.cli.session import Session
from rolebridge.core.applications import AppKind, Scope
from rolebridge.core.errors import NotFound
from rolebridge.core.login import Protocol
from rolebridge.core.login_rules import GroupKey, GroupsClaim, LoginRules
from rolebridge.core.oidc_settings import OidcSettings
from rolebridge.core.saml_settings import SamlSettings
from rolebridge.demo import Traffic, shipped_traffic
from rolebridge.demo.idp import DemoIdp, OidcParty, SamlParty, SigningKey
from rolebridge.demo.sample_app import create_app
from rolebridge.demo.serving import LocalServer
from rolebridge.settings import Bind
from rolebridge.sso.oidc.credentials import callback_url, signed_out_url

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.callers import Operator
    from rolebridge.store.records import Connection, Organization

APP_NAME: Final = "Sample app"
_DOMAIN: Final = "acme.example"
_CLIENT_ID: Final = "rolebridge"
_SECRET_LIFE: Final = timedelta(days=1)  # revoked sooner; this is for a demo that is killed


@dataclass(frozen=True, slots=True)
class Places:
    """Where the demo's own programs are."""

    app_url: str
    idp_url: str


class SignInDemo:
    """The demo's identity provider and its application, in threads of this process. Use it in a `with`."""

    def __init__(self, session: Session, folder: Path, bind: Bind) -> None:
        """Prepare both for the two ports after the bridge's; `folder` keeps the provider's keys."""
        self._session = session
        self._binds = following(bind)
        self._stack = ExitStack()
        idp_bind, app_bind = self._binds
        self.places = Places(f"http://{app_bind}", f"http://{idp_bind}")
        providers = {
            one.connection: (one, SigningKey.kept(folder / f"demo-idp-{one.connection}.pem"))
            for one in shipped_traffic()
        }
        self._idp = DemoIdp(self.places.idp_url, providers, tell=self._tell)

    def __enter__(self) -> Self:
        """Return the demo; leaving stops what it has begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both programs; the application's secret is worthless from then on."""
        self._stack.close()

    def begin(self, installation: Installation, operator: Operator) -> Places:
        """Let the connections log people in at the provider, register the application, and start both.

        Raises OSError when a port was taken meanwhile.
        """
        idp_bind, app_bind = self._binds
        self._stack.enter_context(LocalServer(self._idp.app, idp_bind.host, idp_bind.port))
        organization = organization_of(installation, operator)
        for traffic in shipped_traffic():
            connection = connection_of(installation, operator, organization, traffic)
            if traffic.sign_in.protocol == Protocol.SAML:
                self._log_in_by_saml(installation, operator, connection, traffic)
            else:
                self._log_in_by_oidc(installation, operator, connection, traffic)
        client_id, secret = self._register(installation, operator, organization)
        app = create_app(installation.settings.base_url, client_id, secret, self.places.app_url)
        self._stack.enter_context(LocalServer(app, app_bind.host, app_bind.port))
        return self.places

    # --- what the bridge is told

    def _log_in_by_saml(
        self, installation: Installation, operator: Operator, connection: Connection, traffic: Traffic
    ) -> None:
        """Do what `rolebridge saml set` and `rolebridge login set` do."""
        saml, tenant = installation.saml, self._idp.tenants[traffic.connection]
        party = saml.provider(connection)
        self._idp.register(traffic.connection, SamlParty(party.entity_id, party.acs_url))
        described = saml.read(tenant.metadata()).idp
        saml.configure(operator, connection, SamlSettings(described, described.certificates), enabled=True)
        rules = LoginRules(groups=GroupsClaim(traffic.sign_in.groups))
        installation.sso.set_rules(operator, connection, rules)
        installation.sso.declare_domains(operator, connection, [_DOMAIN])

    def _log_in_by_oidc(
        self, installation: Installation, operator: Operator, connection: Connection, traffic: Traffic
    ) -> None:
        """Do what `rolebridge oidc set` and `rolebridge login set` do. People are known by their object ids."""
        base_url = installation.settings.base_url
        tenant = self._idp.tenants[traffic.connection]
        secret = tenant.key.secret(f"client secret of {connection.id}")
        party = OidcParty(_CLIENT_ID, secret, callback_url(base_url, connection.id), signed_out_url(base_url))
        self._idp.register(traffic.connection, party)
        installation.oidc.set(operator, connection, OidcSettings(tenant.issuer, _CLIENT_ID), enabled=True)
        installation.oidc.set_secret(operator, connection, secret)
        rules = LoginRules(
            user_name="preferred_username",
            external_id="oid",
            groups=GroupsClaim(traffic.sign_in.groups, key=GroupKey.ID),
        )
        installation.sso.set_rules(operator, connection, rules)

    def _register(self, installation: Installation, operator: Operator, organization: Organization) -> tuple[str, str]:
        """Do what `rolebridge app add` does, or `app set` and `app secret add` for one that is there."""
        applications, url = installation.applications, self.places.app_url
        settings = {
            "redirect_uris": [f"{url}/callback"],
            "post_logout_redirect_uris": [f"{url}/"],
            "backchannel_logout_uri": f"{url}/backchannel-logout",
            "scopes": [str(one) for one in Scope],
        }
        there = [one for one in applications.all(organization) if one.name == APP_NAME and one.revoked_at is None]
        if there:
            app = applications.change(operator, there[0], settings)
        else:
            app = applications.add(operator, organization, APP_NAME, AppKind.CONFIDENTIAL, settings)
        for one in applications.credentials(app):
            if one.credential.revoked_at is None:  # of a demo that was killed
                applications.revoke_credential(operator, app, one.credential.id)
        added, secret = applications.add_secret(operator, app, "demo", installation.clock() + _SECRET_LIFE)
        self._stack.callback(self._forget_secret, app.id, added.credential.id)
        return app.id, secret.text

    def _forget_secret(self, app_id: str, credential_id: str) -> None:
        with self._session.installation() as installation:
            operator = self._session.operator
            organization = installation.administration.organization(ORGANIZATION)
            app = installation.applications.application(organization, app_id)
            installation.applications.revoke_credential(operator, app, credential_id)

    def _tell(self, traffic: Traffic, person: str, returning: bool) -> None:
        """Have a provider tell the bridge over SCIM that somebody has left or is back, with a token for this alone."""
        with self._session.installation() as installation:
            operator = self._session.operator
            organization = installation.administration.organization(ORGANIZATION)
            with installation.store.read() as unit:
                user_name = traffic.named[person]["userName"]
                id_ = unit.directory(organization.id).ids_named([user_name]).get(user_name)
            if id_ is None:
                raise NotFound("user", user_name)
            with player_of(installation, operator, organization, traffic) as player:
                player.tell(traffic.sign_in.returning if returning else traffic.sign_in.leaving, person, id_)


def following(bind: Bind) -> tuple[Bind, Bind]:
    """Return where the identity provider and the application listen: at the two ports after the bridge's."""
    return Bind(bind.host, bind.port + 1), Bind(bind.host, bind.port + 2)
