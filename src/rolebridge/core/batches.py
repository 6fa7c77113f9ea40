"""Long sequences a few at a time, so that memory stays flat however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in their order, in lists of `size` (the last one may be shorter); no list is empty."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
