"""`app logouts`: what applications heard of logouts, and how `status` tells of those that do not hear."""

from __future__ import annotations

from datetime import timedelta

from tests.cli.machine import NOW, Machine

from rolebridge.store.engine import Store
from rolebridge.store.logout_notices import LogoutNotice

CALLBACK = ("--redirect", "https://app.example/callback")
HEARS = ("--backchannel", "https://app.example/out")


def leave(machine: Machine, client_id: str) -> None:
    """Leave three notices: heard, waiting after a failure, given up."""
    store = Store.open(machine.settings_of().settings.database_url)
    hour = timedelta(hours=1)
    made = [
        LogoutNotice("n1", client_id, "ana", "s1", NOW - 3 * hour, 1, delivered_at=NOW - 2 * hour),
        LogoutNotice(
            "n2", client_id, "ben", "s2", NOW - 2 * hour, 3, NOW + hour, problem="the application answers 500"
        ),
        LogoutNotice("n3", client_id, "eva", "s3", NOW - hour, 9, given_up_at=NOW, problem="it has no address"),
    ]
    try:
        with store.read() as unit:
            (organization,) = unit.accounts.organizations()
        store.transact(lambda unit: unit.logout_notices(organization.id).add(made))
    finally:
        store.close()


def test_what_was_heard_is_listed(ready: Machine) -> None:
    """The newest comes first, with its state, attempts and why the last one failed."""
    added = ready.json("app", "add", "labels", *CALLBACK, *HEARS)
    assert "no session has ended since" in ready.out("app", "logouts", "labels")
    leave(ready, added["client_id"])
    told = ready.json("app", "logouts", "labels")
    assert [(one["id"], one["state"], one["attempts"]) for one in told["logouts"]] == [
        ("n3", "given-up", 9),
        ("n2", "waiting", 3),
        ("n1", "delivered", 1),
    ]
    assert [one["id"] for one in ready.json("app", "logouts", "labels", "--limit", "1")["logouts"]] == ["n3"]
    text = ready.out("app", "logouts", "labels")
    assert "the application answers 500" in text
    assert "2026-11-20 10:14 UTC" in text
    assert ready.out("app", "logouts", "labels", "--csv").startswith("id,application,user,session,created,state,")


def test_who_is_not_told_is_said(ready: Machine) -> None:
    """An application without an address for logouts is told how it gets one; an unknown one is refused."""
    ready.out("app", "add", "labels", *CALLBACK)
    assert "--backchannel URL" in ready.out("app", "logouts", "labels")
    assert "nobody" in ready.refused("app", "logouts", "nobody")


def test_status_tells_of_applications_that_do_not_hear(ready: Machine) -> None:
    """People may still be in there; a revoked application is nobody's trouble."""
    added = ready.json("app", "add", "labels", *CALLBACK, *HEARS)
    leave(ready, added["client_id"])
    notices = {one["concern"]: one for one in ready.json("status")["notices"]}
    assert notices["logouts-not-heard"]["subject"] == "labels"
    assert "1 wait to be tried again, 1 were given up" in notices["logouts-not-heard"]["text"]
    ready.out("app", "revoke", "labels")
    assert "logouts-not-heard" not in {one["concern"] for one in ready.json("status")["notices"]}
