"""Groups in groups over SCIM: members, answers, filters, cascades, circles, and roles through them."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.bridge.worlds import World
from tests.scim.talking import BASE, GROUP, Client, Said

from rolebridge.bridge.explaining import Explaining
from rolebridge.core.nesting import MAX_DEPTH
from rolebridge.store.engine import Store

MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes}}
rules:
  - id: all-staff
    groups: [Staff]
    projects: all
    grant: {project_role: labeler}
"""


def remove(member_id: str) -> dict[str, Any]:
    return {"op": "remove", "path": f'members[value eq "{member_id}"]'}


def add(*member_ids: str) -> dict[str, Any]:
    return {"op": "add", "path": "members", "value": [{"value": id_} for id_ in member_ids]}


def change(client: Client, group_id: str, *operations: dict[str, Any]) -> Said:
    said = client.patch(f"/Groups/{group_id}", *operations)
    assert said.status in (200, 204), said
    return said


def groups_of(client: Client, user_id: str) -> dict[str, str]:
    """Return a user's groups: display → type."""
    held = client.get(f"/Users/{user_id}").body.get("groups", [])
    assert all(one["$ref"] == f"{BASE}/Groups/{one['value']}" for one in held)
    return {one["display"]: one["type"] for one in held}


def labels(client: Client, user_id: str) -> int:
    """Return how many roles a user holds, which recomputing must not change."""
    assert client.world.differing() == []
    return len(client.world.grants(user_id))


# --- members and answers -----------------------------------------------------------------------------------------


def test_a_group_is_a_member_like_a_user(client: Client) -> None:
    """`members` tells users and groups by type and reference (RFC 7643 §4.2), created or patched, listed or read."""
    ana = client.new_user("ana")
    team = client.new_group("Team", ana)
    staff = client.new_group("Staff", team, ana)
    wanted = [
        {"value": ana, "$ref": f"{BASE}/Users/{ana}", "type": "User"},
        {"value": team, "$ref": f"{BASE}/Groups/{team}", "type": "Group"},
    ]
    assert client.get(f"/Groups/{staff}").body["members"] == wanted
    (listed,) = client.ask("/Groups", {"filter": 'displayName eq "Staff"'}).body["Resources"]
    assert listed["members"] == wanted
    change(client, staff, remove(ana))
    assert client.get(f"/Groups/{staff}").body["members"] == wanted[1:]
    change(client, staff, {"op": "replace", "path": "members", "value": [{"value": ana}]})
    assert client.get(f"/Groups/{staff}").body["members"] == wanted[:1]


def test_a_users_groups_are_direct_and_indirect(client: Client) -> None:
    """RFC 7643 §4.1.2: a group through a group is `indirect`; one that they are in anyway is `direct`, once."""
    ana, ben = client.new_user("ana"), client.new_user("ben")
    team = client.new_group("Team", ana, ben)
    staff = client.new_group("Staff", team)
    client.new_group("All", staff, ben)
    assert groups_of(client, ana) == {"Team": "direct", "Staff": "indirect", "All": "indirect"}
    assert groups_of(client, ben) == {"Team": "direct", "All": "direct", "Staff": "indirect"}
    listed = client.ask("/Users", {"filter": 'userName eq "ben"'}).body["Resources"][0]["groups"]
    assert len(listed) == 3
    assert groups_of(client, client.new_user("cleo")) == {}


def test_filters_find_members_that_are_groups(client: Client) -> None:
    """`members.value eq` finds a group's parents; `groups.value eq` finds users however deep they are."""
    ana = client.new_user("ana")
    team = client.new_group("Team", ana)
    staff = client.new_group("Staff", team)
    everyone = client.new_group("All", staff)
    assert client.found("/Groups", f'members.value eq "{team}"') == [staff]
    assert client.found("/Groups", f'members[value eq "{team}"]') == [staff]
    assert sorted(client.found("/Groups", 'members.type eq "Group"')) == sorted([staff, everyone])
    for group in (team, staff, everyone):
        assert client.found("/Users", f'groups.value eq "{group}"') == [ana]
    assert client.found("/Users", 'groups[type eq "indirect" and display eq "all"]') == [ana]


