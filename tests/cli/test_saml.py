"""`saml`: connecting an identity provider, what is printed, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.cli.machine import Machine
from tests.sso.saml.idp import signer
from tests.sso.saml.test_metadata import POST, REDIRECT, entity, key, role, service
from tests.web.peers import answer, peer

from rolebridge.cli.saml import set_
from rolebridge.core.saml_settings import fingerprint
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml import administration

SERVICES = service(REDIRECT, "https://idp.example/sso") + service(POST, "https://idp.example/post")
PAGE = Path(__file__).parents[2] / "docs" / "saml.md"


@pytest.fixture
def okta(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with metadata of an identity provider in `idp.xml`, where keys are made in no time."""
    own = signer("sp").key
    assert isinstance(own, rsa.RSAPrivateKey)
    monkeypatch.setattr(administration, "make_key_pair", lambda name, now: KeyPair(own, signer("sp").base64))
    ready.write("idp.xml", entity(role(services=SERVICES)))
    ready.write("idp.pem", signer().pem)
    ready.write("next.pem", signer("next").pem)
    return ready


def test_what_the_identity_provider_needs_is_there_first(okta: Machine) -> None:
    """Before anything is set up: the URLs, and metadata to import."""
    said = okta.out("saml", "show", "okta")
    assert said.startswith("connection okta does not log people in by SAML yet\n  ACS URL ")
    assert re.search(r"ACS URL +http://127.0.0.1:8080/sso/[0-9a-f-]{36}/acs\n", said)
    assert "rolebridge saml set okta --metadata FILE|URL" in said
    assert okta.out("saml", "metadata", "okta").startswith(
        "<?xml version='1.0' encoding='UTF-8'?>\n<md:EntityDescriptor"
    )


def test_an_identity_provider_is_connected_by_its_metadata(okta: Machine) -> None:
    """One command; it prints both sides, and what to know of the metadata."""
    said = okta.out("saml", "set", "okta", "--metadata", "idp.xml")
    assert said.startswith("connection okta logs people in by SAML\n")
    assert "  identity provider  https://idp.example\n" in said
    assert "  sign-on URL        https://idp.example/sso (redirect)\n" in said
    assert f"  trusted key        {fingerprint(signer().base64)[:16]}… RSA 2048, until 2046-01-01\n" in said
    assert "note: the metadata is not signed" in said
    assert "  Say next whom: rolebridge login set okta --preset NAME --domain DOMAIN\n" in said
    assert "Say next" not in okta.out("saml", "set", "okta", "--force-authn")
    shown = okta.json("saml", "show", "okta")
    assert shown["identity_provider"]["entity_id"] == "https://idp.example"
    assert (shown["binding"], shown["sign_requests"], shown["idp_initiated"]) == ("redirect", False, False)
    assert [one["signs"] for one in shown["keys"]] == [True]


def test_an_identity_provider_is_connected_by_hand(okta: Machine) -> None:
    """Entity id, URL and certificate, where there is no metadata."""
    words = ("--entity-id", "urn:idp", "--sso-url", "https://idp.example/in", "--certificate", "idp.pem")
    made = okta.json("saml", "set", "okta", *words)
    assert made["identity_provider"]["sign_on"] == {"redirect": "https://idp.example/in"}
    assert [one["fingerprint"] for one in made["trusted_certificates"]] == [fingerprint(signer().base64)]
    okta.out("saml", "set", "okta", "--sso-url", "https://idp.example/new", "--binding", "post")
    shown = okta.json("saml", "show", "okta")
    assert shown["identity_provider"]["sign_on"] == {"post": "https://idp.example/new"}
    assert shown["identity_provider"]["entity_id"] == "urn:idp"
    assert "note: it was `urn:idp` before" in okta.out("saml", "set", "okta", "--entity-id", "urn:other")
    assert "before" not in okta.out("saml", "set", "okta", "--entity-id", "urn:other")
    off = "connection okta logs people in by SAML, but is switched off\n"
    assert okta.out("saml", "set", "okta", "--disable").startswith(off)
    assert okta.out("saml", "show", "okta").startswith(off)
    assert okta.json("saml", "set", "okta", "--enable")["enabled"]


