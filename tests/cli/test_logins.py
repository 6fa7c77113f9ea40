"""`login`, `logins` and `login-preview`: setting logins up, and finding out why one failed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.cli.machine import Machine
from tests.sso.saml import idp

from rolebridge.app import open_installation
from rolebridge.core.errors import Invalid
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Trail
from rolebridge.sso.presets import presets, read_preset

DOMAIN = "acme.example"
PLAIN = ("--create", "--authority", "login", "--groups", "groups", "--domain", DOMAIN)


@pytest.fixture
def saml(acme: Machine) -> Machine:
    """The machine with people, whose connection logs them in by SAML."""
    certificate = acme.write("idp.pem", idp.signer().pem)
    acme.out(
        *("saml", "set", "okta", "--entity-id", idp.IDP_ENTITY, "--sso-url", "https://idp.example.com/sso"),
        *("--certificate", str(certificate)),
    )
    return acme


def log_in(machine: Machine, name: str, **attributes: Any) -> None:
    """Have somebody log in, as the door does once a response is proved."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        organization = installation.administration.organization(None)
        connection = installation.sso.needed(installation.administration.connection(organization, "okta"))
        identity = AssertedIdentity(Protocol.SAML, idp.IDP_ENTITY, name, attributes)
        trail, request_id = Trail(), uuid4().hex
        trail.passed("saml-signature")
        try:
            installation.store.transact(
                lambda unit: installation.logins.accept(
                    unit, connection, identity, trail, now=machine.now, request_id=request_id
                )
            )
        except LoginRefused as refused:
            installation.login_log.refused(connection, trail, refused, request_id=request_id)
    finally:
        installation.close()


def claims(machine: Machine, **said: Any) -> str:
    """Return the name of a file with claims."""
    return str(machine.write("claims.json", json.dumps(said)))


def kept(machine: Machine, **said: Any) -> Path:
    """Return a file with a response to one of the connection's logins."""
    provider = machine.json("saml", "show", "okta")["service_provider"]
    response = idp.answer(
        acs_url=provider["acs_url"],
        sp_entity_id=provider["entity_id"],
        in_response_to="_some-request",
        now=datetime(2026, 11, 19, 12, tzinfo=UTC),
        **said,
    )
    return machine.write("response.txt", response.decode())


# --- rules -----------------------------------------------------------------------------------------------------


def test_login_set_changes_what_is_said_and_shows_the_rules(saml: Machine) -> None:
    """What is not said stays; the text tells what the rules mean."""
    first = saml.json("login", "set", "okta", "--preset", "entra-saml", "--attribute", "department=dep")
    assert first["rules"]["groups"]["key"] == "id"
    assert first["rules"]["attributes"] == {
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "dep"
    }
    second = saml.json(
        "login", "set", "okta", "--authority", "login", "--days", "7", "--create", "--domain", "Acme.Example"
    )
    assert second["domains"] == [DOMAIN]
    assert second["rules"] == {**first["rules"], "authority": "login", "membership_days": 7, "create": True}
    text = saml.out("login", "show", "okta")
    assert "authority       login: groups count for 7 days after the last login" in text
    assert "department      dep" in text
    assert saml.json("login", "set", "okta", "--groups", "none", "--withdraw", DOMAIN)["domains"] == []
    assert "none: no first login is let in" in saml.out("login", "show", "okta")


def test_a_preset_says_what_to_set_at_the_identity_provider(saml: Machine) -> None:
    """And when it is one for another protocol."""
    said = saml.out("login", "set", "okta", "--preset", "okta-saml")
    assert "note: for this preset, at the identity provider: Attribute Statements firstName" in said
    assert "another protocol" not in said
    assert "`okta-oidc` is for another protocol than the connection's, which is saml" in saml.out(
        "login", "set", "okta", "--preset", "okta-oidc"
    )


