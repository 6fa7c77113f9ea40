"""Attacks by encryption, which proves nothing, and on it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.attacking import (
    ADMIN,
    Message,
    assertion_in,
    attack,
    part,
    signed,
    wrapped,
)
from tests.sso.saml.idp import Login, Sealing, Style


def sealed(plain: str | bytes, sealing: Sealing | None = None, key: str = "sp") -> str:
    data = plain if isinstance(plain, bytes) else plain.encode()
    return idp.encrypt(data, idp.decryption_key(key).public_key(), sealing or Sealing())


def signed_assertion(**changed: Any) -> bytes:
    return idp.canonical(assertion_in(signed(**changed)))


@attack("saml-encrypted-unsigned")
def a_forged_assertion_encrypted_for_us() -> Message:
    return Login().response(sealed(Login(subject=ADMIN).assertion()))


@attack("saml-assertion-count")
def a_forged_encrypted_assertion_beside_the_signed_one() -> Message:
    root = signed()
    root.append(idp.parsed(sealed(Login(subject=ADMIN, assertion_id="_evil").assertion())))
    return root


@attack("saml-assertion-count")
def two_encrypted_assertions() -> Message:
    return Login().response(sealed(signed_assertion()) + sealed(Login(subject=ADMIN).assertion()).replace("_key", "_k"))


@attack("saml-signature")
def a_changed_assertion_encrypted() -> Message:
    return Login().response(sealed(signed_assertion().replace(b"jane@example.com", ADMIN.encode())))


@attack("saml-assertion-place")
def a_signed_assertion_within_a_forged_encrypted_one() -> Message:
    forged = idp.parsed(Login(subject=ADMIN, assertion_id="_evil").assertion())
    forged.append(idp.parsed(signed_assertion()))
    return Login().response(sealed(etree.tostring(forged)))


@attack("saml-encrypted-content")
def an_encrypted_response() -> Message:
    return Login().response(sealed(etree.tostring(signed("both"))))


@attack("saml-doctype")
def a_document_type_in_the_encrypted_assertion() -> Message:
    return Login().response(sealed(b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + signed_assertion()))


@attack("saml-key-transport")
def the_key_by_pkcs1() -> Message:
    return Login().response(sealed(signed_assertion(), Sealing(transport=idp.RSA_1_5)))


@attack("saml-key-transport")
def one_of_two_keys_by_pkcs1() -> Message:
    root = idp.parsed(Login().response(sealed(signed_assertion())))
    weak = idp.parsed(sealed(b"x", Sealing(transport=idp.RSA_1_5)))
    part(root, "saml:EncryptedAssertion").append(next(weak.iter(f"{{{idp.XENC}}}EncryptedKey")))
    next(root.iter(f"{{{idp.XENC}}}EncryptedKey")).attrib.pop("Id")
    return root


@attack("saml-key-transport")
def an_oaep_digest_of_md5() -> Message:
    sealing = Sealing(transport=idp.OAEP, oaep_digest="http://www.w3.org/2001/04/xmldsig-more#md5")
    return Login().response(sealed(signed_assertion(), sealing))


@attack("saml-data-encryption")
def cbc_where_it_is_not_taken() -> Message:
    return idp.signed(
        Login(), "response", encrypt_for=idp.decryption_key().public_key(), sealing=Sealing(data=idp.AES256_CBC)
    )


@attack("saml-data-encryption")
def cbc_in_an_unsigned_response_where_it_is_not_taken() -> Message:
    return Login().response(sealed(signed_assertion(), Sealing(data=idp.AES256_CBC)))


@attack("saml-decryption", allow_cbc=True)
def cbc_with_a_forged_assertion() -> Message:
    return Login().response(sealed(Login(subject=ADMIN).assertion(), Sealing(data=idp.AES128_CBC)))


@attack("saml-decryption", allow_cbc=True)
def cbc_with_rubbish() -> Message:
    return Login().response(sealed(b"rubbish", Sealing(data=idp.AES128_CBC)))


@attack("saml-decryption", allow_cbc=True)
def cbc_with_a_changed_block() -> Message:
    return changed_ciphertext(Sealing(data=idp.AES256_CBC), 40)


@attack("saml-decryption", allow_cbc=True)
def cbc_with_wrong_padding() -> Message:
    return changed_ciphertext(Sealing(data=idp.AES256_CBC), -17)


@attack("saml-decryption")
def gcm_with_a_changed_byte() -> Message:
    return changed_ciphertext(Sealing(), 40)


@attack("saml-decryption")
def gcm_cut_to_nothing() -> Message:
    root = idp.parsed(Login().response(sealed(signed_assertion())))
    part(root, ".//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue").text = "AAAA"
    return root


def changed_ciphertext(sealing: Sealing, place: int) -> etree._Element:
    root = idp.parsed(Login().response(sealed(signed_assertion(), sealing)))
    value = part(root, ".//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue")
    data = bytearray(base64.b64decode(str(value.text)))
    data[place] ^= 1
    value.text = base64.b64encode(data).decode()
    return root


@attack("saml-decryption")
def encrypted_for_somebody_else() -> Message:
    return Login().response(sealed(signed_assertion(), key="stranger"))


@attack("saml-no-decryption-key", decryption_keys=())
def encrypted_without_our_having_a_key() -> Message:
    return Login().response(sealed(signed_assertion()))


@attack("saml-encrypted-parts")
def a_ciphertext_to_be_fetched() -> Message:
    root = idp.parsed(Login().response(sealed(signed_assertion())))
    value = part(root, ".//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue")
    reference = wrapped("CipherReference", space=idp.XENC)
    reference.set("URI", "http://127.0.0.1:9/cipher")
    value.getparent().replace(value, reference)  # type: ignore[union-attr]
    return root


@attack("saml-encrypted-parts")
def a_hundred_keys() -> Message:
    root = idp.parsed(Login().response(sealed(signed_assertion())))
    key = next(root.iter(f"{{{idp.XENC}}}EncryptedKey"))
    key.attrib.pop("Id")
    part(root, "saml:EncryptedAssertion").extend(deepcopy(key) for _ in range(100))
    return root


def changed_encryption(change: Callable[[etree._Element], object]) -> etree._Element:
    """Return a response whose EncryptedAssertion was changed."""
    root = idp.parsed(Login().response(sealed(signed_assertion())))
    change(part(root, "saml:EncryptedAssertion"))
    return root


def key_of(encrypted: etree._Element) -> etree._Element:
    return part(encrypted, ".//xenc:EncryptedKey")


def chosen(space: str, tag: str, algorithm: str | None = None) -> etree._Element:
    element = etree.Element(f"{{{space}}}{tag}")
    if algorithm is not None:
        element.set("Algorithm", algorithm)
    return element


@attack("saml-encrypted-parts")
def two_encrypted_data() -> Message:
    return changed_encryption(lambda found: found.append(chosen(idp.XENC, "EncryptedData")))


@attack("saml-encrypted-parts")
def no_encrypted_data() -> Message:
    return changed_encryption(lambda found: found.remove(part(found, "xenc:EncryptedData")))


@attack("saml-encrypted-parts")
def something_beside_the_encrypted_data() -> Message:
    return changed_encryption(lambda found: found.append(etree.Element("{urn:x}x")))


@attack("saml-encrypted-parts")
def no_key() -> Message:
    def take(found: etree._Element) -> None:
        key = key_of(found)
        key.getparent().remove(key)  # type: ignore[union-attr]

    return changed_encryption(take)


@attack("saml-encrypted-parts")
def two_methods_of_the_data() -> Message:
    method = chosen(idp.XENC, "EncryptionMethod", "urn:x")
    return changed_encryption(lambda found: part(found, "xenc:EncryptedData").insert(0, method))


@attack("saml-encrypted-parts")
def two_values_of_the_data() -> Message:
    cipher = "xenc:EncryptedData/xenc:CipherData"
    return changed_encryption(lambda found: part(found, cipher).append(chosen(idp.XENC, "CipherValue")))


@attack("saml-encrypted-parts")
def no_base64_in_the_ciphertext() -> Message:
    def spoil(found: etree._Element) -> None:
        part(found, "xenc:EncryptedData/xenc:CipherData/xenc:CipherValue").text = "!AAAA"

    return changed_encryption(spoil)


@attack("saml-data-encryption", allow_cbc=True)
def triple_des() -> Message:
    method = "xenc:EncryptedData/xenc:EncryptionMethod"
    return changed_encryption(lambda found: part(found, method).set("Algorithm", idp.XENC + "tripledes-cbc"))


def with_oaep(*inside: etree._Element, algorithm: str = idp.OAEP) -> etree._Element:
    def put(found: etree._Element) -> None:
        method = part(key_of(found), "xenc:EncryptionMethod")
        method.set("Algorithm", algorithm)
        method.extend(inside)

    return changed_encryption(put)


@attack("saml-key-transport")
def a_mask_function_where_none_may_be_chosen() -> Message:
    return with_oaep(chosen(idp.XENC11, "MGF", idp.MGF1_SHA256), algorithm=idp.OAEP_MGF1P)


@attack("saml-key-transport")
def an_unknown_mask_function() -> Message:
    return with_oaep(chosen(idp.XENC11, "MGF", "urn:x"))


@attack("saml-key-transport")
def two_oaep_digests() -> Message:
    return with_oaep(*(chosen(idp.DS, "DigestMethod", idp.SHA256) for _ in range(2)))


@attack("saml-key-transport")
def two_mask_functions() -> Message:
    return with_oaep(*(chosen(idp.XENC11, "MGF", idp.MGF1_SHA256) for _ in range(2)))


@attack("saml-key-transport")
def an_oaep_label() -> Message:
    return with_oaep(chosen(idp.XENC, "OAEPparams"))


@attack("saml-transforms")
def an_xpath_transform_in_an_encrypted_assertion() -> Message:
    style = Style(transforms=(idp.ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116", idp.EXC_C14N))
    assertion = assertion_in(idp.signed(Login(), "assertion", style=style))
    return Login().response(sealed(etree.tostring(assertion)))


@attack("saml-malformed", allow_cbc=True)
def cbc_with_rubbish_in_a_signed_response() -> Message:
    """Nobody but the identity provider can have changed it, and the administrator is told what is wrong."""
    root = idp.parsed(Login().response(sealed(b"rubbish", Sealing(data=idp.AES128_CBC))))
    idp.sign(root, idp.signer())
    return root


def cut_ciphertext(length: int) -> etree._Element:
    root = idp.parsed(Login().response(sealed(signed_assertion(), Sealing(data=idp.AES256_CBC))))
    value = part(root, ".//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue")
    value.text = base64.b64encode(base64.b64decode(str(value.text))[:length]).decode()
    return root


@attack("saml-decryption", allow_cbc=True)
def cbc_cut_within_a_block() -> Message:
    return cut_ciphertext(100)


@attack("saml-decryption", allow_cbc=True)
def cbc_cut_to_its_vector() -> Message:
    return cut_ciphertext(16)


@attack("saml-decryption", allow_cbc=True)
def cbc_cut_within_its_vector() -> Message:
    return cut_ciphertext(7)


@attack("saml-decryption")
def a_key_of_another_length_than_the_method_says() -> Message:
    data = "xenc:EncryptedData/xenc:EncryptionMethod"
    return changed_encryption(lambda found: part(found, data).set("Algorithm", idp.AES128_GCM))
