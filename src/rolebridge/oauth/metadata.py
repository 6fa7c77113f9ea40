"""How the authorization server describes itself: RFC 8414 §2 and OpenID Connect Discovery 1.0 §3, one document."""

from __future__ import annotations

import json
from typing import Any, Final

from rolebridge.bridge.signing_keys import ALGORITHM
from rolebridge.core.applications import Scope
from rolebridge.oauth.grants import CODE_GRANT, REFRESH_GRANT
from rolebridge.oauth.keys import SIGNING
from rolebridge.oauth.proofs import PROVING, Method
from rolebridge.oauth.server import GRANT, SCOPE

AUTHORIZE_PATH: Final = "/oauth/authorize"
JWKS_PATH: Final = "/oauth/jwks"
USERINFO_PATH: Final = "/oauth/userinfo"
INTROSPECT_PATH: Final = "/oauth/introspect"
REVOKE_PATH: Final = "/oauth/revoke"
END_SESSION_PATH: Final = "/oauth/logout"
"""Where the endpoints are, below the base URL."""

CLAIMS: Final = (
    *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid", "at_hash"),
    *("name", "given_name", "family_name", "preferred_username", "locale", "zoneinfo", "email", "email_verified"),
    *("groups", "roles"),
)
PROMPTS: Final = ("none", "login", "select_account", "consent")
RESPONSE_MODES: Final = ("query", "form_post")


def document(issuer: str, token_endpoint: str) -> bytes:
    """Return the description of the server whose issuer is the base URL of the installation."""
    described: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE_PATH,
        "token_endpoint": token_endpoint,
        "jwks_uri": issuer + JWKS_PATH,
        "userinfo_endpoint": issuer + USERINFO_PATH,
        "introspection_endpoint": issuer + INTROSPECT_PATH,
        "revocation_endpoint": issuer + REVOKE_PATH,
        "end_session_endpoint": issuer + END_SESSION_PATH,
        "scopes_supported": [*(str(one) for one in Scope), SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": [CODE_GRANT, REFRESH_GRANT, GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": list(Method),
        "token_endpoint_auth_signing_alg_values_supported": list(SIGNING),
        "introspection_endpoint_auth_methods_supported": list(PROVING),
        "introspection_endpoint_auth_signing_alg_values_supported": list(SIGNING),
        "revocation_endpoint_auth_methods_supported": list(Method),
        "revocation_endpoint_auth_signing_alg_values_supported": list(SIGNING),
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal", "distributed"],
        "claims_supported": list(CLAIMS),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": list(PROMPTS),
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    return json.dumps(described).encode()
