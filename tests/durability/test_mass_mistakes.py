"""An identity provider empties a group by mistake, person by person; and the worker beside the server, killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from tests.durability.running import MAPPING, OPERATOR, PATIENCE, Bridge, Said, at_once

pytestmark = pytest.mark.loopback

PEOPLE, CLIENTS = 200, 8
LIMIT = PEOPLE // 4
GUARDED = MAPPING + "guard: {hold_revocations: {over: 25%, and_at_least: 10}}\n"


def reviewers(serving: Bridge) -> dict[str, Any]:
    """Return by person what the record says of their role in the project, but for the memberships' moments."""
    organization = serving.installation.administration.organization(serving.organization)
    rows = serving.installation.access.rows(organization.id, workspace="vision")
    return {row.user_name: (row.grant.role, row.grant.lock, row.grant.rule) for row in rows}


def operation(op: str, id_: str) -> dict[str, Any]:
    """Return how one person is added or removed."""
    if op == "add":
        return {"op": "add", "path": "members", "value": [{"value": id_}]}
    return {"op": "remove", "path": f'members[value eq "{id_}"]'}


def by_everybody(serving: Bridge, group: str, ids: Sequence[str], op: str) -> Counter[int]:
    """Send one PATCH for each person, from several clients at once, to both processes."""

    def send(part: Sequence[str]) -> list[Said]:
        talker = serving.talker()
        return [talker.patch(f"/Groups/{group}", operation(op, id_)) for id_ in part]

    answers = at_once([partial(send, ids[client::CLIENTS]) for client in range(CLIENTS)])
    return Counter(said.status for part in answers for said in part)


def test_a_group_emptied_by_mistake_is_held_and_comes_back(serving: Bridge) -> None:
    """Two hundred PATCHes to two processes: a quarter takes effect, the rest is held; all is well when they return."""
    organization = serving.installation.administration.organization(serving.organization)
    serving.installation.planning.apply(OPERATOR, organization.id, {"mappings/vision.yaml": GUARDED})
    talker = serving.talker()
    ids = [talker.new_user(f"person{number:03}@acme.example") for number in range(PEOPLE)]
    group = talker.new_group("lbx-cityscapes-reviewers", *ids)
    before = reviewers(serving)
    assert len(before) == PEOPLE

    assert set(by_everybody(serving, group, ids, "remove")) <= {200, 204}
    assert talker.members(group) == set()
    assert len(reviewers(serving)) == PEOPLE - LIMIT
    listed = serving.command("hold", "list", "--org", serving.organization, "--json")
    holds = json.loads(listed.stdout)["holds"]
    assert len(holds) == PEOPLE - LIMIT
    assert {hold["user"]["user_name"] for hold in holds} == set(reviewers(serving))
    told = serving.command("status", "--org", serving.organization, "--check")
    assert f"vision: {PEOPLE - LIMIT} revocations are held since" in told.stdout
    assert told.returncode == 1
    serving.assert_sound()

    assert set(by_everybody(serving, group, ids, "add")) <= {200, 204}
    assert reviewers(serving) == before
    listed = serving.command("hold", "list", "--org", serving.organization)
    assert listed.stdout == "nothing is held\n"
    serving.assert_sound()


def test_deactivated_people_are_empty_before_the_answer(serving: Bridge) -> None:
    """However many are deactivated at once, no role of theirs is left when the answer comes."""
    organization = serving.installation.administration.organization(serving.organization)
    serving.installation.planning.apply(OPERATOR, organization.id, {"mappings/vision.yaml": GUARDED})
    talker = serving.talker()
    ids = [talker.new_user(f"leaver{number:03}@acme.example") for number in range(40)]
    talker.new_group("lbx-cityscapes-reviewers", *ids)

    def leave(id_: str) -> int:
        said = serving.talker().patch(f"/Users/{id_}", {"op": "replace", "path": "active", "value": False})
        with serving.installation.store.read() as unit:
            return said.status * 1000 + len(unit.grants(organization.id).of_users([id_])[id_])

    answers = [at_once([partial(leave, id_) for id_ in ids[first : first + 8]]) for first in range(0, 40, 8)]
    assert {answer for part in answers for answer in part} <= {200_000, 204_000}
    holds = serving.installation.holds.listing(organization.id).rows
    assert {hold.hold.kind for hold in holds} == {"delivery"}
    assert len(holds) == 30
    serving.assert_sound()


def worker_of(serving: Bridge) -> int:
    """Return the process that recorded how a chore went last; 0 for none yet."""
    with serving.installation.store.read() as unit:
        runs = unit.chore_runs.all()
    return int(max(runs, key=lambda run: run.ended).worker.rpartition(":")[2]) if runs else 0


def test_a_worker_that_is_killed_is_replaced(serving: Bridge) -> None:
    """Another process leads and does the chores; meanwhile requests are answered as ever."""
    until = time.monotonic() + PATIENCE
    while not (first := worker_of(serving)):
        assert time.monotonic() < until, "no worker has begun"
    os.kill(first, signal.SIGKILL)
    talker = serving.talker()
    talker.new_user("ana@acme.example")  # something to seal
    while worker_of(serving) == first:
        assert time.monotonic() < until, "no other worker has taken over"
        assert talker.send("GET", "/Users?count=1").status == 200
