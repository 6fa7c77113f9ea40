"""Setting an installation up: `init`, `db upgrade`, organizations, connections, tokens and keys."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.machine import Machine

from rolebridge.app import open_installation
from rolebridge.bridge.permissions import KeyRole
from rolebridge.cli.keys import ROLES
from rolebridge.cli.session import login_name
from rolebridge.store.engine import Store
from rolebridge.store.records import AuditEntry
from rolebridge.web.authentication import Unauthenticated

KEY = "J0zq8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVMx"


# --- init ------------------------------------------------------------------------------------------------------


def test_init_makes_everything(machine: Machine) -> None:
    """On an empty machine, settings, key, database, organization and an owner key are made."""
    document = machine.json("init")
    assert {name: part["new"] for name, part in document.items() if name != "key"} == {
        "settings": True, "secret_key": True, "database": True, "organization": True, "owner_key": True,
    }  # fmt: skip
    assert document["key"].startswith("rbk_")
    assert machine.json("org", "list")["organizations"][0]["name"] == "default"


@pytest.mark.parametrize("name", ["rolebridge.toml", "var/secret.key", "var/rolebridge.db"])
def test_init_keeps_others_out(machine: Machine, name: str) -> None:
    """What init makes is readable and writable by its owner only."""
    machine.out("init")
    assert stat.S_IMODE((machine.home / name).stat().st_mode) == 0o600


def test_init_again_changes_nothing(machine: Machine) -> None:
    """A second run says what is there, makes no key, and leaves every file as it is."""
    machine.out("init")
    before = {path: path.read_bytes() for path in machine.home.rglob("*.toml")} | {
        path: path.read_bytes() for path in machine.home.rglob("*.key")
    }
    document = machine.json("init")
    assert not any(part["new"] for name, part in document.items() if name != "key")
    assert document["key"] is None
    assert {path: path.read_bytes() for path in before} == before
    assert len(machine.json("key", "list")["keys"]) == 1


def test_init_names_the_organization(machine: Machine) -> None:
    """--org names the first organization; later it adds none."""
    machine.out("init", "--org", "acme")
    machine.out("init", "--org", "other")
    assert [one["name"] for one in machine.json("org", "list")["organizations"]] == ["acme"]


def test_init_makes_no_files_where_the_environment_has_the_key(machine: Machine) -> None:
    """Where the environment brings key and database, no settings file and no key file are made."""
    machine.environ |= {"ROLEBRIDGE_SECRET_KEY": KEY, "ROLEBRIDGE_DATABASE_URL": "sqlite:///data/bridge.db"}
    machine.out("init")
    assert sorted(path.name for path in machine.home.iterdir()) == ["data"]


def test_init_elsewhere_is_found_from_anywhere(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation made with --config works from every working directory."""
    config = machine.home / "etc" / "bridge.toml"
    machine.out("--config", str(config), "init")
    elsewhere = machine.home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert machine.json("--config", str(config), "org", "list")["organizations"]
    assert list(elsewhere.iterdir()) == []


def test_init_finishes_what_was_begun(machine: Machine) -> None:
    """A key file without settings, as a broken off run leaves it, is used and not replaced."""
    machine.write("var/secret.key", KEY)
    document = machine.json("init")
    assert (document["settings"]["new"], document["secret_key"]["new"]) == (True, False)
    assert (machine.home / "var/secret.key").read_text() == KEY


def test_init_wants_a_key_in_the_settings_that_are_there(machine: Machine) -> None:
    """A settings file without a key is not changed; what is missing is said."""
    file = machine.write("rolebridge.toml", "workers = 1\n")
    said = machine.refused("init")
    assert "no secret_key" in said
    assert file.read_text() == "workers = 1\n"


def test_init_where_nothing_can_be_made(machine: Machine) -> None:
    """A place where no file can be made is named."""
    machine.write("var", "not a folder")
    assert "var: cannot be made: File exists" in machine.refused("init")


# --- database --------------------------------------------------------------------------------------------------


def test_without_init(machine: Machine) -> None:
    """A command on a machine without a database says how to make one, and exits with 3."""
    machine.write("var/x", "")
    assert "run `rolebridge init`" in machine.refused("org", "list", code=3)


