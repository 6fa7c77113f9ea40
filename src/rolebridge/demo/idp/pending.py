"""What the demo's identity provider remembers for some minutes: requests that wait for a pick, codes, tokens."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MOST: Final = 1_000


class Pending(Generic[T]):
    """Values under names that nobody guesses, each for `life`; the oldest go when there are too many."""

    def __init__(self, clock: Callable[[], datetime], life: timedelta) -> None:
        self._clock = clock
        self._life = life
        self._kept: OrderedDict[str, tuple[datetime, T]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, value: T) -> str:
        """Remember a value and return its name."""
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._kept[name] = (self._clock() + self._life, value)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return name

    def find(self, name: str) -> T | None:
        """Return a value that is still remembered."""
        with self._lock:
            return self._living(self._kept.get(name))

    def take(self, name: str) -> T | None:
        """Return a value that is still remembered, and forget it."""
        with self._lock:
            return self._living(self._kept.pop(name, None))

    def _living(self, found: tuple[datetime, T] | None) -> T | None:
        return found[1] if found is not None and self._clock() < found[0] else None
