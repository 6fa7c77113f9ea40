"""The shipped traffic files: well formed, in their dialects, and fit for the shipped mappings."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from rolebridge.core.mapping import GroupRef
from rolebridge.core.schemas import USER_TABLE
from rolebridge.demo import Traffic, TrafficError, shipped_mappings, shipped_traffic
from rolebridge.demo.templates import UnknownPlaceholder, fill
from rolebridge.demo.traffic import When, read_traffic
from rolebridge.mapfile import load_mapping_set, shipped_catalogues

TRAFFIC = {traffic.connection: traffic for traffic in shipped_traffic()}
each_traffic = pytest.mark.parametrize("traffic", TRAFFIC.values(), ids=TRAFFIC.keys())


def source(connection: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("rolebridge.demo").joinpath(f"{connection}.json").read_text())
    return document


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    match value:
        case str():
            yield value
        case list() | dict():
            for part in value.values() if isinstance(value, dict) else value:
                yield from texts(part)


def operations(traffic: Traffic) -> list[dict[str, Any]]:
    """Every PATCH operation that the traffic's exchanges hold."""
    steps = [step for turns in traffic.cycles.values() for turn in turns for step in turn.steps]
    return [operation for step in steps if step.method == "PATCH" for operation in step.body["Operations"]]


def test_the_traffic_is_that_of_two_connections_in_order() -> None:
    """Okta-shaped traffic is played first, then Entra-shaped traffic, each under its profile."""
    assert [(traffic.connection, traffic.profile) for traffic in shipped_traffic()] == [
        ("okta-demo", "okta"),
        ("entra-demo", "entra"),
    ]


@each_traffic
def test_every_placeholder_can_be_filled(traffic: Traffic) -> None:
    """No request names a field or a record that is not there: ids are all that a server adds."""
    named = {key: {**record, "id": f"id of {key}"} for key, record in traffic.named.items()}
    for turns in traffic.cycles.values():
        for turn in turns:
            for subject in turn.subjects:
                known = {**subject, "id": "id"}
                templates = [turn.news, *([step.target, step.body] for step in turn.steps)]
                assert [text for text in texts(fill(templates, known, named)) if "{" in text] == []


@each_traffic
def test_nothing_is_made_before_it_is_looked_for(traffic: Traffic) -> None:
    """A record is created only where a search before it found nothing, as the providers do."""
    for turns in traffic.cycles.values():
        for turn in turns:
            for at, step in enumerate(turn.steps):
                if step.makes:
                    assert step.when is When.ABSENT
                    assert any(earlier.finds for earlier in turn.steps[:at])
                if step.when is not When.ALWAYS:
                    assert any(earlier.finds for earlier in turn.steps[:at])


def test_okta_speaks_its_dialect() -> None:
    """PATCH without a path for the name with every push, PUT of whole users, a password and `groups` on create."""
    okta = TRAFFIC["okta-demo"]
    steps = [step for turns in okta.cycles.values() for turn in turns for step in turn.steps]
    assert {operation.get("path") for operation in operations(okta)} == {None, "members"}
    created = next(step.body for step in steps if step.makes and step.target == "/Users")
    assert created["groups"] == []
    assert created["password"]
    assert {step.target.partition("?")[0] for step in steps if step.method == "PUT"} == {"/Users/{person.id}"}


def test_entra_speaks_its_dialect() -> None:
    """Capital operations, a boolean as a string, a manager as a bare id, members apart from the group's creation."""
    entra = TRAFFIC["entra-demo"]
    found = {operation["path"]: operation for operation in operations(entra)}
    assert {operation["op"] for operation in found.values()} == {"Add", "Replace"}
    assert found["active"]["value"] == "False"
    assert found["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"]["value"] == "{manager.id}"
    steps = [step for turns in entra.cycles.values() for turn in turns for step in turn.steps]
    assert all("members" not in step.body for step in steps if step.makes)
    assert any("excludedAttributes=members" in step.target for step in steps if step.finds)


def test_the_mappings_are_those_of_the_projects_folder() -> None:
    """The package carries the very files that a newcomer edits, under the names that the command line gives them."""
    folder = Path(__file__).parents[2] / "mappings"
    assert list(shipped_mappings()) == sorted(f"mappings/{file.name}" for file in folder.iterdir())


def test_every_group_that_a_mapping_names_is_sent() -> None:
    """A rule by name finds its group in the traffic of a connection that the mapping trusts."""
    mappings, diagnostics = load_mapping_set(
        shipped_mappings(), shipped_catalogues(), table=USER_TABLE, connections=list(TRAFFIC)
    )
    assert mappings is not None
    assert [found for found in diagnostics if found.severity == "error"] == []
    for mapping in mappings.mappings:
        assert mapping.connections is not None
        (connection,) = mapping.connections
        for rule in mapping.rules:
            for group in rule.groups:
                if isinstance(group, GroupRef):
                    assert group.name in TRAFFIC[connection].named


def broken(change: dict[str, Any]) -> str:
    document = copy.deepcopy(source("okta-demo"))
    document.update(change)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x.json: Expecting property name"),
        ("{}", "x.json: there is no 'records'"),
        (broken({"cycles": {"first": [{"exchange": "dance"}]}}), "x.json: there is no 'dance'"),
        (broken({"exchanges": {"a": [{"request": "GET Users", "answers": []}]}}), "x.json: `GET Users` is no request"),
        (
            broken({"exchanges": {"a": [{"request": "GET /", "answer": 200}]}}),
            "x.json: a request has the unknown fields answer",
        ),
        (broken({"records": {"a": [{"key": "x"}, {"key": "x"}]}}), "x.json: there is no 'users'"),
    ],
)
def test_a_damaged_file_is_refused(text: str, message: str) -> None:
    """The refusal names the file and what is wrong in it."""
    with pytest.raises(TrafficError, match=re.escape(message)):
        read_traffic("x.json", text)


def test_two_records_of_one_key_are_refused() -> None:
    """A key means one record, or references could mean either."""
    document = source("okta-demo")
    document["records"]["groups"].append({"key": "ana.ruiz", "members": []})
    with pytest.raises(TrafficError, match=r"^x\.json: two records have the key `ana\.ruiz`$"):
        read_traffic("x.json", json.dumps(document))


def test_an_unknown_placeholder_is_an_error() -> None:
    """A misspelt field is never sent as text, nor as nothing."""
    named = {"ana": {"key": "ana"}}
    with pytest.raises(UnknownPlaceholder, match="`ana` has no `idd`"):
        fill("/Users/{person.idd}", {"person": "ana"}, named)
    with pytest.raises(UnknownPlaceholder, match=r"`\{person\}` is `bea`, and there is no such record"):
        fill("/Users/{person.id}", {"person": "bea"}, named)


def test_a_list_is_made_once_for_each_key() -> None:
    """`each` … `gives` repeats a value, with the record that the key names."""
    template = [{"each": "members", "gives": {"value": "{each.id}"}}, "{title}"]
    named = {"ana": {"id": "1"}, "bea": {"id": "2"}}
    assert fill(template, {"members": ["ana", "bea"], "title": "end"}, named) == [{"value": "1"}, {"value": "2"}, "end"]