def other_schema(machine: Machine) -> None:
    """Make the database look like another version's."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(machine.home / "var/rolebridge.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '0001'")
        database.commit()


@pytest.mark.parametrize("command", [["org", "list"], ["serve"], ["explain", "ana"], ["access"]])
def test_another_schema(ready: Machine, command: list[str]) -> None:
    """A database with another version's schema is not touched; the command exits with 3 and says what to run."""
    other_schema(ready)
    said = ready.refused(*command, code=3)
    assert "the database is at `0001`" in said
    assert "rolebridge db upgrade" in said


def test_upgrade_of_an_empty_database(machine: Machine) -> None:
    """`db upgrade` gives an empty database its schema, and does nothing the second time."""
    (machine.home / "var").mkdir()
    first, second = machine.json("db", "upgrade"), machine.json("db", "upgrade")
    assert (first["before"], first["changed"]) == (None, True)
    assert (second["before"], second["changed"]) == (first["after"], False)
    assert machine.out("db", "upgrade").startswith("nothing to do")


# --- organizations ---------------------------------------------------------------------------------------------


def test_the_only_organization_needs_no_name(ready: Machine) -> None:
    """--org may be left out while there is one organization, and must be given when there are several."""
    assert ready.json("connection", "list")["organization"] == "default"
    ready.out("org", "add", "second")
    said = ready.refused("connection", "list")
    assert "`default`, `second`" in said
    assert ready.json("connection", "list", "--org", "second")["connections"] == []


def test_unknown_organization(ready: Machine) -> None:
    """An organization that is not there is named."""
    assert "there is no organization `acme`" in ready.refused("connection", "list", "--org", "acme")


def test_organization_twice(ready: Machine) -> None:
    """A name belongs to one organization, however it is spelt."""
    assert "belongs to another organization" in ready.refused("org", "add", "DEFAULT")


def test_organization_without_a_name(ready: Machine) -> None:
    """A name that is none is refused."""
    assert "error:" in ready.refused("org", "add", " ")


# --- connections -----------------------------------------------------------------------------------------------


def test_connection_is_told_once(ready: Machine) -> None:
    """A new connection prints what the identity provider needs; afterwards nothing shows the token again."""
    added = ready.json("connection", "add", "entra", "--profile", "entra")
    assert added["scim_base_url"] == "http://127.0.0.1:8080/scim/v2"
    assert added["token"].startswith("rbt_")
    for shown in (ready.out("connection", "show", "entra"), ready.out("token", "list", "--connection", "entra")):
        assert added["token"] not in shown
        assert added["token"][-4:] in shown


def test_connection_twice(ready: Machine) -> None:
    """A name belongs to one connection of the organization."""
    assert "belongs to another connection" in ready.refused("connection", "add", "okta", "--profile", "okta")
    assert len(ready.json("connection", "list")["connections"]) == 1


def test_unknown_profile(ready: Machine) -> None:
    """A profile that is not there is a usage error that names the nearest."""
    assert "did you mean `okta`" in ready.refused("connection", "add", "x", "--profile", "octa", code=64)


def test_unknown_connection(ready: Machine) -> None:
    """A connection that is not there is named."""
    assert "there is no connection `entra`" in ready.refused("connection", "show", "entra")


# --- tokens ----------------------------------------------------------------------------------------------------


