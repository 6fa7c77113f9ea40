"""The typed reader: asks a node for a mapping, a list, a text or a number, records what is wrong, and goes on.

Every function returns None (or leaves an entry out) where the file is wrong, after recording a diagnostic, so that one
run reports all the problems of a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import islice

from rolebridge.core.diagnostics import REGISTER, Diagnostic, Place, Severity, did_you_mean
from rolebridge.core.registry import WELL_FORMED_ID
from rolebridge.mapfile.yamlsource import Broken, Entry, Items, Node, Scalar, Table

MAX_PROBLEMS = 200
"""How many problems of one file are reported; someone who made more made one mistake many times."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}")


class Sink:
    """Where the problems of one file are collected, in the order in which they are found."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []
        self._dropped: Place | None = None
        self._errors = 0

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Return what was found, ordered by place; a note stands at the end when some problems were left out."""
        ordered = sorted(self._found, key=lambda problem: problem.place or Place("", 0, 0))
        if self._dropped is not None:
            detail = f"only the first {MAX_PROBLEMS} problems are shown"
            ordered.append(Diagnostic("too-many-problems", detail, self._dropped))
        return tuple(ordered)

    @property
    def errors(self) -> int:
        """Return how many errors were found so far: whoever compares two readings knows whether a part was sound."""
        return self._errors

    def take(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Record diagnostics that somebody else built."""
        for diagnostic in diagnostics:
            self._keep(diagnostic)

    def add(
        self,
        code: str,
        at: Node | Place,
        detail: str,
        *,
        help_: str | None = None,
        known: Iterable[str] = (),
        excerpt: str | None = None,
    ) -> None:
        """Record a problem; with `known`, the help names the nearest of those words, or all when they are few."""
        if len(self._found) >= MAX_PROBLEMS:
            self._drop(code, at if isinstance(at, Place) else at.place)
            return
        if isinstance(at, Place):
            self._keep(Diagnostic(code, detail, at, excerpt or "", help_))
            return
        if help_ is None and isinstance(at, Scalar):
            help_ = _nearest(at.text, known)
        self._keep(Diagnostic(code, detail, at.place, at.excerpt if excerpt is None else excerpt, help_))

    def _keep(self, diagnostic: Diagnostic) -> None:
        if len(self._found) >= MAX_PROBLEMS:
            self._drop(diagnostic.code, diagnostic.place)
            return
        self._found.append(diagnostic)
        self._errors += diagnostic.severity is Severity.ERROR

    def _drop(self, code: str, place: Place | None) -> None:
        self._dropped = self._dropped or place
        self._errors += REGISTER[code].severity is Severity.ERROR


def read_table(node: Node, what: str, sink: Sink) -> Table | None:
    """Return the node as a mapping."""
    if isinstance(node, Table):
        return node
    help_ = "leave it out, or indent below it what belongs to it" if _is_nothing(node) else None
    _wrong(node, f"{what} is empty" if help_ else f"{what} must be a mapping (`key: value`)", sink, help_)
    return None


def read_items(node: Node, what: str, sink: Sink) -> tuple[Node, ...] | None:
    """Return the items of a list."""
    if isinstance(node, Items):
        return node.items
    if _is_nothing(node):
        _wrong(node, f"{what} is empty", sink, "write `[]` if the list is to be empty")
    else:
        _wrong(node, f"{what} must be a list", sink, "begin each entry with `- `" if isinstance(node, Table) else None)
    return None


def read_text(node: Node, what: str, sink: Sink) -> Scalar | None:
    """Return the node as text that is not empty; an unquoted `{capture}` is named as such."""
    if not isinstance(node, Scalar):
        _wrong(node, f"{what} must be text", sink)
        return None
    if node.is_empty:
        help_ = f'quote it if you mean the text: "{node.text}"' if node.text else None
        sink.add("wrong-type", node, f"{what} is empty", help_=help_)
        return None
    if not node.text.strip():
        sink.add("wrong-type", node, f"{what} is empty")
        return None
    return node


def read_texts(node: Node, what: str, sink: Sink) -> list[Scalar]:
    """Return the texts of a list, or the one text that stands in its place. An empty list is refused."""
    if not isinstance(node, Items):
        one = read_text(node, what, sink)
        return [one] if one else []
    if not node.items:
        sink.add("wrong-type", node, f"{what} is an empty list")
    return [text for item in node.items if (text := read_text(item, what, sink))]


def read_number(node: Node, what: str, sink: Sink, code: str = "wrong-type") -> int | None:
    """Return a whole number that is not negative."""
    if isinstance(node, Scalar) and not node.style and _NUMBER.fullmatch(node.text):
        return int(node.text)
    if not isinstance(node, Broken):
        sink.add(code, node, f"{what} must be a whole number")
    return None


def read_flag(node: Node, what: str, sink: Sink) -> bool | None:
    """Return `true` or `false`."""
    if isinstance(node, Scalar) and not node.style and node.text in {"true", "false"}:
        return node.text == "true"
    _wrong(node, f"{what} must be `true` or `false`", sink)
    return None


def read_choice(node: Node, what: str, choices: Iterable[str], sink: Sink) -> str | None:
    """Return the node's text if it is one of `choices`."""
    text = read_text(node, what, sink)
    if text is None:
        return None
    choices = list(choices)
    if text.text in choices:
        return text.text
    sink.add("wrong-type", text, f"{what} cannot be `{shorten(text.text)}`", known=choices)
    return None


def read_day(node: Node, what: str, sink: Sink) -> date | None:
    """Return a day, `2026-12-31`."""
    text = read_text(node, what, sink)
    if text is None:
        return None
    if _DATE.fullmatch(text.text):
        try:
            return date.fromisoformat(text.text)
        except ValueError:
            pass  # the 31st of February is refused below, as any other text is
    help_ = "write a day that exists, year first: `2026-12-31`"
    sink.add("bad-date", text, f"`{shorten(text.text)}` is not a day", help_=help_)
    return None


def read_id(scalar: Scalar, what: str, sink: Sink) -> str | None:
    """Return a well-formed id: up to 100 ASCII letters, digits, `.`, `_` or `-`, a letter or digit first."""
    if WELL_FORMED_ID.fullmatch(scalar.text):
        return scalar.text
    help_ = foreign(scalar.text) or (
        "an id has up to 100 letters, digits, `.`, `_` and `-`, and starts with a letter or digit"
    )
    sink.add("bad-id", scalar, f"`{shorten(scalar.text)}` cannot be {what}", help_=help_)
    return None


def read_fields(
    table: Table, what: str, known: Iterable[str], sink: Sink, *, required: Iterable[str] = ()
) -> Mapping[str, Node]:
    """Return the values of a mapping with fixed keys; a key that is not known or that is missing is recorded."""
    known = tuple(known)
    fields: dict[str, Node] = {}
    for entry in table.entries.values():
        if entry.key.text in known:
            fields[entry.key.text] = entry.value
        else:
            detail = f"`{shorten(entry.key.text)}` is not a key of {what}"
            sink.add("unknown-key", entry.key, detail, known=known)
    for key in required:
        if key not in fields:
            sink.add("missing-key", table, f"{what} has no `{key}`")
    return fields


def read_entries(node: Node, what: str, sink: Sink) -> Iterator[Entry]:
    """Yield the entries of a mapping with free keys."""
    table = read_table(node, what, sink)
    if table is not None:
        yield from table.entries.values()


def _refuse_unquoted(node: Table, sink: Sink) -> None:
    """Record that a capture stands without quotes, which YAML reads as a mapping."""
    name = next(iter(node.entries))
    quoted = f'"{{{name}}}"'
    sink.add(
        "unquoted-capture", node, f"YAML reads `{{{shorten(name)}}}` as a mapping", help_=f"quote it: {shorten(quoted)}"
    )


def shorten(text: str) -> str:
    """Return the text on one line and no longer than a message can bear."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"


def _nearest(word: str, known: Iterable[str]) -> str | None:
    """Return a help line of known words. Comparing costs as much as there are, so their number is bounded."""
    words = list(islice(known, 500))
    near = did_you_mean(word, words)
    if near is None and 0 < len(words) <= 12:
        return "known here: " + ", ".join(f"`{known_word}`" for known_word in words)
    looks = foreign(word)
    return f"{near} {looks}" if near and looks else near


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_empty


def foreign(text: str) -> str:
    """Return a half sentence that names the first character beyond ASCII, which may only look like another; or ""."""
    found = next((character for character in text if not character.isascii()), None)
    return f"`{found}` is U+{ord(found):04X}, {unicodedata.name(found, 'unnamed').lower()}" if found else ""


def _wrong(node: Node, detail: str, sink: Sink, help_: str | None = None) -> None:
    """Record a value of the wrong shape, unless it was refused before."""
    if isinstance(node, Table) and node.looks_like_capture:
        _refuse_unquoted(node, sink)
    elif not isinstance(node, Broken):
        sink.add("wrong-type", node, detail, help_=help_)
