"""Users, groups and memberships as rows."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.store.worlds import NOW, World, group_draft, new_id, user_draft

from rolebridge.core.directory import MembershipSource
from rolebridge.core.errors import Invalid, NotFound, Taken, Unavailable
from rolebridge.store.records import StoredUser
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(hours=1)
# Names that mean something to LIKE, SQL, JSON, formats, case rules, collations or the length of an index entry.
NASTY = [
    "100%", "%s", "under_score", "o'brien", 'say "hi"', "back\\slash", "\\u0000", "; DROP TABLE users", "?1", ":name",
    "$1", "{}", "null", "", " ", " leading", "trailing ", "tab\tand\nline", "a\x01b", "\u2028", "😀", "é", "e\u0301",
    "İstanbul", "Straße", "ﬁ", "../..", "x" * 5_000, "ß" * 300,
]  # fmt: skip


def _add(world: World, group_id: str, ids: list[str], unit: Unit) -> object:
    return unit.directory(world.organization).add_members(
        group_id, ids, source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
    )


# --- users


@pytest.mark.parametrize("name", NASTY)
def test_text_comes_back_as_it_was_sent(world: World, name: str) -> None:
    """Whatever its characters, a user's text is stored, found and returned unchanged."""
    made = world.add_user(user_draft(name, external_id=name, displayName=name, nickName=name))
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        read = directory.user(world.okta, made.id)
        named = directory.user_by_name(name.upper() if name.upper().casefold() == name.casefold() else name)
    assert read == made
    assert json.loads(made.body)["nickName"] == name
    assert (made.user_name, made.external_id) == (name, name)
    assert made in named


@pytest.mark.parametrize(
    ("text", "why"),
    [("a\0b", "U+0000"), ("\ud800", "half a character")],
)
@pytest.mark.parametrize("place", ["user_name", "external_id", "attribute"])
def test_text_that_a_database_cannot_hold_is_refused_alike_on_both(
    world: World, text: str, why: str, place: str
) -> None:
    """A NUL or half a surrogate pair is refused with the reason, and nothing is stored."""
    parts = {"user_name": "ana", "external_id": "1", "attribute": "x"} | {place: text}
    with pytest.raises(Invalid, match=why.replace("+", r"\+")):
        world.add_user(user_draft(parts["user_name"], parts["external_id"], title=parts["attribute"]))
    with world.store.read() as unit:
        assert list(unit.directory(world.organization).all_core_users()) == []
        assert unit.directory(world.organization).user(world.okta, text) is None
        assert unit.directory(world.organization).user_by_name(text) == []


def test_a_number_that_json_cannot_hold_is_refused(world: World) -> None:
    """Infinity is refused instead of making JSON that nobody can read."""
    with pytest.raises(Invalid, match="infinite"):
        world.add_user(user_draft("ana", weight=float("inf")))


def test_a_body_is_the_canonical_answer_with_meta_last(world: World) -> None:
    """The stored body is complete but for groups and location, and ends in meta."""
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    made = world.add_user(user_draft("ana", "7", more={enterprise: {"department": "Vision"}}))
    assert json.loads(made.body) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
        "id": made.id,
        "userName": "ana",
        enterprise: {"department": "Vision"},
        "externalId": "7",
        "active": True,
        "meta": {
            "resourceType": "User",
            "created": "2026-11-30T09:00:00.123Z",
            "lastModified": "2026-11-30T09:00:00.123Z",
            "version": 'W/"1"',
        },
    }
    assert list(json.loads(made.body))[-1] == "meta"
    assert made.draft().attributes == {
        "userName": "ana", enterprise: {"department": "Vision"}, "externalId": "7", "active": True,
    }  # fmt: skip


@pytest.mark.parametrize(("said", "stored"), [(None, True), (True, True), (False, False)])
def test_a_new_user_is_active_unless_said_otherwise(world: World, said: bool | None, stored: bool) -> None:
    """`active` None means active for a new user."""
    assert world.add_user(user_draft("ana", active=said)).active is stored


