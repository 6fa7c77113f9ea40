"""Numbers about a server, counted in memory that all its processes share, and written as Prometheus reads them.

Every series is declared with all the values that its labels can have, so there are as many series as there are, however
many people, organizations or attackers there may be, and each has its place in memory from the beginning. Each process
counts in a row of its own, which nobody else writes; who reads adds the rows up. A process that is replaced leaves its
row, with what it has counted, to the one that comes after it, so that counters never fall.

Source: the Prometheus text exposition format 0.0.4.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

logger = logging.getLogger("rolebridge.web")

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
"""What stands for every value of a label that was not declared."""

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of a histogram's buckets."""


@dataclass(frozen=True, slots=True)
class Family:
    """What is counted under one name. A histogram has `buckets`, a counter none."""

    name: str
    help: str
    labels: Mapping[str, Sequence[str]]
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> Iterator[tuple[str, ...]]:
        """Yield the values of the labels of each series."""
        return product(*((*values, OTHER) for values in self.labels.values()))

    @property
    def width(self) -> int:
        """Return how many numbers a series takes: a counter's one, or a histogram's buckets, the last one, the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


class Shared:
    """The memory. Made by the supervisor and handed to workers when they are spawned."""

    def __init__(self, families: Sequence[Family], rows: int) -> None:
        self.families = tuple(families)
        self.rows = rows
        self.width = sum(family.width * sum(1 for _ in family.series) for family in families)
        self.numbers: Any = RawArray("d", self.width * rows)
        self.owners: Any = RawArray("q", rows)
        self.claiming: Any = multiprocessing.get_context("spawn").Lock()


_CLAIM_SECONDS: Final = 2.0


class Tally:
    """Counts for one process."""

    def __init__(self, families: Sequence[Family], shared: Shared | None = None) -> None:
        """Count in a row of `shared`; without it for this process alone."""
        self._guard = threading.Lock()
        self._places: dict[tuple[str, ...], tuple[int, tuple[float, ...]]] = {}
        self._labels = {family.name: tuple(family.labels.values()) for family in families}
        offset = 0
        for family in families:
            for values in family.series:
                self._places[family.name, *values] = (offset, family.buckets)
                offset += family.width
        row = None if shared is None else _claim(shared)
        if shared is None or row is None:
            self._numbers: Any = array("d", bytes(8 * offset))
            self._base = 0
        else:
            self._numbers = shared.numbers
            self._base = row * shared.width

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        offset, _ = self._place(name, labels)
        with self._guard:
            self._numbers[self._base + offset] += by

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Put a value into a histogram."""
        offset, buckets = self._place(name, labels)
        at = self._base + offset
        with self._guard:
            self._numbers[at + bisect_left(buckets, value)] += 1.0
            self._numbers[at + len(buckets) + 1] += value

    def _place(self, name: str, labels: tuple[str, ...]) -> tuple[int, tuple[float, ...]]:
        place = self._places.get((name, *labels))
        if place is None:  # the values that were not declared are one
            known = zip(self._labels[name], labels, strict=True)
            place = self._places[name, *(value if value in values else OTHER for values, value in known)]
        return place


def _claim(shared: Shared) -> int | None:
    """Return a row for this process: one that nobody has, or whose process is gone. None when there is none."""
    # A process that was killed in the midst of this keeps nobody waiting for ever.
    locked = shared.claiming.acquire(timeout=_CLAIM_SECONDS)
    try:
        for row in range(shared.rows):
            if not _lives(shared.owners[row]):
                shared.owners[row] = os.getpid()
                return row
        logger.warning("%d processes count already: what this one does is not counted", shared.rows)
        return None
    finally:
        if locked:
            shared.claiming.release()


def _lives(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the number is somebody else's by now
        return False
    return pid != os.getpid()


# --- reading ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that is looked up when it is asked for, with its series by the values of its labels."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]
    kind: str = "gauge"


def exposition(shared: Shared | None, gauges: Iterable[Gauge] = ()) -> str:
    """Return everything as Prometheus reads it. Series that never counted anything are left out."""
    lines: list[str] = []
    if shared is not None:
        offset = 0
        for family in shared.families:
            lines += _head(family.name, family.help, "histogram" if family.buckets else "counter")
            for values in family.series:
                numbers = [
                    sum(shared.numbers[row * shared.width + offset + at] for row in range(shared.rows))
                    for at in range(family.width)
                ]
                offset += family.width
                lines += _series(family, values, numbers)
    for gauge in gauges:
        lines += _head(gauge.name, gauge.help, gauge.kind)
        lines += [f"{gauge.name}{_labels(gauge.labels, of)} {_number(value)}" for of, value in gauge.values.items()]
    return "\n".join(lines) + "\n"


def _head(name: str, help_: str, kind: str) -> list[str]:
    return [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]


def _series(family: Family, values: tuple[str, ...], numbers: list[float]) -> Iterator[str]:
    names = tuple(family.labels)
    if not family.buckets:
        # A counter without labels is there from the beginning; of the others, those that counted.
        if numbers[0] or not names:
            yield f"{family.name}{_labels(names, values)} {_number(numbers[0])}"
        return
    counts, total = numbers[:-1], numbers[-1]
    if names and not sum(counts):
        return
    below = 0.0
    for bound, count in zip((*map(_number, family.buckets), "+Inf"), counts, strict=True):
        below += count
        yield f"{family.name}_bucket{_labels((*names, 'le'), (*values, bound))} {_number(below)}"
    yield f"{family.name}_sum{_labels(names, values)} {_number(total)}"
    yield f"{family.name}_count{_labels(names, values)} {_number(below)}"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
