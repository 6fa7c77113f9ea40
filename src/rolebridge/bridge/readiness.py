"""Whether an installation can work now: the database answers, has this version's schema, and takes writes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from rolebridge.core.errors import Unavailable
from rolebridge.store.engine import Progress, Store
from rolebridge.store.problems import SchemaMismatch

logger = logging.getLogger("rolebridge.bridge")

STUCK_SECONDS: Final = 30.0
"""How long the writer may be busy without a single commit. An import of thousands commits every second or so."""
_KEPT_SECONDS: Final = 1.0
"""How long an answer is given again: whoever asks faster asks the process, not the database."""


class NotReady(StrEnum):
    """Why an installation cannot work, in words that anybody may read."""

    UNREACHABLE = "the database cannot be reached"
    SCHEMA = "the database has the schema of another version"
    WRITER = "the database takes no writes"


class Readiness:
    """Looks whether an installation can work."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._guard = threading.Lock()
        self._looked: float | None = None
        self._found: NotReady | None = None
        self._busy: tuple[float, int] | None = None

    def problem(self) -> NotReady | None:
        """Return why the installation cannot work, None when it can."""
        with self._guard:
            now = self._clock()
            if self._looked is None or now - self._looked >= _KEPT_SECONDS:
                found = self._look(now)
                if found is not self._found:
                    logger.warning("not ready: %s", found) if found else logger.warning("ready again")
                self._looked, self._found = now, found
            return self._found

    def _look(self, now: float) -> NotReady | None:
        try:
            self._store.check_schema()
            return NotReady.WRITER if self._stuck(self._store.progress(), now) else None
        except SchemaMismatch:
            return NotReady.SCHEMA
        except Unavailable as reason:
            logger.warning("the database cannot be reached: %s", reason)
            return NotReady.UNREACHABLE
        except OSError as reason:  # the lock's file cannot be opened: a full or read-only disk
            logger.warning("the database cannot be written: %s", reason.strerror)
            return NotReady.WRITER

    def _stuck(self, progress: Progress, now: float) -> bool:
        """Return whether the writer has been busy, without a commit, for so long that it will not end by itself."""
        if progress.writable:
            self._busy = None
            return False
        if self._busy is None or self._busy[1] != progress.version:
            self._busy = (now, progress.version)
        return now - self._busy[0] >= STUCK_SECONDS
