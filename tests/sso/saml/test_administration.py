"""Connecting an identity provider, and keys that change: what is held, what agrees to it, what status tells."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.app.calling import MAY_I
from tests.sso.saml.bridging import BASE, IDP, Bridge, Browser, bridge, code_of, connect
from tests.sso.saml.idp import IDP_ENTITY, signer
from tests.sso.saml.test_metadata import REDIRECT, entity, key, role, service
from tests.switching import switch
from tests.web.peers import Peer, Say, answer, peer

from rolebridge.app.worker import make_worker
from rolebridge.bridge.certificates import facts
from rolebridge.bridge.status import Concern
from rolebridge.core.errors import Invalid, Unavailable
from rolebridge.core.saml_settings import Binding, SamlSettings, fingerprint
from rolebridge.sso.key_pairs import KeyPair, make_key_pair
from rolebridge.sso.saml.administration import LOOK_EVERY, LOOK_TURN, Looked, Refreshed, SamlAdministration
from rolebridge.store.records import Connection
from rolebridge.web.outgoing import Outgoing, OutgoingRefused, Reason
from rolebridge.web.reach import Reach

pytestmark = pytest.mark.loopback

OLD, NEW = signer(), signer("new idp")
SSO = "https://idp.example.com/sso"


def metadata(*certificates: str, url: str = SSO, id_: str = IDP_ENTITY) -> bytes:
    """Return what an identity provider says of itself."""
    return entity(role("".join(key(one) for one in certificates), service(REDIRECT, url)), id_).encode()


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    """A bridge that may call this machine."""
    with bridge(tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def idp_at(there: Bridge) -> Iterator[Peer]:
    """A metadata URL that the connection looks at, which says what is in force."""
    with peer(answer(metadata(OLD.base64))) as made:
        idp = replace(IDP, endpoints={Binding.REDIRECT: SSO})
        saml(there).configure(MAY_I, there.connection, SamlSettings(idp, (OLD.base64,), metadata_url=made.url("/m")))
        yield made


def saml(there: Bridge) -> SamlAdministration:
    """Return the administration, with a way to this machine."""
    made = there.installation
    return SamlAdministration(made.sso, Outgoing(Reach(loopback=True)), made.clock, made.settings.base_url)


def concerns(there: Bridge) -> dict[Concern, str]:
    """Return what status tells of, with the sentences."""
    organization = there.installation.administration.organization("default")
    told = there.installation.status.of(organization).notices
    return {one.concern: one.text for one in told if one.subject == "okta"}


# --- what a metadata URL says ------------------------------------------------------------------------------------


def test_the_same_metadata_changes_nothing(there: Bridge, idp_at: Peer) -> None:
    """The order of certificates and a comment are no news."""
    idp_at.say = answer(metadata(OLD.base64).replace(b"<md:IDPSSO", b"<!-- new --><md:IDPSSO"))
    assert saml(there).refresh(MAY_I, there.connection).looked is Looked.SAME
    assert concerns(there).keys() & {Concern.OFFERED, Concern.METADATA} == set()


def test_a_new_key_is_held_until_somebody_agrees(there: Bridge, idp_at: Peer) -> None:
    """It logs nobody in before; agreeing names it by its fingerprint; the old one, not named, is trusted no longer."""
    idp_at.say = answer(metadata(NEW.base64))
    came = saml(there).refresh(MAY_I, there.connection)
    assert (came.looked, came.settings.pinned) == (Looked.HELD, (OLD.base64,))
    assert "are held: rolebridge saml show okta" in concerns(there)[Concern.OFFERED]
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert code_of(browser.bring(there, there.answer(away.id, by=NEW), away.relay_state)) == "saml-signature"

    after = saml(there).approve(MAY_I, there.connection, [fingerprint(NEW.base64)[:16]])
    assert (after.pinned, after.offer) == ((NEW.base64,), None)
    assert Concern.OFFERED not in concerns(there)
    away = browser.leave(there)
    assert browser.bring(there, there.answer(away.id, by=NEW), away.relay_state).status == 303
    away = browser.leave(there)
    assert code_of(browser.bring(there, there.answer(away.id, by=OLD), away.relay_state)) == "saml-signature"
    assert saml(there).refresh(MAY_I, there.connection).looked is Looked.SAME


def test_both_keys_are_trusted_when_both_are_named(there: Bridge, idp_at: Peer) -> None:
    """The usual rollover: announced beside the old one, then alone."""
    idp_at.say = answer(metadata(NEW.base64, OLD.base64))
    saml(there).refresh(MAY_I, there.connection)
    pins = [fingerprint(one.base64)[:16] for one in (OLD, NEW)]
    assert saml(there).approve(MAY_I, there.connection, pins).pinned == (OLD.base64, NEW.base64)


def test_a_new_sign_on_url_is_held(there: Bridge, idp_at: Peer) -> None:
    """Whoever can write metadata would otherwise choose where people type their passwords."""
    idp_at.say = answer(metadata(OLD.base64, url="https://phishing.example/sso"))
    assert saml(there).refresh(MAY_I, there.connection).looked is Looked.HELD
    assert Browser(there.worker()).leave(there).url.startswith(SSO)
    saml(there).approve(MAY_I, there.connection, [fingerprint(OLD.base64)])
    assert Browser(there.worker()).leave(there).url.startswith("https://phishing.example/sso")


def test_what_is_approved_is_what_was_named(there: Bridge, idp_at: Peer) -> None:
    """A key that takes the place of the one somebody compared is not agreed to."""
    idp_at.say = answer(metadata(NEW.base64))
    saml(there).refresh(MAY_I, there.connection)
    idp_at.say = answer(metadata(signer("evil").base64))
    saml(there).refresh(MAY_I, there.connection)
    with pytest.raises(Invalid, match="no certificate begins with"):
        saml(there).approve(MAY_I, there.connection, [fingerprint(NEW.base64)])
    with pytest.raises(Invalid, match="name the certificates to trust"):
        saml(there).approve(MAY_I, there.connection, [])
    assert saml(there).settings(there.connection).pinned == (OLD.base64,)


def test_what_is_held_goes_when_the_metadata_goes_back(there: Bridge, idp_at: Peer) -> None:
    """Nothing is left to agree to."""
    idp_at.say = answer(metadata(NEW.base64))
    saml(there).refresh(MAY_I, there.connection)
    idp_at.say = answer(metadata(OLD.base64))
    assert saml(there).refresh(MAY_I, there.connection).looked is Looked.SAME
    with pytest.raises(Invalid, match="nothing is held"):
        saml(there).approve(MAY_I, there.connection, [fingerprint(NEW.base64)])


def test_since_when_something_is_held_stays(there: Bridge, idp_at: Peer) -> None:
    """Looking again at the same news writes nothing."""
    idp_at.say = answer(metadata(NEW.base64))
    first = saml(there).refresh(MAY_I, there.connection).settings
    version = there.installation.sso.needed(there.connection).version
    assert saml(there).refresh(MAY_I, there.connection).settings == first
    assert there.installation.sso.needed(there.connection).version == version


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(b"", "503 Service Unavailable"), "the metadata URL answers 503"),
        (answer(b"<html>"), "this is a web page, not metadata"),
        (answer(metadata(NEW.base64, id_="https://evil.example")), "the metadata does not describe"),
        (answer(b"", "302 Found", "Location: https://evil.example/"), "redirects are not followed"),
        (answer(b"x" * 600_000), "answers with more than 524,288 bytes"),
    ],
    ids=["an error", "a page", "somebody else", "a redirect", "too much"],
)
def test_metadata_that_cannot_be_read_changes_nothing(there: Bridge, idp_at: Peer, said: Say, told: str) -> None:
    """Logins go on with what is trusted; status tells since when and why, until it can be read again."""
    good = idp_at.say
    idp_at.say = said
    came = saml(there).refresh(MAY_I, there.connection)
    assert (came.looked, came.settings.pinned, came.settings.offer) == (Looked.UNREADABLE, (OLD.base64,), None)
    assert told in concerns(there)[Concern.METADATA]
    idp_at.say = good
    assert saml(there).refresh(MAY_I, there.connection).looked is Looked.SAME
    assert Concern.METADATA not in concerns(there)


def test_what_was_changed_while_the_metadata_came_stays_changed(there: Bridge, idp_at: Peer) -> None:
    """The answer takes its time; what somebody switches on meanwhile is not switched off."""
    offered = metadata(NEW.base64)

    def change_then_answer(line: socket.socket) -> None:
        before = saml(there).settings(there.connection)
        saml(there).configure(MAY_I, there.connection, replace(before, idp_initiated=True))
        answer(offered)(line)

    idp_at.say = change_then_answer
    came = saml(there).refresh(MAY_I, there.connection)
    assert (came.looked, came.settings.idp_initiated) == (Looked.HELD, True)
    assert saml(there).settings(there.connection).idp_initiated


def test_of_two_changes_from_the_same_settings_the_later_is_refused(there: Bridge) -> None:
    """Nobody's change is lost without a word: a certificate that was removed does not come back by another's option."""
    here = there.installation.saml
    found = here.find(there.connection)
    assert found is not None
    settings, version = found
    here.trust(MAY_I, there.connection, NEW.base64)
    with pytest.raises(Unavailable, match="was changed at the same time"):
        here.configure(MAY_I, there.connection, replace(settings, idp_initiated=True), version=version)
    assert here.settings(there.connection).pinned == (OLD.base64, NEW.base64)


def test_the_worker_looks_every_day(there: Bridge, idp_at: Peer) -> None:
    """At connections that are switched on and have a URL; it counts what is new."""
    idp_at.say = answer(metadata(NEW.base64))
    (chore,) = [one for one in make_worker(there.installation)._plans if one.chore.name == "idp-metadata"]
    assert chore.chore.every == LOOK_TURN
    here = saml(there)
    assert here.look(lambda: True) == 1
    assert here.look(lambda: True) == 0
    assert len(idp_at.heard) == 1
    assert saml(there).look(lambda: True) == 0
    assert len(idp_at.heard) == 2
    switch(there.installation.sso, there.connection, on=False)
    asked = len(idp_at.heard)
    assert saml(there).look(lambda: True) == 0
    assert len(idp_at.heard) == asked


def test_a_url_that_is_dead_keeps_no_other_waiting(there: Bridge, idp_at: Peer) -> None:
    """A turn ends after some seconds; the next one asks those that were not asked, and nobody is asked twice a day."""
    administration = there.installation.administration
    other = connect(there.installation, administration.organization("default"), "other")
    settings = replace(there.installation.saml.settings(there.connection), metadata_url=idp_at.url("/other"))
    saml(there).configure(MAY_I, other, settings)
    passed = iter((0, 0, 60, 100, 100, 160, 200))
    now = there.installation.clock()
    here = SamlAdministration(
        there.installation.sso, Outgoing(Reach(loopback=True)), lambda: now, BASE, lambda: next(passed)
    )
    for turns in (1, 2):
        here.look(lambda: True)
        assert len({one.split()[1] for one in idp_at.heard}) == len(idp_at.heard) == turns
    now += LOOK_EVERY - timedelta(seconds=1)
    here.look(lambda: True)
    assert len(idp_at.heard) == 2


def test_trouble_with_one_connection_keeps_no_other_waiting(
    there: Bridge, idp_at: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be recorded of one is raised when the others were looked at, so that the worker tells of it."""
    administration = there.installation.administration
    other = connect(there.installation, administration.organization("default"), "other")
    settings = replace(there.installation.saml.settings(there.connection), metadata_url=idp_at.url("/other"))
    saml(there).configure(MAY_I, other, settings)
    here = saml(there)
    asked: list[str] = []

    def refresh(operator: object, connection: Connection) -> Refreshed:
        asked.append(connection.name)
        raise Unavailable("the settings were changed at the same time")

    monkeypatch.setattr(here, "refresh", refresh)
    with pytest.raises(Unavailable):
        here.look(lambda: True)
    assert sorted(asked) == ["okta", "other"]


