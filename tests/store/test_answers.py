"""What SCIM answers from stored bytes: groups and members spliced in, pages, totals, filters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.store.worlds import BASE, NOW, World, group_draft, user_draft

from rolebridge.core.directory import MembershipSource
from rolebridge.core.filters import check, parse_filter
from rolebridge.core.schemas import ENTERPRISE_USER, GROUP_TABLE, USER_TABLE
from rolebridge.store import answers
from rolebridge.store.records import GroupAnswer, Page, UserAnswer
from rolebridge.store.statements import Statement
from rolebridge.store.unit import Unit


def find(world: World, text: str | None, *, offset: int = 0, limit: int = 100, **more: Any) -> Page[UserAnswer]:
    wanted = None if text is None else check(parse_filter(text), USER_TABLE)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        return directory.find_users(world.okta, wanted, offset=offset, limit=limit, prefix=BASE, **more)


def find_groups(world: World, text: str | None, *, offset: int = 0, limit: int = 100, **more: Any) -> Page[GroupAnswer]:
    wanted = None if text is None else check(parse_filter(text), GROUP_TABLE)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        return directory.find_groups(world.okta, wanted, offset=offset, limit=limit, prefix=BASE, **more)


def names(page: Page[UserAnswer]) -> list[str]:
    return [json.loads(answer.body)["userName"] for answer in page.answers]


# --- one resource


def test_a_users_groups_are_spliced_in_as_json(world: World) -> None:
    """The groups' elements are valid JSON with value, $ref, display and type, whatever the names."""
    (ana,) = world.add_users(1)
    shown = ['say "hi" \\ \u2028', "İ 100%", "a\x01b"]
    groups = {world.add_group(name, [ana]).id: name for name in shown}
    with world.store.read() as unit:
        answer = unit.directory(world.organization).user_answer(world.okta, ana, prefix=BASE + '/"x"')
        bare = unit.directory(world.organization).user_answer(world.okta, ana, prefix=BASE, with_groups=False)
    assert answer is not None
    assert bare is not None
    assert bare.groups is None
    assert json.loads(f"[{answer.groups}]") == [
        {"value": id_, "$ref": f'{BASE}/"x"/Groups/{id_}', "display": groups[id_], "type": "direct"}
        for id_ in sorted(groups)
    ]


def test_nobody_elses_resources_are_answered(world: World) -> None:
    """A connection gets neither another connection's resources nor anything for an id that is none."""
    foreign = world.add_user("ana", world.entra)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        for id_ in (foreign.id, "nobody", "a\0b", "\ud800", ""):
            assert directory.user_answer(world.okta, id_, prefix=BASE) is None
            assert directory.group_answer(world.okta, id_, prefix=BASE) is None
        found = directory.user_answer(world.entra, foreign.id, prefix=BASE)
    assert found == UserAnswer(foreign.id, foreign.body, 1, "")


def test_a_groups_members_come_in_blocks(world: World) -> None:
    """Members are JSON elements in the order of ids; without members the table is not read."""
    ids = world.add_users(30)
    group, empty = world.add_group("team", ids), world.add_group("empty")
    with world.store.read(snapshot=True) as unit:
        directory = unit.directory(world.organization)
        answer = directory.group_answer(world.okta, group.id, prefix=BASE)
        nothing = directory.group_answer(world.okta, empty.id, prefix=BASE)
        bare = directory.group_answer(world.okta, group.id, prefix=BASE, with_members=False)
    assert answer is not None
    assert nothing is not None
    assert bare is not None
    assert json.loads(f"[{','.join(answer.members or ())}]") == [
        {"value": id_, "$ref": f"{BASE}/Users/{id_}", "type": "User"} for id_ in sorted(ids)
    ]
    assert nothing.members is not None
    assert (list(nothing.members), bare.members) == ([], None)


