"""Key pairs of a connection: what it signs with, and what is encrypted for it, by either protocol."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
from cryptography.x509.oid import NameOID

BITS: Final = 3_072
LIFETIME: Final = timedelta(days=3 * 365)
"""How long the certificate of a key says that it is good. Few identity providers look at that."""

_EXPONENT: Final = 65_537


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and its certificate (DER as base64 in one line)."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: str

    @classmethod
    def read(cls, private: bytes, certificate: str) -> KeyPair:
        """Return a key pair as it was written. That costs milliseconds."""
        key = load_der_private_key(private, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(key, certificate)

    def private(self) -> bytes:
        """Return the private key as it is written: PKCS #8, DER."""
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def make_key_pair(name: str, now: datetime) -> KeyPair:
    """Make a key and a certificate that it signs itself: identity providers know keys by their certificates."""
    key = rsa.generate_private_key(_EXPONENT, BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return KeyPair(key, base64.b64encode(certificate.public_bytes(Encoding.DER)).decode())
