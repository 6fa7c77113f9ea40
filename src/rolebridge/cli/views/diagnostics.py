"""Diagnostics: the place, the line of the file with the words underlined, what is wrong, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rolebridge.bridge import diagnostic_documents
from rolebridge.cli.terminal import bad, counted, doubtful, faint, one_line, strong, width
from rolebridge.core.diagnostics import Diagnostic, Place, Severity

_LONGEST_LINE = 160
"""Columns of a source line that are shown."""
document = diagnostic_documents.diagnostics_document


def text(diagnostics: Iterable[Diagnostic], files: Mapping[str, str]) -> str:
    """Return the diagnostics one below the other, with an empty line after each; `files` are the texts by name."""
    return "".join(_one(diagnostic, files) + "\n\n" for diagnostic in diagnostics)


def counted_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Return `0 errors, 1 warning`."""
    errors, warnings = diagnostic_documents.counted(diagnostics)
    return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"


def _one(diagnostic: Diagnostic, files: Mapping[str, str]) -> str:
    colour = bad if diagnostic.severity is Severity.ERROR else doubtful
    lines = [f"{colour(f'{diagnostic.severity}[{diagnostic.code}]')}: {strong(diagnostic.summary)}"]
    place = diagnostic.place
    gutter = len(str(place.line)) if place else 0
    bar = " " * gutter + faint(" |")
    source = _source_line(place, files) if place else None
    if place:
        lines.append(" " * gutter + faint("--> ") + str(place))
    if place and source:
        begin, marks = _underline(source, place.column, diagnostic.excerpt)
        lines += [
            bar,
            f"{faint(f'{place.line} |')} {source[:_LONGEST_LINE]}",
            f"{bar} {begin}{colour(marks)} {one_line(diagnostic.detail)}",
        ]
    else:
        lines.append(" " * gutter + faint(" = ") + one_line(diagnostic.detail))
    if diagnostic.help:
        lines.append(" " * gutter + faint(" = ") + f"help: {one_line(diagnostic.help)}")
    return "\n".join(lines)


def _source_line(place: Place, files: Mapping[str, str]) -> str | None:
    lines = files.get(place.file, "").split("\n")
    line = lines[place.line - 1].rstrip("\r") if place.line <= len(lines) else ""
    return line if line.strip() else None


def _underline(source: str, column: int, excerpt: str) -> tuple[str, str]:
    """Return what stands before the marks, as wide as the text above it, and the marks."""
    start = min(column - 1, len(source), _LONGEST_LINE - 1)
    before = "".join("\t" if character == "\t" else " " * width(character) for character in source[:start])
    marked = source[start : min(start + max(len(excerpt), 1), _LONGEST_LINE)]
    return before, "^" * max(width(marked.rstrip()), 1)
