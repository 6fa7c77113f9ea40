"""Every check is needed: with it removed, and all others in place, an evil provider gets somebody in."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

import pytest
from tests.sso.oidc.cases import CASES
from tests.sso.oidc.logins import attempt
from tests.sso.oidc.test_logout_tokens import NOTICES, notice

from rolebridge.core.login import LoginRefused
from rolebridge.core.login_codes import CODES
from rolebridge.sso.oidc import client, discovery, keys, login, logout, tokens
from rolebridge.sso.oidc.claims import LOGOUT_TOKEN_CHECKS

TABLES: Final[tuple[tuple[ModuleType, str], ...]] = (
    (discovery, "DISCOVERY_CHECKS"),
    (login, "RESPONSE_CHECKS"),
    (client, "TOKEN_RESPONSE_CHECKS"),
    (tokens, "HEADER_CHECKS"),
    (keys, "KEY_SET_CHECKS"),
    (login, "ID_TOKEN_CHECKS"),
    (login, "USERINFO_CHECKS"),
)
FUNCTIONS: Final[tuple[tuple[str, ModuleType, str], ...]] = (
    ("oidc-signature", tokens, "_check_signature"),
    ("oidc-key-weak", tokens, "check_strength"),
)
"""Checks that stand in no table: of what is not a value but how something was made."""
WITHOUT: Final = {
    # Nothing can be read of what did not come, or is no document: there is no way around these.
    "oidc-discovery-unreachable",
    "oidc-discovery-form",
    "oidc-keys-unreachable",
    "oidc-token-endpoint-unreachable",
    "oidc-token-endpoint-refused",
    "oidc-token-response-form",
    "oidc-token-form",
    "oidc-key-unknown",
    "oidc-userinfo-unreachable",
    "oidc-userinfo-form",
    "oidc-client-credential",
    "oidc-logout-replayed",  # the database: tests/sso/oidc/test_door.py
}
BACKED: Final = {"oidc-id-token-missing"}
"""Checks without which nobody gets in either, as what comes after them has nothing to read; they say it in words."""
REMOVABLE: Final = [(module, table, code) for module, table in TABLES for code, _ in getattr(module, table)]


def without_check(monkeypatch: pytest.MonkeyPatch, module: ModuleType, table: str, code: str) -> None:
    """Take a check out of its table."""
    monkeypatch.setattr(module, table, tuple(one for one in getattr(module, table) if one[0] != code))


def accepted(code: str) -> list[str]:
    """Return the evil cases of a check that get somebody in now."""
    got_in = []
    for case in CASES:
        if case.code == code:
            try:
                attempt(case)
            except LoginRefused:
                continue
            except (KeyError, AttributeError, TypeError, ValueError, AssertionError):
                continue  # what the check keeps out is not even the right type
            got_in.append(case.name)
    return got_in


@pytest.mark.parametrize(
    ("module", "table", "code"), REMOVABLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_removed_check_lets_somebody_in(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, table: str, code: str
) -> None:
    """Without the check, at least one of its cases is a login."""
    assert accepted(code) == []
    without_check(monkeypatch, module, table, code)
    assert accepted(code) or code in BACKED


@pytest.mark.parametrize(
    ("code", "module", "name"), FUNCTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_removed_function_lets_somebody_in(
    monkeypatch: pytest.MonkeyPatch, code: str, module: ModuleType, name: str
) -> None:
    """The same for checks that stand in no table."""
    monkeypatch.setattr(module, name, lambda *args: None)
    assert accepted(code)


@pytest.mark.parametrize("code", [code for code, _ in LOGOUT_TOKEN_CHECKS])
def test_a_removed_check_of_logout_tokens_lets_a_notice_count(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The same for notices of sign-outs."""
    without_check(monkeypatch, logout, "LOGOUT_TOKEN_CHECKS", code)
    counted = []
    for name, (expected, arrange) in NOTICES.items():
        if expected == code:
            try:
                notice(arrange)
            except (LoginRefused, KeyError):
                continue
            counted.append(name)
    assert counted


def test_every_code_is_tried() -> None:
    """No check of OpenID Connect is without an evil case."""
    tried: set[str] = {case.code for case in CASES} | {code for code, _ in NOTICES.values()}
    ours = {code for code in CODES if code.startswith("oidc-")}
    assert ours - tried == {"oidc-client-credential", "oidc-logout-replayed"}
    tables: dict[str, Any] = {code: True for _, _, code in REMOVABLE}
    removable = {*tables, *(code for code, _, _ in FUNCTIONS), *(code for code, _ in LOGOUT_TOKEN_CHECKS)}
    assert ours - removable == WITHOUT
