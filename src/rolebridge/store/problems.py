"""What makes a store unusable, as errors that say what to do."""

from __future__ import annotations

from rolebridge.core.errors import RolebridgeError


class StoreProblem(RolebridgeError):
    """That the store cannot be used as it is configured or as it was found. Trying again does not help."""


class SchemaMismatch(StoreProblem):
    """That the database's schema is not the one this version of the program works with."""

    def __init__(self, current: str | None, head: str) -> None:
        found = f"at `{current}`" if current else "empty"
        super().__init__(f"the database is {found} and this version needs `{head}`; run `rolebridge db upgrade`")
        self.current = current
        self.head = head
