"""What a transcript expects of an answer: places in a JSON document, and what must hold of the values there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


class _Absent:
    """The value of a place that is not there."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_$][\w$-]*) | \['(?P<quoted>[^']*)'\] | \[(?P<index>\d+)\] | (?P<each>\[\*\])
    | \[\?\(@\.(?P<key>[\w$.-]+)\s*==\s*(?P<wanted>'[^']*'|true|false|-?\d+)\)\]""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Found:
    """What is at a path. `single` says that the path leads to one place, however many values are there."""

    values: list[Any]
    single: bool

    @property
    def value(self) -> Any:
        """Return the one value, or all of them where the path leads to many."""
        if self.single or len(self.values) < 2:
            return self.values[0] if self.values else ABSENT
        return self.values

    @property
    def elements(self) -> list[Any]:
        """Return the elements of the list that was found, or the values found."""
        if not self.single:
            return self.values
        return self.value if isinstance(self.value, list) else []


def find(document: Any, path: str) -> Found:
    """Return what is at a path: `$.emails[?(@.type=='work')].value`, `$['urn:…'].manager`, `$.Resources[*].id`."""
    values, single, place = [document], True, 1
    assert path.startswith("$"), path
    while place < len(path):
        step = _STEP.match(path, place)
        assert step, f"{path!r} is no path from character {place}"
        place = step.end()
        single = single and not (step["each"] or step["key"])
        values = [inner for value in values for inner in _stepped(value, step)]
    return Found(values, single)


def _stepped(value: Any, step: re.Match[str]) -> list[Any]:
    name = step["name"] if step["name"] is not None else step["quoted"]
    if name is not None:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if step["each"]:
        return value
    if step["index"] is not None:
        return value[int(step["index"]) :][:1]
    wanted = step["wanted"]
    literal = wanted[1:-1] if wanted.startswith("'") else json.loads(wanted)
    return [one for one in value if isinstance(one, dict) and same(one.get(step["key"], ABSENT), literal)]


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal; unlike in Python, `true` is not 1."""
    return one is not ABSENT and _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _is_empty(value: Any) -> bool:
    return value is ABSENT or value is None or value in ("", [], {})


def _empty(found: Found) -> bool:
    return _is_empty(found.value) or (not found.single and all(map(_is_empty, found.values)))


def _held(found: Found, wanted: Any) -> list[bool]:
    """Return for each wanted thing whether it is in the text, or among the elements, that were found."""
    each = wanted if isinstance(wanted, list) else [wanted]
    if found.single and isinstance(found.value, str):
        return [one in found.value for one in each]
    return [any(same(one, element) for element in found.elements) for one in each]


def _count(found: Found) -> int:
    if not found.single:
        return len(found.values)
    return 0 if _is_empty(found.value) else len(found.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
}

CHECKS: Mapping[str, Callable[[Found, Any], bool]] = {
    "eq": lambda found, wanted: same(found.value, wanted),
    "ne": lambda found, wanted: not same(found.value, wanted),
    "ieq": lambda found, wanted: isinstance(found.value, str) and found.value.lower() == wanted.lower(),
    "empty": lambda found, wanted: _empty(found) is wanted,
    "absent": lambda found, wanted: (found.value is ABSENT) is wanted,
    "type": lambda found, wanted: _TYPES[wanted](found.value),
    "len": lambda found, wanted: _count(found) == wanted,
    "min_len": lambda found, wanted: _count(found) >= wanted,
    "gte": lambda found, wanted: _is_number(found.value) and found.value >= wanted,
    "lte": lambda found, wanted: _is_number(found.value) and found.value <= wanted,
    "contains": lambda found, wanted: all(_held(found, wanted)),
    "excludes": lambda found, wanted: not any(_held(found, wanted)),
    "set_eq": lambda found, wanted: sorted(map(_canonical, found.elements)) == sorted(map(_canonical, wanted)),
    "regex": lambda found, wanted: isinstance(found.value, str) and re.search(wanted, found.value) is not None,
    "startswith": lambda found, wanted: isinstance(found.value, str) and found.value.lower().startswith(wanted.lower()),
}
"""What an expectation may ask, by the word that asks it."""

_NOT_ASKED: Final = frozenset({"path", "name", "optional"})


def disagreements(found: Found, asked: Mapping[str, Any], place: str) -> list[str]:
    """Return a line for each thing asked of a place that does not hold."""
    odd = asked.keys() - CHECKS.keys() - _NOT_ASKED
    assert not odd, f"expectations of no known kind: {odd}"
    return [
        f"{place} should {word} {json.dumps(asked[word])[:200]}, and is {_shown(found.value)}"
        for word in sorted(asked.keys() - _NOT_ASKED)
        if not CHECKS[word](found, asked[word])
    ]


def _shown(value: Any) -> str:
    return repr(value) if value is ABSENT else json.dumps(value, ensure_ascii=False)[:300]
