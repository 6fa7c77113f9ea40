"""Extensions that an organization defines: announced, read, answered, patched, filtered, and seen by nobody else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.bridge.worlds import OPERATOR, World
from tests.scim.talking import ENTERPRISE, GROUP, USER, Client, Said

from rolebridge.bridge.extensions import MappingInTheWay, SchemaInUse, SchemaRegistry
from rolebridge.bridge.planning import MappingRefused
from rolebridge.core.errors import NotFound
from rolebridge.core.extensions import Resource, SchemaRefused
from rolebridge.store.engine import Store

HR = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
TEAM = "urn:acme:team"

ATTRIBUTES: list[dict[str, Any]] = [
    {"name": "contractEnd", "type": "dateTime"},
    {"name": "level", "type": "integer"},
    {"name": "external", "type": "boolean"},
    {"name": "badge", "caseExact": True},
    {"name": "tags", "multiValued": True},
    {
        "name": "costs",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [{"name": "value"}, {"name": "type"}, {"name": "share", "type": "decimal"}],
    },
    {"name": "office", "type": "complex", "subAttributes": [{"name": "site", "required": True}, {"name": "room"}]},
]


class Organization(Client):
    """A client of an organization that may define schemas."""

    def define(self, *attributes: dict[str, Any], urn: str = HR, extends: str = "User", **how: Any) -> None:
        text = json.dumps({"id": urn, "name": "HR", "attributes": list(attributes or ATTRIBUTES)})
        self.registry.add(OPERATOR, self.world.id, text, Resource(extends), **how)
        self.authenticate()

    @property
    def registry(self) -> SchemaRegistry:
        return SchemaRegistry(self.world.store, self.world.clock)

    def authenticate(self) -> None:
        """Come with a credential again, as every request does."""
        with self.world.store.read() as unit:
            connection = unit.accounts.connection(self.world.id, self.caller.connection_id)
        assert connection is not None
        self.caller = replace(self.caller, schemas_version=connection.schemas_version)

    def create(self, **attributes: Any) -> Said:
        return self.send("POST", "/Users", {"schemas": [USER, HR], "userName": "ana", HR: attributes})

    def of(self, id_: str, **query: str) -> Any:
        return self.ask(f"/Users/{id_}", query).body.get(HR)


@pytest.fixture
def acme(store: Store) -> Organization:
    """An organization with the schema `HR`."""
    organization = Organization(World(store))
    organization.define()
    return organization


# --- discovery -------------------------------------------------------------------------------------------------


def test_a_schema_is_announced_to_its_organization_and_to_no_other(store: Store, acme: Organization) -> None:
    """/Schemas, /Schemas/{urn} and /ResourceTypes tell it, and another organization's tell nothing of it."""
    other = Organization(World(store))
    assert HR in [one["id"] for one in acme.get("/Schemas").body["Resources"]]
    told = acme.get(f"/Schemas/{HR.upper()}").body
    assert [one["name"] for one in told["attributes"]] == [one["name"] for one in ATTRIBUTES]
    assert told["attributes"][0]["type"] == "dateTime"
    assert told["meta"]["resourceType"] == "Schema"
    extensions = acme.get("/ResourceTypes/User").body["schemaExtensions"]
    assert {"schema": HR, "required": False} in extensions
    assert HR not in [one["id"] for one in other.get("/Schemas").body["Resources"]]
    assert other.get(f"/Schemas/{HR}").status == 404
    assert HR not in json.dumps(other.get("/ResourceTypes").body)


def test_another_organizations_values_are_no_values_here(store: Store, acme: Organization) -> None:
    """The same URN means nothing where it is not defined: by tolerance it is passed over, and a filter is refused."""
    other = Organization(World(store))
    said = other.create(level=3)
    assert said.status == 201
    assert HR not in said.body
    assert other.ask("/Users", {"filter": f"{HR}:level eq 3"}).body["scimType"] == "invalidFilter"
    assert acme.create(level=3).body[HR] == {"level": 3}


