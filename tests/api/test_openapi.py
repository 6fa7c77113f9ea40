"""The OpenAPI document: open to everyone, whole, and the same as what is routed."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from tests.api.talking import DOCUMENT, Tenant

from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.api.routing import Endpoint, Router
from rolebridge.web.problems import MEANINGS, Kind


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_the_description_is_open_and_whole(acme: Tenant) -> None:
    """The OpenAPI document needs no key, and every reference in it leads somewhere."""
    answer = acme.client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    document = json.loads(answer.data)
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "http://127.0.0.1:8080/api/v1"}]
    for reference in references(document):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_no_schema_is_left_over() -> None:
    """Every schema is the answer of some endpoint, or a part of one."""
    named = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}
    assert named == set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_an_endpoint_is_described_as_it_is_routed(endpoint: Endpoint) -> None:
    """Its path leads to it, and its parameters stand in the document."""
    path = endpoint.path.replace("{", "").replace("}", "")
    assert Router(ENDPOINTS).place(path).endpoint(endpoint.method) is endpoint
    described = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
    named = {one["name"] for one in described["parameters"] if one["in"] in {"path", "query"}}
    assert named == {*endpoint.names, *(one.name for one in endpoint.query)}
    assert described["operationId"].isidentifier()


def test_operations_have_names_of_their_own() -> None:
    """Generators of clients make functions of them."""
    ids = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids)) == len(ENDPOINTS)


def test_every_kind_of_problem_is_somebody_s() -> None:
    """A status that an endpoint can answer is described, and no kind is there in vain."""
    told = {
        kind
        for methods in DOCUMENT["paths"].values()
        for one in methods.values()
        for answer in one["responses"].values()
        for kind in Kind
        if f"`{kind}`" in answer["description"]
    }

    assert set(Kind) - told == {Kind.METHOD_NOT_ALLOWED}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_type_of_a_problem_is_an_address_that_explains_it(acme: Tenant, kind: Kind) -> None:
    """Text for people, without a key."""
    answer = acme.client.get(f"/problems/{kind}")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    text = answer.get_data(as_text=True)
    assert text.startswith(f"{kind} ({kind.status}): {kind.heading}\n\n{MEANINGS[kind].text}")
    assert all(f"  {name}: " in text for name in MEANINGS[kind].members)


def test_there_is_no_other_kind_of_problem(acme: Tenant) -> None:
    """404, as a problem."""
    answer = acme.client.get("/problems/bad-luck")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert "there is no kind of problem `bad-luck`" in json.loads(answer.data)["detail"]
