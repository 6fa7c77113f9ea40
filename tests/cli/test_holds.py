"""Holds, the second person and the worker at the command line."""

from __future__ import annotations

import json
import signal
from datetime import timedelta

import pytest
from tests.cli.machine import MAPPING, Machine, person, process

from rolebridge.app import open_installation
from rolebridge.bridge.callers import Caller

GUARDED = MAPPING.replace("  keep:", "  hold_revocations: {over: 25%, and_at_least: 4}\n  keep:")
PEOPLE = [f"p{number}@acme.example" for number in range(8)]


def delete_group(machine: Machine, display: str) -> None:
    """Delete a group, as an identity provider does."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        organization = installation.administration.organization(None)
        owner = installation.administration.connection(organization, "okta")
        with installation.store.read() as unit:
            (group,) = unit.directory(organization.id).group_by_name(display)
        caller = Caller(organization.id, owner.id, owner.name, owner.profile, "request-1")
        installation.provisioning.delete_group(caller, group.id)
    finally:
        installation.close()


@pytest.fixture
def held(ready: Machine) -> Machine:
    """A machine on which eight people's revocations are held: their group was deleted."""
    ready.write("mappings/acme-vision.yaml", GUARDED)
    ready.provision([person(name, name[:2].title()) for name in PEOPLE], {"lbx-cityscapes-reviewers": PEOPLE})
    ready.out("apply", "mappings")
    delete_group(ready, "lbx-cityscapes-reviewers")
    return ready


def test_nothing_is_held(ready: Machine) -> None:
    """An empty list says so."""
    assert ready.out("hold", "list") == "nothing is held\n"


def test_holds_are_listed(held: Machine) -> None:
    """With the person, what is held, since when, why, and what can be done about it."""
    text = held.out("hold", "list")
    assert text.startswith(
        "acme-vision: 8 people held since 2026-11-20 09:14 UTC, hold_revocations (8 of 8 people (100.0%) lose a role)\n"
    )
    assert "Project-based reviewer in cityscapes" in text
    assert "group `lbx-cityscapes-reviewers` deleted" in text
    assert "rolebridge hold release" in text
    document = held.json("hold", "list", "--user", "p3")
    (one,) = document["holds"]
    assert one["user"]["user_name"] == "p3@acme.example"
    assert one["roles"] == [{"slot": "project_role", "project": "cityscapes", "role": "reviewer"}]
    assert (one["kind"], one["guard"]) == ("revocation", "hold_revocations")
    lines = held.out("hold", "list", "--csv").splitlines()
    assert len(lines) == 9
    assert lines[0].startswith("id,kind,workspace,user_id,user_name,since,slot,project,role")


def test_access_says_since_when_a_role_is_held(held: Machine) -> None:
    """In every form of the listing."""
    assert "; held since 2026-11-20 09:14 UTC" in held.out("access", "--user", "p3")
    rows = held.json("access", "--user", "p3")["access"]
    assert {row["held_since"] for row in rows if row["slot"] == "project_role"} == {"2026-11-20T09:14:30Z"}


def test_explain_says_that_a_role_is_held(held: Machine) -> None:
    """Which rule gave it, since when it is held, and the way out."""
    text = held.out("explain", "p3", "--project", "cityscapes")
    assert text.startswith("P3 is Project-based reviewer in Cityscapes 2026")
    assert "no longer gives it, but a guard rail holds" in text
    assert "the revocation since 2026-11-20 09:14 UTC (rolebridge hold list)" in text
    assert "1. let it go: rolebridge hold release" in text
    (explained,) = held.json("explain", "p3", "--project", "cityscapes")["explanations"]
    (lock,) = explained["locks"]
    assert [way["do"] for way in lock["release"]] == ["release_hold"]
    assert lock["by"][0]["held_since"] == "2026-11-20T09:14:30Z"


def test_status_tells_of_holds(held: Machine) -> None:
    """They need attention."""
    text = held.out("status")
    assert "acme-vision: 8 revocations are held since 2026-11-20 09:14 UTC: rolebridge hold list" in text
    assert "acme-vision: 0 of at least 1 hold admin in workspace_role" in text
    document = held.json("status")
    assert document["holds"] == [
        {"workspace": "acme-vision", "kind": "revocation", "count": 8, "since": "2026-11-20T09:14:30Z"}
    ]


