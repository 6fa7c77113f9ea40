"""A SAML response that somebody kept, validated as at its login: to see what it says, and log nobody in."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs

from rolebridge.bridge.certificates import load_certificate
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.core.errors import Invalid
from rolebridge.core.login import AssertedIdentity, Trail
from rolebridge.core.saml_settings import read_saml_settings
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml.administration import KEY_KIND
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.provider import ServiceProvider
from rolebridge.sso.saml.response import Unverified, unverified, validate

LARGEST: Final = 1_048_576
"""Bytes of a file with a response."""


class ResponseTrials:
    """Validates kept responses by the settings of their connection."""

    def __init__(self, connections: SsoConnections, base_url: str) -> None:
        self._connections = connections
        self._base_url = base_url

    def claimed(self, encoded: bytes) -> Unverified:
        """Return what a response claims, when it was issued among it. Raises LoginRefused for what is none."""
        return unverified(encoded)

    def validate(self, connection: SsoConnection, encoded: bytes, at: datetime, trail: Trail) -> AssertedIdentity:
        """Return who a response asserts, judged as at a moment; the request that it answers is taken for ours.

        Raises LoginRefused, and Invalid for settings that are not SAML's.
        """
        settings = read_saml_settings(connection.settings)
        provider = ServiceProvider.of(self._base_url, connection.id)
        secrets = self._connections.secrets(connection.connection, KEY_KIND)
        keys = [KeyPair.read(self._connections.open(one), one.public) for one in reversed(secrets)]
        expected = Expectations(
            sp_entity_id=provider.entity_id,
            acs_url=provider.acs_url,
            idp_entity_id=settings.idp.entity_id,
            certificates=tuple(load_certificate(one) for one in settings.pinned),
            in_response_to=unverified(encoded).in_response_to,
            idp_initiated=settings.idp_initiated,
            decryption_keys=tuple(one.key for one in keys),
            allow_cbc=settings.allow_cbc,
            sha1_until=settings.sha1_until,
            contexts=frozenset(settings.contexts),
            skew=timedelta(seconds=settings.skew),
            longest_lifetime=timedelta(seconds=settings.longest_lifetime),
        )
        return validate(encoded, expected, at, trail)


def read_kept(content: bytes) -> bytes:
    """Return the form field `SAMLResponse` of what somebody kept: its value, the whole form, or the XML itself.

    Raises Invalid for anything else.
    """
    text = content.strip()
    if text.startswith(b"<"):
        return base64.b64encode(text)
    if text.startswith(b"SAMLResponse=") or b"&SAMLResponse=" in text:
        found = parse_qs(text.decode("ascii", "replace")).get("SAMLResponse", [""])
        return found[0].encode()
    joined = b"".join(text.split())
    try:
        base64.b64decode(joined, validate=True)
    except binascii.Error:
        raise Invalid("the file is no SAML response: neither XML, nor base64, nor a form with SAMLResponse") from None
    return joined