def test_a_schema_of_groups_is_none_of_users(acme: Organization) -> None:
    """A schema extends the type of resource that it was registered for."""
    acme.define({"name": "owner"}, urn=TEAM, extends="Group")
    group = acme.send("POST", "/Groups", {"schemas": [GROUP, TEAM], "displayName": "A", TEAM: {"owner": "Ana"}})
    assert (group.status, group.body[TEAM]) == (201, {"owner": "Ana"})
    assert group.body["schemas"] == [GROUP, TEAM]
    assert acme.found("/Groups", f'{TEAM}:owner sw "an"') == [group.body["id"]]
    patched = acme.patch(f"/Groups/{group.body['id']}", {"op": "replace", "path": f"{TEAM}:owner", "value": "Ben"})
    assert patched.status in (200, 204)
    assert acme.get(f"/Groups/{group.body['id']}").body[TEAM] == {"owner": "Ben"}
    assert TEAM not in acme.send("POST", "/Users", {"userName": "x", "schemas": [USER], TEAM: {"owner": "y"}}).body


# --- reading and answering -------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "contractEnd": "2026-12-31T00:00:00Z",
    "level": 3,
    "external": True,
    "badge": "B-7",
    "tags": ["a", "b"],
    "costs": [{"value": "4711", "type": "work", "share": 0.5}],
    "office": {"site": "Berlin", "room": "7"},
}


def test_values_are_kept_as_sent(acme: Organization) -> None:
    """Every type comes back as it came, and `schemas` names the extension."""
    said = acme.create(**VALUES)
    assert (said.status, said.body[HR], HR in said.body["schemas"]) == (201, VALUES, True)
    assert acme.of(said.body["id"]) == VALUES


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"level": "high"}, "not a whole number"),
        ({"contractEnd": "soon"}, "not a dateTime"),
        ({"external": "maybe"}, "not true or false"),
        ({"office": "Berlin"}, "not an object"),
        ({"office": {"room": "7"}}, "office.site` is required"),
    ],
)
def test_values_of_another_type_are_refused(acme: Organization, values: dict[str, Any], problem: str) -> None:
    """The schema's types hold."""
    said = acme.create(**values)
    assert (said.status, said.body["scimType"]) == (400, "invalidValue")
    assert problem in said.body["detail"]


@pytest.mark.parametrize(
    "filter",
    [
        f'{HR}:badge eq "B-7"',
        f"{HR}:level ge 3",
        f'{HR}:contractEnd lt "2027-01-01T00:00:00Z"',
        f"{HR}:external eq true",
        f'{HR}:tags eq "B"',
        f'{HR}:costs[type eq "work" and share gt 0.4]',
        f'{HR}:office.site sw "ber"',
        'badge eq "B-7"',
        f"{HR}:costs pr and active eq true",
    ],
)
def test_values_are_found(acme: Organization, filter: str) -> None:
    """Filters know the extension's attributes and their types."""
    id_ = acme.create(**VALUES).body["id"]
    acme.new_user("ben")
    assert acme.found("/Users", filter) == [id_]


@pytest.mark.parametrize(
    "filter", [f'{HR}:badge eq "b-7"', f"{HR}:level gt 3", f'not ({HR}:office.site eq "Berlin") and {HR}:level pr']
)
def test_values_that_do_not_fit_are_not_found(acme: Organization, filter: str) -> None:
    """A caseExact attribute compares exactly, a number as a number."""
    acme.create(**VALUES)
    assert acme.found("/Users", filter) == []


def test_values_give_an_order(acme: Organization) -> None:
    """`sortBy` knows the extension's attributes as filters do: numbers as numbers, what has none last."""
    levels = {"a": 10, "b": 9, "c": None, "d": 2}
    for name, level in levels.items():
        values = {} if level is None else {HR: {"level": level}}
        acme.send("POST", "/Users", {"schemas": [USER, HR], "userName": name, **values})
    listed = acme.ask("/Users", {"sortBy": f"{HR}:level"}).body["Resources"]
    assert [one["userName"] for one in listed] == ["d", "b", "a", "c"]


