"""YAML text → nodes that know their place: the only place where a YAML library is called.

The language of mapping and catalogue files is a small part of YAML: one document of mappings, lists and text. Text
stays as it is written (`No`, `007` and `2026-12-01` are text until somebody asks for a date), and what makes YAML
dangerous or surprising is refused with a code of its own: anchors, aliases, merge keys and tags, duplicate keys, tabs,
deep nesting. The tree is built from parser events, never by `load`, so an alias is refused before it is expanded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from rolebridge.core.diagnostics import Diagnostic, Place

MAX_CHARACTERS = 1 << 20
"""A file's limit, in characters here and in bytes where files are read: thousands of rules fit well within it."""

MAX_DEPTH = 32
"""How deep mappings and lists may be nested; the language itself needs six levels."""

_EXCERPT = 160
_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}
# The run of text that an unquoted capture stands in: `lbx-{project}-{team}`, `{project}`.
_CAPTURES = re.compile(r"""[^\s"',:\[\]{}]*(?:\{\w{1,64}\}[^\s"',:\[\]{}]*)+""")
# A blank that is none: what word processors and web pages put where a line is indented.
_ODD_BLANK = re.compile(r"^[ ]*([\u00a0\u2000-\u200b\u202f\u3000\ufeff])", re.MULTILINE)
_SYNTAX_HELP = (
    ("expected <block end>", "the line is indented differently from those that it belongs to: begin it below them"),
    ("mapping values are not allowed", "put a blank after the colon of each key, and quote text that holds `: `"),
    ("expected ',' or", "close every bracket, and quote text that holds one of `[]{},`"),
    ("could not find expected ':'", "write `key: value`, with a colon and a blank"),
    ("cannot start any token", "quote text that begins with this character"),
)
"""What to do about the mistakes that the parser tells apart, by its own words."""
# Text that no terminal, log or database should be handed: C0 and C1 controls but line breaks and tabs, surrogates.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """Any value: where it starts, and its text as it stands in the file (its first line)."""

    place: Place
    excerpt: str


@dataclass(frozen=True, slots=True)
class Broken(Node):
    """A value that was refused already; readers pass over it without another word."""


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """A piece of text. `raw` is its source, quotes included; `style` is YAML's: empty (plain), `'`, `"`, `|` or `>`."""

    text: str
    style: str = ""
    raw: str = field(default="", compare=False)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is written here, or YAML's word for nothing without quotes."""
        return not self.style and self.text in {"", "~", "null", "Null", "NULL"}

    def at(self, offset: int) -> Place:
        """Return the place of the character at `offset` of the text; of the scalar itself when it spans lines."""
        if "\n" in self.raw or self.style in {"|", ">"}:
            return self.place
        position = 0 if not self.style else 1
        for _ in range(offset):
            if position >= len(self.raw):
                break
            position += self._width(position)
        return Place(self.place.file, self.place.line, self.place.column + position)

    def _width(self, position: int) -> int:
        """Return how many characters of the source make the one character of text at `position`."""
        if self.style == "'" and self.raw.startswith("''", position):
            return 2
        if self.style == '"' and self.raw[position] == "\\":
            return _ESCAPE_LENGTHS.get(self.raw[position + 1 : position + 2], 2)
        return 1


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Table(Node):
    """A mapping from text to values, in the order of the file. `flow` says that it is written with braces."""

    entries: Mapping[str, Entry]
    flow: bool = False

    @property
    def looks_like_capture(self) -> bool:
        """Return whether this is what YAML makes of an unquoted `{project}`: one key without a value."""
        return self.flow and len(self.entries) == 1 and all(_is_bare(entry.value) for entry in self.entries.values())


def _is_nothing(root: Node | None) -> bool:
    """Return whether a document has no content; that must not pass for a file that says "nothing for anybody"."""
    return root is None or (isinstance(root, Scalar) and root.is_empty)


