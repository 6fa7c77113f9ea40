"""Requests at the same moment, to two processes: none undoes another, and none is refused for meeting another."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from tests.durability.running import GROUP, MAPPING, USER, Bridge, Said, Talker, at_once

pytestmark = pytest.mark.loopback

MANY = 20


@pytest.fixture
def talker(serving: Bridge) -> Talker:
    return serving.talker()


def statuses(answers: list[Said]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def test_no_membership_is_lost(serving: Bridge, talker: Talker) -> None:
    """Twenty PATCHes of one group at once, each with a member to add and one to remove: all of them take effect."""
    old = [talker.new_user(f"old{number}@acme.example") for number in range(MANY)]
    new = [talker.new_user(f"new{number}@acme.example") for number in range(MANY)]
    group = talker.new_group("lbx-cityscapes-reviewers", *old)

    def swap(pair: tuple[str, str]) -> Said:
        return serving.talker().patch(
            f"/Groups/{group}",
            {"op": "remove", "path": f'members[value eq "{pair[0]}"]'},
            {"op": "add", "path": "members", "value": [{"value": pair[1]}]},
        )

    answers = at_once([partial(swap, pair) for pair in zip(old, new, strict=True)])
    assert set(statuses(answers)) <= {200, 204}, answers
    assert talker.members(group) == set(new)
    serving.assert_sound()


def test_no_attribute_is_lost(serving: Bridge, talker: Talker) -> None:
    """Twenty PATCHes of one user at once, each of another attribute: all of them take effect, and none answers 412."""
    user = talker.new_user("ana@acme.example")
    paths = [
        *("displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone"),
        *("name.formatted", "name.familyName", "name.givenName", "name.middleName", "externalId"),
        *(f'emails[type eq "{kind}"].value' for kind in ("work", "home", "other")),
        *(f'phoneNumbers[type eq "{kind}"].value' for kind in ("work", "home", "mobile", "fax", "pager")),
    ]
    assert len(paths) == MANY

    def write(number: int) -> Said:
        operation = {"op": "replace", "path": paths[number], "value": f"{number}@acme.example"}
        return serving.talker().patch(f"/Users/{user}", operation)

    answers = at_once([partial(write, number) for number in range(MANY)])
    assert set(statuses(answers)) <= {200, 204}, answers
    read = talker.send("GET", f"/Users/{user}").body
    assert {mail["value"] for mail in read["emails"]} == {f"{number}@acme.example" for number in range(12, 15)}
    assert {mail["value"] for mail in read["phoneNumbers"]} == {f"{number}@acme.example" for number in range(15, 20)}
    assert [read[path] for path in paths[:7]] == [f"{number}@acme.example" for number in range(7)]
    assert [read["name"][path.partition(".")[2]] for path in paths[7:11]] == [f"{n}@acme.example" for n in range(7, 11)]
    assert read["externalId"] == "11@acme.example"
    assert read["meta"]["version"].startswith(f'W/"{MANY + 1}'), "twenty changes are twenty versions"
    serving.assert_sound()


def test_one_user_is_created_once(serving: Bridge, talker: Talker) -> None:
    """Twenty POSTs of one userName at once, in different cases: exactly one 201, the others 409 uniqueness."""
    bodies = [{"schemas": [USER], "userName": ("ana@acme.example", "Ana@Acme.Example")[n % 2]} for n in range(MANY)]
    answers = at_once([partial(serving.talker().send, "POST", "/Users", body) for body in bodies])
    assert statuses(answers) == {201: 1, 409: MANY - 1}
    assert {answer.body["scimType"] for answer in answers if answer.status == 409} == {"uniqueness"}
    assert talker.send("GET", "/Users").body["totalResults"] == 1
    serving.assert_sound()


def test_one_group_is_created_once(serving: Bridge, talker: Talker) -> None:
    """Twenty POSTs of one displayName at once: exactly one 201, the others 409 uniqueness."""
    body = {"schemas": [GROUP], "displayName": "lbx-retail-labelers"}
    answers = at_once([partial(serving.talker().send, "POST", "/Groups", body) for _ in range(MANY)])
    assert statuses(answers) == {201: 1, 409: MANY - 1}
    assert {answer.body["scimType"] for answer in answers if answer.status == 409} == {"uniqueness"}
    assert talker.send("GET", "/Groups").body["totalResults"] == 1
    serving.assert_sound()


def test_deletions_meet_memberships(serving: Bridge, talker: Talker) -> None:
    """Users deleted while they are put into groups, and groups while they are filled: nobody is a member of nothing."""
    users = [talker.new_user(f"user{number}@acme.example") for number in range(MANY)]
    groups = [
        talker.new_group(f"lbx-{project}-{team}")
        for project in ("cityscapes", "retail")
        for team in ("reviewers", "labelers")
    ]
    everyone = {"op": "add", "path": "members", "value": [{"value": user} for user in users]}
    works = [
        *(partial(serving.talker().send, "DELETE", f"/Users/{user}") for user in users[: MANY // 2]),
        *(partial(serving.talker().patch, f"/Groups/{group}", everyone) for group in groups * 2),
        partial(serving.talker().send, "DELETE", f"/Groups/{groups[0]}"),
    ]
    answers = at_once(works)
    assert set(statuses(answers)) <= {200, 204, 404}, answers
    for group in groups[1:]:
        assert talker.members(group) == set(users[MANY // 2 :])
    serving.assert_sound()


def test_commands_write_while_the_server_serves(sqlite_serving: Bridge, tmp_path: Path) -> None:
    """`apply` from other processes, while both workers write to the same SQLite file: all is done."""
    talker = sqlite_serving.talker()
    users = [talker.new_user(f"user{number}@acme.example") for number in range(MANY)]
    group = talker.new_group("lbx-cityscapes-reviewers")
    folder = tmp_path / "mappings"
    folder.mkdir()

    def apply(number: int) -> set[int]:
        (folder / f"m{number}").mkdir()
        (folder / f"m{number}" / "vision.yaml").write_text(MAPPING + f"# {number}\n")
        done = sqlite_serving.command("apply", f"mappings/m{number}", "--force", "--reason", "test")
        assert done.returncode == 0, done.stdout + done.stderr
        return {200}

    def write(user: str) -> set[int]:
        mine = sqlite_serving.talker()
        steps = [(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})]
        steps += [(f"/Users/{user}", {"op": "replace", "path": "title", "value": f"t{n}"}) for n in range(10)]
        return {mine.patch(path, operation).status for path, operation in steps}

    works = [*(partial(apply, number) for number in range(3)), *(partial(write, user) for user in users)]
    answers = at_once(works)
    assert set().union(*answers) <= {200, 204}
    assert talker.members(group) == set(users)
    sqlite_serving.assert_sound()