def test_a_metadata_url_on_this_machine_is_refused(there: Bridge) -> None:
    """The installation's own guard: it is not a development installation."""
    settings = replace(there.installation.saml.settings(there.connection), metadata_url="http://127.0.0.1/m")
    with pytest.raises(OutgoingRefused) as caught:
        there.installation.saml.configure(MAY_I, there.connection, settings)
    assert caught.value.reason is Reason.URL


# --- certificates by hand, and our own -----------------------------------------------------------------------------


def test_a_third_certificate_is_refused_and_the_last_one_stays(there: Bridge) -> None:
    """One or two, never none."""
    here = there.installation.saml
    with pytest.raises(Invalid, match="trusted already"):
        here.trust(MAY_I, there.connection, OLD.base64)
    with pytest.raises(Invalid, match="the only certificate"):
        here.distrust(MAY_I, there.connection, fingerprint(OLD.base64))
    here.trust(MAY_I, there.connection, NEW.base64)
    with pytest.raises(Invalid, match="2 certificates are trusted already"):
        here.trust(MAY_I, there.connection, signer("third").base64)


def test_certificates_that_end_are_told_and_go_on(there: Bridge) -> None:
    """An expired certificate of the identity provider logs people in; status tells of it."""
    old = signer("expired", expired=True)
    there.installation.saml.trust(MAY_I, there.connection, old.base64)
    assert "expired on 2020-12-31: responses are accepted" in concerns(there)[Concern.CERTIFICATE]
    browser = Browser(there.worker())
    away = browser.leave(there)
    assert browser.bring(there, there.answer(away.id, by=old), away.relay_state).status == 303


