"""One language for SCIM filters, SCIM PATCH paths and the conditions of mapping files: import it from here.

    text ── parse_filter ──▶ Filter ── check(filter, table) ──▶ ResolvedFilter ── compile_filter ──▶ predicate

`Filter` is the text as a tree with offsets (`filter_tree`); `AttributeTable` is what attributes there are
(`attributes`); `ResolvedFilter` is the same filter with every name found and every value typed, in the few shapes
that evaluation and SQL need (`conditions`, which also states the semantics). This module reads the text.

The grammar is RFC 7644 §3.4.2.2 (filters) and §3.5.2 (paths), with two readings beyond the published ABNF: `not (`
may have a space (errata 7319), and `emails[type eq "work"].value eq "x"`, which Microsoft Entra sends and expects
to work, is a comparison whose path carries a value filter.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

from rolebridge.core.attributes import (
    AmbiguousAttribute,
    Attribute,
    AttributeTable,
    AttributeType,
    ResolvedPath,
    UnknownAttribute,
    by_name,
)
from rolebridge.core.conditions import (
    AttributeRef,
    Comparison,
    Element,
    InvalidComparison,
    Presence,
    ResolvedFilter,
    Selection,
    Target,
    Tolerance,
    WholeSchema,
    check,
    check_path,
    parse_datetime,
    problems,
    referenced_attributes,
    tolerances,
)
from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.filter_evaluation import Predicate, compile_filter, matches, values_at, why_false
from rolebridge.core.filter_tree import (
    And,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterError,
    FilterSyntaxError,
    Not,
    Operand,
    OperandKind,
    Operator,
    Or,
    Path,
    Present,
    Scalar,
    SchemaPath,
    ValuePath,
    shown,
    to_text,
)

__all__ = [
    "MAX_COMPARISONS",
    "MAX_DEPTH",
    "MAX_LENGTH",
    "AmbiguousAttribute",
    "And",
    "AttrPath",
    "Attribute",
    "AttributeRef",
    "AttributeTable",
    "AttributeType",
    "Compare",
    "Comparison",
    "Element",
    "Filter",
    "FilterError",
    "FilterSyntaxError",
    "FilteredPath",
    "InvalidComparison",
    "Not",
    "Operand",
    "OperandKind",
    "Operator",
    "Or",
    "Path",
    "Predicate",
    "Presence",
    "Present",
    "ResolvedFilter",
    "ResolvedPath",
    "Scalar",
    "SchemaPath",
    "Selection",
    "Target",
    "Tolerance",
    "UnknownAttribute",
    "ValuePath",
    "WholeSchema",
    "by_name",
    "check",
    "check_path",
    "compile_filter",
    "matches",
    "parse_datetime",
    "parse_filter",
    "parse_path",
    "problems",
    "referenced_attributes",
    "to_text",
    "tolerances",
    "values_at",
    "why_false",
]

# Bounds on hostile input. Real filters stay under 300 characters and three levels; SQLite refuses expression
# trees deeper than 1,000, which a chain of comparisons becomes there, so their number is bounded too.
MAX_LENGTH: Final = 8192
MAX_DEPTH: Final = 32
MAX_COMPARISONS: Final = 256


def parse_filter(text: str, *, unquoted_values: bool = False) -> Filter:
    """Read a filter (RFC 7644 §3.4.2.2), in time linear in its length.

    With `unquoted_values`, `externalId eq jyoung` is accepted too and the operand's `bare` is set.
    Raises `FilterSyntaxError`, also for text over `MAX_LENGTH`, `MAX_DEPTH` or `MAX_COMPARISONS`.
    """
    parser = _Parser(text, "filter", unquoted_values)
    found = parser.disjunction(0)
    if parser.token:
        raise parser.unexpected_after_term()
    return found


def parse_path(text: str, *, unquoted_values: bool = False) -> Path:
    """Read the path of a PATCH operation (RFC 7644 §3.5.2).

    The forms are `attr`, `attr.sub`, `attr[filter]` and `attr[filter].sub`, each after an optional schema URN. A
    bare schema URN mostly reads as an `AttrPath`: only a table can tell (`AttributeTable.schema_named_by`,
    `check_path`). Raises `FilterSyntaxError`.
    """
    parser = _Parser(text, "path", unquoted_values)
    found = parser.path()
    if parser.token:
        raise parser.unexpected_after_path()
    return found


# --- reading -------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r'[ \t\r\n]*([()\[\]"]|[^\s()\[\]"]+)?')
_NAME = re.compile(r"(\$?[A-Za-z][A-Za-z0-9_$-]*)(?:\.(\$?[A-Za-z][A-Za-z0-9_$-]*))?")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN = r'[^"\\\x00-\x1f]*'
_ESCAPE = r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})'
_STRING = re.compile(rf'"({_PLAIN})((?:{_ESCAPE}{_PLAIN})*)"')
_STRING_PREFIX = re.compile(rf'"{_PLAIN}(?:{_ESCAPE}{_PLAIN})*')
_COMPARISON_SIGN = re.compile(r"<>|[!<>=]=?")
_SURROGATE = re.compile("[\ud800-\udfff]")

_OPERATORS: Final = {op.value: op for op in Operator}
_ALL_OPERATORS: Final = "one of eq ne co sw ew gt ge lt le pr"
_OTHER_SPELLINGS: Final = {
    "=": "eq", "==": "eq", "equals": "eq", "is": "eq", "!=": "ne", "<>": "ne", "contains": "co",
    "startswith": "sw", "endswith": "ew", ">": "gt", ">=": "ge", "<": "lt", "<=": "le", "exists": "pr",
}  # fmt: skip
_CONSTANTS: Final[dict[str, tuple[OperandKind, Scalar]]] = {
    "true": (OperandKind.BOOLEAN, True),
    "false": (OperandKind.BOOLEAN, False),
    "null": (OperandKind.NULL, None),
}
_RESERVED: Final = frozenset({"and", "or", "not"})
_OTHER_QUOTES: Final = "'`\u00ab\u2018\u2019\u201c\u201d\u201e"
# What 64 bits hold, as databases compare whole numbers.
_MAX_INTEGER: Final = 2**63 - 1


class _Parser:
    """Recursive descent with one token of look-ahead; `MAX_DEPTH` bounds the recursion."""

    __slots__ = ("comparisons", "end", "in_brackets", "kind", "start", "text", "token", "unquoted", "what")

    def __init__(self, text: str, what: str, unquoted: bool) -> None:
        self.text = text
        self.what = what
        self.unquoted = unquoted
        self.in_brackets = False
        self.comparisons = 0
        self.end = 0
        if len(text) > MAX_LENGTH:
            beyond = len(text) - MAX_LENGTH
            message = f"the {what} has {len(text)} characters, the limit is {MAX_LENGTH}"
            raise FilterSyntaxError(message, MAX_LENGTH, beyond)
        if not text.isascii() and (half := _SURROGATE.search(text)):
            raise FilterSyntaxError(f"the {what} holds {_half(half)}", half.start(), 1)
        self.advance()
        if not self.token:
            raise FilterSyntaxError(f"the {what} is empty", 0, len(text))

    def advance(self) -> None:
        """Move to the next token: `kind` is `word`, the sign itself, or `end`, whose `token` is empty."""
        found = _TOKEN.match(self.text, self.end)
        assert found is not None  # every part of the pattern is optional
        word = found[1]
        if word is None:
            self.end_of_text(found.end())
            return
        self.token = word
        self.start, self.end = found.span(1)
        self.kind = word if word in '()[]"' else "word"

    def end_of_text(self, at: int) -> None:
        """End, unless something stopped the tokens early, such as a no-break space from a document."""
        if at < len(self.text):
            message = f"U+{ord(self.text[at]):04X} is not a space that a {self.what} may hold"
            raise FilterSyntaxError(message, at, 1, "replace it by a plain space")
        self.kind, self.token, self.start, self.end = "end", "", at, at

    # the grammar, from the loosest binding to the tightest; each method begins at its first token

    def disjunction(self, depth: int) -> Filter:
        first = self.conjunction(depth)
        if self.token.lower() != "or":
            return first
        terms = [first]
        while self.token.lower() == "or":
            self.advance()
            terms.append(self.conjunction(depth))
        return Or(tuple(terms))

    def conjunction(self, depth: int) -> Filter:
        first = self.term(depth)
        if self.token.lower() != "and":
            return first
        terms = [first]
        while self.token.lower() == "and":
            self.advance()
            terms.append(self.term(depth))
        return And(tuple(terms))

    def term(self, depth: int) -> Filter:
        if self.kind == "(":
            return self.group(")", depth)
        if self.kind != "word":
            raise self.expected("a comparison")
        if self.token.lower() == "not":
            return self.negation(depth)
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise self.error(f"the {self.what} has more than {MAX_COMPARISONS} comparisons")
        return self.comparison(depth)

    def group(self, closing: str, depth: int) -> Filter:
        """Read a filter between two brackets."""
        opening, at = self.token, self.start
        if depth >= MAX_DEPTH:
            raise self.error(f"the {self.what} is nested more than {MAX_DEPTH} levels deep")
        self.advance()
        inner = self.disjunction(depth + 1)
        if self.kind == "end":
            raise FilterSyntaxError(f"`{opening}` is never closed", at, 1, f"add `{closing}`")
        if self.kind != closing:
            raise self.unexpected_after_term()
        self.advance()
        return inner

    def negation(self, depth: int) -> Filter:
        at, length = self.start, len(self.token)
        self.advance()
        if self.kind != "(":
            raise FilterSyntaxError("`not` needs parentheses", at, length, "write `not (…)`")
        return Not(self.group(")", depth))

    def comparison(self, depth: int) -> Filter:
        path = self.target(depth)
        if isinstance(path, FilteredPath) and path.sub is None:
            return self.value_path(path)
        keyword, at = self.token.lower(), self.start
        if keyword == "pr":
            self.advance()
            return Present(path)
        op = _OPERATORS.get(keyword)
        if op is None:
            raise self.bad_operator()
        self.advance()
        return Compare(path, op, self.operand(op), at)

    def value_path(self, path: FilteredPath) -> ValuePath:
        if self.token.lower() in _OPERATORS or self.token.lower() == "pr":
            raise self.error(
                f"a `[` filter stands alone, {shown(self.token)} cannot follow it",
                f"name a sub-attribute to compare: {shown(path.path.name + '[…].value')}",
            )
        return ValuePath(path.path, path.filter, path.offset, path.length)

    def path(self) -> Path:
        word, at = self.token, self.start
        if self.kind != "word":
            raise self.expected("an attribute")
        if _URI.fullmatch(word) and not _NAME.fullmatch(word.rpartition(":")[2]):
            self.advance()
            return SchemaPath(word, at, len(word))
        return self.target(0)

    def target(self, depth: int) -> AttrPath | FilteredPath:
        """Read `attr`, `attr.sub`, `attr[filter]` or `attr[filter].sub`."""
        path = self.attr_path()
        if self.kind != "[":
            return path
        if self.in_brackets:
            raise self.error("a `[` filter cannot stand inside another one")
        if path.sub is not None:
            message = f"a `[` filter cannot follow the sub-attribute {shown(path.sub)}"
            raise self.error(message, f"put it after {shown(path.name)}")
        self.in_brackets = True
        inner = self.group("]", depth)
        self.in_brackets = False
        sub = self.sub_attribute()
        # Trailing space belongs to nothing.
        length = len(self.text[path.offset : self.start].rstrip(" \t\r\n"))
        return FilteredPath(path, inner, sub, path.offset, length)

    def sub_attribute(self) -> str | None:
        """Read the `.sub` that may follow `]`."""
        if not self.token.startswith("."):
            return None
        sub = self.token[1:]
        name = _NAME.fullmatch(sub)
        if name is None or name[2]:
            raise self.error(f"{shown(self.token)} does not name a sub-attribute")
        self.advance()
        return sub

    def attr_path(self) -> AttrPath:
        word, at = self.token, self.start
        schema, colon, tail = word.rpartition(":")
        name = _NAME.fullmatch(tail)
        if name is None or (colon and not _URI.fullmatch(schema)) or word.lower() in _RESERVED:
            raise self.bad_attribute(word, schema, tail)
        self.advance()
        return AttrPath(schema or None, name[1], name[2], at, len(word))

    # values

    def operand(self, op: Operator) -> Operand:
        if self.kind == '"':
            return self.string()
        if self.kind != "word" or self.token.lower() in _RESERVED:
            raise self.error(f"`{op.value}` needs a value, found {self.found()}")
        word, at = self.token, self.start
        value: Scalar
        if word in _CONSTANTS:
            kind, value = _CONSTANTS[word]
        elif number := _NUMBER.fullmatch(word):
            kind, value = OperandKind.NUMBER, self.number(word, fractional=number.lastindex is not None)
        elif self.unquoted and word.isprintable():
            kind, value = OperandKind.STRING, word
        else:
            raise self.bad_value()
        self.advance()
        return Operand(kind, value, word if self.unquoted else None, at, len(word))

    def string(self) -> Operand:
        at = self.start
        found = _STRING.match(self.text, at)
        if found is None:
            raise self.bad_string(at)
        value, length = found[1], len(found[0])
        if found[2]:
            value = json.loads(found[0])
            if half := _SURROGATE.search(value):
                raise FilterSyntaxError(f"the string holds {_half(half)}", at, length)
            if "\0" in value:
                # PostgreSQL refuses NUL in text, so nothing stored can hold it and no store could look for it.
                raise FilterSyntaxError("the string holds the NUL character", at, length)
        self.end = found.end()
        self.advance()
        return Operand(OperandKind.STRING, value, None, at, length)

    def number(self, word: str, *, fractional: bool) -> int | float:
        value: int | float
        if fractional:
            value = float(word)
            in_range = math.isfinite(value)
        else:
            # 20 characters hold every 64-bit number; Python itself refuses to read 5,000 digits.
            value = int(word) if len(word) <= 20 else _MAX_INTEGER + 1
            in_range = abs(value) <= _MAX_INTEGER
        if not in_range:
            raise self.error(f"the number {shown(word)} is out of range")
        return value

    # what to say when it does not fit

    def error(self, message: str, help: str | None = None) -> FilterSyntaxError:
        """Return an error that underlines the present token."""
        return FilterSyntaxError(message, self.start, len(self.token), help)

    def found(self) -> str:
        if self.kind == "end":
            return f"the end of the {self.what}"
        return "a string" if self.kind == '"' else shown(self.token)

    def expected(self, what: str) -> FilterSyntaxError:
        return self.error(f"expected {what}, found {self.found()}")

    def unexpected_after_term(self) -> FilterSyntaxError:
        if self.kind in (")", "]"):
            return self.error(f"`{self.token}` closes nothing that is open here")
        help = did_you_mean(self.token, ("and", "or")) if self.kind == "word" else None
        return self.error(f"expected `and` or `or`, found {self.found()}", help)

    def unexpected_after_path(self) -> FilterSyntaxError:
        if self.token.lower() in _OPERATORS or self.token.lower() == "pr":
            return self.error("a path holds a comparison only in brackets", 'write it like `emails[type eq "work"]`')
        return self.error(f"expected the end of the path, found {self.found()}")

    def bad_attribute(self, word: str, schema: str, tail: str) -> FilterSyntaxError:
        if word.lower() in _RESERVED:
            return self.expected("a comparison" if self.what == "filter" else "an attribute")
        if schema and not _URI.fullmatch(schema):
            return self.error(f"{shown(schema)} is not a schema URN")
        parts = tail.split(".")
        if len(parts) > 2 and all(_NAME.fullmatch(part) for part in parts):
            return self.error(f"{shown(word)} goes deeper than a sub-attribute")
        help = None
        if sign := _COMPARISON_SIGN.search(tail):
            meant = _OTHER_SPELLINGS.get(sign[0], "eq")
            help = f"operators are words between spaces: `{meant}`"
        return self.error(f"{shown(tail or word)} is not an attribute name", help)

    def bad_operator(self) -> FilterSyntaxError:
        word = self.token.lower()
        if self.kind != "word" or word in _RESERVED:
            return self.error(f"expected an operator, found {self.found()}", _ALL_OPERATORS)
        meant = _OTHER_SPELLINGS.get(word)
        help = f"did you mean `{meant}`?" if meant else did_you_mean(word, (*_OPERATORS, "pr"))
        return self.error(f"unknown operator {shown(self.token)}", help or _ALL_OPERATORS)

    def bad_value(self) -> FilterSyntaxError:
        word = self.token
        help = "put it in double quotes"
        if word.lower() in _CONSTANTS:
            help = f"write `{word.lower()}`"
        elif word[0] in _OTHER_QUOTES:
            help = 'strings stand in straight double quotes: "…"'
        return self.error(f"{shown(word)} is not a value", help)

    def bad_string(self, at: int) -> FilterSyntaxError:
        prefix = _STRING_PREFIX.match(self.text, at)
        assert prefix is not None  # it begins with the quote that brought us here
        stop = prefix.end()
        if stop == len(self.text):
            return FilterSyntaxError("the string is never closed", at, stop - at, 'add `"`')
        if self.text[stop] == "\\":
            escape = self.text[stop : stop + 2]
            help = r"write a backslash as `\\`"
            return FilterSyntaxError(f"{shown(escape)} is not an escape of JSON", stop, len(escape), help)
        code = f"U+{ord(self.text[stop]):04X}"
        return FilterSyntaxError(f"the string holds the control character {code}", stop, 1, "escape it as JSON does")


def _half(surrogate: re.Match[str]) -> str:
    return f"U+{ord(surrogate[0]):04X}, which is half of a character"