def test_an_update_keeps_active_when_it_is_not_said(world: World) -> None:
    """`active` None keeps an old user as active or inactive as they were."""
    made = world.add_user(user_draft("ana", active=False))
    new = world.store.transact(
        lambda unit: unit.directory(world.organization).update_user(made, user_draft("ana", title="x"), LATER)
    )
    assert (new.active, new.version, new.last_modified, new.created) == (False, 2, LATER, NOW)
    assert '"version":"W/\\"2\\""' in new.body
    with world.store.read() as unit:
        assert unit.directory(world.organization).user(None, made.id) == new


def test_user_names_are_unique_in_the_organization_without_regard_to_case(world: World) -> None:
    """A second userName that differs in case only is refused; another connection's owner is named."""
    world.add_user("STRASSE@acme.example")
    with pytest.raises(Taken, match=r"userName `straße@acme.example` belongs to another user$") as own:
        world.add_user("straße@acme.example")
    assert (own.value.attribute, own.value.owner) == ("userName", None)
    with pytest.raises(Taken, match="of connection `okta`; `rolebridge connection adopt`") as other:
        world.add_user("straße@acme.example", world.entra)
    assert other.value.owner == "okta"


def test_external_ids_are_unique_in_a_connection_with_regard_to_case(world: World) -> None:
    """The same externalId is refused in one connection only, and another case is another id."""
    world.add_user(user_draft("a", "X"))
    world.add_user(user_draft("b", "x"))
    world.add_user(user_draft("c", "X"), world.entra)
    with pytest.raises(Taken, match=r"externalId `X` belongs to another user$"):
        world.add_user(user_draft("d", "X"))
    world.add_user(user_draft("e"))
    world.add_user(user_draft("f"))


def test_organizations_do_not_meet(world: World) -> None:
    """The same names and ids exist in each organization, and none sees the other's."""
    other = World(world.store).begin()
    mine = world.add_user(user_draft("ana", "1"))
    other.add_user(user_draft("ana", "1"))
    with world.store.read() as unit:
        assert unit.directory(other.organization).user(None, mine.id) is None
        assert unit.directory(world.organization).user(world.entra, mine.id) is None
        assert [user.id for user in unit.directory(world.organization).all_core_users()] == [mine.id]


@pytest.mark.parametrize(("name", "external", "attribute"), [("BO", "1", "userName"), ("ana", "2", "externalId")])
def test_a_refused_update_leaves_the_transaction_usable(world: World, name: str, external: str, attribute: str) -> None:
    """An update to a taken name says which, and what the transaction does before and after still counts."""
    ana, _ = world.add_user(user_draft("ana", "1")), world.add_user(user_draft("bo", "2"))

    def work(unit: Unit) -> StoredUser:
        directory = unit.directory(world.organization)
        before = directory.update_user(ana, user_draft("ana", "1", title="x"), LATER)
        with pytest.raises(Taken, match=f"^{attribute} "):
            directory.update_user(before, user_draft(name, external), LATER)
        return directory.update_user(before, user_draft("ana", "1", title="y"), LATER)

    assert world.store.transact(work).version == 3


def test_a_stale_update_is_refused(world: World) -> None:
    """Who writes over a version that is no longer the present one is told to try again."""
    old = world.add_user("ana")
    world.store.transact(lambda unit: unit.directory(world.organization).update_user(old, user_draft("ana"), LATER))
    with pytest.raises(Unavailable, match="changed at the same time"):
        world.store.transact(lambda unit: unit.directory(world.organization).update_user(old, user_draft("x"), LATER))


def test_a_deleted_user_leaves_groups_name_and_tombstone(world: World) -> None:
    """Deleting ends memberships, gives the groups new versions, frees the userName and keeps the id's memory."""
    ana, bo = world.add_user(user_draft("ana", "1")), world.add_user("bo")
    group = world.add_group("team", [ana.id, bo.id])
    empty = world.add_group("other")

    def work(unit: Unit) -> tuple[str, ...]:
        return unit.directory(world.organization).delete_user(ana, LATER)

    assert world.store.transact(work) == (group.id,)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert directory.user(None, ana.id) is None
        changed = directory.group(world.okta, group.id)
        assert changed is not None
        assert (changed.version, changed.last_modified) == (3, LATER)
        assert directory.group_version(empty.id) == 1
        left = directory.departed(ana.id)
        assert left is not None
        assert (left.kind, left.name, left.external_id, left.deleted) == ("user", "ana", "1", LATER)
    assert world.members(group.id) == [bo.id]
    with pytest.raises(Unavailable, match="deleted at the same time"):
        world.store.transact(work)
    world.add_user(user_draft("ana", "1"))


