"""`status`: what ends by itself and would lock people out, told while there is time."""

from __future__ import annotations

from datetime import timedelta

from tests.cli.machine import Machine

CALLBACK = ("--redirect", "https://app.example/callback")


def concerns(machine: Machine) -> dict[str, tuple[str, str]]:
    """Return what status tells of by concern, with the subject and the sentence."""
    return {one["concern"]: (one["subject"], one["text"]) for one in machine.json("status")["notices"]}


def test_a_client_key_whose_certificate_ends_is_told(ready: Machine) -> None:
    """Of the key that signs: one more takes the warning away."""
    issuer = ("--issuer", "https://idp.example", "--client-id", "bridge", "--offline")
    ready.out("oidc", "set", "okta", *issuer, "--authentication", "private_key_jwt")
    ready.out("oidc", "key", "okta")
    assert "certificate-ends" not in concerns(ready)
    ready.now += timedelta(days=3 * 365 - 20)
    subject, text = concerns(ready)["certificate-ends"]
    assert subject == "okta"
    assert text.startswith("our own certificate ")
    assert text.endswith("rolebridge oidc key okta, and give the provider its certificate")
    ready.out("oidc", "key", "okta")
    assert "certificate-ends" not in concerns(ready)


def test_a_client_key_that_is_not_used_ends_without_a_word(ready: Machine) -> None:
    """Where the connection proves itself with a secret again, or logs nobody in."""
    issuer = ("--issuer", "https://idp.example", "--client-id", "bridge", "--offline")
    ready.out("oidc", "set", "okta", *issuer, "--authentication", "private_key_jwt")
    ready.out("oidc", "key", "okta")
    ready.now += timedelta(days=3 * 365 + 1)
    assert "certificate-ends" in concerns(ready)
    ready.out("oidc", "set", "okta", "--disable", "--offline")
    assert "certificate-ends" not in concerns(ready)
    ready.out("oidc", "set", "okta", "--enable", "--offline", "--authentication", "client_secret_basic")
    assert "certificate-ends" not in concerns(ready)


def test_a_secret_of_an_application_that_ends_is_told(ready: Machine) -> None:
    """Thirty days before, and for thirty days after; a revoked application is nobody's trouble."""
    ready.out("app", "add", "labels", *CALLBACK)
    ready.out("app", "secret", "add", "labels", "second", "--expires", "2027-02-18")
    assert concerns(ready).keys() & {"expiring", "expired"} == set()
    ready.now += timedelta(days=70)
    subject, text = concerns(ready)["expiring"]
    assert subject == "labels"
    assert "the application's secret `second`" in text
    assert ": rolebridge app secret add labels" in text
    ready.now += timedelta(days=21)
    assert "expired on" in concerns(ready)["expired"][1]
    ready.out("app", "revoke", "labels")
    assert concerns(ready).keys() & {"expiring", "expired"} == set()


def test_a_key_that_signs_for_too_long_is_told(ready: Machine) -> None:
    """After ninety days and the one that the worker may be late; a rotation takes the warning away."""
    ready.out("app", "add", "labels", *CALLBACK)
    ready.now += timedelta(days=91)
    assert "signing-key-old" not in concerns(ready)
    ready.now += timedelta(days=1)
    subject, text = concerns(ready)["signing-key-old"]
    assert subject == "applications"
    assert "signs for 92 d, longer than 90 days: rolebridge keys rotate" in text
    ready.environ["ROLEBRIDGE_SIGNING_KEY_DAYS"] = "180"
    assert "signing-key-old" not in concerns(ready)
    ready.environ["ROLEBRIDGE_SIGNING_KEY_DAYS"] = "0"
    assert "signing-key-old" in concerns(ready)
    ready.out("keys", "rotate", "--reason", "quarterly")
    assert "signing-key-old" not in concerns(ready)


def test_the_worker_has_the_next_key_sign(ready: Machine) -> None:
    """After ninety days, at once with the next round; with 0 days it leaves that alone."""
    ready.out("app", "add", "labels", *CALLBACK)
    before = {one["kid"]: one["state"] for one in ready.json("keys", "list")["keys"]}
    ready.out("worker", "--once")
    assert {one["kid"]: one["state"] for one in ready.json("keys", "list")["keys"]} == before
    ready.now += timedelta(days=90)
    ready.environ["ROLEBRIDGE_SIGNING_KEY_DAYS"] = "0"
    ready.out("worker", "--once")
    assert {one["kid"]: one["state"] for one in ready.json("keys", "list")["keys"]} == before
    del ready.environ["ROLEBRIDGE_SIGNING_KEY_DAYS"]
    ready.out("worker", "--once")
    after = {one["kid"]: one["state"] for one in ready.json("keys", "list")["keys"]}
    assert [after[kid] for kid, state in before.items() if state == "next"] == ["active"]
    assert [after[kid] for kid, state in before.items() if state == "active"] == ["retired"]
    assert sorted(after.values()) == ["active", "next", "retired"]
