"""Placeholders in a transcript: `{{name}}`, `{{name|filter}}`, and values that are made for each playing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import uuid4

Variables = Mapping[str, Any]

_PLACEHOLDER = re.compile(r"\{\{\s*([\w$.-]+)\s*(?:\|\s*(\w+)\s*)?\}\}")

_FILTERS: Mapping[str, Callable[[str], str]] = {
    "q": lambda text: quote(text, safe=""),
    "qp": quote_plus,
    "upper": str.upper,
    "lower": str.lower,
}


class Unset(LookupError):
    """A placeholder names a variable that no earlier step has saved."""


def filled(template: Any, variables: Variables) -> Any:
    """Return a JSON value with its placeholders filled in; one that stands alone keeps the type of its variable.

    A list may hold `{"$repeat": {"count", "start", "var", "item"}}`, which stands for as many copies of `item`.
    """
    match template:
        case str():
            return _text(template, variables)
        case list():
            return [one for item in template for one in _items(item, variables)]
        case dict():
            return {_text(name, variables): filled(item, variables) for name, item in template.items()}
        case _:
            return template


def counted(repeat: Mapping[str, Any]) -> range:
    """Return the numbers of a repetition, which begins at 1 unless it says where."""
    start = repeat.get("start", 1)
    return range(start, start + repeat["count"])


def _items(item: Any, variables: Variables) -> list[Any]:
    if isinstance(item, dict) and item.keys() == {"$repeat"}:
        said = item["$repeat"]
        return [filled(said["item"], {**variables, said["var"]: n}) for n in counted(said)]
    return [filled(item, variables)]


def _text(template: str, variables: Variables) -> Any:
    if alone := _PLACEHOLDER.fullmatch(template):
        return _value(alone, variables)
    # From the inside out: in `{{m_{{i}}}}` the number comes first.
    while (next_ := _PLACEHOLDER.sub(lambda found: str(_value(found, variables)), template)) != template:
        template = next_
    return template


def _value(found: re.Match[str], variables: Variables) -> Any:
    name, filter_ = found.groups()
    if name == "$uuid":
        value: Any = str(uuid4())
    elif name in variables:
        value = variables[name]
    else:
        raise Unset(f"`{name}` was saved by no earlier step")
    if filter_ is None:
        return value
    return _FILTERS[filter_](value if isinstance(value, str) else json.dumps(value))