def test_what_is_not_named_stays(okta: Machine) -> None:
    """Each option changes one thing; `none` takes one back."""
    okta.out("saml", "set", "okta", "--metadata", "idp.xml", "--sign-requests", "--max-age", "600")
    okta.out("saml", "set", "okta", "--name-id-format", "email", "--context", "urn:mfa", "--sha1-until", "2027-01-31")
    okta.out("saml", "set", "okta", "--idp-initiated", "--target", "a=/account", "--target", "b=https://app.example/")
    okta.out("saml", "set", "okta", "--target", "a=", "--allow-cbc", "--skew", "60", "--lifetime", "600")
    shown = okta.json("saml", "show", "okta")
    names = ("sign_requests", "max_age", "contexts", "sha1_until", "idp_initiated", "targets", "allow_cbc", "skew")
    assert [shown[name] for name in names] == [
        True,
        600,
        ["urn:mfa"],
        "2027-01-31",
        True,
        {"b": "https://app.example/"},
        True,
        60,
    ]
    assert (shown["name_id_format"], shown["longest_lifetime"]) == (
        "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        600,
    )
    okta.out("saml", "set", "okta", "--max-age", "none", "--sha1-until", "none", "--context", "none")
    okta.out("saml", "set", "okta", "--name-id-format", "none", "--metadata", "idp.xml", "--force-authn")
    shown = okta.json("saml", "show", "okta")
    assert (shown["max_age"], shown["sha1_until"], shown["contexts"], shown["name_id_format"]) == (None, None, [], "")
    assert (shown["idp_initiated"], shown["force_authn"]) == (True, True)
    text = okta.out("saml", "show", "okta")
    assert "  IdP-initiated      taken\n" in text
    assert "  proved again       at every login\n" in text
    assert "  our key            " in text


def test_metadata_that_wants_signed_requests_gets_them(okta: Machine) -> None:
    """Unless the command says otherwise."""
    okta.write("wants.xml", entity(role()).replace(
        "protocolSupport", 'WantAuthnRequestsSigned="true" protocolSupport', 1))  # fmt: skip
    assert okta.json("saml", "set", "okta", "--metadata", "wants.xml")["sign_requests"] is True
    okta.out("saml", "set", "okta", "--no-sign-requests")
    assert okta.json("saml", "set", "okta", "--metadata", "wants.xml")["sign_requests"] is False


