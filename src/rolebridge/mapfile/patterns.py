"""Group patterns: `lbx-{project}-{team}` → `core.mapping.Pattern`. Captures are closed sets; there is no regex."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from rolebridge.core.mapping import AnyText, Capture, Literal, Pattern, Piece
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Scalar

PROJECT = "project"
"""The capture whose values are the projects that there are, unless `values` says otherwise."""

MAX_LENGTH = 256
MAX_PIECES = 16
"""Bounds on a pattern: what `match` costs is their product with the length of a name."""

_PIECE = re.compile(r"\{(?P<capture>[^{}]*)\}|(?P<any>\*+)|(?P<literal>[^{}*]+)|(?P<brace>[{}])")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_REGEX = re.compile(r"^\^|\$$|\.\*|\.\+|\(\?|\\")
_MEANT = re.compile(r"\*|\{[^{}]*\}|^[\u201c\u201e\u2018\u00ab].*[\u201d\u201c\u2019\u00bb]$")
_ALONE = re.compile(r"\{([A-Za-z][A-Za-z0-9_]{0,63})\}", re.ASCII)


def capture_name(text: str) -> str | None:
    """Return the name of the capture that `text` consists of, as in `{team}`."""
    alone = _ALONE.fullmatch(text)
    return alone[1] if alone else None


def has_braces(text: str) -> bool:
    """Return whether the text looks as if a capture were meant."""
    return "{" in text or "}" in text


def taken_literally(text: str, *, pattern: bool) -> bool:
    """Return whether a name, or a pattern, holds what looks as if more were meant than its text."""
    return bool(_REGEX.search(text)) or (not pattern and bool(_MEANT.search(text)))


class PatternReader:
    """Compiles the patterns of one rule over the projects of the file and the rule's own `values`."""

    def __init__(
        self,
        values: Mapping[str, Mapping[str, str]],
        projects: Mapping[str, str],
        sink: Sink,
        *,
        all_projects: bool,
    ) -> None:
        """`all_projects` says that there are no other projects than these."""
        self._all_projects = all_projects
        self._values = values
        self._projects = projects
        self._sink = sink

    def compile(self, text: Scalar) -> Pattern | None:
        """Return the pattern that `text` spells, or None after recording why there is none."""
        before = self._sink.errors
        if len(text.text) > MAX_LENGTH:
            self._bad(text, f"the pattern has {len(text.text)} characters, the limit is {MAX_LENGTH}")
            return None
        pieces = tuple(self._pieces(text))
        captures = [piece for piece in pieces if isinstance(piece, Capture)]
        if self._sink.errors == before:
            self._check(text, pieces, captures)
        return Pattern(text.text, pieces) if self._sink.errors == before else None

    def _pieces(self, text: Scalar) -> Iterator[Piece]:
        for found in _PIECE.finditer(text.text):
            if found["brace"]:
                self._bad(text, f"`{found['brace']}` has no counterpart in `{shorten(text.text)}`")
            elif found["any"]:
                yield AnyText()
            elif found["literal"]:
                yield Literal(found["literal"])
            elif (piece := self._capture(text, found["capture"])) is not None:
                yield piece

    def _capture(self, text: Scalar, name: str) -> Capture | None:
        if not _NAME.fullmatch(name):
            self._bad(
                text, f"`{{{shorten(name)}}}` does not name a capture", "write a word between the braces: `{team}`"
            )
            return None
        values = self._values.get(name, self._projects if name == PROJECT else None)
        if values is None:
            help_ = f"list them: `values: {{{name}: {{text in the name: role}}}}`, or write `*` for any text"
            detail = f"nothing says which values `{{{name}}}` can take"
            self._sink.add("capture-without-values", text, detail, help_=help_)
            return None
        of_projects = name == PROJECT and name not in self._values
        if not values and (self._all_projects or not of_projects):
            detail = f"`{{{name}}}` can take no value: " + (
                "no project is declared" if name == PROJECT else "`values` lists none"
            )
            self._sink.add("pattern-matches-nothing", text, detail)
            return None
        return Capture(name, values, of_projects)

    def _check(self, text: Scalar, pieces: tuple[Piece, ...], captures: list[Capture]) -> None:
        names = [capture.name for capture in captures]
        if len(pieces) > MAX_PIECES:
            self._bad(text, f"the pattern has {len(pieces)} pieces, the limit is {MAX_PIECES}")
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._bad(text, f"`{{{name}}}` stands in the pattern twice")
        if all(isinstance(piece, Literal) for piece in pieces):
            self._bad(text, "the pattern has neither a capture nor `*`", "write the name without `match`")

    def _bad(self, text: Scalar, detail: str, help_: str | None = None) -> None:
        self._sink.add("bad-pattern", text, detail, help_=help_)
