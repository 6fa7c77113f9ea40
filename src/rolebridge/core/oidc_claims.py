"""The claims of a token or of userinfo → attributes of an `AssertedIdentity`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rolebridge.core.login import Values

OF_THE_PROTOCOL: Final = frozenset(
    {"iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "sid", "auth_time"}
)
"""Claims that say something about the token and nothing about the person."""
DEEPEST: Final = 8
"""How many objects in each other are looked into."""


def flattened(claims: Mapping[str, Any]) -> dict[str, Values]:
    """Return claims as attributes: texts and lists of texts, by name, of objects by path (`realm_access.roles`).

    Numbers and booleans are their JSON texts; null is as if it was not there, an empty list is not. A list of objects
    is one list for each of their keys (`groups.name`). A claim whose own name has dots goes before a path that reads
    the same, as nobody but the provider says which claims there are. An overage (`_claim_names`, OpenID Connect
    Core §5.6.2) is an attribute as any: `_claim_names.groups`.
    """
    whole = {name: value for name, value in claims.items() if name not in OF_THE_PROTOCOL}
    found: dict[str, Values] = {}
    for path, value in _leaves(whole, "", 0):
        found.setdefault(path, value)
    for name, value in whole.items():
        plain = _values(value)
        if plain is not None:
            found[name] = plain
    return found


def _leaves(node: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Values]]:
    for name, value in node.items():
        path = f"{prefix}{name}"
        plain = _values(value)
        if plain is not None:
            yield path, plain
        elif isinstance(value, dict) and depth < DEEPEST:
            yield from _leaves(value, f"{path}.", depth + 1)
        elif isinstance(value, list):
            yield from _columns(value, path)


def _values(value: Any) -> Values | None:
    """Return a text or a list of texts; None for what is neither."""
    if isinstance(value, list):
        texts = [_text(one) for one in value]
        return tuple(one for one in texts if one is not None) if None not in texts else None
    return _text(value)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _columns(items: list[Any], path: str) -> Iterator[tuple[str, Values]]:
    columns: dict[str, list[str]] = {}
    for item in items:
        if not isinstance(item, dict):
            return
        for key, value in item.items():
            text = _text(value)
            if text is not None:
                columns.setdefault(f"{path}.{key}", []).append(text)
    for name, column in columns.items():
        yield name, tuple(column)