def test_there_are_two_keys_at_most_and_one_at_least(there: Bridge) -> None:
    """A rollover has two; the older one retires."""
    here = there.installation.saml
    with pytest.raises(Invalid, match="one key only"):
        here.retire_key(MAY_I, there.connection)
    here.add_key(MAY_I, there.connection)
    with pytest.raises(Invalid, match="two keys already"):
        here.add_key(MAY_I, there.connection)
    first, second = here.keys(there.connection)
    assert here.retire_key(MAY_I, there.connection) == (first, second)


def test_a_key_is_kept_sealed(there: Bridge) -> None:
    """The database does not hold the private key as it is."""
    (kept,) = there.installation.saml.keys(there.connection)
    opened = there.installation.sso.open(kept)
    assert opened.startswith(b"\x30\x82")
    assert opened[20:60] not in kept.sealed


def test_a_key_is_made_as_it_should_be() -> None:
    """RSA of 3,072 bits, with a certificate that it signs itself, for three years."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    made = make_key_pair("rolebridge okta", now)
    known = facts(made.certificate)
    assert (known.key, known.subject) == ("RSA 3072", "CN=rolebridge okta")
    assert known.begins < now < known.ends == now + timedelta(days=1_095)
    assert KeyPair.read(made.private(), made.certificate).key.key_size == 3_072
    assert "key=" not in repr(made)


def test_a_connection_by_another_protocol_is_told(there: Bridge) -> None:
    """Certificates and keys belong to SAML."""
    organization = there.installation.administration.organization("default")
    plain, _ = there.installation.administration.add_connection(MAY_I, organization, "plain", "okta")
    with pytest.raises(Invalid, match="connection `plain` does not log people in by SAML: rolebridge saml set"):
        there.installation.saml.settings(plain)