def test_people_are_found_as_they_are_named(world: World) -> None:
    """A name is a userName, an id, or what stands before the `@`; several are all returned."""
    ana, other = world.add_user("ana@acme.example"), world.add_user("ANA@else.example")
    anabel = world.add_user("anabel@acme.example")
    with world.store.read() as unit:
        named = unit.directory(world.organization).user_by_name
        assert named("Ana@Acme.example") == [ana]
        assert named(anabel.id) == [anabel]
        assert named("ana") == [ana, other]
        assert named("anabel") == [anabel]
        assert named("an") == named("%") == named("") == []


# --- groups


@pytest.mark.parametrize("name", NASTY)
def test_a_groups_text_comes_back_as_it_was_sent(world: World, name: str) -> None:
    """Whatever its characters, a group's text is stored, found and returned unchanged."""
    made = world.add_group(group_draft(name, name))
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert directory.group(world.okta, made.id) == made
        assert directory.group_by_name(name) == [made]
    assert json.loads(made.body)["displayName"] == name


def test_group_names_are_unique_in_a_connection(world: World) -> None:
    """displayName clashes in any case, externalId exactly, both in one connection only."""
    world.add_group(group_draft("Team", "1"))
    with pytest.raises(Taken, match=r"displayName `TEAM` belongs to another group$"):
        world.add_group("TEAM")
    with pytest.raises(Taken, match=r"externalId `1` belongs to another group$"):
        world.add_group(group_draft("other", "1"))
    world.store.transact(
        lambda unit: unit.directory(world.organization).insert_group(
            world.entra, group_draft("Team", "1"), new_id(), NOW
        )
    )
    with world.store.read() as unit:
        assert len(unit.directory(world.organization).group_by_name("team")) == 2


def test_a_renamed_group_keeps_its_members(world: World) -> None:
    """An update gives the next version and leaves members alone; a taken name changes nothing."""
    ids = world.add_users(3)
    group = world.add_group("team", ids)
    world.add_group("taken")

    def work(unit: Unit) -> int:
        directory = unit.directory(world.organization)
        present = directory.group(world.okta, group.id, lock=True)
        assert present is not None
        renamed = directory.update_group(present, group_draft("crew"), LATER)
        with pytest.raises(Taken, match="displayName"):
            directory.update_group(renamed, group_draft("Taken"), LATER)
        return directory.update_group(renamed, group_draft("Crew", "9"), LATER).version

    assert world.store.transact(work) == 4
    assert world.members(group.id) == sorted(ids)


def test_deleting_a_group_tells_who_was_in_it(world: World) -> None:
    """Deleting a group returns its members, who stay users without it."""
    ids = world.add_users(3)
    group = world.add_group("team", ids)
    left = world.store.transact(lambda unit: unit.directory(world.organization).delete_group(group, LATER))
    assert left == tuple(sorted(ids))
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert directory.memberships(ids) == dict.fromkeys(sorted(ids), ())
        departed = directory.departed(group.id)
        assert departed is not None
        assert departed.kind == "group"
    world.add_group("team")


# --- memberships