def test_blocks_are_made_when_they_are_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of several blocks is the same however they are taken, and after others have changed it meanwhile."""
    monkeypatch.setattr(answers, "MEMBERS_BLOCK", 7)
    monkeypatch.setattr(answers, "MEMBER_BLOCK", Statement(answers._member_block))
    ids = world.add_users(30)
    group = world.add_group("team", ids)
    with world.store.read(snapshot=True) as unit:
        answer = unit.directory(world.organization).group_answer(world.okta, group.id, prefix=BASE)
    assert answer is not None
    assert answer.members is not None
    world.store.transact(lambda unit: unit.directory(world.organization).remove_members(group.id, ids[:9], NOW))
    blocks = list(answer.members)
    assert [block.count("value") for block in blocks] == [7, 7, 7, 7, 2]
    assert [element["value"] for element in json.loads(f"[{','.join(blocks)}]")] == sorted(ids)
    assert (answer.members[-1], answer.members[1:3]) == (blocks[-1], tuple(blocks[1:3]))
    with pytest.raises(IndexError):
        answer.members[5]


# --- pages


def test_pages_follow_creation_and_end(world: World) -> None:
    """The order is that of creation, a page past the end is empty, and totals count only the connection's own."""
    ids = world.add_users(7)
    world.add_user("foreign", world.entra)
    expected = [f"user{number}" for number in range(7)]
    assert names(find(world, None)) == expected
    assert names(find(world, None, offset=2, limit=3)) == expected[2:5]
    assert names(find(world, None, offset=6, limit=3)) == expected[6:]
    for offset, limit in ((7, 3), (10**9, 3), (0, 0)):
        page = find(world, None, offset=offset, limit=limit)
        assert (page.total, page.answers) == (7, ())

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        gone = directory.user(world.okta, ids[3])
        assert gone is not None
        directory.delete_user(gone, NOW)

    world.store.transact(work)
    page = find(world, None)
    assert (page.total, names(page)) == (6, expected[:3] + expected[4:])


