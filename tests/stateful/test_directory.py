"""Whatever clients do, in whatever order and dialect: what is read is what a plain-dict model says (RFC 7643, 7644).

Three connections of two organizations act at once. After every step the resource that was written is read back; lists,
filters, pages and orders are asked at any time; in the end `fsck` has nothing to say.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.bridge.worlds import World
from tests.scim.talking import ENTERPRISE, GROUP, PATCH, USER, Client, Said
from tests.stateful.model import PLAIN, Model, ModelConnection, ModelGroup, ModelUser

from rolebridge.bridge.consistency import Consistency
from rolebridge.store.engine import Store

NAMES = ["ana", "Ana", "BEN", "ben", "zoe", "İris", "straße", "STRASSE", "o'neil", "a%b", "a_b"]
VALUES = ["x", "X", " padded ", "Ünïcode 🦊", 'quo"te', "back\\slash", "True", "0", "%", "_"]
EXTERNAL = ["e1", "E1", "e2", None]
KINDS = ["work", "home"]
DISPLAYS = ["lbx-cityscapes-reviewers", "LBX-cityscapes-REVIEWERS", "Admins", "Contractors", "Suspended", "Team"]
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
LEGACY, MODERN, PATHLESS = "legacy", "modern", "pathless"
DIALECTS = [LEGACY, MODERN, PATHLESS]


class DirectoryMachine(RuleBasedStateMachine):
    """Clients at work. `picks` choose among what is there, so that shrinking keeps their meaning."""

    store: Store

    @initialize()
    def begin(self) -> None:
        first, second = World(self.store), World(self.store, connections=["okta"])
        first.apply()
        self.worlds = [first, second]
        self.clients = [Client(first, first.okta), Client(first, first.entra), Client(second, second.okta)]
        self.model = Model(
            [ModelConnection(name, org) for name, org in (("okta", "one"), ("entra", "one"), ("okta", "two"))]
        )

    # --- users

    @rule(
        who=st.integers(0, 2),
        name=st.sampled_from(NAMES),
        external=st.sampled_from(EXTERNAL),
        plain=st.dictionaries(st.sampled_from(PLAIN), st.sampled_from(VALUES)),
        active=st.sampled_from([None, True, False]),
        emails=st.dictionaries(st.sampled_from(KINDS), st.sampled_from(["a@x.example", "b@x.example"])),
    )
    def create_user(
        self,
        who: int,
        name: str,
        external: str | None,
        plain: dict[str, str],
        active: bool | None,
        emails: dict[str, str],
    ) -> None:
        client, connection = self.clients[who], self.model.connections[who]
        wanted = ModelUser(name, active is not False, dict(plain), dict(emails), external)
        said = client.send("POST", "/Users", user_body(wanted, active))
        if self.clashes(connection, wanted):
            refused(said, 409, "uniqueness")
            return
        assert said.status == 201, said
        assert said.body["id"] not in connection.gone
        connection.users[said.body["id"]] = wanted
        self.wrote_user(who, said.body["id"], said)

    @precondition(lambda self: self.somebody())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        name=st.sampled_from(NAMES),
        external=st.sampled_from(EXTERNAL),
        plain=st.dictionaries(st.sampled_from(PLAIN), st.sampled_from(VALUES)),
        active=st.sampled_from([None, True, False]),
    )
    def replace_user(
        self, who: int, pick: int, name: str, external: str | None, plain: dict[str, str], active: bool | None
    ) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        wanted = ModelUser(name, old.active if active is None else active, dict(plain), {}, external)
        body = {**user_body(wanted, active), "groups": [], "id": id_, "meta": {"version": "none"}}
        self.change(who, id_, wanted, self.clients[who].send("PUT", f"/Users/{id_}", body))

    @precondition(lambda self: self.somebody())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        dialect=st.sampled_from(DIALECTS),
        attribute=st.sampled_from(PLAIN),
        value=st.one_of(st.none(), st.just(""), st.sampled_from(VALUES)),
    )
    def set_plain(self, who: int, pick: int, dialect: str, attribute: str, value: str | None) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        plain = {**old.plain, attribute: value} if value else {k: v for k, v in old.plain.items() if k != attribute}
        self.change(who, id_, replace(old, plain=plain), self.patch(who, id_, dialect, attribute, value))

    @precondition(lambda self: self.somebody())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99), dialect=st.sampled_from(DIALECTS), active=st.booleans())
    def set_active(self, who: int, pick: int, dialect: str, active: bool) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        value = str(active) if dialect == LEGACY else active
        self.change(who, id_, replace(old, active=active), self.patch(who, id_, dialect, "active", value))

    @precondition(lambda self: self.somebody())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        dialect=st.sampled_from([LEGACY, MODERN, PATHLESS]),
        name=st.sampled_from(NAMES),
    )
    def rename_user(self, who: int, pick: int, dialect: str, name: str) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        self.change(who, id_, replace(old, name=name), self.patch(who, id_, dialect, "userName", name))

    @precondition(lambda self: self.somebody())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        dialect=st.sampled_from(DIALECTS),
        kind=st.sampled_from(KINDS),
        value=st.sampled_from(["a@x.example", "c@x.example"]),
    )
    def set_email(self, who: int, pick: int, dialect: str, kind: str, value: str) -> None:
        """The element may be there or not: Entra wants it made (WIRE 1.3)."""
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        said = self.patch(who, id_, dialect, f'emails[type eq "{kind}"].value', value)
        self.change(who, id_, replace(old, emails={**old.emails, kind: value}), said)

    @precondition(lambda self: self.somebody())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99), kind=st.sampled_from(KINDS))
    def remove_email(self, who: int, pick: int, kind: str) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        said = self.clients[who].patch(f"/Users/{id_}", {"op": "remove", "path": f'emails[type eq "{kind}"]'})
        self.change(who, id_, replace(old, emails={k: v for k, v in old.emails.items() if k != kind}), said)

    @precondition(lambda self: self.somebody())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        dialect=st.sampled_from(DIALECTS),
        value=st.sampled_from([None, "", "R&D", "Ops"]),
    )
    def set_department(self, who: int, pick: int, dialect: str, value: str | None) -> None:
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        said = self.patch(who, id_, dialect, f"{ENTERPRISE}:department", value)
        self.change(who, id_, replace(old, department=value or None), said)

    @precondition(lambda self: self.somebody())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99), name=st.sampled_from(NAMES))
    def fail_halfway(self, who: int, pick: int, name: str) -> None:
        """A PATCH whose last operation is refused leaves everything as it was."""
        id_, _ = self.user(who, pick)
        if id_ is None:
            return
        steps = [
            {"op": "replace", "path": "userName", "value": f"{name}-never"},
            {"op": "replace", "path": "active", "value": "neither"},
        ]
        refused(self.clients[who].patch(f"/Users/{id_}", *steps), 400, "invalidValue")
        self.read_user(who, id_)

    @precondition(lambda self: self.somebody())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99), right=st.booleans())
    def conditional(self, who: int, pick: int, right: bool) -> None:
        """If-Match with the present tag is taken, with another refused; If-None-Match with the present one is 304."""
        id_, old = self.user(who, pick)
        if id_ is None:
            return
        tag = self.clients[who].get(f"/Users/{id_}").headers["ETag"]
        assert self.clients[who].get(f"/Users/{id_}", headers={"if-none-match": tag}).status == 304
        said = self.clients[who].patch(
            f"/Users/{id_}",
            {"op": "replace", "path": "title", "value": "conditional"},
            headers={"if-match": tag if right else 'W/"0"'},
        )
        if right:
            self.change(who, id_, replace(old, plain={**old.plain, "title": "conditional"}), said)
        else:
            refused(said, 412, None)
            self.read_user(who, id_)

    @precondition(lambda self: self.somebody())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99))
    def delete_user(self, who: int, pick: int) -> None:
        id_, _ = self.user(who, pick)
        if id_ is None:
            return
        connection = self.model.connections[who]
        assert self.clients[who].send("DELETE", f"/Users/{id_}").status == 204
        del connection.users[id_]
        connection.gone.add(id_)
        for group in connection.groups.values():
            group.members.discard(id_)
        for method in ("GET", "DELETE"):
            refused(self.clients[who].send(method, f"/Users/{id_}"), 404, None)

    # --- groups

    @rule(who=st.integers(0, 2), display=st.sampled_from(DISPLAYS), picks=st.lists(st.integers(0, 99), max_size=3))
    def create_group(self, who: int, display: str, picks: list[int]) -> None:
        client, connection = self.clients[who], self.model.connections[who]
        ids = self.members(who, picks)
        said = client.send(
            "POST", "/Groups", {"schemas": [GROUP], "displayName": display, "members": [{"value": i} for i in ids]}
        )
        if self.model.display_taken(connection, display):
            refused(said, 409, "uniqueness")
            return
        assert said.status == 201, said
        connection.groups[said.body["id"]] = ModelGroup(display, set(ids))
        self.read_group(who, said.body["id"])

    @precondition(lambda self: self.some_group())
    @rule(
        who=st.integers(0, 2),
        pick=st.integers(0, 99),
        picks=st.lists(st.integers(0, 99), max_size=4),
        how=st.sampled_from(["add", "remove by filter", "remove by value", "replace", "put", "many ops", "clear"]),
        foreign=st.booleans(),
    )
    def move_members(self, who: int, pick: int, picks: list[int], how: str, foreign: bool) -> None:
        """Members come and go in every dialect; ids of other connections are unknown and come to nothing."""
        id_, group = self.group(who, pick)
        if id_ is None:
            return
        ids = self.members(who, picks)
        strangers = (
            [i for other in range(3) if other != who for i in self.model.connections[other].users][:2]
            if foreign
            else []
        )
        said = self.moved(who, id_, group, how, [*ids, *strangers])
        if said is None:
            return
        assert said.status in (200, 204), said
        if how in ("add", "many ops"):
            group.members |= set(ids)
        elif how.startswith("remove"):
            group.members -= set(ids)
        else:
            group.members = set() if how == "clear" else set(ids)
        self.read_group(who, id_)

    def moved(self, who: int, id_: str, group: ModelGroup, how: str, ids: list[str]) -> Said | None:
        client, path = self.clients[who], f"/Groups/{id_}"
        values = [{"value": i, "$ref": None} for i in ids]
        if how == "put":
            return client.send("PUT", path, {"schemas": [GROUP], "displayName": group.display, "members": values})
        steps: dict[str, list[dict[str, Any]]] = {
            "add": [{"op": "Add", "path": "members", "value": values}],
            "many ops": [{"op": "add", "path": "members", "value": [value]} for value in values],
            "remove by filter": [{"op": "remove", "path": f'members[value eq "{i}"]'} for i in ids],
            "remove by value": [{"op": "Remove", "path": "members", "value": values}],
            "replace": [{"op": "replace", "path": "members", "value": values}],
            "clear": [{"op": "remove", "path": "members"}],
        }
        return client.patch(path, *steps[how]) if steps[how] else None

    @precondition(lambda self: self.some_group())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99), display=st.sampled_from(DISPLAYS), okta=st.booleans())
    def rename_group(self, who: int, pick: int, display: str, okta: bool) -> None:
        """A rename, with a path or as Okta sends it with every push, leaves the members."""
        id_, group = self.group(who, pick)
        if id_ is None:
            return
        step: dict[str, Any] = {"op": "Replace", "path": "displayName", "value": display}
        if okta:
            step = {"op": "replace", "value": {"id": id_, "displayName": display}}
        said = self.clients[who].patch(f"/Groups/{id_}", step)
        if self.model.display_taken(self.model.connections[who], display, but=id_):
            refused(said, 409, "uniqueness")
        else:
            assert said.status in (200, 204), said
            group.display = display
        self.read_group(who, id_)

    @precondition(lambda self: self.some_group())
    @rule(who=st.integers(0, 2), pick=st.integers(0, 99))
    def delete_group(self, who: int, pick: int) -> None:
        id_, _ = self.group(who, pick)
        if id_ is None:
            return
        assert self.clients[who].send("DELETE", f"/Groups/{id_}").status == 204
        del self.model.connections[who].groups[id_]
        refused(self.clients[who].send("DELETE", f"/Groups/{id_}"), 404, None)

    # --- bulk

    @rule(who=st.integers(0, 2), name=st.sampled_from(NAMES), display=st.sampled_from(DISPLAYS))
    def bulk(self, who: int, name: str, display: str) -> None:
        """A group and a user who is its member by bulkId, in one request and in the wrong order."""
        connection = self.model.connections[who]
        if self.model.name_taken(connection.organization, name) or self.model.display_taken(connection, display):
            return
        group = {"schemas": [GROUP], "displayName": display, "members": [{"value": "bulkId:u"}]}
        wanted = [
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": group},
            {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": name}},
        ]
        said = self.clients[who].send("POST", "/Bulk", {"schemas": [BULK], "Operations": wanted})
        assert said.status == 200, said
        done = {operation["bulkId"]: operation for operation in said.body["Operations"]}
        assert {operation["status"] for operation in done.values()} == {"201"}, said
        ids = {bulk_id: operation["location"].rpartition("/")[2] for bulk_id, operation in done.items()}
        connection.users[ids["u"]] = ModelUser(name)
        connection.groups[ids["g"]] = ModelGroup(display, {ids["u"]})
        self.read_group(who, ids["g"])
        self.read_user(who, ids["u"])

    # --- questions

    @rule(
        who=st.integers(0, 2),
        text=st.sampled_from(NAMES),
        value=st.sampled_from(VALUES),
        external=st.sampled_from(EXTERNAL),
        active=st.booleans(),
    )
    def filters(self, who: int, text: str, value: str, external: str | None, active: bool) -> None:
        """Each filter finds exactly whom the model finds."""
        users = self.model.connections[who].users
        said = json.dumps(value)
        asked: dict[str, Callable[[ModelUser], bool]] = {
            f'userName eq "{text}"': lambda user: user.name.casefold() == text.casefold(),
            f'userName ne "{text}"': lambda user: user.name.casefold() != text.casefold(),
            f'userName sw "{text[0]}"': lambda user: user.name.casefold().startswith(text[0].casefold()),
            f"title eq {said}": lambda user: (
                user.plain.get("title", "").casefold() == value.casefold() and "title" in user.plain
            ),
            f"displayName co {said}": lambda user: value.casefold() in user.plain.get("displayName", "").casefold(),
            f"active eq {str(active).lower()}": lambda user: user.active is active,
            f'active eq "{active}"': lambda user: user.active is active,
            f'externalId eq "{external}"': lambda user: user.external_id == str(external),
            'emails[type eq "work"].value eq "a@x.example"': lambda user: user.emails.get("work") == "a@x.example",
            'emails[type eq "work" and value eq "a@x.example"]': lambda user: user.emails.get("work") == "a@x.example",
            f'title pr and not (userName eq "{text}")': lambda user: (
                "title" in user.plain and user.name.casefold() != text.casefold()
            ),
            f"{ENTERPRISE}:department pr or emails pr": lambda user: bool(user.department or user.emails),
        }
        for question, holds in asked.items():
            found = self.clients[who].ask("/Users", {"filter": question, "count": "200"})
            assert found.status == 200, (question, found)
            expected = [id_ for id_, user in users.items() if holds(user)]
            assert [user["id"] for user in found.body["Resources"]] == expected, question
            assert found.body["totalResults"] == len(expected)

    @rule(who=st.integers(0, 2), size=st.integers(1, 3), order=st.sampled_from([None, "ascending", "descending"]))
    def pages(self, who: int, size: int, order: str | None) -> None:
        """Pages one after another are the whole list, once each and in order; beyond the end there is nothing."""
        users = self.model.connections[who].users
        query = {"count": str(size), **({"sortBy": "userName", "sortOrder": order} if order else {})}
        seen: list[str] = []
        for start in range(1, len(users) + 2 * size, size):
            page = self.clients[who].ask("/Users", {**query, "startIndex": str(start)})
            assert page.status == 200, page
            assert page.body["totalResults"] == len(users)
            seen += [user["id"] for user in page.body["Resources"]]
        assert sorted(seen) == sorted(users)
        if order is None:
            assert seen == list(users)
        else:
            names = [users[id_].name.casefold() for id_ in seen]
            assert names == sorted(names, reverse=order == "descending")

    @rule(who=st.integers(0, 2), other=st.integers(0, 2), pick=st.integers(0, 99))
    def trespass(self, who: int, other: int, pick: int) -> None:
        """What another connection owns is not there."""
        id_, _ = self.user(other, pick)
        if id_ is None or who == other:
            return
        for method, body in (("GET", None), ("PUT", {"schemas": [USER], "userName": "mine"}), ("DELETE", None)):
            refused(self.clients[who].send(method, f"/Users/{id_}", body), 404, None)
        self.read_user(other, id_)

    # --- always

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "clients"):
            return
        for client, connection in zip(self.clients, self.model.connections, strict=True):
            assert client.ask("/Users", {"count": "0"}).body["totalResults"] == len(connection.users)
            assert client.ask("/Groups", {"count": "0"}).body["totalResults"] == len(connection.groups)

    def teardown(self) -> None:
        if not hasattr(self, "clients"):
            return
        for who, connection in enumerate(self.model.connections):
            for id_ in connection.users:
                self.read_user(who, id_)
            for id_ in connection.groups:
                self.read_group(who, id_)
        self.check_record()

    def check_record(self) -> None:
        for world in self.worlds:
            checks = Consistency(world.store, world.rulebooks, world.clock)
            assert list(checks.row_problems(world.id)) == []
            assert list(checks.grant_problems(world.id)) == []

    # --- helpers

    def somebody(self) -> bool:
        return any(connection.users for connection in self.model.connections)

    def some_group(self) -> bool:
        return any(connection.groups for connection in self.model.connections)

    def user(self, who: int, pick: int) -> tuple[str | None, ModelUser]:
        users = list(self.model.connections[who].users.items())
        return users[pick % len(users)] if users else (None, ModelUser(""))

    def group(self, who: int, pick: int) -> tuple[str | None, ModelGroup]:
        groups = list(self.model.connections[who].groups.items())
        return groups[pick % len(groups)] if groups else (None, ModelGroup(""))

    def members(self, who: int, picks: list[int]) -> list[str]:
        ids = list(self.model.connections[who].users)
        return list(dict.fromkeys(ids[pick % len(ids)] for pick in picks)) if ids else []

    def clashes(self, connection: ModelConnection, wanted: ModelUser, but: str | None = None) -> bool:
        return self.model.name_taken(connection.organization, wanted.name, but) or self.model.external_id_taken(
            connection, wanted.external_id, but
        )

    def patch(self, who: int, id_: str, dialect: str, path: str, value: Any) -> Said:
        """Set one thing as one dialect of WIRE 1.3 does."""
        step: dict[str, Any] = {"op": "replace", "path": path, "value": value}
        if dialect == LEGACY:
            step["op"] = "Replace"
        elif dialect == PATHLESS:
            step = {"op": "replace", "value": {path: value}}
        return self.clients[who].send("PATCH", f"/Users/{id_}", {"schemas": [PATCH], "Operations": [step]})

    def change(self, who: int, id_: str, wanted: ModelUser, said: Said) -> None:
        """Look at the answer to a change of a user, and take the change over unless it clashes."""
        connection = self.model.connections[who]
        if self.clashes(connection, wanted, but=id_):
            refused(said, 409, "uniqueness")
        else:
            assert said.status in (200, 204), said
            connection.users[id_] = wanted
        self.wrote_user(who, id_, said)

    def wrote_user(self, who: int, id_: str, said: Said) -> None:
        read = self.read_user(who, id_)
        if said.status in (200, 201):
            assert said.body == read.body, "the answer is what was committed"
            assert said.headers["ETag"] == read.headers["ETag"]

    def read_user(self, who: int, id_: str) -> Said:
        connection = self.model.connections[who]
        said = self.clients[who].get(f"/Users/{id_}")
        assert said.status == 200, said
        assert connection.users[id_].matches(said.body), (connection.users[id_], said.body)
        assert {group["value"] for group in said.body.get("groups", [])} == connection.group_ids_of(id_)
        return said

    def read_group(self, who: int, id_: str) -> None:
        group = self.model.connections[who].groups[id_]
        said = self.clients[who].get(f"/Groups/{id_}")
        assert said.status == 200, said
        assert said.body["displayName"] == group.display
        found = [member["value"] for member in said.body.get("members", [])]
        assert sorted(found) == sorted(group.members)


def user_body(user: ModelUser, active: bool | None) -> dict[str, Any]:
    """Return a user as a client writes one."""
    body: dict[str, Any] = {"schemas": [USER], "userName": user.name, **user.plain}
    if user.external_id is not None:
        body["externalId"] = user.external_id
    if active is not None:
        body["active"] = active
    if user.emails:
        body["emails"] = [{"type": kind, "value": value} for kind, value in user.emails.items()]
    return body


def refused(said: Said, status: int, scim_type: str | None) -> None:
    """Assert that an answer refuses, and why."""
    assert said.status == status, said
    assert said.body["status"] == str(status)
    assert said.body.get("scimType") == scim_type, said


STEPS = 40


@pytest.mark.slow
def test_the_directory_is_what_the_model_says(store: Store) -> None:
    """Random histories of three connections agree with the model at every step, and leave a sound record."""
    machine = type("Machine", (DirectoryMachine,), {"store": store})
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=STEPS, max_examples=60, deadline=None))
