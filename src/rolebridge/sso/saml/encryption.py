"""Encrypted assertions: opened with the service provider's key, in algorithms that are taken, to the bytes inside.

Encryption proves nothing about who wrote: the key to encrypt with is public. Who calls this asks for a signature around
the ciphertext or inside of it. RSA with PKCS#1 v1.5 padding is never tried (Bleichenbacher); AES-CBC only where the
connection says so, and the caller must not tell apart what went wrong after it (Jager and Somorovsky, 2011).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from rolebridge.core.login import Trail
from rolebridge.sso.saml.checking import Finding, check
from rolebridge.sso.saml.names import DS, XENC, XENC11, children, descendants, ds, elements, local, tags, text_of, xenc
from rolebridge.sso.wording import shown

_MAX_KEYS: Final = 4
_GCM: Final[Mapping[str, int]] = {XENC11 + f"aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
_CBC: Final[Mapping[str, int]] = {XENC + f"aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_OAEP_MGF1P: Final = XENC + "rsa-oaep-mgf1p"
_OAEP: Final = XENC11 + "rsa-oaep"
_SHA1: Final = DS + "sha1"
_DIGESTS: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    _SHA1: hashes.SHA1,
    XENC + "sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    XENC + "sha512": hashes.SHA512,
}
_MGF1_SHA1: Final = XENC11 + "mgf1sha1"
_MASKS: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    _MGF1_SHA1: hashes.SHA1,
    XENC11 + "mgf1sha256": hashes.SHA256,
    XENC11 + "mgf1sha384": hashes.SHA384,
    XENC11 + "mgf1sha512": hashes.SHA512,
}


def is_malleable(encrypted: etree._Element) -> bool:
    """Return whether whoever sees the ciphertext can change it: it is encrypted by AES-CBC."""
    return any(method.get("Algorithm") in _CBC for method in descendants(encrypted, xenc("EncryptionMethod")))


def check_encryption(
    encrypted: etree._Element, keys: Sequence[RSAPrivateKey], trail: Trail, *, allow_cbc: bool
) -> None:
    """Check how an EncryptedAssertion is encrypted, without decrypting anything. Raises LoginRefused."""
    has_key(trail, keys)
    has_encrypted_parts(trail, encrypted)
    is_encrypted_by(trail, children(encrypted, xenc("EncryptedData"))[0], allow_cbc=allow_cbc)
    is_transported_by(trail, list(descendants(encrypted, xenc("EncryptedKey"))))


def decrypted(encrypted: etree._Element, keys: Sequence[RSAPrivateKey], trail: Trail) -> bytes:
    """Return the bytes in an EncryptedAssertion whose encryption was checked. Raises LoginRefused."""
    data = children(encrypted, xenc("EncryptedData"))[0]
    plain = _plain(data, list(descendants(encrypted, xenc("EncryptedKey"))), keys)
    is_opened(trail, plain)
    return plain


@check("saml-no-decryption-key")
def has_key(keys: Sequence[RSAPrivateKey]) -> Finding:
    """The connection has a key to decrypt with."""
    return None if keys else "the assertion is encrypted, and this connection has no key to open it"


@check("saml-encrypted-parts")
def has_encrypted_parts(encrypted: etree._Element) -> Finding:
    """An encrypted assertion is data with one method and one value, and one to four keys that are the same."""
    found = tags(encrypted)
    if found.count(xenc("EncryptedData")) != 1 or set(found) - {xenc("EncryptedData"), xenc("EncryptedKey")}:
        return f"an EncryptedAssertion consists of {', '.join(shown(local(tag)) for tag in found[:4]) or 'nothing'}"
    sealed_keys = list(descendants(encrypted, xenc("EncryptedKey")))
    if not 0 < len(sealed_keys) <= _MAX_KEYS:
        return f"an EncryptedAssertion has {len(sealed_keys)} keys, not between 1 and {_MAX_KEYS}"
    for part in (children(encrypted, xenc("EncryptedData"))[0], *sealed_keys):
        if len(children(part, xenc("EncryptionMethod"))) != 1 or _cipher_value(part) is None:
            return f"{shown(local(str(part.tag)))} has not exactly one method and one value"
    return None


@check("saml-data-encryption")
def is_encrypted_by(data: etree._Element, *, allow_cbc: bool) -> Finding:
    """The assertion is encrypted by AES-GCM, or by AES-CBC where the connection takes it."""
    algorithm = _method(data).get("Algorithm")
    if algorithm in _GCM or (allow_cbc and algorithm in _CBC):
        return None
    hint = ", which this connection does not take" if algorithm in _CBC else ""
    return f"the assertion is encrypted by {shown(algorithm)}{hint}"


@check("saml-key-transport")
def is_transported_by(sealed_keys: Sequence[etree._Element]) -> Finding:
    """The key is encrypted by RSA-OAEP, never with the padding of PKCS#1 v1.5."""
    for sealed in sealed_keys:
        if _padding(_method(sealed)) is None:
            said = [_method(sealed).get("Algorithm"), *(each.get("Algorithm") for each in elements(_method(sealed)))]
            return f"the key of the assertion is encrypted by {', '.join(map(shown, said[:4]))}"
    return None