def test_login_set_refuses_what_cannot_be(saml: Machine) -> None:
    """Each with its reason, and nothing is changed."""
    before = saml.json("login", "show", "okta")
    assert "no preset `entr-saml`; did you mean `entra-saml`" in saml.refused(
        "login", "set", "okta", "--preset", "entr-saml", code=64
    )
    assert "cannot fill in `password`" in saml.refused("login", "set", "okta", "--attribute", "password=p", code=64)
    assert "`update` goes with authority" in saml.refused("login", "set", "okta", "--update")
    assert "1 to 400 days" in saml.refused("login", "set", "okta", "--days", "0")
    assert "needs one" in saml.refused("login", "set", "okta", "--groups", "g", "--groups-shape", "delimited")
    assert "--groups says" in saml.refused("login", "set", "okta", "--groups-by", "id", code=64)
    assert "is no domain" in saml.refused("login", "set", "okta", "--domain", "localhost")
    assert saml.json("login", "show", "okta")["rules"] == before["rules"]


def test_rules_need_a_connection_that_logs_people_in(acme: Machine) -> None:
    """One that was never set up says so."""
    assert "there is no single sign-on of connection `okta`" in acme.refused("login", "show", "okta")


def test_presets_say_where_things_stand_and_nothing_else() -> None:
    """Every preset is rules that can be; none lets anybody in or gives logins an authority."""
    assert len(presets()) > 10
    for preset in presets().values():
        assert preset.summary
        assert preset.note
    with pytest.raises(Invalid, match="something else"):
        read_preset("bad", 'summary = "s"\nnote = "n"\n[rules]\ncreate = true\n')


def test_login_presets_lists_them(machine: Machine) -> None:
    """Without a database: they are part of the program."""
    assert "okta-saml" in machine.out("login", "presets")
    assert {one["name"] for one in machine.json("login", "presets")["presets"]} == set(presets())


# --- previews --------------------------------------------------------------------------------------------------


def test_a_preview_of_claims_shows_user_groups_and_roles(saml: Machine) -> None:
    """Roles now and after, with because; unmapped groups are told; nothing is written."""
    saml.out("login", "set", "okta", *PLAIN)
    said = claims(saml, sub="ana.ruiz@acme.example", groups=["LBX Admins", "Lunch break"])
    text = saml.out("login-preview", "okta", "--claims", said)
    assert "would be accepted; nobody was logged in, nothing is written" in text
    assert "ana.ruiz@acme.example, there already, linked by this login" in text
    assert "unmapped: gives nothing" in text
    assert "rule admins, group LBX Admins" in text
    document = saml.json("login-preview", "okta", "--claims", said)
    assert [one["name"] for one in document["groups"]] == ["LBX Admins", "Lunch break"]
    assert "admin" in {one["role"] for one in document["roles_after"]} - {one["role"] for one in document["roles_now"]}
    assert "no login is logged" in saml.out("logins", "okta")
    assert "admin" not in saml.out("access", "--user", "ana.ruiz").lower().split("lock")[0]


def test_a_preview_of_a_refused_login_says_by_which_check(saml: Machine) -> None:
    """Exit code 1, and every check up to it."""
    result = saml("login-preview", "okta", "--claims", claims(saml, sub="eve@evil.example"))
    assert result.exit_code == 1
    assert "would be refused: login-domain" in result.stdout
    assert "what to do      docs/login-errors/login-domain.md" in result.stdout
    document = json.loads(
        saml("login-preview", "okta", "--claims", claims(saml, sub="eve@evil.example"), "--json").stdout
    )
    assert (document["outcome"], document["code"]) == ("refused", "login-domain")


def test_a_preview_validates_a_response_as_a_login_would(saml: Machine) -> None:
    """As XML, as base64 and as the whole form; as of when it was issued, unless another moment is said."""
    saml.out("login", "set", "okta", *PLAIN)
    attributes = {"groups": ["LBX Admins"]}
    file = kept(saml, subject="ana.ruiz@acme.example", attributes=attributes)
    document = saml.json("login-preview", "okta", "--assertion", str(file))
    assert (document["outcome"], document["user"]["user_name"]) == ("accepted", "ana.ruiz@acme.example")
    assert {"saml-signature", "login-domain"} & {check["code"] for check in document["checks"]}
    xml = saml.write("response.xml", base64.b64decode(file.read_text()).decode())
    assert saml.json("login-preview", "okta", "--assertion", str(xml))["outcome"] == "accepted"
    late = saml("login-preview", "okta", "--assertion", str(file), "--at", "2026-11-23T12:00", "--json")
    assert json.loads(late.stdout)["code"].startswith("saml-")


