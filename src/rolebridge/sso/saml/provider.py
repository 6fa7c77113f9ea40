"""The service provider of a connection: what it is called, where it is, and how messages reach an identity provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rolebridge.core.saml_settings import Binding

MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
BINDINGS: Final = {
    Binding.REDIRECT: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect",
    Binding.POST: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
}
METADATA_TYPE: Final = "application/samlmetadata+xml"
"""SAML Metadata, appendix A."""


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """What an identity provider is told of a connection: every URL begins with our base URL, whoever asks how."""

    entity_id: str
    acs_url: str

    @classmethod
    def of(cls, base_url: str, connection_id: str) -> ServiceProvider:
        """Return the service provider of a connection."""
        place = f"{base_url}/sso/{connection_id}"
        return cls(f"{place}/metadata", f"{place}/acs")

    @property
    def metadata_url(self) -> str:
        """Return where it describes itself: its entity id, as SAML recommends (SAML Metadata §4.1)."""
        return self.entity_id
