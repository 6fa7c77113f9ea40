"""Meters: how fast something happens, counted in memory that all worker processes of a server share.

A meter is one number, the moment until which what was taken is paid for (the generic cell rate algorithm, ITU-T I.371:
a token bucket without a bucket to fill). A meter whose moment has passed is the same as none, so the memory is of fixed
size: a place is given to whoever comes, and what is forgotten first is what has been quiet for longest.

Nothing is locked. Two processes that count at the same instant may count one where there were two; a limit then lets
one request more through. Nothing is written to the database, and nothing outlives the server.
"""

from __future__ import annotations

import hashlib
import time
from array import array
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

from rolebridge.core.limits import RateLimit

PLACES: Final = 8_192
"""Meters that are kept at a time: connections, and clients and addresses that fail to prove themselves. 128 KiB."""

_NEIGHBOURS: Final = 8  # places in which the meter of a name may be


class Memory:
    """What meters are kept in. Shared memory is made by the supervisor and handed to workers when they are spawned."""

    def __init__(self, places: int = PLACES, *, shared: bool = True) -> None:
        size = places + _NEIGHBOURS
        self.names: Any = RawArray("Q", size) if shared else array("Q", bytes(8 * size))
        self.paid_until: Any = RawArray("d", size) if shared else array("d", bytes(8 * size))
        self.places = places


class Meters:
    """Counts what happens under a name. Moments are of the system's monotonic clock, one for all processes."""

    def __init__(self, memory: Memory | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Without `memory` the process counts for itself."""
        memory = memory or Memory(shared=False)
        self._names = memory.names
        self._paid_until = memory.paid_until
        self._places = memory.places
        self._clock = clock

    def take(self, name: str, limit: RateLimit) -> float:
        """Count one under `name`, if the limit allows it.

        Returns 0.0 when it did, else the seconds after which it will; then nothing was counted.
        """
        now = self._clock()
        place = self._place(name)
        paid_until: float = max(self._paid_until[place], now)
        wait = paid_until + 1 / limit.rate - limit.burst / limit.rate - now
        if wait > 1e-9:  # less is the error of the sum
            return wait
        self._paid_until[place] = paid_until + 1 / limit.rate
        return 0.0

    def wait(self, name: str, limit: RateLimit) -> float:
        """Return the seconds after which `take` would count, 0.0 for at once; nothing is counted."""
        now = self._clock()
        paid_until: float = max(self._paid_until[self._place(name)], now)
        return max(paid_until + (1 - limit.burst) / limit.rate - now, 0.0)

    def _place(self, name: str) -> int:
        """Return where the meter of a name is, or now begins, in place of the one that has been quiet for longest."""
        number = _number(name)
        names = self._names
        first = number % self._places
        if names[first] == number:
            return first
        places = range(first, first + _NEIGHBOURS)
        for place in places:
            if names[place] == number:
                return place
        quiet = min(places, key=self._paid_until.__getitem__)
        names[quiet] = number
        self._paid_until[quiet] = 0.0
        return quiet


@lru_cache(maxsize=4_096)
def _number(name: str) -> int:
    """Return what stands for a name: 64 bits, never 0, which stands for nobody."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") | 1
