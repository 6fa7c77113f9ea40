"""What makes a store unusable, as errors that say what to do."""

from __future__ import annotations

from rolebridge.core.errors import RolebridgeError


class StoreProblem(RolebridgeError):
    """That the store cannot be used as it is configured or as it was found. Trying again does not help."""


class SchemaMismatch(StoreProblem):
    """That the database's schema is not the one this version of the program works with."""

    def __init__(self, current: str | None, head: str, *, newer: bool = False) -> None:
        if newer:
            message = (
                f"the database is at `{current}`, which a newer version of Rolebridge made, and this version works "
                f"with `{head}`; there is no way back: run the newer version, or restore a backup from before"
            )
        else:
            found = f"at `{current}`" if current else "empty"
            message = f"the database is {found} and this version needs `{head}`; run `rolebridge db upgrade`"
        super().__init__(message)
        self.current = current
        self.head = head
