"""`rolebridge session`: who is signed in, and signing people out."""

from __future__ import annotations

import csv
import io

import pytest
from tests.cli.machine import Machine, person

from rolebridge.app import open_installation
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.sessions import NewSession
from rolebridge.core.login import AssertedIdentity, Protocol


def sign_in(machine: Machine, *names: str) -> list[str]:
    """Begin a session for each of these people; return the sessions' ids."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        organization = installation.administration.organization(None)
        connection = installation.administration.connection(organization, "okta")
        installation.sso.configure(Operator("os:mia", "r"), connection, Protocol.OIDC, {})
        ids = []
        for name in names:
            user_id = installation.access.user_id(organization.id, name)
            identity = AssertedIdentity(Protocol.OIDC, "https://idp.example", name, {}, context="mfa")
            of = (organization.id, user_id, connection.id, identity, "Firefox on Linux", "192.0.2.7")
            begun = installation.store.transact(lambda unit, of=of: installation.sessions.begin(unit, NewSession(*of)))  # type: ignore[misc]
            ids.append(begun.session.id)
        return ids
    finally:
        installation.close()


@pytest.fixture
def people(ready: Machine) -> Machine:
    """A machine whose directory has two people."""
    ready.provision([person("ana@acme.example", "Ana"), person("bo@acme.example", "Bo")], {})
    return ready


def test_nobody_is_signed_in(people: Machine) -> None:
    """An empty list says so, and ending what is not there is no error."""
    assert people.out("session", "list") == "nobody is signed in\n"
    assert people.json("session", "end", "ana")["ended"] == 0


def test_who_is_signed_in_is_listed(people: Machine) -> None:
    """As text, JSON and CSV; of one person too. No secret is in it."""
    ids = sign_in(people, "ana", "ana", "bo")
    text = people.out("session", "list")
    assert text.count("ana@acme.example") == 2
    assert "Firefox on Linux" in text
    document = people.json("session", "list", "--user", "bo")
    (one,) = document["sessions"]
    assert (one["id"], one["user_name"], one["connection"], one["context"]) == (
        ids[2],
        "bo@acme.example",
        "okta",
        "mfa",
    )
    rows = list(csv.DictReader(io.StringIO(people.out("session", "list", "--csv"))))
    assert {row["id"] for row in rows} == set(ids)
    assert "rbn_" not in text + str(document) + str(rows)


def test_somebody_is_signed_out_everywhere(people: Machine) -> None:
    """And nobody else."""
    sign_in(people, "ana", "ana", "bo")
    assert "2 sessions ended" in people.out("session", "end", "ana")
    assert [one["user_name"] for one in people.json("session", "list")["sessions"]] == ["bo@acme.example"]
    rows = people.json("audit", "list", "--user", "ana@acme.example")["audit"]
    assert [row["kind"] for row in rows if row["kind"] == "user.signed_out"] == ["user.signed_out"]


def test_one_session_is_ended_by_its_id(people: Machine) -> None:
    """A second time there is none."""
    first, second = sign_in(people, "ana", "ana")
    assert people.json("session", "end", "--id", first)["ended"] == 1
    assert [one["id"] for one in people.json("session", "list")["sessions"]] == [second]
    assert "there is no session" in people.refused("session", "end", "--id", first)


def test_everybody_is_signed_out(people: Machine) -> None:
    """With one word, as after a theft."""
    sign_in(people, "ana", "bo")
    assert people.json("session", "end", "--all")["ended"] == 2
    assert people.out("session", "list") == "nobody is signed in\n"


@pytest.mark.parametrize("said", [(), ("ana", "--all"), ("ana", "--id", "x"), ("--id", "x", "--all")])
def test_who_is_meant_has_to_be_said_once(people: Machine, said: tuple[str, ...]) -> None:
    """Nobody is signed out by an ambiguous command."""
    assert "name a USER, or one session with --id, or --all" in people.refused("session", "end", *said, code=64)


def test_a_misspelt_name_gets_a_hint(people: Machine) -> None:
    """As everywhere."""
    assert "did you mean `ana`?" in people.refused("session", "end", "anna")
