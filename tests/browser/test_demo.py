"""A newcomer with a browser: the demo's application, the bridge, the demo's identity provider, and SCIM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from tests.browser.demo import Demo, demo_in
from tests.browser.surfing import Person

pytestmark = [pytest.mark.loopback, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_in(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def person(chrome: Chrome) -> Person:
    return Person(chrome)


def sign_in(person: Person, demo: Demo, connection: str, key: str) -> None:
    """From the application over the bridge's page to the identity provider, where somebody is picked."""
    person.open(demo.app)
    person.press("#sign-in")
    person.see("to continue to Sample app", at=f"{demo.bridge}/sign-in")
    person.press_words(f"Continue with {connection}")
    person.see("This is a demo.", at=f"{demo.idp}/{connection}/")
    person.press(f"button[value='{key}']")


def test_by_saml_a_role_given_meanwhile_is_there_after_a_refresh(person: Person, demo: Demo) -> None:
    """Ana sees who she is, what she holds and how it is locked; a role by hand is there as soon as she asks."""
    sign_in(person, demo, "okta-demo", "ana.ruiz")
    person.see("You are Ana Ruiz, ana.ruiz@acme.example.", at=demo.app)
    person.see("acme-vision cityscapes reviewer group")
    assert "nightdrive" not in person.text
    demo.type("assign", "ana.ruiz", "--project", "nightdrive", "--role", "labeler", "--reason", "trial")
    person.press("#refresh")
    person.see("acme-vision nightdrive labeler -")
    person.press_words("Review cityscapes")
    person.see("You may review here.")
    assert person.complaints() == []


def test_by_openid_connect_signing_out_signs_out_at_the_bridge(person: Person, demo: Demo) -> None:
    """Grace sees her roles; after she has signed out at the application, signing in asks for somebody again."""
    sign_in(person, demo, "entra-demo", "grace.kim")
    person.see("You are Grace Kim", at=demo.app)
    person.see("acme-text (workspace) administrator group")
    person.open(f"{demo.bridge}/account")
    person.see("Grace Kim", at=f"{demo.bridge}/account")
    person.open(demo.app)
    person.press("#sign-out")
    person.see("It knows neither passwords nor identity providers.", at=demo.app)
    person.press("#sign-in")
    person.see("Continue with entra-demo", at=f"{demo.bridge}/sign-in")
    assert person.complaints() == []


def test_a_second_application_visit_asks_nobody_again(person: Person, demo: Demo) -> None:
    """Whoever is signed in at the bridge is signed in at the application with one press."""
    sign_in(person, demo, "okta-demo", "priya.nair")
    person.see("You are Priya Nair", at=demo.app)
    person.chrome.delete_cookie("sample_app")
    person.open(demo.app)
    person.press("#sign-in")
    person.see("You are Priya Nair", at=demo.app)
    assert person.complaints() == []


def test_an_e_mail_address_leads_to_the_right_provider(person: Person, demo: Demo) -> None:
    """The form on the bridge's page leads on to the identity provider, which no policy of the page prevents."""
    person.open(demo.app)
    person.press("#sign-in")
    person.fill_in("input[type='email'], input[name='email']", "max.adler@acme.example")
    person.press("form button")
    person.see("This is a demo.", at=f"{demo.idp}/okta-demo/")
    person.press("button[value='max.adler']")
    person.see("You are Max Adler", at=demo.app)
    assert person.complaints() == []


def test_an_application_hears_of_a_session_that_an_administrator_ended(person: Person, demo: Demo) -> None:
    """Within seconds Nina is signed out at the application, which has asked nothing."""
    sign_in(person, demo, "okta-demo", "nina.petrova")
    person.see("You are Nina Petrova", at=demo.app)
    demo.type("session", "end", "nina.petrova")
    person.see_in_time("It knows neither passwords nor identity providers.", demo.app)


def test_who_is_deactivated_over_scim_is_out(person: Person, demo: Demo) -> None:
    """The application's refresh fails, the session at the bridge is gone, and a new login is refused with its code."""
    sign_in(person, demo, "okta-demo", "yuki.tanaka")
    person.see("You are Yuki Tanaka", at=demo.app)
    person.open(f"{demo.idp}/okta-demo/")
    person.press("#leave-yuki\\.tanaka")
    person.see("has left", at=f"{demo.idp}/okta-demo/")

    person.open(f"{demo.bridge}/account")
    person.see("Work e-mail address", at=f"{demo.bridge}/sign-in")
    person.open(demo.app)
    if "You are Yuki Tanaka" in person.text:  # the bridge's notice to the application is still on its way
        person.press("#refresh")
    person.see("It knows neither passwords nor identity providers.", at=demo.app)

    sign_in(person, demo, "okta-demo", "yuki.tanaka")
    person.see("login-user-inactive", at=demo.bridge)

    person.open(f"{demo.idp}/okta-demo/")
    person.press("#return-yuki\\.tanaka")
    person.see("leaves the company", at=f"{demo.idp}/okta-demo/")
    sign_in(person, demo, "okta-demo", "yuki.tanaka")
    person.see("You are Yuki Tanaka", at=demo.app)
