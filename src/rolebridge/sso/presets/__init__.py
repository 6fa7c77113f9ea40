"""Where the usual identity providers put names and groups: rules of logins to begin with, as data (`*.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from rolebridge.core.errors import Invalid
from rolebridge.core.login_rules import read_login_rules


@dataclass(frozen=True, slots=True)
class Preset:
    """Rules to begin with. `rules` is a document of `core.login_rules` that says where things stand, and nothing else.

    `note` says what has to be set at the identity provider for it.
    """

    name: str
    summary: str
    note: str
    rules: Mapping[str, Any]


_SAID = frozenset({"summary", "note", "rules"})
_PLACES = frozenset({"user_name", "external_id", "attributes", "groups"})


@cache
def presets() -> Mapping[str, Preset]:
    """Return every preset by name, in the order of their names."""
    found = {}
    for file in sorted(files("rolebridge.sso.presets").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            found[name] = read_preset(name, file.read_text(encoding="utf-8"))
    return MappingProxyType(found)


def read_preset(name: str, text: str) -> Preset:
    """Read the TOML text of a preset. Raises Invalid."""
    said = tomllib.loads(text)
    rules = said.get("rules", {})
    if said.keys() != _SAID or rules.keys() - _PLACES:
        raise Invalid(f"preset `{name}` says something else than summary, note, and where things stand", name)
    read_login_rules(rules)
    return Preset(name, said["summary"], said["note"], rules)