def test_an_attribute_that_the_schema_lacks_is_refused_in_a_filter(acme: Organization) -> None:
    """A filter is applied or refused."""
    said = acme.ask("/Users", {"filter": f'{HR}:grade eq "a"'})
    assert (said.status, said.body["scimType"]) == (400, "invalidFilter")


def test_projections_know_the_attributes(acme: Organization) -> None:
    """`attributes` and `excludedAttributes` name the whole extension, an attribute, or a sub-attribute."""
    id_ = acme.create(**VALUES).body["id"]
    assert acme.of(id_, attributes=HR) == VALUES
    assert acme.of(id_, attributes=f"{HR}:level") == {"level": 3}
    assert acme.of(id_, attributes=f"{HR}:office.site") == {"office": {"site": "Berlin"}}
    assert acme.of(id_, excludedAttributes=HR) is None
    assert "level" not in acme.of(id_, excludedAttributes=f"{HR}:level")


# --- PATCH, with the dialects of identity providers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "after"),
    [
        ({"op": "Replace", "path": f"{HR}:badge", "value": "B-8"}, {"badge": "B-8"}),
        ({"op": "Add", "path": f"{HR}:level", "value": 4}, {"level": 4}),
        ({"op": "Add", "path": f"{HR}:external", "value": "False"}, {"external": False}),
        ({"op": "replace", "value": {f"{HR}:badge": "B-8", f"{HR}:level": 4}}, {"badge": "B-8", "level": 4}),
        ({"op": "add", "value": {HR: {"level": 4}}}, {"level": 4}),
        ({"op": "add", "path": HR, "value": {"level": 4}}, {"level": 4}),
        ({"op": "replace", "path": f"{HR}:office.room", "value": "8"}, {"office": {"site": "Berlin", "room": "8"}}),
        ({"op": "replace", "value": {f"{HR}:office.room": "8"}}, {"office": {"site": "Berlin", "room": "8"}}),
        ({"op": "add", "path": f"{HR}:tags", "value": ["c"]}, {"tags": ["a", "b", "c"]}),
        ({"op": "remove", "path": f"{HR}:level"}, {"level": None}),
        (
            {"op": "replace", "path": f'{HR}:costs[type eq "work"].share', "value": 1},
            {"costs": [{"value": "4711", "type": "work", "share": 1}]},
        ),
        ({"op": "replace", "path": "badge", "value": "B-8"}, {"badge": "B-8"}),
    ],
)
def test_a_patch_changes_values(acme: Organization, operation: dict[str, Any], after: dict[str, Any]) -> None:
    """Paths, keys that are paths, and whole objects, as Entra, Okta and the RFC write them."""
    acme.caller = replace(acme.caller, profile="entra")
    id_ = acme.create(**VALUES).body["id"]
    assert acme.patch(f"/Users/{id_}", operation).status in (200, 204)
    wanted = {name: value for name, value in {**VALUES, **after}.items() if value is not None}
    assert acme.of(id_) == wanted


def test_removing_the_extension_removes_it_from_schemas(acme: Organization) -> None:
    """`schemas` follows what is there."""
    id_ = acme.create(**VALUES).body["id"]
    acme.patch(f"/Users/{id_}", {"op": "remove", "path": HR})
    body = acme.get(f"/Users/{id_}").body
    assert HR not in body
    assert body["schemas"] == [USER]


def test_the_strict_profile_wants_the_urn_and_knows_the_attributes(acme: Organization) -> None:
    """What is no tolerance works under `strict` too, and unknown attributes are refused there."""
    acme.caller = replace(acme.caller, profile="strict")
    said = acme.create(**VALUES)
    assert said.status == 201
    assert acme.create(grade="a").body["scimType"] == "invalidSyntax"
    refused = acme.patch(f"/Users/{said.body['id']}", {"op": "replace", "path": "badge", "value": "B-8"})
    assert refused.body["scimType"] == "invalidPath"


