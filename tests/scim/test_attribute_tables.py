"""The hand-written attribute tables against a library that has the schemas of RFC 7643 too."""

from __future__ import annotations

from typing import Any

import pytest
from scim2_models import EnterpriseUser, Group, User

from rolebridge.core.filters import Attribute
from rolebridge.core.schemas import CORE_GROUP, CORE_USER, ENTERPRISE_USER, GROUP_TABLE, USER_TABLE

COMMON = {"schemas", "id", "externalId", "meta"}


def _described(attributes: list[dict[str, Any]]) -> set[tuple[str, str, bool, bool]]:
    """Return every attribute and sub-attribute of a schema: path, type, multi-valued, compared exactly."""
    found: set[tuple[str, str, bool, bool]] = set()
    for attribute in attributes:
        exact = bool(attribute.get("caseExact"))
        found.add((attribute["name"], attribute["type"], attribute["multiValued"], exact))
        found |= {
            (f"{attribute['name']}.{path}", type_, multi, exact)
            for path, type_, multi, exact in _described(attribute.get("subAttributes") or [])
        }
    return found


def _tabled(attributes: dict[str, Attribute]) -> set[tuple[str, str, bool, bool]]:
    found: set[tuple[str, str, bool, bool]] = set()
    for attribute in attributes.values():
        found.add((attribute.name, attribute.type.value, attribute.multi_valued, attribute.case_exact))
        found |= {
            (f"{attribute.name}.{path}", type_, multi, exact)
            for path, type_, multi, exact in _tabled(dict(attribute.sub))
        }
    return found


@pytest.mark.parametrize(
    ("table", "model"),
    [
        (USER_TABLE.attributes, User),
        (USER_TABLE.extensions[ENTERPRISE_USER], EnterpriseUser),
        (GROUP_TABLE.attributes, Group),
    ],
    ids=["user", "enterprise", "group"],
)
def test_the_tables_say_what_the_schemas_say(table: dict[str, Attribute], model: Any) -> None:
    """Names, types, multiplicity and case are those of the schemas, but for `password`, which is never stored."""
    ours = {entry for entry in _tabled(dict(table)) if entry[0].split(".")[0] not in COMMON}
    theirs = {entry for entry in _described(model.to_schema().model_dump()["attributes"]) if entry[0] != "password"}
    assert ours == theirs


def test_the_common_attributes_are_in_both_tables() -> None:
    """`id`, `externalId`, `meta` and `schemas` belong to every resource (RFC 7643 §3)."""
    for table in (USER_TABLE, GROUP_TABLE):
        assert {name.lower() for name in COMMON} <= table.attributes.keys()
        assert set(table.attributes["meta"].sub) == {"resourcetype", "created", "lastmodified", "location", "version"}
    assert (USER_TABLE.schema, GROUP_TABLE.schema) == (CORE_USER, CORE_GROUP)