def test_versions_follow_the_members(client: Client) -> None:
    """A group has a new version when a group enters or leaves it, or is deleted, and no other time."""
    team = client.new_group("Team")
    staff = client.new_group("Staff", team)

    def version() -> str:
        tag: str = client.get(f"/Groups/{staff}").body["meta"]["version"]
        return tag

    first = version()
    change(client, staff, add(team))
    assert version() == first
    change(client, staff, remove(team))
    second = version()
    assert second != first
    change(client, staff, add(team))
    third = version()
    assert third not in (first, second)
    assert client.send("DELETE", f"/Groups/{team}").status == 204
    assert version() not in (first, second, third)
    assert client.members(staff) == set()


@pytest.mark.parametrize(
    "member",
    [
        {"$ref": "{id}"},
        {"value": "{id}", "$ref": "../Groups/{id}"},
        {"$ref": "../Users/{id}"},
        {"$ref": "/scim/v2/Users/{id}"},
        {"$ref": "https://bridge.example/scim/v2/Users/{id}"},
        {"value": "{id}", "type": "Group", "display": "x"},
        {"value": "{id}", "type": "user"},
    ],
)
def test_the_id_tells_who_a_member_is(client: Client, member: dict[str, str]) -> None:
    """A reference, relative or absolute, stands in for a missing value; what contradicts the id is passed over."""
    ana = client.new_user("ana")
    written = {name: text.replace("{id}", ana) for name, text in member.items()}
    said = client.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "A", "members": [written, written]})
    if member == {"$ref": "{id}"}:
        assert (said.status, said.body["scimType"]) == (400, "invalidValue")
        return
    assert said.status == 201
    assert said.body["members"] == [{"value": ana, "$ref": f"{BASE}/Users/{ana}", "type": "User"}]


def test_groups_of_others_are_no_members(store: Store) -> None:
    """A group of another connection, or organization, is unknown, like a user of one."""
    world = World(store)
    okta, entra, other = Client(world), Client(world, world.entra), Client(World(store))
    group = okta.new_group("A")
    for foreign in (entra.new_group("B"), other.new_group("C")):
        said = okta.patch(f"/Groups/{group}", add(foreign))
        assert said.headers["X-Rolebridge-Unknown-Members"] == "1"
    assert okta.members(group) == set()


# --- circles and depth -------------------------------------------------------------------------------------------


def test_a_group_is_never_in_itself(client: Client) -> None:
    """A circle, direct or not, is refused with its way, and nothing of the request is done."""
    ana = client.new_user("ana")
    a = client.new_group("A")
    b = client.new_group("B", a)
    c = client.new_group("C", b)
    for parent, child, way in ((a, a, "`A` in `A`"), (a, b, "`A` in `B` in `A`"), (a, c, "`A` in `B` in `C` in `A`")):
        said = client.patch(f"/Groups/{parent}", add(ana, child))
        assert (said.status, said.body["scimType"]) == (400, "invalidValue")
        assert way in said.body["detail"]
    assert client.members(a) == set()
    change(client, b, remove(a))
    change(client, a, add(c))
    assert client.members(a) == {c}


def test_groups_are_only_so_deep(client: Client) -> None:
    """One more than the limit is refused, from above and from below."""
    last = client.new_group("G0")
    for number in range(1, MAX_DEPTH + 1):
        last = client.new_group(f"G{number}", last)
    members = [{"value": last}]
    said = client.send("POST", "/Groups", {"schemas": [GROUP], "displayName": "top", "members": members})
    assert (said.status, said.body["scimType"]) == (400, "invalidValue")
    assert f"the limit is {MAX_DEPTH}" in said.body["detail"]
    assert client.found("/Groups", 'displayName eq "top"') == []


# --- roles -------------------------------------------------------------------------------------------------------


def test_a_member_of_a_member_has_the_roles_of_the_group(client: Client) -> None:
    """Whatever changes the nesting changes the roles of those below, and of nobody else."""
    client.world.apply(MAPPING)
    ana, ben, cleo = (client.new_user(name) for name in ("ana", "ben", "cleo"))
    team = client.new_group("Team", ana)
    crew = client.new_group("Crew", team, ben)
    staff = client.new_group("Staff")
    everyone = (ana, ben, cleo)
    assert [labels(client, user) for user in everyone] == [0, 0, 0]
    change(client, staff, add(crew))
    assert [labels(client, user) for user in everyone] == [1, 1, 0]
    change(client, team, add(cleo))  # into a group below
    assert [labels(client, user) for user in everyone] == [1, 1, 1]
    change(client, crew, remove(team))
    assert [labels(client, user) for user in everyone] == [0, 1, 0]
    change(client, crew, add(team))
    change(client, staff, {"op": "replace", "path": "displayName", "value": "Others"})
    assert [labels(client, user) for user in everyone] == [0, 0, 0]
    change(client, staff, {"op": "replace", "path": "displayName", "value": "Staff"})
    assert client.send("DELETE", f"/Users/{cleo}").status == 204
    assert [labels(client, user) for user in everyone] == [1, 1, 0]
    assert client.send("DELETE", f"/Groups/{crew}").status == 204
    assert [labels(client, user) for user in everyone] == [0, 0, 0]
    assert groups_of(client, ana) == {"Team": "direct"}


