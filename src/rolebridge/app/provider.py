"""The OpenID Provider of an installation: the token endpoint, which SCIM clients share, and its own endpoints."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from rolebridge.app.installation import TOKEN_PATH, Installation
from rolebridge.app.lifecycle import lifecycle_routes
from rolebridge.oauth.authorize import AuthorizeFace
from rolebridge.oauth.face import AppSide, OAuthFace
from rolebridge.oauth.grants import CODE_GRANT, REFRESH_GRANT, code_grant, refresh_grant
from rolebridge.oauth.minting import Minter
from rolebridge.oauth.provider_routes import provider_blueprint
from rolebridge.oauth.routes import oauth_blueprint
from rolebridge.store.request_log import LoggedRequest
from rolebridge.web.pages import Pages


def provider_blueprints(
    installation: Installation, request_id: Callable[[], str], observe: Callable[[LoggedRequest], None]
) -> tuple[Blueprint, ...]:
    """Return the routes below `/oauth` and `/.well-known`. `request_id` names the present request."""
    issuer, endpoint = installation.settings.base_url, installation.token_endpoint
    minter = Minter(installation.signing_keys, issuer, installation.clock)
    grants = {
        CODE_GRANT: code_grant(installation.authorizing, minter),
        REFRESH_GRANT: refresh_grant(installation.refreshing, minter),
    }
    pages = Pages(issuer)
    tokens = OAuthFace(
        installation.issuing,
        installation.origins,
        installation.meters,
        issuer,
        endpoint,
        observe,
        apps=AppSide(installation.app_proving, grants),
    )
    authorize = AuthorizeFace(
        installation.authorizing,
        minter,
        installation.browsers,
        pages,
        installation.vault,
        installation.meters,
    )
    return (
        oauth_blueprint(tokens, issuer, TOKEN_PATH, request_id),
        provider_blueprint(authorize, minter, request_id),
        lifecycle_routes(installation, tokens, minter, pages, request_id),
    )
