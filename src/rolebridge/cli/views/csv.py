"""Lists printed as CSV, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from rolebridge.cli.terminal import say
from rolebridge.core.batches import batches
from rolebridge.core.sheets import text_of

BLOCK: Final = 500
"""How many rows are held in memory at a time: a listing may be long."""

_Row = TypeVar("_Row")


def print_rows(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a line of column names, and one line for each row, as they are read."""
    for block in blocks(chain([head], rows)):
        say(text_of(block), newline=False)


def print_documents(head: Sequence[str], documents: Iterable[Mapping[str, Any]]) -> None:
    """Print the members `head` of each document; one that a document lacks is an empty cell."""
    print_rows(head, ([document.get(name) for name in head] for document in documents))


def blocks(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Yield the rows in lists of a bounded length."""
    return batches(rows, BLOCK)
