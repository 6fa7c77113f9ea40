"""Filling placeholders: `{field}` of the record at hand, `{field.other}` of the record that the field names.

A template is any JSON value. In a list, `{"each": "members", "gives": X}` stands for one X for each key in the
field `members`; inside X, `each` names that key's record. Nothing else is special, and nothing is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Record = Mapping[str, Any]
"""One authored record: field names to texts, or to a list of other records' keys."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)(?:\.([A-Za-z]+))?\}")


class UnknownPlaceholder(LookupError):
    """A template names a field, or a record, that is not there."""


def fill(template: Any, subject: Record, named: Mapping[str, Record]) -> Any:
    """Return `template` with every placeholder replaced; `named` finds the records that fields refer to.

    Raises UnknownPlaceholder.
    """
    match template:
        case str():
            return _PLACEHOLDER.sub(lambda found: _value(found, subject, named), template)
        case list():
            return [item for entry in template for item in _items(entry, subject, named)]
        case dict():
            return {key: fill(value, subject, named) for key, value in template.items()}
        case _:
            return template


def _items(entry: Any, subject: Record, named: Mapping[str, Record]) -> Iterator[Any]:
    if isinstance(entry, dict) and entry.keys() == {"each", "gives"}:
        for key in _field(subject, entry["each"]):
            yield fill(entry["gives"], {**subject, "each": key}, named)
    else:
        yield fill(entry, subject, named)


def _value(found: re.Match[str], subject: Record, named: Mapping[str, Record]) -> str:
    field, other = found.groups()
    value = _field(subject, field)
    if other is not None:
        if value not in named:
            raise UnknownPlaceholder(f"`{{{field}}}` is `{value}`, and there is no such record")
        value = _field(named[value], other)
    return str(value)


def _field(record: Record, name: str) -> Any:
    if name not in record:
        raise UnknownPlaceholder(f"`{record.get('key', 'the record')}` has no `{name}`")
    return record[name]
