"""Secrets that are kept encrypted."""

from __future__ import annotations

import pytest

from rolebridge.bridge.vault import Locked, Vault

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_is_sealed_opens_again_and_is_not_in_the_open() -> None:
    """The stored form gives nothing of the secret away, and no two are the same."""
    vault = Vault(NEW)
    sealed = vault.seal(b"private", "connection 1")
    assert vault.open(sealed, "connection 1") == b"private"
    assert b"private" not in sealed
    assert sealed != vault.seal(b"private", "connection 1")


def test_a_secret_opens_only_for_what_it_belongs_to() -> None:
    """A row copied from one connection to another is worthless there."""
    vault = Vault(NEW)
    with pytest.raises(Locked):
        vault.open(vault.seal(b"private", "connection 1"), "connection 2")


def test_a_previous_key_still_opens_and_the_present_one_seals() -> None:
    """The key ring turns over without losing what was sealed before."""
    sealed = Vault(OLD).seal(b"private", "x")
    ring = Vault(NEW, [OLD])
    assert ring.open(sealed, "x") == b"private"
    assert not ring.is_present(sealed)
    assert ring.is_present(ring.seal(b"private", "x"))
    with pytest.raises(Locked):
        Vault(NEW).open(sealed, "x")


@pytest.mark.parametrize("cut", [0, 7, 8, 20, 30])
def test_a_broken_row_is_refused(cut: int) -> None:
    """What was cut short or turned is no secret."""
    vault = Vault(NEW)
    sealed = vault.seal(b"private", "x")
    with pytest.raises(Locked):
        vault.open(sealed[:cut], "x")
    with pytest.raises(Locked):
        vault.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "x")
