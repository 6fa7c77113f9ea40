"""The hot look-ups use an index: no plan reads a table from its beginning."""

from __future__ import annotations

from typing import Any

import pytest
from tests.store.worlds import BASE, NOW, World, new_id, user_draft

from rolebridge.core.directory import MembershipSource
from rolebridge.core.filters import check, parse_filter
from rolebridge.core.schemas import ENTERPRISE_USER, GROUP_TABLE, USER_TABLE
from rolebridge.store import (
    accounts,
    anchors,
    answers,
    audit_listing,
    bulk_statements,
    feed,
    grants,
    groups,
    history,
    idempotency,
    manual,
    members,
    people,
    record,
    revisions,
    sealing,
    users,
)
from rolebridge.store.engine import Store
from rolebridge.store.links import Cursor, Link
from rolebridge.store.statements import Database, Parameters, json_list
from rolebridge.store.tables import metadata
from rolebridge.store.unit import Unit

IDS = json_list(["a", "b"])
VALUES: dict[str, Any] = {
    "organization_id": "o", "connection_id": "c", "id": "i", "of": "i", "ids": IDS, "reference": "r", "user_id": "u",
    "to_user": "r", "to_group": "r",
    "group_id": "g", "hash": b"h", "after": "", "known": 1, "at": "t", "text": "b", "limit": 10, "offset": 3,
    "first": 1,
    "user_key": "k", "external_key": "k", "display_key": "k", "from_key": "a", "to_key": "b", "kind": "user",
    "source": "scim", "since": "t", "workspace": "w", "project": "p", "rule": "r", "named": "r",
    "except_user": "u", "day": "2026-12-01",
    "number": 1,
    "request_id": "r", "before_sequence": 9, "until": "t", "below": 9, "above": 1,
    "sequence": 1, "position": 1, "through": 1, "kinds": IDS,
    "slot": "s", "role": "r", "today": "2026-12-01", "of_key_id": "k", "of_text": "t",
    "subject_id": "s", "keys": IDS, "import_id": "i", "past": 0,
}  # fmt: skip
HOT = {
    "token by hash": accounts.TOKEN_BY_HASH,
    "key by hash": accounts.KEY_BY_HASH,
    "user row": users.BY_ID[True, True],
    "userName owner": users.NAME_OWNER,
    "externalId owner": users.EXTERNAL_OWNER,
    "groups of a user": users.GROUPS_OF,
    "leave groups": users.LEAVE_GROUPS.deleting,
    "group row": groups.BY_ID[True, True],
    "bump": groups.BUMP,
    "displayName owner": groups.NAME_OWNER,
    "known members": groups.KNOWN,
    "add members": groups.ADD,
    "remove members": groups.REMOVE.deleting,
    "remove other members": groups.REMOVE_OTHERS.deleting,
    "member ids": groups.MEMBER_IDS,
    "user answer": answers.ONE["users", True],
    "group answer": answers.ONE["groups", False],
    "member block": answers.MEMBER_BLOCK,
    "members of a page": answers.MEMBERS_OF,
    "core users": people.CORE,
    "memberships": people.MEMBERSHIPS,
    "user by name": people.USER_NAMED,
    "user by local part": people.USERS_BETWEEN,
    "group by name": people.GROUPS_NAMED,
    "grants of users": grants.OF_USERS,
    "grants through a rule": grants.THROUGH_RULE,
    "holders in a project": grants.HOLDERS_IN,
    "holders by hand in a project": manual.HOLDERS_BY_HAND_IN,
    "named users": people.IDS_NAMED,
    "assignments by hand": manual.MANUAL_OF_USERS,
    "due": grants.DUE,
    "active revision": revisions.ACTIVE_NUMBER,
    "holders of userNames": bulk_statements.BY_NAME,
    "users by externalIds": bulk_statements.BY_EXTERNAL,
    "groups by displayNames": bulk_statements.GROUPS_BY_NAME,
    "users of an import": bulk_statements.STORED_USERS,
    "ids of a source": bulk_statements.SOURCE_IDS,
    "exported users": bulk_statements.USERS_AFTER,
    "names of members": bulk_statements.MEMBER_NAMES,
    "audit of a subject": record.AUDIT_OF,
    "audit": record.AUDIT,
    "audit of a request": audit_listing.listing(frozenset({"request_id"}), forward=False),
    "audit after a moment": audit_listing.FIRST_AFTER,
    "audit of subjects": audit_listing.OF_SUBJECTS,
    "audit from a number": audit_listing.FROM,
    "place in the chain": sealing.LINK_AT,
    "seal before a moment": sealing.SEALED_BEFORE,
    "memberships that go on": history.MEMBERSHIPS_AT[0],
    "memberships that ended": history.MEMBERSHIPS_AT[1],
    "people by userName": members.NAMED[False],
    "people of a workspace by userName": members.NAMED[True],
    "a person by userName or id": members.CALLED,
    "people of a page": members.PEOPLE,
    "members of a workspace": members.IN_WORKSPACE,
    "members of a project": members.IN_PROJECT,
    "one role": members.HOLDS,
    "changes": feed.PAGE,
    "changes without a place": feed.WAITING,
    "change at a place": feed.AT,
    "oldest changes": feed.OLDEST,
    "idempotency key": idempotency.FIND,
    "nestings that go on": history.NESTINGS_AT[0],
    "nestings that ended": history.NESTINGS_AT[1],
}


