"""The reference of the API is true: its tables are the API's, and its examples are run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest
from tests.api.documented import endpoint_rows, permission_rows, problem_sections
from tests.api.talking import Tenant

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "api.md").read_text(encoding="utf-8")


class Example(NamedTuple):
    """A request of the page, and what it says is answered."""

    method: str
    path: str
    body: Any
    statuses: frozenset[int]
    answer: Any


def examples() -> Iterator[Example]:
    for request, answer in re.findall(r"^```http\n(.*?)^```\n```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        head, _, body = request.partition("\n\n")
        method, path = head.splitlines()[0].split()
        document = json.loads(answer)
        statuses = frozenset({document["status"]} if "request_id" in document else {200, 201})
        yield Example(method, path, json.loads(body) if body.strip() else None, statuses, document)


def test_the_table_of_endpoints_is_theirs() -> None:
    """Every endpoint with its permission and what it does, in the order of the OpenAPI document."""
    table = PAGE.partition("| endpoint | needs | does |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == endpoint_rows()


def test_the_table_of_permissions_is_theirs() -> None:
    """Every permission with the roles that have it."""
    table = PAGE.partition("| for one workspace |\n|---|---|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == permission_rows()


def test_every_kind_of_problem_has_its_section() -> None:
    """In the words that stand at its address."""
    page = (REFERENCE / "problems.md").read_text(encoding="utf-8")
    assert page[page.index("\n## ") + 1 :] == "\n".join(problem_sections())


@pytest.mark.parametrize("example", list(examples()), ids=lambda one: f"{one.method} {one.path}")
def test_an_example_is_answered_as_the_page_says(acme: Tenant, example: Example) -> None:
    """What stands in the page stands in the answer; `…` is anything."""
    path, _, query = example.path.removeprefix("/api/v1").partition("?")
    said = acme.ask(example.method, path, example.body, query=dict(parse_qsl(query)))
    assert said.status in example.statuses, said
    assert differences(example.answer, said.body) == []


def differences(told: Any, found: Any, place: str = "") -> list[str]:
    """Return where an answer is not what was told: members that were not told of may be there."""
    if isinstance(told, dict) and isinstance(found, dict):
        missing = [f"{place}.{name} is missing" for name in told if name not in found]
        return missing + [one for name in told.keys() & found for one in differences(told[name], found[name], name)]
    if isinstance(told, list) and isinstance(found, list):
        if len(told) != len(found):
            return [f"{place} has {len(found)} entries, not {len(told)}"]
        return [one for pair in zip(told, found, strict=True) for one in differences(*pair, place)]
    if isinstance(told, str) and isinstance(found, str):
        pattern = ".*".join(re.escape(part) for part in told.split("…"))
        return [] if re.fullmatch(pattern, found) else [f"{place} is {found!r}, not {told!r}"]
    return [] if told == found else [f"{place} is {found!r}, not {told!r}"]
