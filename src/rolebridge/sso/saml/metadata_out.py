"""What our service provider says of itself: metadata that an identity provider imports (SAML Metadata §2.4.4)."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from rolebridge.core.saml_settings import Binding, SamlSettings
from rolebridge.sso.saml.names import DS, SAMLP
from rolebridge.sso.saml.provider import BINDINGS, MD, ServiceProvider

_RSA_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
_AES_GCM = ("http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm")
_AES_CBC = ("http://www.w3.org/2001/04/xmlenc#aes256-cbc", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")


def service_provider_metadata(
    provider: ServiceProvider, settings: SamlSettings | None, certificates: Sequence[str]
) -> bytes:
    """Return the metadata of a connection: settings may not be there yet, as whoever sets them up needs it first.

    `certificates` are those of our keys, oldest first. All may sign; assertions are to be encrypted for the newest.
    """
    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS})
    root.set("entityID", provider.entity_id)
    role = etree.SubElement(root, f"{{{MD}}}SPSSODescriptor")
    role.set("protocolSupportEnumeration", SAMLP)
    role.set("AuthnRequestsSigned", _truth(bool(settings and settings.sign_requests)))
    role.set("WantAssertionsSigned", "true")
    for certificate in certificates:
        _key(role, "signing", certificate)
    if certificates:
        ciphers = (*_AES_GCM, *(_AES_CBC if settings and settings.allow_cbc else ()))
        descriptor = _key(role, "encryption", certificates[-1])
        for algorithm in (*ciphers, _RSA_OAEP):
            etree.SubElement(descriptor, f"{{{MD}}}EncryptionMethod", Algorithm=algorithm)
    if settings and settings.name_id_format:
        etree.SubElement(role, f"{{{MD}}}NameIDFormat").text = settings.name_id_format
    consumer = etree.SubElement(role, f"{{{MD}}}AssertionConsumerService")
    consumer.set("Binding", BINDINGS[Binding.POST])
    consumer.set("Location", provider.acs_url)
    consumer.set("index", "0")
    consumer.set("isDefault", "true")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _key(role: etree._Element, use: str, certificate: str) -> etree._Element:
    descriptor = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use=use)
    info = etree.SubElement(descriptor, f"{{{DS}}}KeyInfo")
    data = etree.SubElement(info, f"{{{DS}}}X509Data")
    etree.SubElement(data, f"{{{DS}}}X509Certificate").text = certificate
    return descriptor


def _truth(value: bool) -> str:
    return "true" if value else "false"
