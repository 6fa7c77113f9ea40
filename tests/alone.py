"""Several test processes of one tree, one after the other where they make something that all use."""

from __future__ import annotations

import fcntl
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(made: Path) -> Iterator[None]:
    """Let nobody else into a block that makes `made`, until this one has left it."""
    name = hashlib.sha256(str(made).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"rolebridge-test-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
