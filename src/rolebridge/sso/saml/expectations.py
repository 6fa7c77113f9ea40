"""What a SAML response has to be like for one login at one connection: the settings and the moment, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate

DEFAULT_SKEW = timedelta(minutes=2)
"""How far the clocks of identity provider and bridge may be apart."""

DEFAULT_LONGEST_LIFETIME = timedelta(hours=1)
"""For how long an assertion is taken at most, however long it says that it may be."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a response has to be like. Every text is compared exactly, as it is written.

    `certificates` are the pinned ones, one or two; that one has expired does not matter here. `decryption_keys` are the
    service provider's, the present one first; without any, encrypted assertions are refused. `in_response_to` is the id
    of the request that this browser was sent away with; None is a login that begins at the identity provider, which is
    refused unless `idp_initiated`. `contexts` are the AuthnContextClassRefs that will do; empty: any.
    `authenticated_since` is the moment after which the person must have proved themselves (`ForceAuthn`, or a greatest
    age). `sha1_until` is the last day (UTC) on which SHA-1 is taken. `allow_cbc` admits AES-CBC, which some identity
    providers encrypt with by default.
    """

    sp_entity_id: str
    acs_url: str
    idp_entity_id: str
    certificates: tuple[Certificate, ...]
    in_response_to: str | None
    idp_initiated: bool = False
    decryption_keys: tuple[RSAPrivateKey, ...] = ()
    allow_cbc: bool = False
    sha1_until: date | None = None
    contexts: frozenset[str] = field(default_factory=frozenset)
    authenticated_since: datetime | None = None
    skew: timedelta = DEFAULT_SKEW
    longest_lifetime: timedelta = DEFAULT_LONGEST_LIFETIME
