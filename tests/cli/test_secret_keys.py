"""`rolebridge secret-key`: one key follows another, and nobody's token stops working."""

from __future__ import annotations

import os
import stat

import pytest
from tests.cli.machine import Machine

from rolebridge.store.engine import Store

FILE = "var/secret.key"


def keys(machine: Machine) -> list[str]:
    return (machine.home / FILE).read_text(encoding="utf-8").split()


def test_rotate_keeps_what_was_made_before(ready: Machine) -> None:
    """The new key stands first, the old one below it, and the old one's credentials are counted under it."""
    (old,) = keys(ready)
    before = ready.json("secret-key", "status")["secret_keys"]
    assert [(one["state"], one["tokens"], one["api_keys"]) for one in before] == [("present", 1, 1)]
    document = ready.json("secret-key", "rotate", "--reason", "quarterly")
    new, kept = keys(ready)
    assert kept == old != new
    assert document["keys"] == 2
    assert "restart" in document["next"]
    after = ready.json("secret-key", "status")["secret_keys"]
    assert [(one["key_id"], one["state"], one["tokens"]) for one in after] == [
        (document["present"], "present", 0),
        (before[0]["key_id"], "earlier", 1),
    ]


def test_a_rotation_is_on_record(ready: Machine) -> None:
    """Every organization's audit tells who put which key in front, or took one out, and why."""
    document = ready.json("secret-key", "rotate", "--reason", "quarterly")
    (_, old) = ready.json("secret-key", "status")["secret_keys"]
    ready.out("secret-key", "retire", old["key_id"], "--force", "--reason", "it leaked")
    store = Store.open(f"sqlite:///{ready.home / 'var/rolebridge.db'}")
    with store.read() as unit:
        (organization,) = unit.accounts.organizations()
        newest = unit.record(organization.id).audit_entries(limit=2)
    store.close()
    assert [(one.kind, one.subject_id, one.reason) for one in newest] == [
        ("secret_key.retired", old["key_id"], "it leaked"),
        ("secret_key.rotated", document["present"], "quarterly"),
    ]
    assert all(one.actor.startswith("os:") for one in newest)


def test_no_key_is_ever_printed(ready: Machine) -> None:
    """Neither the keys nor parts of them stand in what the commands print."""
    printed = ready.out("secret-key", "rotate") + ready.out("secret-key", "status") + ready.out("secret-key", "status")
    for key in keys(ready):
        assert key not in printed


def test_the_file_stays_private(ready: Machine) -> None:
    """The replaced file has the mode of the one before, and nothing is left beside it."""
    (ready.home / FILE).chmod(0o440)
    ready.out("secret-key", "rotate")
    assert stat.S_IMODE((ready.home / FILE).stat().st_mode) == 0o440
    assert sorted(os.listdir(ready.home / "var")) == ["rolebridge.db", "rolebridge.db.writer-lock", "secret.key"]


def test_a_key_in_use_is_kept(ready: Machine) -> None:
    """A key under which credentials work leaves the ring only by force, and the answer says what is lost."""
    (old,) = ready.json("secret-key", "status")["secret_keys"]
    ready.out("secret-key", "rotate")
    said = ready.refused("secret-key", "retire", old["key_id"])
    assert f"2 credentials that work are stored under the key `{old['key_id']}`" in said
    assert len(keys(ready)) == 2
    document = ready.json("secret-key", "retire", old["key_id"][:6], "--force")
    assert (document["retired"], document["lost"], document["keys"]) == (old["key_id"], 2, 1)
    states = [(one["key_id"], one["state"]) for one in ready.json("secret-key", "status")["secret_keys"]]
    assert (old["key_id"], "missing") in states


def test_the_present_key_stays(ready: Machine) -> None:
    """The present key cannot be retired."""
    (present,) = ready.json("secret-key", "status")["secret_keys"]
    assert "is the present key; rotate first" in ready.refused("secret-key", "retire", present["key_id"])


def test_a_key_of_the_environment_is_not_ours_to_change(ready: Machine) -> None:
    """Keys that stand in the environment are changed where they stand, and the refusal says how."""
    (old,) = keys(ready)
    ready.environ["ROLEBRIDGE_SECRET_KEY"] = old
    said = ready.refused("secret-key", "rotate")
    assert "ROLEBRIDGE_SECRET_KEY: is set without a file" in said
    assert "ROLEBRIDGE_PREVIOUS_SECRET_KEYS" in said
    assert keys(ready) == [old]


def test_a_key_of_the_setting_is_not_in_the_file(ready: Machine) -> None:
    """A key that `previous_secret_keys` brings is taken out there."""
    (old,) = keys(ready)
    (old_id,) = [one["key_id"] for one in ready.json("secret-key", "status")["secret_keys"]]
    ready.out("secret-key", "rotate")
    (ready.home / FILE).write_text(keys(ready)[0] + "\n", encoding="utf-8")
    ready.environ["ROLEBRIDGE_PREVIOUS_SECRET_KEYS"] = old
    said = ready.refused("secret-key", "retire", old_id, "--force")
    assert f"does not hold the key `{old_id}`; ROLEBRIDGE_PREVIOUS_SECRET_KEYS (the setting) does" in said


def test_eight_keys_are_enough(ready: Machine) -> None:
    """The ninth key is refused until one is retired, and the file stays as it is."""
    for _ in range(7):
        ready.out("secret-key", "rotate")
    before = keys(ready)
    assert "holds 8 keys already; retire one first" in ready.refused("secret-key", "rotate")
    assert keys(ready) == before


def test_two_rotations_at_once(ready: Machine) -> None:
    """A rotation that is under way, or was cut off, keeps another one out."""
    (ready.home / f"{FILE}.new").touch()
    assert "another rotation is under way, or one was cut off" in ready.refused("secret-key", "rotate")
    assert len(keys(ready)) == 1


def test_a_file_that_cannot_be_replaced(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses the new file, nothing is changed and nothing is left."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = keys(ready)
    monkeypatch.setattr(os, "fsync", full)
    assert "cannot be replaced: no space left on device" in ready.refused("secret-key", "rotate")
    assert keys(ready) == before
    assert not (ready.home / f"{FILE}.new").exists()
