"""What serving demands of settings, beyond that each can be read."""

from __future__ import annotations

import base64
import ipaddress
import itertools
from typing import Final
from urllib.parse import urlsplit

from rolebridge.settings.readers import KEY_BYTES, Bind, secret_key
from rolebridge.settings.table import PREFIX

EXAMPLE_SECRET_KEY: Final = "Zx3mQ8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVM"  # noqa: S105 - servers refuse it
"""The key that documentation may print. It is public, so no server starts with it."""


def key_problems(key: bytes | None, previous: tuple[bytes, ...]) -> list[str]:
    """Return why the keys cannot protect a server: absent, short, printed in our documentation, or not random."""
    make = 'make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    if key is None:
        return [f"{PREFIX}SECRET_KEY: serving needs a secret key; {make}"]
    problems = []
    if problem := _key_problem(key):
        problems.append(f"{PREFIX}SECRET_KEY: {problem}; {make}")
    for number, one in enumerate(previous, 1):
        if problem := _key_problem(one):
            problems.append(f"{PREFIX}PREVIOUS_SECRET_KEYS: number {number} {problem}; take it out")
    return problems


def _key_problem(key: bytes) -> str | None:
    if len(key) < KEY_BYTES:
        return f"holds {len(key)} bytes, fewer than {KEY_BYTES}"
    if key == secret_key(EXAMPLE_SECRET_KEY):
        return "is the example from the documentation, known to everybody"
    if _looks_made_up(key):
        return "does not look random"
    return None


def _looks_made_up(key: bytes) -> bool:
    """Whether `key` has a pattern that random bytes show less than once in 10^9: repeats, steps, or text.

    Text is seen in both forms: encoded (the bytes are printable), and typed where base64 was expected (a
    passphrase in one case of letters, which 43 random base64 characters never are).
    """
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    typed = base64.urlsafe_b64encode(key).decode().rstrip("=")
    return (
        len(set(key)) < 20
        or len(steps) < 16
        or all(0x20 <= byte < 0x7F for byte in key)
        or typed in {typed.lower(), typed.upper()}
    )


def exposure_problems(base_url: str, bind: Bind) -> list[str]:
    """Return where tokens and personal data would cross a network in the clear."""
    parts = urlsplit(base_url)
    if parts.scheme == "https":
        return []
    problems = []
    if not is_loopback(parts.hostname or ""):
        problems.append(f"{PREFIX}BASE_URL: `{base_url}` is another machine's address and not `https://`")
    if not is_loopback(bind.host):
        problems.append(f"{PREFIX}BIND: `{bind}` listens to other machines while the base URL is not `https://`")
    return problems


def is_loopback(host: str) -> bool:
    """Return whether a host, by name or address, is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