def _is_bare(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.style and node.text == ""


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """Return the document's root, None when there is nothing to go on with, and every problem of the YAML itself."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        detail = f"the file has {len(text)} characters, the limit is {MAX_CHARACTERS}"
        return None, [Diagnostic("file-too-large", detail, Place(file, 1, 1))]
    return _Builder(text, file).build()


class _Stop(Exception):
    """That the rest of the file cannot be read; its diagnostic has been recorded."""


class _Builder:
    """Builds nodes from one text's parser events. Depth is bounded before recursion follows it."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._found: list[Diagnostic] = []
        # The pure-Python loader: the C parser counts columns in bytes and keeps no source for excerpts.
        self._loader = yaml.SafeLoader("")

    def build(self) -> tuple[Node | None, list[Diagnostic]]:
        try:
            self._loader = yaml.SafeLoader(self._text)
            return self._document(), self._found
        except yaml.reader.ReaderError as error:
            self._refuse_character(error)
        except yaml.MarkedYAMLError as error:
            self._refuse_syntax(error)
        except (ValueError, OverflowError):
            # PyYAML hands the number of a "\U…" escape to chr() unchecked.
            self._add("yaml-syntax", "an escape names a character that does not exist", self._place(self._mark()), "")
        except _Stop:
            pass
        return None, self._found

    # --- events to nodes ---

    def _document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events():
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop("yaml-documents", "a second document starts here", event)
                if event.tags:
                    self._add_event("yaml-anchor", "a `%TAG` directive is not part of the language", event)
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, 1)
        if _is_nothing(root):
            self._add("wrong-type", "the file holds nothing", Place(self._file, 1, 1), "")
            return None
        return root

    def _events(self) -> Iterator[Any]:
        while self._loader.check_event():
            yield self._next()

    def _next(self) -> Any:
        return self._loader.get_event()  # type: ignore[no-untyped-call]

    def _node(self, event: Any, depth: int) -> Node:
        place, excerpt = self._place(event.start_mark), self._excerpt(event)
        if isinstance(event, yaml.AliasEvent):
            self._add("yaml-anchor", f"`*{event.anchor}` is an alias: write the value out", place, excerpt)
            return Broken(place, excerpt)
        self._check_plainness(event, place)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place, excerpt)
        if depth > MAX_DEPTH:
            self._stop("yaml-depth", f"there are more than {MAX_DEPTH} levels of mappings and lists", event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._items(event, place, depth)
        return self._table(event, place, depth)

    def _check_plainness(self, event: Any, place: Place) -> None:
        """Refuse an anchor or a tag on a node; the node itself is read all the same."""
        if event.anchor is not None:
            self._add(
                "yaml-anchor",
                f"`&{event.anchor}` is an anchor: write the value where it is needed",
                place,
                f"&{event.anchor}",
            )
        if getattr(event, "tag", None) is not None:
            self._add("yaml-anchor", "a tag (`!…`) is not part of the language", place, self._excerpt(event))

    def _scalar(self, event: Any, place: Place, excerpt: str) -> Node:
        raw = self._source(event)
        if bad := _CONTROL.search(event.value):
            detail = f"the text holds the control character U+{ord(bad.group()):04X}"
            self._add("yaml-syntax", detail, place, excerpt)
            return Broken(place, excerpt)
        return Scalar(place, excerpt, event.value, event.style or "", raw)

    def _items(self, event: Any, place: Place, depth: int) -> Items:
        items: list[Node] = []
        end = event
        for end in self._events():
            if isinstance(end, yaml.SequenceEndEvent):
                break
            items.append(self._node(end, depth + 1))
        return Items(place, self._between(event, end), tuple(items))

    def _table(self, event: Any, place: Place, depth: int) -> Table:
        entries: dict[str, Entry] = {}
        end: Any = event
        for end in self._events():
            if isinstance(end, yaml.MappingEndEvent):
                break
            key = self._node(end, depth + 1)
            value = self._node(self._next(), depth + 1)
            self._enter(entries, key, value)
        flow = bool(getattr(event, "flow_style", False))
        return Table(place, self._between(event, end), entries, flow)

    def _enter(self, entries: dict[str, Entry], key: Node, value: Node) -> None:
        if isinstance(key, Broken):
            return
        if not isinstance(key, Scalar):
            self._add("wrong-type", "a key must be text", key.place, key.excerpt)
        elif key.text == "<<" and not key.style:
            self._add("yaml-anchor", "`<<` (merge) is not part of the language: write the keys out", key.place, "<<")
        elif key.text in entries:
            first = entries[key.text].key.place
            self._add("yaml-duplicate-key", f"`{key.text}` stands at line {first.line} already", key.place, key.excerpt)
        else:
            entries[key.text] = Entry(key, value)

    # --- places and source ---

    def _place(self, mark: Any) -> Place:
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _mark(self) -> Any:
        return self._loader.get_mark()

    def _source(self, event: Any) -> str:
        return self._text[event.start_mark.index : event.end_mark.index]

    def _excerpt(self, event: Any) -> str:
        return _first_line(self._text, event.start_mark.index, event.end_mark.index)

    def _between(self, start: Any, end: Any) -> str:
        return _first_line(self._text, start.start_mark.index, end.end_mark.index)

    def _line(self, index: int) -> tuple[str, int]:
        """Return the line of the text around `index` and the index at which it starts."""
        start = self._text.rfind("\n", 0, index) + 1
        end = self._text.find("\n", index)
        return self._text[start : end if end >= 0 else len(self._text)], start

    # --- refusing ---

    def _add(self, code: str, detail: str, place: Place, excerpt: str, help_: str | None = None) -> None:
        self._found.append(Diagnostic(code, detail, place, excerpt, help_))

    def _add_event(self, code: str, detail: str, event: Any) -> None:
        self._add(
            code,
            detail,
            self._place(event.start_mark),
            _first_line(self._text, event.start_mark.index, len(self._text)),
        )

    def _stop(self, code: str, detail: str, event: Any) -> None:
        self._add_event(code, detail, event)
        raise _Stop

    def _refuse_character(self, error: yaml.reader.ReaderError) -> None:
        before = self._text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        detail = f"the character U+{ord(self._text[error.position]):04X} may not stand in YAML"
        self._add("yaml-syntax", detail, Place(self._file, line, column), "")

    def _refuse_syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark or self._mark()
        place = self._place(mark)
        problem = _in_backticks(error.problem or "the text cannot be read")
        line, start = self._line(mark.index)
        odd = _ODD_BLANK.search(self._text, 0, start + len(line))
        if odd:
            where = Place(self._file, self._text.count("\n", 0, odd.start()) + 1, odd.start(1) - odd.start() + 1)
            named = f"U+{ord(odd[1]):04X} ({unicodedata.name(odd[1]).lower()})"
            detail = f"the character {named} stands where YAML allows spaces only"
            self._add("yaml-syntax", detail, where, odd[1], "indent with spaces")
        elif capture := _capture_at(line, mark.index - start):
            where = Place(self._file, place.line, capture.start() + 1)
            detail = f"YAML reads the braces of `{capture.group()}` as a mapping"
            self._add("unquoted-capture", detail, where, capture.group(), f'quote it: "{capture.group()}"')
        elif "'\\t'" in (error.problem or ""):
            self._add("yaml-tab", "a tab stands where YAML allows spaces only", place, "\t", "indent with spaces")
        elif "quoted scalar" in (error.context or "") and "end of stream" in problem and error.context_mark:
            opened = error.context_mark
            line, start = self._line(opened.index)
            excerpt = line[opened.index - start :].rstrip()[:_EXCERPT]
            self._add("yaml-syntax", "the quote that opens here is not closed", self._place(opened), excerpt)
        else:
            context = f"{_in_backticks(error.context)}: " if error.context else ""
            help_ = next((help_ for words, help_ in _SYNTAX_HELP if words in (error.problem or "")), None)
            excerpt = line[mark.index - start :].rstrip()[:_EXCERPT]
            self._add("yaml-syntax", f"{context}{problem}", place, excerpt, help_)


def _capture_at(line: str, column: int) -> re.Match[str] | None:
    """Return the run of unquoted captures that the parser stumbled over at or just before `column`."""
    return next((run for run in _CAPTURES.finditer(line[:1000]) if run.start() <= column <= run.end()), None)


def _in_backticks(problem: str) -> str:
    return re.sub(r"'([^']*)'", r"`\1`", problem).replace("\n", " ")


def _first_line(text: str, start: int, end: int) -> str:
    end = min(end, start + _EXCERPT)
    stop = text.find("\n", start, end)
    return text[start : stop if stop >= 0 else end].rstrip()
