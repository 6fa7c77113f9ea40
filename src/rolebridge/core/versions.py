"""Which versions of a resource a change may be made to, as its conditions say (RFC 9110 §13.1, RFC 7644 §3.14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions `among` which the present one has to be, None for any, and `but` none of these."""

    among: frozenset[int] | None = None
    but: frozenset[int] = frozenset()
    never: bool = False
    """Whether no version will do: the client wants the resource not to be there yet."""

    def include(self, version: int) -> bool:
        """Return whether a resource of this version may be changed."""
        if self.never or version in self.but:
            return False
        return self.among is None or version in self.among


ANY_VERSION: Final = Versions()
"""What a change without conditions may be made to."""
