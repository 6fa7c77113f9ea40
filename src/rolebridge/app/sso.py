"""Single sign-on of an installation: the door of logins, its protocols, and the pages that people see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Final

from flask import Blueprint

from rolebridge.app.installation import Installation
from rolebridge.bridge.idp_logout import IdpLogouts
from rolebridge.bridge.sessions import SignedIn
from rolebridge.bridge.titles import role_title
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.login import Protocol
from rolebridge.oauth.metadata import END_SESSION_PATH
from rolebridge.sso.door import LoginDoor, Starter
from rolebridge.sso.oidc.face import OidcFace
from rolebridge.sso.oidc.login import OidcLogin
from rolebridge.sso.oidc.providers import Providers
from rolebridge.sso.oidc.routes import oidc_blueprint
from rolebridge.sso.pages import MOST_ROLES, TEMPLATES, Account, HeldRole, SignInPages
from rolebridge.sso.routes import sign_in_blueprint
from rolebridge.sso.saml.face import SamlFace
from rolebridge.sso.saml.routes import saml_blueprint
from rolebridge.web.browser import AUTHORIZE_PATH
from rolebridge.web.pages import Pages

PAGE_PATHS: Final = ("/sign-in", "/sign-out", "/account", "/sso", AUTHORIZE_PATH, END_SESSION_PATH)
"""Where people are with a browser: what goes wrong there is told by a page."""

_TITLES: Final = {
    400: "This request cannot be understood",
    404: "There is nothing here",
    405: "There is nothing here",
    408: "That took too long",
    413: "That was too much",
    429: "Please wait a moment",
    431: "This address is too long",
    503: "Not available at the moment",
}


def sso_blueprints(installation: Installation, request_id: Callable[[], str]) -> Iterator[Blueprint]:
    """Yield the routes of single sign-on, to be registered at the root. `request_id` names the present request."""
    door = sign_in_door(installation)
    saml = SamlFace(installation.sso, door, installation.clock, installation.settings.base_url)
    oidc = _oidc(installation, door)
    starters: dict[Protocol, Starter] = {Protocol.SAML: saml, Protocol.OIDC: oidc}
    shown = sign_in_pages(installation, door, starters)
    yield sign_in_blueprint(shown, request_id)
    yield oidc_blueprint(oidc, request_id)
    yield saml_blueprint(saml, door, request_id)


def sign_in_door(installation: Installation) -> LoginDoor:
    """Return the door of logins, which the faces of the protocols share."""
    return LoginDoor(
        installation.sso.find,
        installation.login_flows,
        installation.signing_in,
        installation.browsers,
        pages=_pages(installation.settings.base_url),
        origins=installation.origins,
        meters=installation.meters,
    )


def sign_in_pages(installation: Installation, door: LoginDoor, starters: Mapping[Protocol, Starter]) -> SignInPages:
    """Return the pages of signing in and out."""
    return SignInPages(
        door,
        installation.browsers,
        installation.login_flows,
        installation.sessions,
        installation.sso,
        starters=starters,
        account=partial(_account, installation),
    )


def _oidc(installation: Installation, door: LoginDoor) -> OidcFace:
    clock, outgoing = installation.clock, installation.outgoing
    login = OidcLogin(Providers(outgoing, clock))
    logouts = IdpLogouts(installation.store, installation.sessions)
    return OidcFace(installation.sso, door, login, logouts, clock, installation.settings.base_url)


def is_page(path: str) -> bool:
    """Return whether people come to a path with a browser."""
    return any(path == one or path.startswith(f"{one}/") for one in PAGE_PATHS)


def error_page(status: int, base_url: str, request_id: str) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of the page that says that something went wrong, and never what in particular."""
    answer = _pages(base_url).error(status, _TITLES.get(status, "Something went wrong"), request_id)
    assert isinstance(answer.body, bytes)
    return list(answer.headers), answer.body


@lru_cache(maxsize=4)
def _pages(base_url: str) -> Pages:
    return Pages(base_url, [TEMPLATES])


def _account(installation: Installation, who: SignedIn) -> Account:
    """Return what the account page shows of somebody beside their sessions."""
    organization_id = who.session.organization_id
    organization = installation.administration.organization_of(organization_id)
    catalogues = installation.access.catalogues(organization_id)
    listing = installation.access.listing(organization_id, user=who.session.user_id, limit=MOST_ROLES)

    def role(grant: Grant) -> HeldRole:
        title = role_title(catalogues.get(grant.workspace), grant.slot, grant.role)
        return HeldRole(grant.workspace, grant.project, title, str(grant.valid_until or ""))

    held = [role(row.grant) for row in listing.rows if row.grant.state is GrantState.EFFECTIVE]
    return Account(organization.name, who.display_name or who.user_name, held, more=listing.after is not None)
