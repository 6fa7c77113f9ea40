"""What is printed: text that no stored name can turn against the terminal, colours only where they are wanted."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click

# Escape sequences that are not ours, other controls but tab and line feed, the marks that turn the reading direction
# (a name could otherwise rewrite what stands around it), and surrogates.
_HOSTILE = re.compile(
    "\x1b(?!\\[(?:0|1|2|3[1-6])m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe(text: str) -> str:
    """Return the text with all that a terminal would obey written out as JSON does (`\\u001b`), our colours kept."""
    return _HOSTILE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return the text on one line: what people typed must not look like lines of ours."""
    return " ".join(text.split())


def colour_wanted(environ: Mapping[str, str] | None = None) -> bool | None:
    """Return False when nobody wants colour (https://no-color.org), None to look at where the output goes."""
    environ = os.environ if environ is None else environ
    return False if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else None


def say(text: str = "", *, err: bool = False, newline: bool = True) -> None:
    """Print lines of text to the standard output, or with `err` to the standard error."""
    click.echo(safe(text), nl=newline, err=err, color=colour_wanted())


def strong(text: str) -> str:
    """Return the text in bold."""
    return click.style(text, bold=True)


def faint(text: str) -> str:
    """Return the text in a quieter tone."""
    return click.style(text, dim=True)


def good(text: str) -> str:
    """Return the text in green."""
    return click.style(text, fg="green")


def bad(text: str) -> str:
    """Return the text in red."""
    return click.style(text, fg="red", bold=True)


def doubtful(text: str) -> str:
    """Return the text in yellow."""
    return click.style(text, fg="yellow", bold=True)


def width(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    shown = click.unstyle(text)
    if shown.isascii():
        return len(shown)
    return sum(_columns(character) for character in shown)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, columns: int) -> str:
    """Return the text with spaces at its end, up to that many columns."""
    return text + " " * (columns - width(text))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows under a head, in columns; the last column is as long as it is."""
    lines = [tuple(strong(title) for title in head), *(tuple(one_line(cell) or "-" for cell in row) for row in rows)]
    columns = [max(width(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(aligned(line, columns) for line in lines)


def aligned(cells: Sequence[str], columns: Sequence[int]) -> str:
    """Return one line of a table with columns of these widths."""
    *first, last = cells
    return "".join(padded(cell, columns[at]) + "  " for at, cell in enumerate(first)) + last


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 person`, `2 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def minute(moment: datetime) -> str:
    """Return a moment (UTC) to the minute: `2026-11-20 09:14 UTC`."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