def plan(link: Link, sql: str, parameters: Parameters) -> list[str]:
    """Return the lines of a statement's plan."""
    if link.database is Database.SQLITE:
        return [str(row[3]) for row in link.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()]
    # So small a table would be read whole; the question is whether it has to be.
    link.execute("SET enable_seqscan = off", ())
    return [str(row[0]) for row in link.execute(f"EXPLAIN {sql}", parameters).fetchall()]


def reads_a_whole_table(lines: list[str]) -> list[str]:
    """Return the lines of a plan that read a table, or all of an index, from the beginning."""
    whole = []
    for line in lines:
        words = line.replace("->", "").split()
        if words[0] == "SCAN" and words[1] in metadata.tables:
            whole.append(line)
        if "Seq Scan on" in line and words[words.index("on") + 1] in metadata.tables:
            whole.append(line)
    return whole


@pytest.mark.parametrize("name", HOT)
def test_a_hot_look_up_uses_an_index(store: Store, name: str) -> None:
    """No table is read from its beginning, and (as SQLite's plans tell) no organization."""
    compiled = HOT[name].on(store.dialect)

    def work(unit: Unit) -> list[str]:
        return plan(unit.link, compiled.sql, compiled.parameters(VALUES))

    lines = store.transact(work)
    assert lines
    assert reads_a_whole_table(lines) == []
    if name != "active revision":  # the last revision is where the organization's end
        # Whether groups are in groups at all is known from the first row.
        whole = [line for line in lines if line.endswith("(organization_id=?)") and "group_ancestors" not in line]
        assert whole == []


@pytest.fixture(scope="module")
def crowd(store: Store) -> World:
    """Enough people that reading all of a connection would show in a plan, and statistics where servers make them."""
    world = World(store).begin()

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        for number in range(400):
            draft = user_draft(
                f"user{number}", f"x{number}", displayName=f"User {number}", emails=[{"value": f"u{number}@x.example"}],
                more={ENTERPRISE_USER: {"employeeNumber": str(number)}},
            )  # fmt: skip
            directory.insert_user(world.okta, draft, new_id(), NOW)

    store.transact(work)
    ids = [user.id for user in _everyone(world)]
    for number in range(5):
        world.add_group(f"team{number}", ids[number * 20 : number * 20 + 20])
    if store.dialect == "postgresql":
        store.transact(lambda unit: unit.link.execute("ANALYZE", ()).rowcount)
    return world