def test_an_explanation_tells_the_way(client: Client) -> None:
    """Through which group of theirs somebody has a role, and that leaving it is what takes the role away."""
    client.world.apply(MAPPING)
    ana = client.new_user("ana")
    team = client.new_group("Team", ana)
    client.new_group("Staff", team)
    explaining = Explaining(client.world.store, client.world.rulebooks, client.world.clock)
    (explained,) = explaining.explain(client.world.id, "ana")
    (role,) = explained.explanation.roles
    membership = role.winners[0].membership
    assert membership is not None
    assert (membership.group.display, [group.display for group in membership.via]) == ("Staff", ["Team"])
    left = [release.group for locked in explained.explanation.locks for release in locked.releases if release.group]
    assert {group.display for group in left} == {"Team"}
    (grant,) = client.world.grants(ana)
    assert '"via":[{"display":"Team"' in grant.because
    change(client, team, {"op": "replace", "path": "displayName", "value": "Crew"})
    (grant,) = client.world.grants(ana)
    assert '"via":[{"display":"Crew"' in grant.because


def test_whatever_is_nested_roles_are_what_the_graph_says(client: Client) -> None:
    """After each of many changes: everybody's groups are those of the graph, and grants recompute to themselves."""
    client.world.apply(MAPPING)
    chosen = random.Random(7)
    users = [client.new_user(f"u{number}") for number in range(4)]
    names = ["Staff", "A", "B", "C", "D"]
    groups = {name: client.new_group(name) for name in names}
    inside: dict[str, set[str]] = {name: set() for name in names}
    operations: list[Callable[[str], dict[str, Any]]] = [add, add, remove]
    for step in range(30):
        parent = chosen.choice(names)
        member = chosen.choice([*users, *groups.values()])
        operation = chosen.choice(operations)
        said = client.patch(f"/Groups/{groups[parent]}", operation(member))
        if said.status == 400:
            assert groups[parent] in {member, *below(inside, groups, member)}
            continue
        (inside[parent].add if operation is add else inside[parent].discard)(member)
        if step % 6 == 0:
            for user in users:
                wanted = {name for name in names if user in below(inside, groups, groups[name])}
                assert set(groups_of(client, user)) == wanted
                assert labels(client, user) == ("Staff" in wanted)


def test_nesting_and_entering_at_once_lose_nothing(client: Client) -> None:
    """While users enter a group, it enters and leaves another: whoever is in it in the end has what follows."""
    client.world.apply(MAPPING)
    staff, team = client.new_group("Staff"), client.new_group("Team")
    users = [client.new_user(f"u{number}") for number in range(8)]

    def enter(user: str) -> None:
        change(client, team, add(user))

    def nest() -> None:
        for operation in (add(team), remove(team), add(team)):
            change(client, staff, operation)

    with ThreadPoolExecutor(4) as pool:
        nesting = pool.submit(nest)
        list(pool.map(enter, users))
        nesting.result()
    assert client.members(team) == set(users)
    assert [labels(client, user) for user in users] == [1] * 8


def test_a_circle_cannot_be_closed_from_two_sides(client: Client) -> None:
    """Of two changes that together would close a circle, one is refused."""
    pairs = [(client.new_group(f"A{number}"), client.new_group(f"B{number}")) for number in range(4)]

    def close(edge: tuple[str, str]) -> int:
        return client.patch(f"/Groups/{edge[0]}", add(edge[1])).status

    with ThreadPoolExecutor(4) as pool:
        for a, b in pairs:
            answered = sorted(pool.map(close, [(a, b), (b, a)]))
            assert answered[0] in (200, 204)
            assert answered[1] == 400


def below(inside: dict[str, set[str]], groups: dict[str, str], group_id: str) -> set[str]:
    """Return the ids of all members of a group, directly or not."""
    held = next((inside[name] for name, id_ in groups.items() if id_ == group_id), set())
    return {*held, *(deeper for one in held for deeper in below(inside, groups, one))}
