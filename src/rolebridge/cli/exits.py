"""The exit codes of every command, in one place; `docs/reference/exit-codes.md` says the same."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    REFUSED = 1
    CHANGES = 2
    UNAVAILABLE = 3
    LOCKED = 4
    USAGE = 64
    DEFECT = 70
    INTERRUPTED = 130
    PIPE_CLOSED = 141

    @property
    def meaning(self) -> str:
        """Return the code's meaning in one line."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.DONE: "done, or nothing to do",
    Exit.REFUSED: "the input has errors or was refused; nothing was changed, but an import keeps its good rows",
    Exit.CHANGES: "there are changes (`plan`)",
    Exit.UNAVAILABLE: "the database or the server is not available, or the database has another schema",
    Exit.LOCKED: "refused by a lock; nothing was changed",
    Exit.USAGE: "the command line is wrong: an unknown command or option, a value that is none",
    Exit.DEFECT: "an unexpected error: a defect of Rolebridge",
    Exit.INTERRUPTED: "interrupted (Ctrl-C)",
    Exit.PIPE_CLOSED: "whoever read the output stopped reading",
}