def test_a_hold_is_released(held: Machine) -> None:
    """By its id, or what that begins with; the person loses the role."""
    (one,) = held.json("hold", "list", "--user", "p3")["holds"]
    out = held.out("hold", "release", one["id"][:8], "--reason", "p3 did leave")
    assert out == "✓ 1 hold released; 1 person's access changed\n"
    assert held.out("access", "--user", "p3") == "nobody holds anything here\n"
    assert len(held.json("hold", "list")["holds"]) == 7


def test_a_hold_is_discarded(held: Machine) -> None:
    """The role is kept by hand, to a last day."""
    document = held.json("hold", "discard", "--user", "p3", "--reason", "Okta's mistake", "--until", "2026-12-31")
    assert (len(document["holds"]), document["changes"]) == (1, 1)
    assert "by hand (" in held.out("access", "--user", "p3")
    assert "until 2026-12-31" in held.out("access", "--user", "p3")


@pytest.mark.parametrize(
    ("arguments", "exit_", "complaint"),
    [
        (("release", "--reason", "x"), 1, "say which holds"),
        (("release", "--all", "--reason", " "), 1, "say why"),
        (("release", "--all"), 64, "--reason"),
        (("release", "zzz", "--reason", "x"), 1, "there is no hold `zzz`"),
        (("discard", "--user", "p9", "--reason", "x"), 1, "there is no user `p9`"),
        (("discard", "--all", "--reason", "x", "--until", "yesterday"), 64, "yesterday"),
        (("discard", "--all", "--reason", "x", "--until", "2026-01-01"), 1, "lies in the past"),
    ],
)
def test_refusals_change_nothing(held: Machine, arguments: tuple[str, ...], exit_: int, complaint: str) -> None:
    """Each says what is wrong; all eight are still held."""
    result = held("hold", *arguments)
    assert result.exit_code == exit_
    assert complaint in result.stderr
    assert len(held.json("hold", "list")["holds"]) == 8


def test_with_four_eyes_a_second_person_approves(held: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call proposes and says how to go on; nobody approves their own; after the approval it is done."""
    held.environ["ROLEBRIDGE_FOUR_EYES"] = "yes"
    release = ("hold", "release", "--all", "--reason", "the team is dissolved")
    refused = held(*release)
    assert refused.exit_code == 1
    assert "a second person has to agree (release 8 holds of 8 people in acme-vision)" in refused.stderr
    (proposal,) = held.json("proposal", "list")["proposals"]
    assert f"help: another person runs: rolebridge approve {proposal['id'][:8]}" in refused.stderr
    own = held("approve", proposal["id"])
    assert (own.exit_code, "that takes another person" in own.stderr) == (1, True)
    with monkeypatch.context() as other:
        other.setattr("rolebridge.cli.session.login_name", lambda: "noa")
        approved = held.out("approve", proposal["id"][:8])
    assert approved.startswith("✓ approved: release 8 holds of 8 people in acme-vision; ")
    assert "os:noa" in held.out("proposal", "list")
    assert "os:noa" in held.out("proposal", "list", "--csv")
    again = held(*release, "--json")
    assert json.loads(again.stdout)["changes"] == 16
    assert held.out("proposal", "list") == "nothing waits for a second person\n"


# --- the worker


def test_the_worker_does_every_chore_once(acme: Machine) -> None:
    """And tells how each went; the status remembers it."""
    text = acme.out("worker", "--once")
    for chore in ("time-bound", "seal", "counters", "hold-windows", "tokens", "idempotency", "request-log", "audit"):
        assert f"✓  {chore}" in text
    document = acme.json("worker", "--once")
    assert document["leads"] is True
    assert {chore["failures"] for chore in document["chores"]} == {0}
    assert "worker: last at 2026-11-20 09:14 UTC, every chore succeeded last" in acme.out("status")


def test_a_worker_that_fell_silent_needs_attention(acme: Machine) -> None:
    """Rules would not begin or end."""
    assert "worker: none has run yet" in acme.out("status")
    acme.out("worker", "--once")
    acme.now += timedelta(hours=3)
    assert "worker: no worker has done anything for 3 h" in acme.out("status")


@pytest.mark.loopback
def test_the_worker_runs_until_told(acme: Machine) -> None:
    """Meanwhile another one finds the lead taken; SIGTERM ends it with 0, and the other one may."""
    running = process(acme, "worker")
    try:
        assert running.stdout is not None
        assert running.stdout.readline().decode() == "the worker works (Ctrl-C stops)\n"
        assert running.stderr is not None
        while b" leads" not in running.stderr.readline():
            pass
        assert acme.json("worker", "--once")["leads"] is False
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert running.returncode == 0
    assert acme.json("worker", "--once")["leads"] is True