def _everyone(world: World) -> list[Any]:
    with world.store.read() as unit:
        return list(unit.directory(world.organization).all_core_users())


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ('userName eq "USER7"', "user_key"),
        ('externalId eq "x7"', "external_key"),
        ('displayName eq "user 7"', "display_key"),
        ('id eq "x"', "pk_users|sqlite_autoindex_users_1"),
        ('emails.value eq "U7@x.example"', "user_values"),
        ('emails[type eq "work"].value eq "U7@x.example"', "user_values"),
        ('employeeNumber eq "7"', "user_values"),
        ('groups.value eq "g"', "memberships"),
        ('userName eq "USER7" and active eq true', "user_key"),
        ('active eq true and emails.value eq "U7@x.example" and title pr', "user_values"),
        ('userName eq "USER7" and not (title co "x" or emails.type pr)', "user_key"),
        ('userName eq "USER7" or userName eq "user8"', "user_key"),
        ('userName sw "USER7"', "user_key"),
        ('displayName sw "user 7" and active eq true', "display_key"),
    ],
)
def test_a_filter_on_users_begins_at_its_index(
    crowd: World, monkeypatch: pytest.MonkeyPatch, text: str, index: str
) -> None:
    """The index of the term finds the rows, not the order of creation."""
    asked = _asked(crowd, monkeypatch, text, USER_TABLE)
    assert asked
    for lines in asked:
        assert reads_a_whole_table(lines) == []
        text_of_plan = "\n".join(lines)
        assert any(name in text_of_plan for name in index.split("|")), text_of_plan
        assert "connection_id_sequence" not in text_of_plan, text_of_plan


@pytest.mark.parametrize(
    ("text", "index"), [('displayName eq "TEAM1"', "display_key"), ('members.value eq "u"', "memberships")]
)
def test_a_filter_on_groups_begins_at_its_index(
    crowd: World, monkeypatch: pytest.MonkeyPatch, text: str, index: str
) -> None:
    """The same for groups."""
    for lines in _asked(crowd, monkeypatch, text, GROUP_TABLE):
        assert reads_a_whole_table(lines) == []
        assert index in "\n".join(lines)


def _asked(world: World, monkeypatch: pytest.MonkeyPatch, text: str, table: Any) -> list[list[str]]:
    """Return the plans of the statements that a filter runs."""
    asked: list[tuple[str, Parameters]] = []
    wanted = check(parse_filter(text), table)
    with world.store.read() as unit:
        execute = type(unit.link).execute

        def noted(link: Link, sql: str, parameters: Parameters) -> Cursor:
            asked.append((sql, parameters))
            return execute(link, sql, parameters)

        directory = unit.directory(world.organization)
        find = directory.find_users if table is USER_TABLE else directory.find_groups
        with monkeypatch.context() as patch:
            patch.setattr(type(unit.link), "execute", noted)
            find(world.okta, wanted, offset=0, limit=100, prefix=BASE)
            find(world.okta, wanted, offset=0, limit=0, prefix=BASE)
        # What is spliced into the found rows has plans of its own, above.
        finding = [(sql, values) for sql, values in asked if "count(" in sql or ".body" in sql]
        return [plan(unit.link, sql, values) for sql, values in finding]


def test_a_page_far_back_reads_only_the_index(crowd: World) -> None:
    """To begin a page the index of creation is walked, not the rows."""
    compiled = anchors.FIRST["users"].on(crowd.store.dialect)
    with crowd.store.read() as unit:
        lines = plan(unit.link, compiled.sql, compiled.parameters(VALUES))
    assert any("COVERING INDEX" in line or "Index Only Scan" in line for line in lines), lines


def test_members_are_added_without_reading_the_others(crowd: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more member of a group asks the same statements with the same number of ids, however many it has."""
    everyone = [user.id for user in _everyone(crowd)]
    small, large = crowd.add_group("small", everyone[:2]), crowd.add_group("large", everyone[:-1])
    told: list[list[int]] = []

    def work(unit: Unit) -> None:
        execute = type(unit.link).execute
        for group in (small, large):
            sizes: list[int] = []

            def noted(link: Link, sql: str, parameters: Parameters, sizes: list[int] = sizes) -> Cursor:
                sizes.append(sum(len(str(value)) for value in parameters if not str(value).startswith("{")))
                return execute(link, sql, parameters)

            with monkeypatch.context() as patch:
                patch.setattr(type(unit.link), "execute", noted)
                unit.directory(crowd.organization).add_members(
                    group.id, everyone[-1:], source=MembershipSource.SCIM, connection_id=crowd.okta, now=NOW
                )
            told.append(sizes)

    crowd.store.transact(work)
    assert told[0] == told[1]