REFUSED = [
    ((), "name the identity provider: --metadata, or --entity-id with --sso-url and --certificate"),
    (("--entity-id", "urn:idp"), "name the identity provider"),
    (("--metadata", "idp.xml", "--sso-url", "https://x.example"), "--metadata says where"),
    (("--pin", "00000000"), "--pin goes with --metadata"),
    (("--metadata", "missing.xml"), "`missing.xml` cannot be read: No such file or directory"),
    (("--metadata", "idp.pem"), "the metadata is no well-formed XML"),
    (("--metadata", "idp.xml", "--pin", "0000000000000000"), "no certificate begins with `0000000000000000`"),
    (("--metadata", "idp.xml", "--entity-id", "urn:x"), "the metadata does not describe `urn:x`"),
    (("--metadata", "https://idp.example/#metadata"), "the URL must end before any `#`"),
    (("--metadata", "https://user@idp.example/"), "the URL must not carry a user or password"),
    (("--metadata", "idp.xml", "--target", "reports"), "`reports` is no target"),
    (("--metadata", "idp.xml", "--target", "a=javascript:alert(1)"), "a URL begins with `https://`"),
    (("--metadata", "idp.xml", "--target", "a=//evil.example"), "a URL begins with `https://`"),
    (("--metadata", "idp.xml", "--target", "_a=/account"), "the key of a target"),
    (("--metadata", "idp.xml", "--skew", "301"), "`skew` is 0 to 300 seconds"),
    (("--metadata", "idp.xml", "--lifetime", "59"), "`longest_lifetime` is 60 to 86400 seconds"),
    (("--metadata", "idp.xml", "--sha1-until", "soon"), "`soon` is no day"),
    (("--entity-id", "u", "--sso-url", "https://i.example", "--certificate", "idp.xml"), "this is no certificate"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED, ids=lambda value: value if isinstance(value, str) else None)
def test_what_cannot_be_is_refused_with_nothing_done(okta: Machine, words: tuple[str, ...], told: str) -> None:
    """Each mistake is told in a sentence, and the connection stays as it was."""
    result = okta("saml", "set", "okta", *words)
    assert result.exit_code in {1, 64}
    assert told in result.stderr
    assert okta.json("saml", "show", "okta")["set_up"] is False


def test_a_binding_that_the_provider_does_not_take_is_refused(okta: Machine) -> None:
    """It names those that it takes."""
    okta.write("one.xml", entity())
    okta.out("saml", "set", "okta", "--metadata", "one.xml")
    assert "takes no requests by post, but by redirect" in okta.refused("saml", "set", "okta", "--binding", "post")


def test_certificates_follow_each_other(okta: Machine) -> None:
    """Add the next, remove the old; the last one cannot go."""
    okta.out("saml", "set", "okta", "--metadata", "idp.xml")
    old, new = (fingerprint(one.base64) for one in (signer(), signer("next")))
    assert f"trusts {new[:16]}… from now on" in okta.out("saml", "cert", "add", "okta", "next.pem")
    assert [one["fingerprint"] for one in okta.json("saml", "cert", "list", "okta")["certificates"]] == [old, new]
    assert okta.out("saml", "cert", "list", "okta", "--csv").startswith("fingerprint,subject,key,")
    assert f"trusts {new[:16]}… alone" in okta.out("saml", "cert", "remove", "okta", old[:16])
    assert "the only certificate" in okta.refused("saml", "cert", "remove", "okta", new)
    assert "this is a private key" in okta.refused("saml", "cert", "add", "okta", _private(okta))


def _private(okta: Machine) -> str:
    okta.write("key.pem", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n")
    return "key.pem"


def test_keys_follow_each_other(okta: Machine) -> None:
    """A second key, then the first retires; metadata has both in between."""
    assert "does not log people in by SAML" in okta.refused("saml", "key", "add", "okta")
    okta.out("saml", "set", "okta", "--metadata", "idp.xml")
    assert "has a second key" in okta.out("saml", "key", "add", "okta")
    assert [one["signs"] for one in okta.json("saml", "key", "list", "okta")["keys"]] == [True, False]
    assert okta.out("saml", "metadata", "okta").count('use="signing"') == 2
    assert "signs, decrypts" in okta.out("saml", "key", "list", "okta")
    retired = okta.json("saml", "key", "retire", "okta")
    assert retired["retired"]["id"] != retired["signs"]["id"]
    assert "there is one key only" in okta.refused("saml", "key", "retire", "okta")


@pytest.fixture
def announced(okta: Machine) -> Iterator[str]:
    """The connection looks at a metadata URL on this machine, where the next key is announced by now."""
    with peer(answer(entity(role(services=SERVICES)).encode())) as there:
        okta.out("saml", "set", "okta", "--metadata", there.url("/metadata"))
        both = key(signer().base64) + key(signer("next").base64)
        there.say = answer(entity(role(both, SERVICES)).encode())
        yield there.url("/metadata")


@pytest.mark.loopback
def test_what_the_metadata_says_by_now_is_held(okta: Machine, announced: str) -> None:
    """`refresh` shows it, `status` asks for attention, `approve-key` agrees."""
    said = okta.out("saml", "refresh", "okta")
    assert "the metadata says something new, which is held" in said
    assert fingerprint(signer("next").base64) in said
    assert "held since 2026-11-20T09:14:30Z, not in force" in okta.out("saml", "show", "okta")
    assert "identity-provider-changed" in {one["concern"] for one in okta.json("status")["notices"]}
    assert announced in okta.out("saml", "show", "okta")
    agreed = okta.json(
        "saml", "approve-key", "okta", *(fingerprint(one.base64)[:16] for one in (signer(), signer("next")))
    )
    assert len(agreed["trusted_certificates"]) == 2
    assert "the metadata says what is in force" in okta.out("saml", "refresh", "okta")
    assert "nothing is held" in okta.refused("saml", "approve-key", "okta", "00000000")


@pytest.mark.loopback
def test_metadata_that_is_gone_is_told(okta: Machine, announced: str) -> None:
    """`refresh` is refused with the reason, which `show` keeps."""
    with peer(answer(entity(role(services=SERVICES)).encode())) as there:
        okta.out("saml", "set", "okta", "--metadata", there.url())
    assert "the metadata cannot be read: `127.0.0.1` does not answer" in okta.refused("saml", "refresh", "okta")
    assert "metadata unreadable since 2026-11-20T09:14:30Z: `127.0.0.1`" in okta.out("saml", "show", "okta")


def test_the_page_names_every_option() -> None:
    """docs/saml.md has a row for each option of `saml set`."""
    page = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"`(--[a-z0-9-]+)", "\n".join(re.findall(r"^\| (.*?) \|", page, re.MULTILINE))))
    named = {option for one in set_.params for option in one.opts + one.secondary_opts if option.startswith("--")}
    shared = {"--org", "--json", *(option for option in named if option.startswith("--no-"))}
    assert rows == named - shared
