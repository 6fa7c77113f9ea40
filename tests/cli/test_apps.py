"""`app` and `keys`: what people type, and what they read."""

from __future__ import annotations

from datetime import timedelta

from joserfc.jwk import ECKey
from tests.cli.machine import Machine

CALLBACK = "https://app.example/callback"


def test_an_application_is_told_once(ready: Machine) -> None:
    """A new application prints issuer, client id and secret; nothing shows the secret again."""
    added = ready.json("app", "add", "labels", "--redirect", CALLBACK)
    assert added["issuer"] == "http://127.0.0.1:8080"
    assert added["discovery"] == "http://127.0.0.1:8080/.well-known/openid-configuration"
    assert added["client_id"].startswith("rbapp_")
    assert added["client_secret"].startswith("rbs_")
    assert added["kind"] == "confidential"
    assert added["redirect_uris"] == [CALLBACK]
    assert "offline_access" not in added["scopes"]
    for shown in (
        ready.out("app", "list"),
        ready.out("app", "show", "labels"),
        ready.out("app", "secret", "list", "labels"),
    ):
        assert added["client_secret"] not in shown
    assert added["client_id"] in ready.out("app", "list", "--csv")


def test_settings_are_shown_and_changed(ready: Machine) -> None:
    """What is named changes, a list is replaced, the rest stays; `--clear` goes back to the default."""
    ready.out("app", "add", "labels", "--redirect", CALLBACK, "--group", "lbx-*", "--groups-claim", "urn:groups")
    changed = ready.json(
        "app", "set", "labels", "--roles-form", "names", "--workspace", "vision", "--access-minutes", "5",
        "--scope", "openid", "--scope", "offline_access", "--entry", "vision", "--post-logout", "https://app.example/",
    )  # fmt: skip
    assert changed["groups"] == {"claim": "urn:groups", "form": "names", "only": ["lbx-*"]}
    assert changed["roles"] == {"claim": "roles", "form": "names", "workspaces": ["vision"]}
    assert changed["scopes"] == ["openid", "offline_access"]
    assert changed["entry_workspaces"] == ["vision"]
    assert changed["notes"] == [
        "there is no workspace `vision` yet, whose people may sign in",
        "there is no workspace `vision` yet, whose roles it may be told",
    ]
    said = ready.out("app", "show", "labels")
    assert "groups                     claim: urn:groups, form: names, only: lbx-*" in said
    cleared = ready.json(
        "app", "set", "labels", "--clear", "entry_workspaces", "--clear", "groups", "--name", "labels 2"
    )
    assert cleared["entry_workspaces"] == []
    assert cleared["groups"]["claim"] == "groups"
    assert cleared["name"] == "labels 2"
    assert cleared["access_minutes"] == 5


def test_what_cannot_be_is_refused(ready: Machine) -> None:
    """A URI that nobody should be sent to, a claim that is taken and a change of nothing are refused with words."""
    refused = ready.refused("app", "add", "x", "--redirect", "http://app.example/cb")
    assert "must be https" in refused
    assert "no wildcards" in ready.refused("app", "add", "x", "--redirect", "https://*.example/cb")
    assert "at least one redirect URI" in ready.refused("app", "add", "x")
    assert "means something else" in ready.refused("app", "add", "x", "--redirect", CALLBACK, "--roles-claim", "sub")
    ready.out("app", "add", "labels", "--redirect", CALLBACK)
    assert "say what to change" in ready("app", "set", "labels").stderr
    assert "there is no application" in ready.refused("app", "show", "nothing")


def test_secrets_and_keys(ready: Machine) -> None:
    """Secrets rotate without a gap; a public key is registered; a public application has neither."""
    ready.out("app", "add", "labels", "--redirect", CALLBACK)
    first = ready.json("app", "secret", "list", "labels")["secrets"][0]
    assert ready.json("app", "secret", "add", "labels", "spring")["client_secret"].startswith("rbs_")
    assert "secret first" in ready.out("app", "secret", "revoke", "labels", first["id"][:8])
    ready.write("public.pem", ECKey.generate_key("P-256").as_pem(private=False).decode())
    (registered,) = ready.json("app", "key", "add", "labels", "2027", "public.pem")["keys"]
    assert "2027" in ready.out("app", "key", "list", "labels")
    assert "key 2027" in ready.out("app", "key", "revoke", "labels", registered["id"])
    said = ready.out("app", "add", "spa", "--public", "--redirect", "com.example.app:/cb")
    assert "no secret" in said
    assert "keeps no secret" in ready.refused("app", "secret", "add", "spa", "x")
    assert "has no secrets" in ready.out("app", "secret", "list", "spa")


def test_an_application_is_revoked(ready: Machine) -> None:
    """A revoked application is listed as such, and is not found by its name any more."""
    ready.out("app", "add", "labels", "--redirect", CALLBACK)
    assert "0 sign-ins to it ended" in ready.out("app", "revoke", "labels")
    assert "revoked" in ready.out("app", "list")
    assert "there is no application" in ready.refused("app", "revoke", "labels")


def test_signing_keys(ready: Machine) -> None:
    """The next key signs only once it has been published for a while; a retired one can be taken away at once."""
    assert "no key yet" in ready.out("keys", "list")
    ready.out("app", "add", "labels", "--redirect", CALLBACK)
    active, coming = ready.json("keys", "list")["keys"]
    if active["state"] != "active":
        active, coming = coming, active
    assert (active["state"], coming["state"]) == ("active", "next")
    assert "applications may not know it" in ready.refused("keys", "rotate")
    ready.now += timedelta(hours=3)
    rotated = ready.json("keys", "rotate", "--reason", "quarterly")
    assert rotated["active"] == coming["kid"]
    assert {one["kid"]: one["state"] for one in rotated["keys"]}[active["kid"]] == "retired"
    assert "rotate first" in ready.refused("keys", "retire", coming["kid"])
    assert "is gone" in ready.out("keys", "retire", active["kid"][:10])
    assert active["kid"] not in ready.out("keys", "list", "--csv")
    assert "signing_key.rotated" in ready.out("audit", "list")