def test_adding_tells_new_from_known_from_unknown(world: World) -> None:
    """Only users of the connection are added, each once; the rest is reported in order; one version follows."""
    a, b, c = world.add_users(3)
    foreign = world.add_user("foreign", world.entra).id
    group = world.add_group("team", [a])
    nobody = ["zz", "nobody", "a\0b", "\ud800", foreign]

    def work(unit: Unit) -> object:
        return _add(world, group.id, [b, *nobody, a, c, b], unit)

    delta = world.store.transact(work)
    assert (delta.added, delta.removed, delta.unknown) == (tuple(sorted([b, c])), (), tuple(nobody))  # type: ignore[attr-defined]
    assert world.members(group.id) == sorted([a, b, c])
    with world.store.read() as unit:
        present = unit.directory(world.organization).group(world.okta, group.id)
        assert present is not None
        assert (present.version, present.last_modified) == (3, LATER)
        assert json.loads(present.body)["meta"]["version"] == 'W/"3"'
        assert json.loads(present.body)["displayName"] == "team"


def test_a_membership_change_that_changes_nothing_leaves_the_version(world: World) -> None:
    """Adding members, removing strangers and replacing by the same set leave version and time alone."""
    ids = world.add_users(2)
    group = world.add_group("team", ids)

    def work(unit: Unit) -> int:
        directory = unit.directory(world.organization)
        _add(world, group.id, ids, unit)
        assert directory.remove_members(group.id, ["nobody", "a\0b"], LATER) == ()
        directory.replace_members(
            group.id, reversed(ids), source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
        )
        return directory.group_version(group.id)

    assert world.store.transact(work) == 2


def test_replacing_adds_and_removes_the_difference(world: World) -> None:
    """Who stays keeps `since`; who is new gets the time of the change; who is not named leaves."""
    a, b, c, d = world.add_users(4)
    group = world.add_group("team", [a, b, c])
    delta = world.store.transact(
        lambda unit: unit.directory(world.organization).replace_members(
            group.id, [c, d, "nobody"], source=MembershipSource.LOGIN, connection_id=world.okta, now=LATER
        )
    )
    assert (delta.added, delta.removed, delta.unknown) == ((d,), tuple(sorted([a, b])), ("nobody",))
    with world.store.read() as unit:
        held = unit.directory(world.organization).memberships([c, d])
    assert [(m.since, m.source) for m in held[c]] == [(NOW, MembershipSource.SCIM)]
    assert [(m.since, m.source) for m in held[d]] == [(LATER, MembershipSource.LOGIN)]
    assert held[c][0].group.connection == "okta"


def test_replacing_by_nobody_empties_the_group(world: World) -> None:
    """An empty list removes everyone, and only in this group."""
    ids = world.add_users(3)
    group, other = world.add_group("team", ids), world.add_group("other", ids)
    world.store.transact(
        lambda unit: unit.directory(world.organization).replace_members(
            group.id, [], source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
        )
    )
    assert world.members(group.id) == []
    assert world.members(other.id) == sorted(ids)


def test_more_members_than_one_statement_takes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are invisible: members are added, read in order, replaced and removed over several."""
    monkeypatch.setattr("rolebridge.store.groups._MEMBERS", 500)
    ids = world.add_users(1_200)
    group = world.add_group("everyone", ids)
    assert world.members(group.id) == sorted(ids)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert [user.id for user in directory.all_core_users(500)] == sorted(ids)
    keep = ids[:1_100]

    def work(unit: Unit) -> tuple[int, int]:
        directory = unit.directory(world.organization)
        delta = directory.replace_members(
            group.id, keep, source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
        )
        return len(delta.removed), len(directory.remove_members(group.id, keep[:600], LATER))

    assert world.store.transact(work) == (100, 600)
    assert world.members(group.id) == sorted(ids[600:1_100])


def test_members_of_a_group_that_is_not_there(world: World) -> None:
    """Changing a group's members after it is gone is NotFound, not an empty success."""
    with pytest.raises(NotFound, match="there is no group `gone`"):
        world.store.transact(lambda unit: _add(world, "gone", [], unit))


def test_a_failing_transaction_leaves_nothing(world: World) -> None:
    """What a transaction did before it raised is undone, its counts included."""

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        directory.insert_user(world.okta, user_draft("ana"), new_id(), NOW)
        directory.insert_group(world.okta, group_draft("team"), new_id(), NOW)
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        world.store.transact(work)
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        assert list(directory.all_core_users()) == []
        assert directory.find_users(world.okta, None, offset=0, limit=0, prefix="").total == 0
