"""Whole installations with single sign-on in use, on each database: logins, copies of the database, secret keys."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.machine import Machine
from tests.cli.test_backups import programs
from tests.sso.oidc.evil import NOW
from tests.sso.saml.bridging import sent
from tests.sso.whole import Open, Whole, code_on

from rolebridge.bridge.secret_keys import KeyInUse

NEW_KEY = "cfcd208495d565ef66e7dff9f98764da" * 2


@pytest.fixture(params=["sqlite", "postgresql"])
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Whole:
    """An installation on each database."""
    if request.param == "sqlite":
        return Whole(f"sqlite:///{tmp_path}/rolebridge.db").set_up()
    return Whole(request.getfixturevalue("postgres_database")).set_up()


def people(here: Open) -> set[str]:
    """Return the userNames of everybody whom logins made."""
    users = here.site.installation.access
    organization = here.connection("okta").organization_id
    return {name for name in ("jane@okta.example", "ana@entra.example") if users.user_id(organization, name)}


def log(here: Open, name: str) -> list[tuple[str, str]]:
    rows = here.site.installation.login_log.newest(here.connection(name))
    return [(row.outcome, row.code) for row in rows]


# --- logins -----------------------------------------------------------------------------------------------------------


def test_logins_by_both_protocols(whole: Whole) -> None:
    """People are made and signed in; an application is told the groups that the last login stated."""
    with whole.opened() as here:
        jane, ana = here.browser(), here.browser()
        assert here.saml(jane, "jane@okta.example", "Annotators").headers["Location"].endswith("/account")
        assert here.oidc(ana, "ana@entra.example", "reviewers").headers["Location"].endswith("/account")
        assert (jane.signed_in, ana.signed_in) == (True, True)
        assert people(here) == {"jane@okta.example", "ana@entra.example"}
        assert groups(here, here.enter(jane)) == ["Annotators"]
        assert groups(here, here.enter(ana)) == ["reviewers"]
        assert here.oidc(ana, "ana@entra.example", "leads", "labelers").status_code == 303
        assert sorted(groups(here, here.enter(ana))) == ["labelers", "leads"]
        assert log(here, "okta") == [("accepted", "")]
        assert log(here, "entra") == [("accepted", "")] * 2


def groups(here: Open, given: dict[str, str]) -> list[str]:
    """Return the groups that UserInfo tells for an access token."""
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    told = here.site.app.test_client(use_cookies=False).get("/oauth/userinfo", headers=bearer)
    return list(told.get_json()["groups"])


def test_an_answer_logs_in_once_after_a_restart_too(whole: Whole) -> None:
    """By SAML and by OpenID Connect, in the very browser that it logged in."""
    with whole.opened() as here:
        browser = here.browser()
        connection = here.connection("okta")
        away = sent(browser.get(f"/sso/{connection.id}/login").headers["Location"])
        form = {"SAMLResponse": here.saml_answer(away.id), "RelayState": away.relay_state}
        assert browser.post(f"/sso/{connection.id}/acs", **form).status_code == 303
    with whole.opened() as here:
        browser.app = here.site.app
        assert code_on(browser.post(f"/sso/{connection.id}/acs", **form)) == "flow-unknown"
        assert browser.signed_in


def test_two_answers_at_once_sign_in_once(whole: Whole) -> None:
    """The same response from two threads: one login, one session, one row that says so, and one refusal."""
    with whole.opened() as here:
        browser, connection = here.browser(), here.connection("okta")
        away = sent(browser.get(f"/sso/{connection.id}/login").headers["Location"])
        form = {"SAMLResponse": here.saml_answer(away.id), "RelayState": away.relay_state}
        path = f"/sso/{connection.id}/acs"
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: browser.post(path, **form).status_code, range(2)))
        assert sorted(answers) == [303, 403]
        assert sorted(outcome for outcome, _ in log(here, "okta")) == ["accepted", "refused"]


# --- copies of the database -------------------------------------------------------------------------------------------


def test_a_restored_installation_goes_on_logging_in(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Settings, identities, sessions, sealed keys and secrets, applications and their tokens are in a backup."""
    postgres = whole.database.startswith("postgresql")
    if postgres:
        monkeypatch.setenv("PATH", f"{programs()}{os.pathsep}{os.environ['PATH']}")
    with whole.opened() as here:
        jane, ana = here.browser(), here.browser()
        here.saml(jane)
        here.oidc(ana)
        given = here.enter(jane)
    file = str(tmp_path / "rolebridge.backup")
    Machine(tmp_path, whole.environ, NOW).out("backup", file)
    whole.database = (
        request.getfixturevalue("postgres_module_database") if postgres else f"sqlite:///{tmp_path}/again.db"
    )
    Machine(tmp_path, whole.environ, NOW).out("restore", file)
    with whole.opened() as here:
        jane.app = ana.app = here.site.app
        assert (jane.signed_in, ana.signed_in) == (True, True)
        assert here.is_active(given["access_token"])
        assert here.refresh(given["refresh_token"]).status_code == 200
        logs_in(here)  # by the sealed key that signs requests, and the sealed client secret
        assert people(here) == {"jane@okta.example", "ana@entra.example"}
    Machine(tmp_path, whole.environ, NOW).out("fsck")


# --- secret keys ------------------------------------------------------------------------------------------------------


def test_logins_and_tokens_outlast_a_secret_key(whole: Whole) -> None:
    """Rotated: everything goes on. Retired: what is sealed moved before, and so did the tokens that were refreshed."""
    with whole.opened() as here:
        jane, ana = here.browser(), here.browser()
        here.saml(jane)
        here.oidc(ana)
        moved, left = here.enter(jane), here.enter(ana)

    whole.ring = [NEW_KEY, *whole.ring]
    with whole.opened() as here:
        jane.app = ana.app = here.site.app
        assert (jane.signed_in, ana.signed_in) == (True, True)
        assert here.is_active(moved["access_token"])
        moved = here.refresh(moved["refresh_token"]).get_json()
        logs_in(here)
        keys = here.site.installation.secret_keys
        _, old = (one.id for one in keys.listing())
        with pytest.raises(KeyInUse):
            keys.retirable(old)  # Ana's refresh token would be lost
        assert keys.retirable(old, force=True).credentials.refresh_tokens == 1
        assert {one.id: one.sealed for one in keys.listing()}[old] == 0

    whole.ring = [NEW_KEY]
    with whole.opened() as here:
        jane.app = ana.app = here.site.app
        assert (jane.signed_in, ana.signed_in) == (False, False)
        assert here.is_active(moved["access_token"])
        assert here.refresh(moved["refresh_token"]).status_code == 200
        assert here.refresh(left["refresh_token"]).get_json()["error"] == "invalid_grant"
        logs_in(here)
        assert people(here) == {"jane@okta.example", "ana@entra.example"}


def logs_in(here: Open) -> None:
    """See that both protocols log people in, and that the application knows them."""
    for sign_in in (here.saml, here.oidc):
        browser = here.browser()
        assert sign_in(browser).status_code == 303
        assert here.enter(browser)["id_token"]