# --- characteristics -------------------------------------------------------------------------------------------


def test_what_is_required_is_required(store: Store) -> None:
    """A required extension on creation, a required attribute wherever the extension is; neither can be taken away."""
    acme = Organization(World(store))
    before = acme.new_user("old")
    acme.define({"name": "badge", "required": True}, {"name": "level", "type": "integer"}, required=True)
    assert acme.get("/ResourceTypes/User").body["schemaExtensions"][1] == {"schema": HR, "required": True}
    assert HR in acme.send("POST", "/Users", {"schemas": [USER], "userName": "ben"}).body["detail"]
    assert "badge` is required" in acme.create(level=1).body["detail"]
    id_ = acme.create(badge="x").body["id"]
    for path in (HR, f"{HR}:badge"):
        assert acme.patch(f"/Users/{id_}", {"op": "remove", "path": path}).status == 400
    # Who was there before the schema can be changed and, above all, deactivated.
    assert acme.patch(f"/Users/{before}", {"op": "replace", "path": "active", "value": False}).status in (200, 204)


def test_what_is_immutable_is_set_once(store: Store) -> None:
    """RFC 7643 §7, RFC 7644 §3.5.1: another value is refused, the same or none is not."""
    acme = Organization(World(store))
    acme.define({"name": "badge", "mutability": "immutable"})
    id_ = acme.new_user("ana")
    assert acme.patch(f"/Users/{id_}", {"op": "add", "path": f"{HR}:badge", "value": "B-7"}).status in (200, 204)
    for operation in (
        {"op": "replace", "path": f"{HR}:badge", "value": "B-8"},
        {"op": "remove", "path": f"{HR}:badge"},
        {"op": "remove", "path": HR},
    ):
        said = acme.patch(f"/Users/{id_}", operation)
        assert (said.status, said.body["scimType"]) == (400, "mutability")
    body = {"schemas": [USER, HR], "userName": "ana"}
    assert acme.send("PUT", f"/Users/{id_}", {**body, HR: {"badge": "B-8"}}).body["scimType"] == "mutability"
    assert acme.send("PUT", f"/Users/{id_}", {**body, HR: {"badge": "B-7"}}).status == 200
    assert acme.send("PUT", f"/Users/{id_}", body).body[HR] == {"badge": "B-7"}


def test_what_is_never_returned_is_never_kept(store: Store) -> None:
    """A write-only value is accepted like a password: no answer has it and no filter can ask for it."""
    acme = Organization(World(store))
    acme.define({"name": "pin", "mutability": "writeOnly"}, {"name": "badge"})
    said = acme.create(pin="1234", badge="x")
    assert said.body[HR] == {"badge": "x"}
    assert acme.of(said.body["id"], attributes=f"{HR}:pin") is None
    assert acme.ask("/Users", {"filter": f'{HR}:pin eq "1234"'}).body["scimType"] == "invalidFilter"
    acme.patch(f"/Users/{said.body['id']}", {"op": "add", "path": f"{HR}:pin", "value": "5678"})
    with acme.world.store.read() as unit:
        user = unit.directory(acme.world.id).user(None, said.body["id"])
    assert user is not None
    assert "5678" not in user.body
    assert "1234" not in user.body


def test_what_is_read_only_is_not_the_clients_to_set(store: Store) -> None:
    """A value in a body is passed over, a path to it is refused."""
    acme = Organization(World(store))
    acme.define({"name": "score", "mutability": "readOnly"}, {"name": "badge"})
    said = acme.create(score="1", badge="x")
    assert said.body[HR] == {"badge": "x"}
    refused = acme.patch(f"/Users/{said.body['id']}", {"op": "replace", "path": f"{HR}:score", "value": "2"})
    assert refused.body["scimType"] == "mutability"