def works(machine: Machine, secret: str) -> bool:
    """Return whether a token opens the SCIM door now."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        installation.authenticator.caller(f"Bearer {secret}", "test")
    except Unauthenticated:
        return False
    finally:
        installation.close()
    return True


def test_token_is_replaced_without_a_gap(ready: Machine) -> None:
    """A second token works beside the first, until the first is revoked by the beginning of its id."""
    first = ready.json("token", "list")["tokens"][0]
    second = ready.json("token", "add", "new")
    assert works(ready, second["token"])
    ready.out("token", "revoke", first["id"][:8])
    assert works(ready, second["token"])
    assert {one["name"]: one["usable"] for one in ready.json("token", "list")["tokens"]} == {
        "first": False,
        "new": True,
    }


def test_token_is_bound_to_a_user(ready: Machine) -> None:
    """`--user` wants a user of the connection, who is then in the list; nobody is bound by default."""
    assert ready.json("token", "add", "plain")["user_id"] is None
    assert "there is no user `ana`" in ready.refused("token", "add", "hers", "--user", "ana")
    assert {one["user_id"] for one in ready.json("token", "list")["tokens"]} == {None}


def test_revoked_token_is_worthless(ready: Machine) -> None:
    """A revoked token opens nothing, is listed as revoked, and cannot be revoked again."""
    added = ready.json("token", "add", "new")
    ready.out("token", "revoke", added["id"])
    assert not works(ready, added["token"])
    assert "revoked 2026-11-20 09:14 UTC" in ready.out("token", "list")
    assert f"there is no token `{added['id']}`" in ready.refused("token", "revoke", added["id"])


@pytest.mark.parametrize(
    ("expires", "last"), [("90d", timedelta(days=89, hours=23.9)), ("2026-11-20", timedelta(hours=14))]
)
def test_token_expires(ready: Machine, expires: str, last: timedelta) -> None:
    """A token with --expires works until then: so many days, or that day with its last hour."""
    secret = ready.json("token", "add", "new", "--expires", expires)["token"]
    ready.now += last
    assert works(ready, secret)
    ready.now += timedelta(hours=1)
    assert not works(ready, secret)


@pytest.mark.parametrize("expires", ["soon", "0d", "90", "2026-02-30", "9999-12-31", "-1d"])
def test_no_such_day(ready: Machine, expires: str) -> None:
    """What is neither a number of days nor a day is a usage error."""
    assert "neither a number of days" in ready.refused("token", "add", "new", f"--expires={expires}", code=64)


def test_expired_before_it_begins(ready: Machine) -> None:
    """A day in the past is refused."""
    assert "in the future" in ready.refused("token", "add", "new", "--expires", "2026-11-19")


def test_which_connection(ready: Machine) -> None:
    """With several connections a token command wants to know which; with none it says so."""
    ready.out("connection", "add", "entra", "--profile", "entra")
    assert "`entra`, `okta`" in ready.refused("token", "list")
    ready.out("org", "add", "empty")
    assert "there is no connection" in ready.refused("token", "list", "--org", "empty")


# --- keys ------------------------------------------------------------------------------------------------------


def test_key_roles_are_the_bridges() -> None:
    """The roles of `key add` are those that the bridge knows."""
    assert list(ROLES) == [role.value for role in KeyRole]


def test_key_is_told_once(ready: Machine) -> None:
    """A new key is printed once; the list shows its role, its workspace and its end, never the secret."""
    added = ready.json("key", "add", "reports", "--role", "reader", "--workspace", "acme-vision", "--expires", "30d")
    assert added["key"].startswith("rbk_")
    assert (added["role"], added["workspace"], added["expires_at"]) == (
        "reader", "acme-vision", "2026-12-20T09:14:30Z",
    )  # fmt: skip
    listed = ready.out("key", "list")
    assert added["key"] not in listed
    assert "works until 2026-12-20 09:14 UTC  reader  acme-vision" in listed


def test_owner_key_can_always_be_made(ready: Machine) -> None:
    """With every key revoked, whoever holds the machine makes an owner key, and is recorded with it."""
    for one in ready.json("key", "list")["keys"]:
        ready.out("key", "revoke", one["id"])
    made = ready.json("key", "recover")
    assert made["role"] == "owner"
    assert sorted(one["usable"] for one in ready.json("key", "list")["keys"]) == [False, True]
    entry = last_audit(ready)
    assert entry.kind == "key.added"
    assert entry.actor == f"os:{login_name()}"
    assert f"recovered by os:{login_name()}" in entry.reason


def test_ambiguous_key(ready: Machine) -> None:
    """The beginning of no id revokes nothing."""
    assert "there is no key `zz`" in ready.refused("key", "revoke", "zz")


def last_audit(machine: Machine) -> AuditEntry:
    """Return the newest audit row."""
    store = Store.open(machine.settings_of().settings.database_url)
    try:
        with store.read() as unit:
            organization = unit.accounts.organizations()[0]
            return unit.record(organization.id).audit_entries(limit=1)[0]
    finally:
        store.close()


def test_refusal_names_the_request(ready: Machine) -> None:
    """A refusal ends with the request id, in text and in JSON, and prints nothing on the standard output."""
    said = ready("connection", "show", "entra")
    assert said.stderr.splitlines()[-1].startswith("  request ")
    document = json.loads(ready("connection", "show", "entra", "--json").stderr)
    assert document["error"]["code"] == "not-found"
    assert (document["error"]["kind"], document["error"]["name"]) == ("connection", "entra")
    assert document["error"]["exit"] == 1
    assert len(document["error"]["request_id"]) == 32


def test_file_mode_of_the_folder(machine: Machine) -> None:
    """The folder with key and database is closed to others."""
    machine.out("init")
    assert stat.S_IMODE(Path("var").stat().st_mode) == 0o700
