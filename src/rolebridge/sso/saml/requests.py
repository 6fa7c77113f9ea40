"""AuthnRequests: what an identity provider is asked when somebody logs in, by redirect or by a form.

SAML Core §3.4 says what stands in one, SAML Bindings §3.4 and §3.5 how it travels.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner

from rolebridge.core.moments import stamp
from rolebridge.core.saml_settings import Binding, SamlSettings
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml.names import DS, SAML, SAMLP
from rolebridge.sso.saml.provider import BINDINGS, ServiceProvider

RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a login is asked for: the request's id, when, and what the person must do to prove who they are."""

    id: str
    at: datetime
    fresh: bool = False
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A form that the browser posts to `action`: names and values of its fields."""

    action: str
    fields: tuple[tuple[str, str], ...]


def authn_request(provider: ServiceProvider, settings: SamlSettings, asked: Asked) -> etree._Element:
    """Return a request, not signed."""
    root = etree.Element(f"{{{SAMLP}}}AuthnRequest", nsmap={"samlp": SAMLP, "saml": SAML})
    root.set("ID", asked.id)
    root.set("Version", "2.0")
    root.set("IssueInstant", stamp(asked.at))
    root.set("Destination", settings.sso_url)
    root.set("ProtocolBinding", BINDINGS[Binding.POST])
    root.set("AssertionConsumerServiceURL", provider.acs_url)
    if asked.fresh or settings.force_authn:
        root.set("ForceAuthn", "true")
    etree.SubElement(root, f"{{{SAML}}}Issuer").text = provider.entity_id
    policy = etree.SubElement(root, f"{{{SAMLP}}}NameIDPolicy")
    if settings.name_id_format:
        policy.set("Format", settings.name_id_format)
    policy.set("AllowCreate", "true")
    contexts = asked.contexts or settings.contexts
    if contexts:
        wanted = etree.SubElement(root, f"{{{SAMLP}}}RequestedAuthnContext", Comparison="exact")
        for context in contexts:
            etree.SubElement(wanted, f"{{{SAML}}}AuthnContextClassRef").text = context
    return root


def redirect_url(settings: SamlSettings, request: etree._Element, relay_state: str, signer: KeyPair | None) -> str:
    """Return the URL that the browser is sent to, with a signature over its query if there is a signer."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packed.compress(etree.tostring(request)) + packed.flush()
    fields = [("SAMLRequest", base64.b64encode(data).decode()), ("RelayState", relay_state)]
    if signer is not None:
        fields.append(("SigAlg", RSA_SHA256))
    query = urlencode(fields, quote_via=quote, safe="")
    if signer is not None:
        # Over the very octets of the query, in this order (SAML Bindings §3.4.4.1).
        value = signer.key.sign(query.encode(), PKCS1v15(), SHA256())
        query += f"&Signature={quote(base64.b64encode(value).decode(), safe='')}"
    return f"{settings.sso_url}{'&' if '?' in settings.sso_url else '?'}{query}"


def post_form(settings: SamlSettings, request: etree._Element, relay_state: str, signer: KeyPair | None) -> Form:
    """Return the form that the browser posts, with a signature in the request if there is a signer."""
    signed = request if signer is None else sign(request, signer)
    encoded = base64.b64encode(etree.tostring(signed)).decode()
    return Form(settings.sso_url, (("SAMLRequest", encoded), ("RelayState", relay_state)))


def sign(request: etree._Element, by: KeyPair) -> etree._Element:
    """Return a message with an enveloped signature behind its Issuer, where its schema has it (SAML Core §3.2.1)."""
    issuer = request.find(f"{{{SAML}}}Issuer")
    assert issuer is not None
    issuer.addnext(etree.Element(f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS}))
    engine = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    pem = f"-----BEGIN CERTIFICATE-----\n{by.certificate}\n-----END CERTIFICATE-----\n"
    signed: etree._Element = engine.sign(request, key=by.key, cert=pem, reference_uri=f"#{request.get('ID')}")
    return signed
