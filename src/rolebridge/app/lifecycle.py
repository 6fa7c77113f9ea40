"""What becomes of that which sign-ins gave to applications, wired: endpoints for the server, chores for the worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask import Blueprint

from rolebridge.app.installation import Installation
from rolebridge.bridge.chores import Chore
from rolebridge.bridge.logout_notices import LogoutDelivery
from rolebridge.bridge.provider_chores import key_chores, provider_chores
from rolebridge.oauth.backchannel import BackChannel
from rolebridge.oauth.end_session import EndSessionFace
from rolebridge.oauth.face import OAuthFace
from rolebridge.oauth.inspection import InspectionFace
from rolebridge.oauth.lifecycle_routes import lifecycle_blueprint
from rolebridge.oauth.minting import Minter
from rolebridge.oauth.userinfo import UserInfoFace
from rolebridge.web.pages import Pages


def lifecycle_routes(
    installation: Installation, tokens: OAuthFace, minter: Minter, pages: Pages, request_id: Callable[[], str]
) -> Blueprint:
    """Return the endpoints for UserInfo, introspection, revocation and logout."""
    end_session = EndSessionFace(
        installation.authorizing,
        installation.sessions,
        minter,
        installation.browsers,
        pages,
        installation.vault,
    )
    inspection = InspectionFace(tokens, installation.standing, minter)
    return lifecycle_blueprint(inspection, UserInfoFace(installation.standing, minter), end_session, request_id)


def lifecycle_chores(installation: Installation) -> tuple[Chore, ...]:
    """Return what the worker does for applications."""
    store, clock = installation.store, installation.clock
    minter = Minter(installation.signing_keys, installation.settings.base_url, clock)
    back_channel = BackChannel(store, minter, installation.outgoing, clock)
    delivery = LogoutDelivery(store, clock, back_channel.deliver)
    every = timedelta(days=installation.settings.signing_key_days)
    return (*provider_chores(store, clock, delivery), *key_chores(installation.signing_keys, every))