def test_a_preview_refuses_a_response_that_somebody_changed(saml: Machine) -> None:
    """The validator is the one of logins: a changed text breaks the signature."""
    file = kept(saml, subject="ana.ruiz@acme.example", attributes={"groups": ["Lunch"]})
    changed = base64.b64decode(file.read_text()).replace(b"Lunch", b"Admin")
    xml = saml.write("response.xml", changed.decode())
    result = saml("login-preview", "okta", "--assertion", str(xml), "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["code"].startswith("saml-")
    assert document["user"] is None


def test_a_preview_needs_one_file_that_can_be_read(saml: Machine) -> None:
    """What is no response or no object of claims is told as that."""
    odd = str(saml.write("odd", "!!"))
    assert "says what the login is" in saml.refused("login-preview", "okta", code=64)
    assert "no SAML response" in saml.refused("login-preview", "okta", "--assertion", odd)
    assert "not JSON" in saml.refused("login-preview", "okta", "--claims", odd)
    assert "the subject as `sub`" in saml.refused("login-preview", "okta", "--claims", claims(saml, groups=[]))
    assert "--at goes with" in saml.refused("login-preview", "okta", "--claims", odd, "--at", "2026-11-20", code=64)


# --- the log ---------------------------------------------------------------------------------------------------


def test_logins_lists_what_came_of_each_with_its_checks(saml: Machine) -> None:
    """An administrator finds out alone why a login was refused, by the id that the page showed."""
    saml.out("login", "set", "okta", *PLAIN)
    log_in(saml, "ana.ruiz@acme.example", groups=("LBX Admins",))
    log_in(saml, "eve@evil.example", groups=("LBX Admins",))
    text = saml.out("logins", "okta")
    assert "login-domain" in text
    assert "ana.ruiz@acme.example" in text
    assert "evil" not in text
    (refused,) = saml.json("logins", "okta", "--refused")["logins"]
    whole = saml.out("logins", "okta", "--request", refused["request_id"])
    assert "refused: login-domain" in whole
    assert "what to do      docs/login-errors/login-domain.md" in whole
    assert "passed" in whole
    assert "saml-signature" in whole
    assert saml.out("logins", "okta", "--csv").splitlines()[0] == "at,request_id,outcome,code,user_id,detail"
    assert "there is no login `nothing`" in saml.refused("logins", "okta", "--request", "nothing")


def test_explain_tells_what_a_login_stated(saml: Machine) -> None:
    """That the group is asserted at login, and until when that holds; or that it is ignored."""
    saml.out("login", "set", "okta", *PLAIN)
    log_in(saml, "ana.ruiz@acme.example", groups=("LBX Admins",))
    text = saml.out("explain", "ana.ruiz", "--workspace", "acme-vision", "--project", "retail")
    assert "login     by okta on 2026-11-20 09:14 UTC stated LBX Admins:" in text
    assert "that holds until 2026-12-20 09:14 UTC, or until the next login states others" in text
    saml.out("login", "set", "okta", "--authority", "scim")
    text = saml.out("explain", "ana.ruiz", "--workspace", "acme-vision")
    assert "they give nothing, as SCIM has the authority over groups there" in text


def test_login_forget_makes_the_next_login_a_first_one(saml: Machine) -> None:
    """With what it stated; who never logged in has nothing to forget."""
    saml.out("login", "set", "okta", *PLAIN)
    log_in(saml, "ana.ruiz@acme.example", groups=("LBX Admins",))
    assert "the next login is as a first one" in saml.out("login", "forget", "okta", "ana.ruiz")
    assert "there is no identity at connection `okta` of user `nora`" in saml.refused("login", "forget", "okta", "nora")


def test_status_tells_of_logins(saml: Machine) -> None:
    """The last one, how many were refused, and of how many people groups were left out."""
    saml.out("login", "set", "okta", *PLAIN, "--overage", "more")
    log_in(saml, "ana.ruiz@acme.example", more="yes")
    log_in(saml, "eve@evil.example")
    (connection,) = saml.json("status")["connections"]
    assert connection["logins"] == {
        "enabled": True,
        "people": 1,
        "last": "2026-11-20T09:14:30Z",
        "accepted_last_day": 1,
        "refused_last_day": 1,
        "overages": 1,
    }
    text = saml.out("status")
    assert "last login    2026-11-20 09:14 UTC; 1 in the last day, 1 refused; 1 person known" in text
    assert "groups of 1 person are left out of logins" in text