def test_totals_survive_folding(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counter rows are summed up now and then, and the total stays right."""
    monkeypatch.setattr("rolebridge.store.scope.FOLD_EVERY", 4)
    ids = world.add_users(11)
    for id_ in ids[:5]:
        world.store.transact(
            lambda unit, id_=id_: unit.directory(world.organization).delete_user(  # type: ignore[misc]
                unit.directory(world.organization).user(None, id_), NOW
            )
        )
    assert find(world, None, limit=0).total == 6


def test_pages_of_groups_carry_members(world: World) -> None:
    """Each group of a page has its own members; `with_members` leaves them out."""
    a, b, c = world.add_users(3)
    one, two, three = world.add_group("one", [a, b]), world.add_group("two"), world.add_group("three", [c])
    page = find_groups(world, None)
    assert page.total == 3
    assert [answer.id for answer in page.answers] == [one.id, two.id, three.id]
    members = [json.loads(f"[{','.join(answer.members or ())}]") for answer in page.answers]
    assert [[member["value"] for member in held] for held in members] == [sorted([a, b]), [], [c]]
    assert [answer.members for answer in find_groups(world, None, with_members=False).answers] == [None] * 3
    assert find_groups(world, None, offset=3).answers == ()


# --- filters


@pytest.fixture
def people(world: World) -> World:
    """People that filters tell apart, one of another connection, and two groups."""
    work = {"value": "Ana.Work@Acme.example", "type": "work"}
    home = {"value": "ana@home.example", "type": "home"}
    ana = world.add_user(user_draft("Ana", "Ext-1", displayName="Äna %_ B", emails=[work, home], title="Lead"))
    strasse = world.add_user(
        user_draft("Straße", "ext-1", active=False, emails=[{"value": work["value"], "type": "home"}])
    )
    world.add_user(
        user_draft("bo", title="lead", roles=[{"value": "R1"}], more={ENTERPRISE_USER: {"employeeNumber": "E7"}})
    )
    world.add_user(user_draft("dan", nickName="İo"))
    world.add_user(user_draft("ana2", "Ext-1", displayName="Äna %_ B", title="Lead"), world.entra)
    world.add_group(group_draft("Team %", "G1"), [ana.id, strasse.id])
    world.add_group("other", [ana.id])
    return world


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('userName eq "ANA"', ["Ana"]),
        ('userName eq "STRASSE"', ["Straße"]),
        ('userName eq "ana%"', []),
        ('externalId eq "Ext-1"', ["Ana"]),
        ('externalId eq "EXT-1"', []),
        ('displayName eq "ÄNA %_ b"', ["Ana"]),
        ("active eq false", ["Straße"]),
        ('active eq true and title eq "LEAD"', ["Ana", "bo"]),
        ('emails.value eq "ana.work@acme.EXAMPLE"', ["Ana", "Straße"]),
        ('emails[type eq "work"].value eq "ana.work@acme.example"', ["Ana"]),
        ('emails[type eq "work" and value eq "ana@home.example"]', []),
        ('emails[type eq "home"]', ["Ana", "Straße"]),
        ('roles.value eq "r1"', ["bo"]),
        ('employeeNumber eq "e7"', ["bo"]),
        ('nickName eq "i̇O"', ["dan"]),
        ('title ne "lead"', ["Straße", "dan"]),
        ("not (title pr)", ["Straße", "dan"]),
        ('userName sw "a" or userName ew "O"', ["Ana", "bo"]),
        ('userName eq "ana" and externalId eq "Ext-1" and emails.value eq "ana@home.example"', ["Ana"]),
        ('userName eq "ana" and externalId eq "ext-1"', []),
        ('externalId eq null', ["bo", "dan"]),
        ('meta.created ge "2026-11-30T09:00:00.123Z" and userName pr', ["Ana", "Straße", "bo", "dan"]),
        ('meta.version eq "W/\\"2\\""', []),
    ],
)  # fmt: skip
def test_a_filter_means_what_the_language_says(people: World, text: str, expected: list[str]) -> None:
    """Indexed or not, a filter finds exactly the connection's users that it holds for, in order, with a total."""
    page = find(people, text)
    assert (names(page), page.total) == (expected, len(expected))
    assert find(people, text, limit=0).total == len(expected)
    assert names(find(people, text, offset=1, limit=1)) == expected[1:2]
    assert find(people, text, offset=1, limit=1).total == len(expected)
    assert find(people, text, offset=9).total == len(expected)
    assert all(answer.groups is not None for answer in page.answers)


def test_users_are_found_by_their_groups(people: World) -> None:
    """`groups.value` and `members.value` ask the membership rows, alone or with other terms."""
    page = find_groups(people, 'displayName eq "TEAM %"')
    (team,) = page.answers
    assert names(find(people, f'groups.value eq "{team.id}"')) == ["Ana", "Straße"]
    assert names(find(people, f'groups eq "{team.id}" and active eq true')) == ["Ana"]
    (ana,) = find(people, 'userName eq "ana"').answers
    assert len(find_groups(people, f'members.value eq "{ana.id}"').answers) == 2
    assert find_groups(people, f'members eq "{ana.id}" and displayName co "am"').answers == (team,)
    assert find_groups(people, 'externalId eq "G1"').total == 1
    examined = find(people, 'title eq "LEAD" and active eq true').answers[0]
    assert [group["type"] for group in json.loads(f"[{examined.groups}]")] == ["direct", "direct"]


def test_unknown_members_are_not_answered(world: World) -> None:
    """A membership always refers to a user that there is."""
    ids = world.add_users(2)
    group = world.add_group("team", ids)

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        directory.add_members(group.id, ["ghost"], source=MembershipSource.SCIM, connection_id=world.okta, now=NOW)
        gone = directory.user(world.okta, ids[0])
        assert gone is not None
        directory.delete_user(gone, NOW)

    world.store.transact(work)
    (answer,) = find_groups(world, None).answers
    assert [member["value"] for member in json.loads(f"[{','.join(answer.members or ())}]")] == [ids[1]]
