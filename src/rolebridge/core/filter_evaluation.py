"""Resolved filters against resources: compiled to closures, and explained when they do not hold.

A resource is a SCIM resource as parsed JSON with canonical keys: names spelt as in the schemas, extension
attributes under their URN. What a filter means stands in `conditions`. Import from `rolebridge.core.filters`.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from rolebridge.core.attributes import AttributeType, ResolvedPath
from rolebridge.core.conditions import Comparison, Element, Presence, ResolvedFilter, parse_datetime
from rolebridge.core.filter_tree import And, Not, Operator, Or, json_text

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
# Inside brackets the subject is an element, which need not be an object.
_Holds: TypeAlias = Callable[[Any], bool]
# `dict` first: asking the abstract class costs four times as much.
_OBJECT: Final = (dict, Mapping)


def compile_filter(resolved: ResolvedFilter) -> Predicate:
    """Return the filter as a function of a resource; it costs the length of the paths, not of the resource.

    The filter of a `Selection` or an `Element` compiles to a function of one element.
    """
    return _compile(resolved)


def matches(resolved: ResolvedFilter, resource: Mapping[str, Any]) -> bool:
    """Return whether a filter holds for one resource; compile it to ask about many."""
    return _compile(resolved)(resource)


def values_at(path: ResolvedPath, resource: Any) -> list[Any]:
    """Return the values that a resource (or an element) has along a path, without absent and null ones."""
    found = [resource]
    for key, many in path.levels:
        values = [node.get(key) for node in found if isinstance(node, Mapping)]
        found = [
            item
            for value in values
            for item in (value if many and isinstance(value, list) else (value,))
            if item is not None
        ]
    return found


# --- closures ------------------------------------------------------------------------------------------------


def _compile(node: ResolvedFilter) -> _Holds:
    match node:
        case And(terms):
            return _all([_compile(term) for term in terms])
        case Or(terms):
            return _any([_compile(term) for term in terms])
        case Not(term):
            return _not(_compile(term))
        case Presence(path):
            return _along(path, _is_present)
        case Element(path, inner):
            return _along(path, _compile(inner))
        case Comparison():
            return _along(node.path, _value_test(node))


def _all(terms: list[_Holds]) -> _Holds:
    def holds(subject: Any) -> bool:
        for term in terms:  # noqa: SIM110 - a loop costs half of what `all` with a generator does
            if not term(subject):
                return False
        return True

    return holds


def _any(terms: list[_Holds]) -> _Holds:
    def holds(subject: Any) -> bool:
        for term in terms:  # noqa: SIM110 - see `_all`
            if term(subject):
                return True
        return False

    return holds


def _not(term: _Holds) -> _Holds:
    return lambda subject: not term(subject)


def _along(path: ResolvedPath, test: _Holds) -> _Holds:
    """Return whether the test holds for any of the values along the path."""
    for key, many in reversed(path.levels):
        test = _any_below(key, test) if many else _below(key, test)
    return test


def _below(key: str, test: _Holds) -> _Holds:
    def holds(subject: Any) -> bool:
        if not isinstance(subject, _OBJECT):
            return False
        value = subject.get(key)
        return value is not None and test(value)

    return holds


def _any_below(key: str, test: _Holds) -> _Holds:
    def holds(subject: Any) -> bool:
        if not isinstance(subject, _OBJECT):
            return False
        values = subject.get(key)
        if not isinstance(values, list):
            return values is not None and test(values)
        for value in values:  # noqa: SIM110 - see `_all`
            if value is not None and test(value):
                return True
        return False

    return holds


def _is_present(value: Any) -> bool:
    if isinstance(value, _OBJECT):
        return any(_is_present(item) for item in value.values())
    if isinstance(value, list):
        return any(_is_present(item) for item in value)
    return value is not None and value != ""


_RELATIONS: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: operator.eq,
    Operator.CO: operator.contains,
    Operator.SW: str.startswith,
    Operator.EW: str.endswith,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def _value_test(node: Comparison) -> _Holds:
    """Return the test of one stored value; a value that has not the attribute's type satisfies none."""
    relation, wanted, target = _RELATIONS[node.op], node.value, node.path.target
    match target.type:
        case AttributeType.BOOLEAN:
            return lambda value: value is wanted
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return lambda value: (
                isinstance(value, int | float) and not isinstance(value, bool) and relation(value, wanted)
            )
        case AttributeType.DATE_TIME:

            def at_instant(value: Any) -> bool:
                instant = parse_datetime(value) if isinstance(value, str) else None
                return instant is not None and relation(instant, wanted)

            return at_instant
        case _:
            if target.case_exact or target.type is AttributeType.BINARY:
                return lambda value: isinstance(value, str) and relation(value, wanted)
            return lambda value: isinstance(value, str) and relation(value.casefold(), wanted)


# --- why a filter does not hold ------------------------------------------------------------------------------

_MAX_REASONS: Final = 3
_MAX_VALUE_TEXT: Final = 80
_WORDS: Final = {
    Operator.EQ: "equals",
    Operator.CO: "contains",
    Operator.SW: "begins with",
    Operator.EW: "ends with",
    Operator.GT: "is above",
    Operator.GE: "is at least",
    Operator.LT: "is below",
    Operator.LE: "is at most",
}


def why_false(resolved: ResolvedFilter, resource: Mapping[str, Any]) -> str | None:
    """Return what makes a filter false, such as `userType is "Employee"`; None when it holds.

    Of terms joined by `and` the first false one answers; where several facts are needed, they are joined by `and`,
    the first three of them.
    """
    if matches(resolved, resource):
        return None
    reasons = list(dict.fromkeys(_reasons(resolved, resource, holds=False)))
    if len(reasons) > _MAX_REASONS:
        reasons[_MAX_REASONS:] = [f"{len(reasons) - _MAX_REASONS} more"]
    return " and ".join(reasons)


def _reasons(node: ResolvedFilter, resource: Mapping[str, Any], *, holds: bool) -> list[str]:
    """Return the facts that make `node` true or false, which `holds` says it is."""
    match node:
        case Not(term):
            return _reasons(term, resource, holds=not holds)
        case And(terms) | Or(terms):
            # One term decides a false `and` and a true `or`; the other two need every term.
            if holds is isinstance(node, Or):
                terms = tuple(term for term in terms if matches(term, resource) is holds)[:1]
            return [reason for term in terms for reason in _reasons(term, resource, holds=holds)]
        case Presence(path):
            return [f"{path.label} is {'present' if holds else 'absent'}"]
        case Element(path):
            return [_about_element(node, values_at(path, resource), holds)]
        case Comparison(path):
            return [_about_values(node, values_at(path, resource), holds)]


def _about_element(node: Element, elements: list[Any], holds: bool) -> str:
    if not elements:
        return f"{node.path.label} is absent"
    return f"{node.path.label} has {'a' if holds else 'no'} value with {node.text}"


def _about_values(node: Comparison, values: list[Any], holds: bool) -> str:
    label = node.path.label
    if not values:
        return f"{label} is absent"
    if not node.path.multi_valued:
        return f"{label} is {_value_text(values[0])}"
    wanted = json_text(node.written)
    if node.op is Operator.EQ:
        return f"{label} {'contains' if holds else 'does not contain'} {wanted}"
    return f"{'a' if holds else 'no'} value of {label} {_WORDS[node.op]} {wanted}"


def _value_text(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else json_text(value)
    return text if len(text) <= _MAX_VALUE_TEXT else text[: _MAX_VALUE_TEXT - 1] + "…"
