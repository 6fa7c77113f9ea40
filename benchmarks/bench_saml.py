"""SAML responses validated, in one process: beside the bare cryptography, beside python3-saml, and what refusals cost.

    python benchmarks/bench_saml.py

The floor is what no validator can leave out: reading the XML once, one canonical form of what is signed, its digest,
and the signature's value. python3-saml (development only; on libxmlsec1) validates the same messages, as strict as it
gets. Then what somebody costs who has signed nothing and sends as much as may be sent. Contenders take turns; numbers
are CPU time of this process, medians of ROUNDS (7) turns. The messages are those of the tests' identity provider.
"""

from __future__ import annotations

import base64
import hashlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.sso.saml import idp
from tests.sso.saml.attacking import expectations
from tests.sso.saml.idp import ACS, IDP_ENTITY, NOW, SP_ENTITY, Login, Sealing

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso.saml.parsing import MAX_BYTES, MAX_TAGS
from rolebridge.sso.saml.response import validate

ROUNDS = int(os.environ.get("ROUNDS", "7"))
EACH = int(os.environ.get("EACH", "200"))
EXPECTED = expectations()
SUBJECT = "jane@example.com"


def main() -> None:
    """Print both tables."""
    key = idp.decryption_key().public_key()
    many = Login(attributes={"groups": [f"Group {n}" for n in range(150)]})
    messages: Mapping[str, bytes] = {
        "assertion signed": idp.encoded(idp.signed()),
        "response signed": idp.encoded(idp.signed(sign_what="response")),
        "both signed": idp.encoded(idp.signed(sign_what="both")),
        "both signed, 150 groups": idp.encoded(idp.signed(many, "both")),
        "both signed, encrypted": idp.encoded(idp.signed(sign_what="both", encrypt_for=key, sealing=Sealing())),
    }
    print(f"{'login':28}{'bytes':>8}{'ours, us':>10}{'floor, us':>11}{'of it':>7}{'python3-saml':>14}{'a second':>10}")
    for name, form in messages.items():
        ours, floor, theirs = turns([partial(ours_takes, form), partial(bare, form), partial(theirs_takes, form)])
        print(
            f"{name:28}{len(form):>8}{ours * 1e6:>10.0f}{floor * 1e6:>11.0f}{ours / floor:>7.1f}"
            f"{theirs * 1e6:>14.0f}{1 / ours:>10.0f}"
        )
    print(f"\n{'nobody has signed':28}{'bytes':>8}{'ours, ms':>10}{'python3-saml':>14}")
    for name, message in hostile().items():
        form = idp.encoded(message)
        begin = time.process_time()
        ours_refuses(form)
        middle = time.process_time()
        theirs_refuses(form)
        end = time.process_time()
        print(f"{name:28}{len(message):>8}{(middle - begin) * 1e3:>10.1f}{(end - middle) * 1e3:>14.1f}")


def turns(contenders: list[Callable[[], object]]) -> list[float]:
    """Return the seconds of CPU that each takes, the median of several turns."""
    times: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for place, contender in enumerate(contenders):
            begin = time.process_time()
            for _ in range(EACH):
                contender()
            times[place].append((time.process_time() - begin) / EACH)
    return [statistics.median(each) for each in times]


def ours_takes(form: bytes) -> None:
    assert validate(form, EXPECTED, NOW, Trail()).subject == SUBJECT


def ours_refuses(form: bytes) -> None:
    try:
        validate(form, EXPECTED, NOW, Trail())
    except LoginRefused:
        return
    raise AssertionError("taken")


def bare(form: bytes) -> None:
    """Do what cannot be left out, for the outermost signature, and check nothing else."""
    root = etree.fromstring(base64.b64decode(form))
    signature = next(root.iter(f"{{{idp.DS}}}Signature"))
    owner = signature.getparent()
    signed_info = signature.find(f"{{{idp.DS}}}SignedInfo")
    value = signature.find(f"{{{idp.DS}}}SignatureValue")
    assert owner is not None
    assert signed_info is not None
    assert value is not None
    signed = idp.canonical(signed_info)
    public = idp.signer().key.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(base64.b64decode(value.text or ""), signed, padding.PKCS1v15(), hashes.SHA256())
    owner.remove(signature)
    digest = base64.b64encode(hashlib.sha256(idp.canonical(owner)).digest())
    assert digest in signed


def theirs_takes(form: bytes) -> None:
    assert theirs(form) == SUBJECT


def theirs_refuses(form: bytes) -> None:
    try:
        taken = theirs(form)
    except Exception:  # noqa: BLE001 - it raises anything on such input; what is asked for is the time
        return
    assert taken is None


def theirs(form: bytes) -> str | None:
    """Return whom python3-saml would log in."""
    from onelogin.saml2.response import OneLogin_Saml2_Response  # type: ignore[import-untyped]
    from onelogin.saml2.utils import OneLogin_Saml2_Utils  # type: ignore[import-untyped]

    OneLogin_Saml2_Utils.now = staticmethod(lambda: int(NOW.timestamp()))
    request = {"http_host": "bridge.example.com", "script_name": "/sso/c1/acs", "https": "on"}
    response = OneLogin_Saml2_Response(_settings(), form.decode())
    valid = response.is_valid({**request, "get_data": {}, "post_data": {}}, idp.REQUEST)
    return str(response.get_nameid()) if valid else None


def _settings() -> object:
    from onelogin.saml2.settings import OneLogin_Saml2_Settings  # type: ignore[import-untyped]

    if not _SETTINGS:
        pem, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private = idp.decryption_key().private_bytes(pem, kind, serialization.NoEncryption()).decode()
        consumer = {"url": ACS}
        sp = {"entityId": SP_ENTITY, "assertionConsumerService": consumer, "privateKey": private, "x509cert": ""}
        sso = {"url": "https://idp.example.com/sso"}
        their_idp = {"entityId": IDP_ENTITY, "singleSignOnService": sso, "x509cert": idp.signer().pem}
        _SETTINGS.append(OneLogin_Saml2_Settings({"strict": True, "sp": sp, "idp": their_idp}, sp_validation_only=True))
    return _SETTINGS[0]


_SETTINGS: list[object] = []


def hostile() -> Mapping[str, bytes]:
    """Return messages as large as they may be, each full of one thing, that nobody has signed rightly."""

    def full(piece: str, most: int) -> bytes:
        frame = etree.tostring(idp.signed(Login(extensions="<samlp:Extensions>HERE</samlp:Extensions>"))).decode()
        spoiled = frame.replace("jane@", "admin@")
        return spoiled.replace("HERE", piece * min(most, (MAX_BYTES - len(spoiled)) // len(piece))).encode()

    return {
        "elements": full("<x xmlns='urn:x'/>", MAX_TAGS - 100),
        "namespaces": full("<x xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c' xmlns:d='urn:d'/>", MAX_TAGS - 100),
        "attributes": full("<x " + " ".join(f"a{n}=''" for n in range(60)) + "/>", MAX_TAGS - 100),
        "text": full("x", MAX_BYTES),
        "nested": full("<x>" * 30 + "</x>" * 30, MAX_TAGS // 60 - 2),
    }


if __name__ == "__main__":
    main()