@check("saml-decryption")
def is_opened(plain: bytes) -> Finding:
    """The assertion decrypts with a key of the connection."""
    return None if plain else "the assertion does not decrypt with any key of this connection"


def _method(part: etree._Element) -> etree._Element:
    return children(part, xenc("EncryptionMethod"))[0]


def _cipher_value(part: etree._Element) -> bytes | None:
    """Return the ciphertext of EncryptedData or EncryptedKey. A reference to somewhere else is nothing to us."""
    data = children(part, xenc("CipherData"))
    values = children(data[0], xenc("CipherValue")) if len(data) == 1 and len(elements(data[0])) == 1 else []
    if len(values) != 1:
        return None
    try:
        return base64.b64decode("".join(text_of(values[0]).split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _padding(method: etree._Element) -> padding.OAEP | None:
    """Return how a key was padded: OAEP, by default with SHA-1's digest and mask (XML Encryption 1.1 section 5.5.2)."""
    algorithm = method.get("Algorithm")
    digests = [each.get("Algorithm") for each in children(method, ds("DigestMethod"))]
    masks = [each.get("Algorithm") for each in children(method, f"{{{XENC11}}}MGF")]
    known = {ds("DigestMethod"), f"{{{XENC11}}}MGF", xenc("KeySize")}
    # The first name says MGF1 with SHA-1; a label (OAEPparams) is used by nobody.
    if algorithm not in {_OAEP_MGF1P, _OAEP} or (masks and algorithm == _OAEP_MGF1P) or set(tags(method)) - known:
        return None
    digest = _DIGESTS.get((digests or [_SHA1])[0] or "") if len(digests) < 2 else None
    mask = _MASKS.get((masks or [_MGF1_SHA1])[0] or "") if len(masks) < 2 else None
    return None if digest is None or mask is None else padding.OAEP(padding.MGF1(mask()), digest(), None)


def _plain(data: etree._Element, sealed_keys: Sequence[etree._Element], keys: Sequence[RSAPrivateKey]) -> bytes:
    """Return what the first key that opens it finds in the data, b"" when none does."""
    algorithm = _method(data).get("Algorithm") or ""
    ciphertext = _cipher_value(data) or b""
    for sealed in sealed_keys:
        how = _padding(_method(sealed))
        for key in keys if how is not None else ():
            secret = _secret(key, _cipher_value(sealed) or b"", how)
            if len(secret) == _GCM.get(algorithm) and (plain := _from_gcm(secret, ciphertext)):
                return plain
            if len(secret) == _CBC.get(algorithm) and (plain := _from_cbc(secret, ciphertext)):
                return plain
    return b""


def _secret(key: RSAPrivateKey, sealed: bytes, how: padding.OAEP | None) -> bytes:
    try:
        return key.decrypt(sealed, how) if how is not None else b""
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _from_gcm(secret: bytes, ciphertext: bytes) -> bytes:
    try:
        return AESGCM(secret).decrypt(ciphertext[:12], ciphertext[12:], None)
    except (InvalidTag, ValueError):
        return b""


def _from_cbc(secret: bytes, ciphertext: bytes) -> bytes:
    """Return the plaintext. Wrong padding stays where it is: what reads it says no, as it does to any garbage."""
    vector, body = ciphertext[:16], ciphertext[16:]
    if len(vector) != 16 or not body or len(body) % 16:
        return b""
    cipher = Cipher(algorithms.AES(secret), modes.CBC(vector)).decryptor()
    padded = cipher.update(body) + cipher.finalize()
    missing = padded[-1]
    return padded[:-missing] if 0 < missing <= 16 else padded
