"""Certificates of identity providers and of our own keys: what is accepted as one, and what people know it by."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from rolebridge.core.errors import Invalid

_WEAKEST: Final = 2_048  # bits of an RSA key (NIST SP 800-131A)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate: its SHA-256 in hexadecimal digits, whose it is, from when until when it is good, its key."""

    fingerprint: str
    subject: str
    begins: datetime
    ends: datetime
    key: str


def read_certificate(data: bytes) -> str:
    """Return a certificate in a file (PEM, DER, or bare base64) as base64 in one line. Raises Invalid."""
    if b"PRIVATE KEY-----" in data:
        raise Invalid("this is a private key; what is wanted is the identity provider's certificate", "certificate")
    if data.count(_BEGIN) > 1:
        raise Invalid("there are several certificates in one file; give them one by one", "certificate")
    if data.startswith(b"\x30"):
        der = data
    else:
        inside = data.partition(_BEGIN)[2].partition(_END)[0] if _BEGIN in data else data
        try:
            der = base64.b64decode(b"".join(inside.split()), validate=True)
        except ValueError:
            raise Invalid("this is no certificate: neither PEM, nor DER, nor base64 of it", "certificate") from None
    encoded = base64.b64encode(der).decode()
    load_certificate(encoded)
    return encoded


def load_certificate(encoded: str) -> x509.Certificate:
    """Return a certificate (base64) whose key can verify a signature. Raises Invalid."""
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(encoded, validate=True))
        key = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Invalid("a certificate cannot be read: its content is damaged or no certificate", "certificate") from None
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _WEAKEST:
            raise Invalid(f"a certificate's key has {key.key_size} bits; at least {_WEAKEST} are wanted", "certificate")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise Invalid("a certificate's key is neither RSA nor on the curves P-256, P-384 or P-521", "certificate")
    return certificate


def facts(encoded: str) -> CertificateFacts:
    """Return what people want to know of a certificate (base64). Raises Invalid."""
    certificate = load_certificate(encoded)
    key = certificate.public_key()
    kind = f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "EC"
    return CertificateFacts(
        certificate.fingerprint(SHA256()).hex(),
        certificate.subject.rfc4514_string()[:200],
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        kind,
    )
