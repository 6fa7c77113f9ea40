"""What an identity provider of the demo signs with: one RSA key, and a certificate that says not to trust it."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_BITS: Final = 2048
_YEARS: Final = timedelta(days=3653)
_NAME: Final = "Rolebridge demo identity provider: do not trust"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its certificate. What is derived from it (`secret`) is as durable as its file."""

    private: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, now: datetime) -> Self:
        """Return a new key, whose certificate is valid from the day before `now` for ten years."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
        draft = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _YEARS)
        )
        return cls(private, draft.sign(private, hashes.SHA256()))

    @classmethod
    def kept(cls, path: Path) -> Self:
        """Return the key in a file, which is made at first. Raises OSError, and ValueError for another file."""
        if path.exists():
            pem = path.read_bytes()
            private = serialization.load_pem_private_key(pem, password=None)
            if not isinstance(private, rsa.RSAPrivateKey):
                raise ValueError(f"{path} holds another kind of key")
            return cls(private, x509.load_pem_x509_certificate(pem))
        made = cls.make(datetime.now(UTC))
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as stream:
            stream.write(made.private_pem + made.certificate_pem)
        draft.replace(path)
        return made

    @property
    def private_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 in PEM."""
        encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(encoding, format_, serialization.NoEncryption())

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_id(self) -> str:
        """A name for the key: the first half of its certificate's SHA-256 in hexadecimal digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()[:32]

    def secret(self, purpose: str) -> str:
        """Return a secret that is the same as long as the key is: one text for each purpose."""
        return hmac.new(hashlib.sha256(self.private_pem).digest(), purpose.encode(), hashlib.sha256).hexdigest()
