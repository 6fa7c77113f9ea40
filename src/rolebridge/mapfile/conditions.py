"""`when:` and attribute paths: SCIM filters on the user, checked and compiled, blamed at the exact character.

An attribute behind the URN of a schema that the table does not know is taken as text: an organization's own extension
may be used before its schema is described here. Behind a known URN, and without any, only known attributes are valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rolebridge.core.diagnostics import Place
from rolebridge.core.filters import (
    And,
    Attribute,
    AttributeTable,
    AttributeType,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterError,
    Not,
    Or,
    Present,
    ResolvedPath,
    UnknownAttribute,
    ValuePath,
    by_name,
    check,
    compile_filter,
    parse_filter,
    parse_path,
    problems,
    referenced_attributes,
    values_at,
    why_false,
)
from rolebridge.core.mapping import Condition, DateFrom, ValueFrom
from rolebridge.mapfile.reading import Sink, read_text
from rolebridge.mapfile.yamlsource import Node, Scalar


class ConditionReader:
    """Compiles the conditions of one file against a table of user attributes."""

    def __init__(self, table: AttributeTable, sink: Sink) -> None:
        self._table = table
        self._sink = sink

    def condition(self, node: Node) -> Condition | None:
        """Return the filter that a `when:` spells."""
        text = read_text(node, "`when`", self._sink)
        if text is None:
            return None
        try:
            parsed = parse_filter(text.text)
        except FilterError as error:
            self._refuse(text, error)
            return None
        table = _extended(self._table, [path for path in _paths(parsed) if path.schema is not None])
        refused = problems(parsed, table)
        for problem in refused:
            self._refuse(text, problem)
        if refused:
            return None
        resolved = check(parsed, table)
        attributes = frozenset(reference.name for reference in referenced_attributes(resolved))
        return Condition(text.text, text.place, compile_filter(resolved), partial(why_false, resolved), attributes)

    def value_from(self, node: Node) -> ValueFrom | None:
        """Return what each user brings along in the attribute that `node` names."""
        text = read_text(node, "an attribute", self._sink)
        path = self.attribute(text) if text is not None else None
        return ValueFrom(text.text, _text_reader(path)) if text is not None and path is not None else None

    def attribute(self, text: Scalar) -> ResolvedPath | None:
        """Return the one attribute of a user that a path names."""
        try:
            path = parse_path(text.text)
            if not isinstance(path, AttrPath):
                self._sink.add("bad-condition", text, "the path must name one attribute of the user")
                return None
            return _extended(self._table, [path]).resolve(path)
        except FilterError as error:
            self._refuse(text, error)
            return None

    def date_from(self, node: Node) -> DateFrom | None:
        """Return the date that each user brings along in the attribute that `node` names."""
        text = read_text(node, "`attribute`", self._sink)
        path = self.attribute(text) if text is not None else None
        if text is None or path is None:
            return None
        if path.target.type not in {AttributeType.STRING, AttributeType.DATE_TIME} or path.multi_valued:
            what = "has several values" if path.multi_valued else f"is of type {path.target.type}"
            self._sink.add("bad-date", text, f"`{path.label}` {what}, so it holds no date")
            return None
        return DateFrom(text.text, _reader(path))

    def _refuse(self, text: Scalar, error: FilterError) -> None:
        code = "unknown-attribute" if isinstance(error, UnknownAttribute) else "bad-condition"
        place: Place = text.at(error.offset)
        excerpt = text.text[error.offset : error.offset + error.length] if place != text.place else text.excerpt
        if error.offset == 0 and not text.style:
            excerpt = text.text[: error.length]
        self._sink.add(code, place, error.message, help_=error.help, excerpt=excerpt)


def _reader(path: ResolvedPath) -> Callable[[Mapping[str, Any]], str | None]:
    def read(resource: Mapping[str, Any]) -> str | None:
        values = values_at(path, resource)
        return values[0] if values and isinstance(values[0], str) else None

    return read


def _text_reader(path: ResolvedPath) -> Callable[[Mapping[str, Any]], str | None]:
    def read(resource: Mapping[str, Any]) -> str | None:
        return next((str(value) for value in values_at(path, resource) if str(value).strip()), None)

    return read


def _extended(table: AttributeTable, paths: list[AttrPath]) -> AttributeTable:
    """Return the table with the attributes of schemas that it does not know, as text."""
    extensions: dict[str, dict[str, Attribute]] = {}
    for path in paths:
        if path.schema is None or table.schema_spelt(path.schema) is not None or table.schema_named_by(path):
            continue
        urn = next((urn for urn in extensions if urn.lower() == path.schema.lower()), path.schema)
        attributes = extensions.setdefault(urn, {})
        known = attributes.get(path.name.lower(), Attribute(path.name))
        if path.sub is not None:
            subs = {**known.sub, path.sub.lower(): Attribute(path.sub)}
            known = Attribute(known.name, AttributeType.COMPLEX, sub=by_name(subs.values()))
        attributes[path.name.lower()] = known
    if not extensions:
        return table
    added = {urn: by_name(attributes.values()) for urn, attributes in extensions.items()}
    return AttributeTable(table.schema, table.attributes, {**table.extensions, **added})


def _paths(node: Filter) -> Iterator[AttrPath]:
    """Yield every attribute that a filter names, outside of brackets."""
    match node:
        case And(terms) | Or(terms):
            for term in terms:
                yield from _paths(term)
        case Not(term):
            yield from _paths(term)
        case ValuePath(path):
            yield path
        case Present(path) | Compare(path):
            yield path.path if isinstance(path, FilteredPath) else path
