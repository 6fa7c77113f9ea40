"""docs/reference/tolerances.md: what it shows is refused by name without the tolerance, and read with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.bridge.worlds import World
from tests.scim.talking import ENTERPRISE, USER, Client, Said

from rolebridge.scim.tolerances import Tolerance
from rolebridge.store.engine import Store

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tolerances.md"
SOMEBODY = "26118915-6090-4610-87e4-49d8ca9f808d"
"""The id that the page has for a user."""

STRICT_TAKES_IT_AS_TEXT = {Tolerance.JSON_IN_STRING}


def examples() -> dict[Tolerance, str]:
    """Return the block of code of each section."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^## ([\w-]+)\n.*?^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return {Tolerance(name): block.strip() for name, block in blocks}


def say(client: Client, tolerance: Tolerance, example: str, user: str, group: str) -> Said:
    """Send what a section shows: a query, an operation of a PATCH, or the body of a new user."""
    if example.startswith("GET "):
        path, _, query = example.removeprefix("GET ").partition("?")
        return client.ask(path, dict(parse_qsl(query)))
    said: dict[str, Any] = json.loads(example.replace(SOMEBODY, user))
    if "op" in said:
        of_a_group = said.get("path") == "members" or "displayName" in json.dumps(said["value"])
        return client.patch(f"/Groups/{group}" if of_a_group else f"/Users/{user}", said)
    if tolerance not in {Tolerance.SCHEMAS_INCOMPLETE, Tolerance.SCHEMAS_UNKNOWN}:
        said["schemas"] = [USER, ENTERPRISE]
    return client.send("POST", "/Users", {**said, "userName": f"ana-{client.caller.profile}"})


@pytest.mark.parametrize("tolerance", Tolerance)
def test_the_example_of_a_tolerance_is_one(store: Store, tolerance: Tolerance) -> None:
    """Strictly refused with its name; forgiven, it succeeds and is counted."""
    world, example = World(store), examples()[tolerance]
    strict, generic = Client(world, profile="strict"), Client(world)
    user = generic.new_user("somebody", title="T", emails=[{"value": "h@x.example", "type": "home"}])
    group = generic.new_group("Team", user)
    refused = say(strict, tolerance, example, user, group)
    if tolerance in STRICT_TAKES_IT_AS_TEXT:
        assert refused.status == 201
    else:
        status = 404 if tolerance is Tolerance.ENDPOINT_CASE else 400
        assert (refused.status, f"`{tolerance}`" in refused.body["detail"]) == (status, True), refused
    assert say(generic, tolerance, example, user, group).status < 300
    assert tolerance in generic.exchanges[-1].tolerances.split()