def test_what_is_returned_on_request_and_always(store: Store) -> None:
    """`request`: when it is named, or in the answer to the write that sent it; `always`: whatever is named."""
    acme = Organization(World(store))
    acme.define({"name": "notes", "returned": "request"}, {"name": "badge", "returned": "always"}, {"name": "level"})
    said = acme.create(notes="n", badge="x", level="1")
    assert said.body[HR] == {"notes": "n", "badge": "x", "level": "1"}
    id_ = said.body["id"]
    assert acme.of(id_) == {"badge": "x", "level": "1"}
    assert acme.of(id_, attributes=f"{HR}:notes") == {"notes": "n", "badge": "x"}
    assert acme.of(id_, attributes="userName") == {"badge": "x"}
    assert acme.of(id_, attributes=HR) == {"badge": "x", "level": "1"}
    assert acme.of(id_, excludedAttributes=HR) == {"badge": "x"}
    listed = acme.ask("/Users", {"filter": 'userName eq "ana"'}).body["Resources"][0]
    assert listed[HR] == {"badge": "x", "level": "1"}


# --- conditions ------------------------------------------------------------------------------------------------

CONDITION = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes}}
rules:
  - id: seniors
    groups: [Team]
    when: %s
    projects: all
    grant: {project_role: labeler}
