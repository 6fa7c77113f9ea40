"""The syntax tree of SCIM filters and PATCH paths, with the places things stood at, and its canonical text.

`rolebridge.core.filters` reads text into this tree and is the module to import from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

Scalar: TypeAlias = str | int | float | bool | None
T = TypeVar("T")


class FilterError(ValueError):
    """A filter or path that is refused, with the place that is wrong.

    `message` is one lower-case line with user input in backticks; `offset` and `length` count characters of
    the text (0-based); `help`, where there is one, says what to write instead.
    """

    def __init__(self, message: str, offset: int, length: int, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.help = help


class FilterSyntaxError(FilterError):
    """The text is not a filter, or not a path (RFC 7644 §3.12 `invalidFilter`, `invalidPath`)."""


# --- nodes: equality ignores places --------------------------------------------------------------------------


class Operator(StrEnum):
    """The comparison operators of RFC 7644 §3.4.2.2; `pr` compares with nothing and is `Present`."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


class OperandKind(StrEnum):
    """The JSON type of a comparison value."""

    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"


@dataclass(frozen=True, slots=True)
class AttrPath:
    """`[urn:…:]attr[.sub]` as written; an attribute table resolves it."""

    schema: str | None
    name: str
    sub: str | None = None
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SchemaPath:
    """A PATCH path that is a URI and cannot be read as `urn:…:attr`, such as `urn:acme:hr:2.0`."""

    schema: str
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FilteredPath:
    """`emails[type eq "work"]` or `emails[type eq "work"].value` where it names values, not tests them."""

    path: AttrPath
    filter: Filter
    sub: str | None = None
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Operand:
    """The value of a comparison. `kind` keeps `true` and `1` apart, which Python finds equal.

    `bare` is the value as written when unquoted values are allowed and it is not a JSON string: only the
    attribute's type can say whether `12` is a number or a string that lost its quotes.
    """

    kind: OperandKind
    value: Scalar
    bare: str | None = field(default=None, compare=False)
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """`userName eq "ana"`; the path of `emails[type eq "work"].value eq "x"` is a `FilteredPath` with a `sub`."""

    path: AttrPath | FilteredPath
    op: Operator
    operand: Operand
    op_offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Present:
    """`title pr`."""

    path: AttrPath | FilteredPath


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`emails[type eq "work" and value co "@x"]`: one value of the attribute satisfies the whole filter."""

    path: AttrPath
    filter: Filter
    offset: int = field(default=0, compare=False)
    length: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And(Generic[T]):
    """Two or more terms that must all hold. Written parentheses are kept: a term may itself be an `And`."""

    terms: tuple[T, ...]


@dataclass(frozen=True, slots=True)
class Or(Generic[T]):
    """Two or more terms of which one must hold."""

    terms: tuple[T, ...]


@dataclass(frozen=True, slots=True)
class Not(Generic[T]):
    """The term must not hold."""

    term: T


Filter: TypeAlias = "Compare | Present | ValuePath | And[Filter] | Or[Filter] | Not[Filter]"
Path: TypeAlias = AttrPath | FilteredPath | SchemaPath


# --- text ----------------------------------------------------------------------------------------------------


def to_text(node: Filter | Path) -> str:
    """Return the canonical text, which `parse_filter` or `parse_path` reads back to an equal node."""
    match node:
        case And(terms):
            return " and ".join(f"({to_text(t)})" if isinstance(t, And | Or) else to_text(t) for t in terms)
        case Or(terms):
            return " or ".join(f"({to_text(t)})" if isinstance(t, Or) else to_text(t) for t in terms)
        case Not(term):
            return f"not ({to_text(term)})"
        case Compare(path, op, operand):
            return f"{_path_text(path)} {op.value} {json_text(operand.value)}"
        case Present(path):
            return f"{_path_text(path)} pr"
        case ValuePath(path, inner):
            return f"{_path_text(path)}[{to_text(inner)}]"
        case _:
            return _path_text(node)


def _path_text(path: Path) -> str:
    match path:
        case AttrPath(schema, name, sub):
            return f"{schema + ':' if schema else ''}{name}{'.' + sub if sub else ''}"
        case FilteredPath(attribute, inner, sub):
            return f"{_path_text(attribute)}[{to_text(inner)}]{'.' + sub if sub else ''}"
        case SchemaPath(schema):
            return schema


def json_text(value: Scalar) -> str:
    """Return a value as JSON on one line; characters that do not print (U+2028, bidi marks) are escaped."""
    return json.dumps(value, ensure_ascii=not (isinstance(value, str) and value.isprintable()))


def shown(text: str) -> str:
    """Return user input for a message: in backticks, on one line, at most 60 characters."""
    cut = text if len(text) <= 60 else text[:59] + "…"
    return f"`{cut if cut.isprintable() else ascii(cut)[1:-1]}`"
