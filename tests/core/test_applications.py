"""Settings of applications: what can be, what cannot, and where an application may be answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.applications import (
    TAKEN_CLAIMS,
    AppKind,
    AppSettings,
    GroupsClaim,
    RolesClaim,
    Scope,
    read_settings,
    redirects_to,
)
from rolebridge.core.errors import Invalid

CALLBACK = "https://app.example/callback"
WEB = AppKind.CONFIDENTIAL


def refused(kind: AppKind = WEB, **document: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_settings(document, kind)
    return caught.value


def test_settings_are_what_their_document_says() -> None:
    """A document that was written is read as the same settings; what it leaves out is as by default."""
    document = {
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": ["https://app.example/bye"],
        "backchannel_logout_uri": "https://app.example/out",
        "scopes": ["offline_access", "openid"],
        "audience": "https://api.example",
        "access_minutes": 5,
        "refresh_days": 7,
        "groups": {"claim": "urn:groups", "form": "ids", "only": ["a", "lbx-*"]},
        "roles": {"claim": "urn:roles", "form": "names", "workspaces": ["vision"]},
        "entry_workspaces": ["vision"],
    }
    settings = read_settings(document, WEB)
    assert settings.scopes == (Scope.OPENID, Scope.OFFLINE_ACCESS)
    assert read_settings(settings.document(), WEB) == settings
    assert read_settings({}, WEB) == AppSettings()


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://app.example/cb#part",
        "https://user:pass@app.example/cb",
        "https://*.app.example/cb",
        "https:///cb",
        "https://app.example:port/cb",
        "https://app.example/c b",
        "https://app.example\\@evil.example/",
        "https://[::1/cb",
        "ftp://app.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "app.example/cb",
        "com.example.app:/cb",
        "https://app.example/" + "x" * 2_000,
        "https://app.exämple/cb",
        "https://app.example:65536/cb",
        "https://app.example:0/cb",
        "https://app..example/cb",
        "https://app.example./cb",
        f"https://{'a' * 64}.example/cb",
        f"https://{'a.' * 127}example/cb",
        "https://[1:2]/cb",
        "https://[::1.2.3.4.5]/cb",
        "",
    ],
)
def test_what_nobody_is_sent_to(uri: str) -> None:
    """A redirect URI of a server is an https URL without anything that two readers could take differently."""
    assert refused(redirect_uris=[uri]).field == "redirect_uris"


@pytest.mark.parametrize("uri", ["http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:8/cb"])
def test_this_machine_may_be_http(uri: str) -> None:
    """Plain http is for the machine itself, where nobody listens in."""
    assert read_settings({"redirect_uris": [uri]}, WEB).redirect_uris == (uri,)


def test_a_native_application_may_have_a_scheme_of_its_own() -> None:
    """A public application's scheme is a reversed domain (RFC 8252 §7.1), so that it is its own; others stay out."""
    assert read_settings({"redirect_uris": ["com.example.app:/cb"]}, AppKind.PUBLIC).redirect_uris
    for uri in ("myapp:/cb", "javascript:alert(1)", "COM.example.app:/cb", "data:x", "file:///etc/passwd"):
        assert refused(AppKind.PUBLIC, redirect_uris=[uri]).field == "redirect_uris"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"unknown": 1}, "unknown"),
        ({"redirect_uris": CALLBACK}, "redirect_uris"),
        ({"redirect_uris": [1]}, "redirect_uris"),
        ({"redirect_uris": [f"{CALLBACK}{number}" for number in range(51)]}, "redirect_uris"),
        ({"backchannel_logout_uri": "http://app.example/out"}, "backchannel_logout_uri"),
        ({"scopes": ["profile"]}, "scopes"),
        ({"scopes": ["openid", "fly"]}, "scopes"),
        ({"audience": "two words"}, "audience"),
        ({"access_minutes": 0}, "access_minutes"),
        ({"access_minutes": 61}, "access_minutes"),
        ({"access_minutes": True}, "access_minutes"),
        ({"access_minutes": "10"}, "access_minutes"),
        ({"refresh_days": 366}, "refresh_days"),
        ({"groups": []}, "groups"),
        ({"groups": {"other": 1}}, "groups"),
        ({"groups": {"form": "xml"}}, "groups.form"),
        ({"groups": {"claim": "a claim"}}, "groups.claim"),
        ({"roles": {"form": "ids"}}, "roles.form"),
        ({"roles": {"workspaces": "vision"}}, "roles.workspaces"),
        ({"roles": {"claim": "groups"}}, "roles.claim"),
        ({"entry_workspaces": [""]}, "entry_workspaces"),
    ],
)
def test_what_cannot_be_names_its_member(document: dict[str, Any], field: str) -> None:
    """A setting that cannot be is refused, with the member that is wrong."""
    assert refused(**document).field == field


@pytest.mark.parametrize("claim", sorted(TAKEN_CLAIMS))
def test_roles_are_never_told_under_a_name_that_is_taken(claim: str) -> None:
    """No setting lets roles or groups stand where a verifier reads who somebody is."""
    assert refused(roles={"claim": claim}).field == "roles.claim"
    assert refused(groups={"claim": claim}).field == "groups.claim"


@given(st.text(max_size=60))
def test_only_registered_text_is_gone_to(asked: str) -> None:
    """Of whatever text, only the registered one is where a server is answered."""
    assert redirects_to([CALLBACK], WEB, asked) == (asked == CALLBACK)


@given(st.text(alphabet="0123456789:@/.[]ahttp#\\", max_size=40))
def test_a_port_is_all_that_may_differ(asked: str) -> None:
    """What a native application says at the loopback address is its port, and nothing else."""
    allowed = redirects_to(["http://127.0.0.1/cb"], AppKind.PUBLIC, asked)
    host, _, port = asked.removesuffix("/cb").removeprefix("http://").partition(":")
    plain = asked.startswith("http://") and asked.endswith("/cb") and host == "127.0.0.1"
    is_port = port.isdigit() and len(port) <= 5 and 0 < int(port) < 65_536
    assert allowed == (plain and (asked == "http://127.0.0.1/cb" or is_port))


def test_what_is_told() -> None:
    """Groups by name or beginning, roles by workspace; nothing chosen is everything."""
    assert GroupsClaim().tells("anything")
    chosen = GroupsClaim(only=("Admins", "lbx-*"))
    assert [chosen.tells(one) for one in ("Admins", "admins", "lbx-a", "xlbx-a")] == [True, False, True, False]
    assert RolesClaim().tells("vision")
    assert not RolesClaim(workspaces=("vision",)).tells("other")
