"""In which order the operations of a bulk request run, and what their `bulkId:` references mean (RFC 7644 §3.7).

An operation may refer to what another one of the same request creates, wherever it stands: a creation runs before the
first operation that refers to it, and everything else in the order in which it was sent. Creations that refer to each
other in a circle (§3.7.1) are made in two steps: without the references that cannot be known yet, then with them.

What is a reference: a string that is `bulkId:…` and nothing else, anywhere in `data`; one in quotes in the filter of a
PATCH path; the end of a `$ref`; a segment of the operation's own path. Pure; the cost grows with the request's size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rolebridge.scim.errors import ScimError

PREFIX: Final = "bulkId:"

_QUOTED: Final = re.compile(r'"bulkId:([^"]+)"')
_REF_END: Final = re.compile(r"(?<=/)bulkId:([^/]+)$")
_GONE: Final = object()

Find = Callable[[str], str]
"""bulkId → the id of what was created."""


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation of a bulk request; `number` counts from 1.

    `fault` is why it cannot even be tried; the other operations are (§3.7.3).
    """

    number: int
    method: str
    path: str
    bulk_id: str | None
    version: str | None
    data: Any
    fault: ScimError | None = None

    @property
    def creates(self) -> bool:
        """Return whether others may refer to what this operation makes."""
        return self.method == "POST" and self.bulk_id is not None and self.fault is None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: run the operation at `index`, without what refers to `missing`; or put that in afterwards."""

    index: int
    missing: frozenset[str] = frozenset()
    completes: bool = False


def plan(operations: Sequence[BulkOperation]) -> list[Step]:
    """Return the steps of a request, in the order in which they run."""
    creations = {
        operation.bulk_id: index
        for index, operation in enumerate(operations)
        if operation.creates and operation.bulk_id is not None
    }
    steps: list[Step] = []
    done: set[int] = set()
    for root in range(len(operations)):
        if root not in done:
            steps += _walk(root, operations, creations, done)
    return steps


def _walk(root: int, operations: Sequence[BulkOperation], creations: Mapping[str, int], done: set[int]) -> list[Step]:
    """Return the steps for an operation and for what it needs: depth first, without recursion, each once."""
    steps: list[Step] = []
    under_way = {root: set[str]()}
    stack = [(root, iter(references(operations[root])))]
    while stack:
        index, left = stack[-1]
        bulk_id = next(left, None)
        if bulk_id is None:
            stack.pop()
            done.add(index)
            steps.append(Step(index, frozenset(under_way.pop(index))))
            continue
        needed = creations.get(bulk_id)
        if needed is None or needed in done:
            continue
        if needed in under_way:
            under_way[index].add(bulk_id)
        else:
            under_way[needed] = set()
            stack.append((needed, iter(references(operations[needed]))))
    return steps + [Step(step.index, step.missing, completes=True) for step in steps if step.missing]


# --- references ----------------------------------------------------------------------------------------------


def may_refer(body: bytes) -> bool:
    """Return whether the text of a request may hold references: without any there is nothing to look for."""
    return PREFIX.encode() in body or b"\\u" in body


def references(operation: BulkOperation) -> list[str]:
    """Return the bulkIds that an operation refers to, each once, in the order in which they come."""
    found: dict[str, None] = {}

    def note(bulk_id: str) -> str:
        found[bulk_id] = None
        return ""

    resolved_path(operation.path, note)
    resolved(operation.data, note)
    return list(found)


def resolved_path(path: str, find: Find) -> str:
    """Return the path of an operation with ids for its references."""
    if PREFIX not in path:
        return path
    segments = path.split("/")
    return "/".join(
        find(segment.removeprefix(PREFIX)) if segment.startswith(PREFIX) else segment for segment in segments
    )


def resolved(value: Any, find: Find, key: str = "") -> Any:
    """Return a value of `data` with ids for its references; `key` is what it stands under, in lower case."""
    if isinstance(value, str):
        return _resolved_text(value, find, key)
    if isinstance(value, dict):
        return {name: resolved(item, find, name.lower()) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, find, key) for item in value]
    return value


def _resolved_text(text: str, find: Find, key: str) -> str:
    if PREFIX not in text:
        return text
    if key == "path":
        return _QUOTED.sub(lambda match: f'"{find(match[1])}"', text)
    if text.startswith(PREFIX):
        return find(text.removeprefix(PREFIX))
    return _REF_END.sub(lambda match: find(match[1]), text) if key == "$ref" else text


def without(data: Mapping[str, Any], missing: frozenset[str]) -> dict[str, Any]:
    """Return the data of a creation without every value that refers to one of `missing`."""
    return dict(_kept(data, missing))


def _kept(data: Mapping[str, Any], missing: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, item in data.items():
        kept = _without(item, missing, name.lower())
        if kept is not _GONE:
            yield name, kept


def _without(value: Any, missing: frozenset[str], key: str) -> Any:
    """Return a value without what refers to `missing`: a complex value goes whole when a part of it does."""
    if isinstance(value, str):
        return _GONE if _refers(value, missing, key) else value
    if isinstance(value, list):
        return [left for item in value if (left := _without(item, missing, key)) is not _GONE]
    if isinstance(value, dict):
        kept = dict(_kept(value, missing))
        return kept if len(kept) == len(value) else _GONE
    return value


def _refers(text: str, missing: frozenset[str], key: str) -> bool:
    found: list[str] = []

    def note(bulk_id: str) -> str:
        found.append(bulk_id)
        return ""

    _resolved_text(text, note, key)
    return not missing.isdisjoint(found)
