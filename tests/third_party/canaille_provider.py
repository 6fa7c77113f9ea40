"""Canaille as an OpenID Provider with one client: `python canaille_provider.py PORT REDIRECT_URI AFTER_LOGOUT`.

Runs in the environment that canaille.lock describes. Ana's password is `correct horse battery`; she is in one group.
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any

from canaille import create_app  # type: ignore[import-not-found]
from canaille.app import models  # type: ignore[import-not-found]
from canaille.backends import Backend  # type: ignore[import-not-found]
from werkzeug.serving import run_simple


def main(port: int, redirect_uri: str, after_logout: str) -> None:
    """Serve until killed."""
    app = create_app(
        {
            "SECRET_KEY": "0123456789abcdef0123456789abcdef",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False, "LOGGING": {"version": 1}},
            "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["127.0.0.1"]},
        }
    )
    with app.app_context():
        backend: Any = Backend.instance
        ana = models.User(
            user_name="ana",
            formatted_name="Ana Diaz",
            given_name="Ana",
            family_name="Diaz",
            emails=["ana@canaille.example"],
            password="correct horse battery",
        )
        backend.save(ana)
        backend.save(models.Group(display_name="Street", members=[ana]))
        client = models.Client(
            client_id="bridge",
            client_secret="never-kept-anywhere-else",
            client_name="Bridge",
            client_id_issued_at=dt.datetime.now(dt.UTC),
            redirect_uris=[redirect_uri],
            post_logout_redirect_uris=[after_logout],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "profile", "email", "groups"],
            token_endpoint_auth_method="client_secret_basic",
            id_token_signed_response_alg="RS256",
            client_uri="http://127.0.0.1",
        )
        backend.save(client)
        client.audience = [client]  # both as its own form does
        backend.save(client)
    run_simple("127.0.0.1", port, app, threaded=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
