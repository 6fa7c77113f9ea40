"""Who may send people to the demo's identity provider, and where the answers go: nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SamlParty:
    """A SAML service provider: its entity ID, and the one URL to which responses are posted."""

    entity_id: str
    acs_url: str


@dataclass(frozen=True, slots=True)
class OidcParty:
    """An OpenID Connect client, with the one redirect URI of its logins; `after_logout` may be "" for none."""

    client_id: str
    client_secret: str
    redirect_uri: str
    after_logout: str = ""