"""


def test_a_condition_reads_a_defined_attribute_with_its_type(acme: Organization) -> None:
    """`level gt 3` compares numbers, and a change of the value is a change of access."""
    acme.world.apply(CONDITION % f"'{HR}:level gt 3'")
    id_ = acme.create(level=10).body["id"]
    acme.new_group("Team", id_)
    assert len(acme.world.grants(id_)) == 1
    acme.patch(f"/Users/{id_}", {"op": "replace", "path": f"{HR}:level", "value": 3})
    assert acme.world.grants(id_) == []


@pytest.mark.parametrize("condition", [f"'{HR}:grade eq \"a\"'", f"'{HR}:level eq \"a\"'"])
def test_a_condition_that_does_not_fit_the_schema_is_refused(acme: Organization, condition: str) -> None:
    """Behind a known URN only known attributes and their types are valid."""
    with pytest.raises(MappingRefused) as refused:
        acme.world.apply(CONDITION % condition)
    assert {one.code for one in refused.value.diagnostics} <= {"unknown-attribute", "bad-condition"}


def test_a_schema_under_which_the_mapping_would_not_read_is_refused(store: Store) -> None:
    """What the mapping in force says cannot change behind its back; nothing is registered."""
    acme = Organization(World(store))
    acme.world.apply(CONDITION % f"'{HR}:level eq \"3\"'")
    with pytest.raises(MappingInTheWay) as refused:
        acme.define({"name": "level", "type": "integer"})
    assert [one.code for one in refused.value.diagnostics] == ["bad-condition"]
    assert acme.registry.schemas(acme.world.id) == ()
    acme.define({"name": "level"})
    id_ = acme.create(level="3").body["id"]
    acme.new_group("Team", id_)
    assert len(acme.world.grants(id_)) == 1


# --- changing schemas ------------------------------------------------------------------------------------------


def test_a_schema_in_use_stays_unless_its_values_may_be_lost(acme: Organization) -> None:
    """Removing by force takes the values, with an audit row each, and what roles depended on them."""
    acme.world.apply(CONDITION % f"'{HR}:badge pr'")
    id_ = acme.create(badge="x").body["id"]
    other = acme.new_user("ben")
    acme.new_group("Team", id_, other)
    assert len(acme.world.grants(id_)) == 1
    with pytest.raises(SchemaInUse, match="1 user holds values"):
        acme.registry.remove(OPERATOR, acme.world.id, HR)
    tag = acme.get(f"/Users/{id_}").body["meta"]["version"]
    assert acme.registry.remove(OPERATOR, acme.world.id, HR.upper().replace("URN", "urn", 1), force=True) == 1
    acme.authenticate()
    body = acme.get(f"/Users/{id_}").body
    assert HR not in json.dumps(body)
    assert body["meta"]["version"] != tag
    assert acme.world.grants(id_) == []
    assert acme.get(f"/Schemas/{HR}").status == 404
    assert "schema.removed" in [row.kind for row in acme.world.audit()]
    with pytest.raises(NotFound):
        acme.registry.remove(OPERATOR, acme.world.id, HR)


def test_a_text_that_spells_the_urn_is_no_value_of_it(acme: Organization) -> None:
    """Whether values are there is asked of keys, whatever clients write into values."""
    acme.new_user("ana", displayName=f'"{HR}":{{', title=f'\\"{HR}":{{')
    assert acme.registry.remove(OPERATOR, acme.world.id, HR) == 0


def test_a_schema_in_use_may_grow_and_not_change(acme: Organization) -> None:
    """A new attribute is there at once; one that changes its meaning is refused."""
    id_ = acme.create(level=3).body["id"]
    with pytest.raises(SchemaRefused, match="1 problem"):
        acme.define(*ATTRIBUTES, {"name": "x"})
    acme.define(*ATTRIBUTES, {"name": "x"}, grow=True)
    acme.patch(f"/Users/{id_}", {"op": "add", "path": f"{HR}:x", "value": "y"})
    assert acme.of(id_) == {"level": 3, "x": "y"}
    with pytest.raises(SchemaRefused) as refused:
        acme.define({"name": "level"}, grow=True)
    assert len(refused.value.problems) == len(ATTRIBUTES) + 1


def test_a_write_read_by_older_schemas_is_to_be_tried_again(acme: Organization) -> None:
    """Between reading a request and writing it the schemas may change: then nothing is written."""
    before = acme.caller
    held = acme.world.provisioning.extensions.of(acme.world.id, before.schemas_version)
    acme.define(*ATTRIBUTES, {"name": "x"}, grow=True)
    acme.world.provisioning.extensions._kept[acme.world.id] = held
    acme.caller = before
    said = acme.create(level=3)
    assert (said.status, said.headers["Retry-After"]) == (503, "1")
    acme.authenticate()
    assert acme.create(level=3).status == 201


def test_an_enterprise_attribute_keeps_its_short_name(acme: Organization) -> None:
    """Clients that leave the URN out mean the enterprise extension, whatever an organization defines."""
    with pytest.raises(SchemaRefused):
        acme.define({"name": "department"}, urn="urn:acme:other")
    said = acme.send("POST", "/Users", {"schemas": [USER], "userName": "b", "department": "R&D"})
    assert said.body[ENTERPRISE] == {"department": "R&D"}


# --- roles and entitlements --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["roles", "entitlements"])
def test_roles_and_entitlements_are_data_that_conditions_read(store: Store, name: str) -> None:
    """What a client says of roles is stored, answered, found and read by conditions; it is never an assignment."""
    acme = Organization(World(store))
    acme.world.apply(CONDITION % f"'{name}[value eq \"annotator\" and primary eq true]'")
    held = [{"value": "Annotator", "display": "Annotates", "type": "app", "primary": True}, {"value": "project_lead"}]
    ana = acme.new_user("ana", **{name: held})
    ben = acme.new_user("ben", **{name: [{"value": "annotator"}]})
    assert acme.get(f"/Users/{ana}").body[name] == held
    assert sorted(acme.found("/Users", f'{name}.value eq "ANNOTATOR"')) == sorted([ana, ben])
    assert acme.found("/Users", f'{name}[value eq "annotator" and type eq "app"]') == [ana]
    assert (acme.world.grants(ana), acme.world.grants(ben)) == ([], [])
    acme.new_group("Team", ana, ben)
    assert [len(acme.world.grants(user)) for user in (ana, ben)] == [1, 0]
    assert {grant.role for grant in acme.world.grants(ana)} == {"labeler"}
    acme.patch(f"/Users/{ana}", {"op": "remove", "path": f'{name}[value eq "Annotator"]'})
    assert acme.get(f"/Users/{ana}").body[name] == [{"value": "project_lead"}]
    assert acme.world.grants(ana) == []
