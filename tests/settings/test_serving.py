"""What a server refuses to start with, and what a person may see of the settings."""

from __future__ import annotations

import base64
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.settings import (
    EXAMPLE_SECRET_KEY,
    SETTINGS,
    ServingSettings,
    Settings,
    SettingsError,
    load,
    markdown_table,
    redacted_url,
)

NOWHERE = Path("/dev/null")
"""An empty settings file, so that none of the working directory is read."""


def loaded(**variables: str) -> Settings:
    return load({f"ROLEBRIDGE_{name.upper()}": value for name, value in variables.items()}, NOWHERE)


def refusals(settings: Settings) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        settings.for_serving()
    return caught.value.problems


def fresh_key() -> str:
    return secrets.token_urlsafe(32)


@given(st.sampled_from([32, 33, 48, 64]).map(secrets.token_bytes))
def test_random_keys_serve(key: bytes) -> None:
    """No key of random bytes is mistaken for a made-up one."""
    settings = replace(loaded(), secret_key=key)
    serving = settings.for_serving()
    assert type(serving) is ServingSettings
    assert serving.secret_key == key
    assert serving.base_url == settings.base_url


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "serving needs a secret key"),
        (secrets.token_bytes(31), "holds 31 bytes, fewer than 32"),
        (base64.urlsafe_b64decode(EXAMPLE_SECRET_KEY + "="), "is the example from the documentation"),
        (bytes(32), "does not look random"),
        (bytes.fromhex("deadbeef" * 8), "does not look random"),
        (bytes.fromhex("0123456789abcdef" * 4), "does not look random"),
        (bytes(range(64)), "does not look random"),
        (secrets.token_bytes(16) * 2, "does not look random"),
        (b"correct horse battery staple, twice over!", "does not look random"),
        (secrets.token_hex(24).encode(), "does not look random"),
        (
            base64.urlsafe_b64decode("please_change_this_secret_before_going_to_production_now"),
            "does not look random",
        ),
    ],
    ids=str.split("none short example zeros dead digits counted twice sentence hexadecimal words"),
)
def test_a_key_that_can_be_guessed_does_not_serve(key: bytes | None, reason: str) -> None:
    """Absent, short, public or made-up keys are refused, each with its reason and how to make one."""
    (problem,) = refusals(replace(loaded(), secret_key=key))
    assert problem.startswith(f"ROLEBRIDGE_SECRET_KEY: {reason}")
    assert problem.endswith('secrets.token_urlsafe(32))"')


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:8080", "http://localhost", "http://a.localhost", "http://[::1]"]
)
def test_plain_http_serves_on_this_machine(base_url: str) -> None:
    """A trial on a loopback address needs no certificate."""
    loaded(secret_key=fresh_key(), base_url=base_url).for_serving()


def test_https_serves_on_every_address() -> None:
    """Behind a proxy that ends TLS a container listens on all addresses."""
    loaded(secret_key=fresh_key(), base_url="https://bridge.example", bind="0.0.0.0:8080").for_serving()


@pytest.mark.parametrize("host", ["bridge.example", "10.0.0.7", "localhost.example", "127.0.0.1.example"])
def test_plain_http_to_another_machine_does_not_serve(host: str) -> None:
    """Tokens would cross the network in the clear."""
    assert refusals(loaded(secret_key=fresh_key(), base_url=f"http://{host}")) == (
        f"ROLEBRIDGE_BASE_URL: `http://{host}` is another machine's address and not `https://`",
    )


@pytest.mark.parametrize("bind", ["0.0.0.0:8080", "[::]:8080", "10.0.0.7:8080", "bridge:8080"])
def test_listening_to_others_with_an_http_base_url_does_not_serve(bind: str) -> None:
    """An open port with plain HTTP is refused even if the base URL says loopback."""
    assert refusals(loaded(secret_key=fresh_key(), base_url="http://localhost", bind=bind)) == (
        f"ROLEBRIDGE_BIND: `{bind}` listens to other machines while the base URL is not `https://`",
    )


def test_all_that_is_unsafe_is_said_at_once() -> None:
    """Key, base URL and bind address in one refusal."""
    places = [problem.split(":")[0] for problem in refusals(loaded(bind="0.0.0.0:8080"))]
    assert places == ["ROLEBRIDGE_SECRET_KEY", "ROLEBRIDGE_BASE_URL", "ROLEBRIDGE_BIND"]


def test_the_example_key_is_accepted_by_commands_that_only_read() -> None:
    """The example is a well-formed key: only serving refuses it."""
    assert loaded(secret_key=EXAMPLE_SECRET_KEY).secret_key is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/a@b.db", "sqlite:////srv/a@b.db"),
        ("postgresql+psycopg://db/rb", "postgresql+psycopg://db/rb"),
        ("postgresql+psycopg://ana@db/rb", "postgresql+psycopg://ana@db/rb"),
        ("postgresql+psycopg://ana:hunter2@db/rb", "postgresql+psycopg://ana:***@db/rb"),
        ("postgresql+psycopg://ana:hun/te@r2@db/rb", "postgresql+psycopg://ana:***@db/rb"),
        (
            "postgresql+psycopg://db/rb?user=ana&password=hunter2&host=/run/pg&sslpassword=x",
            "postgresql+psycopg://db/rb?user=ana&password=***&host=/run/pg&sslpassword=***",
        ),
    ],
)
def test_a_database_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    """User, host and database stay readable; every password is `***`."""
    assert redacted_url(url) == shown


def test_repr_shows_neither_key_nor_password() -> None:
    """Settings may end up in a log or a traceback."""
    key = fresh_key()
    settings = loaded(secret_key=key, database_url="postgresql://ana:hunter2@db/rb")
    for shown in (repr(settings), str(settings), f"{settings.for_serving()}"):
        assert "hunter2" not in shown
        assert key not in shown
        assert repr(settings.secret_key) not in shown
        assert "database_url='postgresql+psycopg://ana:***@db/rb', secret_key='***'" in shown
    assert "secret_key=None" in repr(loaded())


def test_the_table_for_the_documentation_names_every_setting() -> None:
    """Each setting is one row: variable, key, default and meaning; no cell breaks the table."""
    rows = markdown_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [setting.variable for setting in SETTINGS] + ["ROLEBRIDGE_CONFIG"]
    assert {row.count("|") for row in rows} == {5}


def test_a_weak_earlier_key_is_refused() -> None:
    """An earlier key opens as much as the present one, and must be as good."""
    settings = loaded(secret_key=secrets.token_urlsafe(32), previous_secret_keys=EXAMPLE_SECRET_KEY)
    with pytest.raises(SettingsError, match="PREVIOUS_SECRET_KEYS: number 1 is the example from the documentation"):
        settings.for_serving()
