"""A second opinion: what python3-saml refuses, we never take.

It is older and takes more than it should (which is why it is no part of the product), but its authors made other
mistakes than we could. The exceptions, where it refuses what SAML permits, are listed with their reasons.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import Certificate
from hypothesis import given
from hypothesis import strategies as st
from onelogin.saml2.response import OneLogin_Saml2_Response  # type: ignore[import-untyped]
from onelogin.saml2.settings import OneLogin_Saml2_Settings  # type: ignore[import-untyped]
from onelogin.saml2.utils import OneLogin_Saml2_Utils  # type: ignore[import-untyped]
from tests.sso.saml.attacks import ATTACKS, Attack
from tests.sso.saml.idp import ACS, NOW
from tests.sso.saml.logins import LOGINS, Legitimate
from tests.sso.saml.mutations import mutated

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.response import validate

PEM: Final = serialization.Encoding.PEM
REFUSED_BY_IT: Final[Mapping[str, str]] = {
    "no_attributes": "it wants an AttributeStatement, which SAML leaves to the identity provider",
    "entra_encrypted": "it moves the decrypted assertion into the response, and its signed namespaces change",
    "adfs_encrypted": "the same",
    "keycloak_encrypted": "its schema of XML Encryption does not know the mask functions of version 1.1",
    "the_second_of_two_decryption_keys": "it has one key",
    "a_clock_that_is_ahead": "it allows no skew for the end of a confirmation",
}


def settings(expected: Expectations) -> OneLogin_Saml2_Settings:
    """Return its settings, as strict as they get, for one of our connections."""
    certificates = [_pem(certificate) for certificate in expected.certificates]
    security = {
        "wantAttributeStatement": True,
        "allowRepeatAttributeName": True,
        "rejectDeprecatedAlgorithm": expected.sha1_until is None,
    }
    key = expected.decryption_keys[0] if expected.decryption_keys else None
    return OneLogin_Saml2_Settings(
        {
            "strict": True,
            "security": security,
            "sp": {
                "entityId": expected.sp_entity_id,
                "assertionConsumerService": {"url": expected.acs_url},
                "privateKey": "" if key is None else _private(key),
                "x509cert": "",
            },
            "idp": {
                "entityId": expected.idp_entity_id,
                "singleSignOnService": {"url": "https://idp.example.com/sso"},
                "x509certMulti": {"signing": certificates},
            },
        },
        sp_validation_only=True,
    )


def _pem(certificate: Certificate) -> str:
    return certificate.public_bytes(PEM).decode()


def _private(key: Any) -> str:
    kind = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(PEM, kind, serialization.NoEncryption()).decode())


AGAINST_THE_SCHEMA: Final = "Invalid SAML Response. Not match the saml-schema-protocol-2.0.xsd"


def it_takes(form: bytes, expected: Expectations, monkeypatch: pytest.MonkeyPatch, now: float) -> str | None:
    """Return the subject that it would log in; when it refuses, None, or AGAINST_THE_SCHEMA if that is its reason."""
    monkeypatch.setattr(OneLogin_Saml2_Utils, "now", staticmethod(lambda: int(now)))
    address = urlsplit(ACS)
    request = {"http_host": address.netloc, "script_name": address.path, "https": "on", "get_data": {}, "post_data": {}}
    try:
        response = OneLogin_Saml2_Response(settings(expected), form.decode())
        if not response.is_valid(request, expected.in_response_to):
            return AGAINST_THE_SCHEMA if response.get_error() == AGAINST_THE_SCHEMA else None
        return str(response.get_nameid())
    except Exception:  # noqa: BLE001 - it raises anything on hostile input; all of it is a refusal
        return None


@pytest.mark.parametrize("login", LOGINS, ids=lambda login: login.name)
def test_what_it_takes_we_take(login: Legitimate, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every legitimate login both agree, on the subject too, but for the exceptions."""
    taken = it_takes(login.form(), login.expected(), monkeypatch, NOW.timestamp())
    refused = taken in {None, AGAINST_THE_SCHEMA}
    assert refused is (login.name in REFUSED_BY_IT)
    assert refused or taken == login.subject


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_it_is_asked_about_attacks_too(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    """We refuse all of them; that it takes some is why it does not decide. It must only answer."""
    it_takes(attack.form(), attack.expected(), monkeypatch, (NOW + attack.later).timestamp())


@given(st.data())
def test_what_it_refuses_of_changed_messages_we_refuse(data: st.DataObject) -> None:
    """Bytes and elements of good logins are changed at random: whatever we then take, it takes as the same person.

    One exception: it holds to the schema what nobody signed and we do not read (KeyInfo, the frame of a response that
    is not signed itself). Who is taken then is who was signed, to the last field.
    """
    login = data.draw(st.sampled_from([each for each in LOGINS if each.name not in REFUSED_BY_IT]))
    good = login.form()
    form = base64.b64encode(data.draw(mutated(base64.b64decode(good))))
    try:
        identity = validate(form, login.expected(), NOW, Trail())
    except LoginRefused:
        return
    with pytest.MonkeyPatch.context() as patch:
        its = it_takes(form, login.expected(), patch, NOW.timestamp())
    assert its in {identity.subject, AGAINST_THE_SCHEMA}
    assert identity == validate(good, login.expected(), NOW, Trail())
