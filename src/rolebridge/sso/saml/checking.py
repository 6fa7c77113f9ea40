"""What a check is: a function of its own with a code of its own, which says what is wrong or nothing.

`CHECKS` holds every one of them, so that the tests can take each away and see what then gets through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeAlias

from rolebridge.core.login import LoginRefused, Trail

P = ParamSpec("P")
Finding: TypeAlias = str | None
"""What is wrong, in words for the administrator; None when nothing is."""

CHECKS: Final[dict[str, Callable[..., Finding]]] = {}
"""Every check by its code."""


def check(code: str) -> Callable[[Callable[P, Finding]], Callable[Concatenate[Trail, P], None]]:
    """Make a function that finds what is wrong into a check.

    Called with a trail before its own arguments it notes there that it passed, or raises LoginRefused with `code`.
    """

    def register(find: Callable[P, Finding]) -> Callable[Concatenate[Trail, P], None]:
        CHECKS[code] = find

        def run(trail: Trail, /, *args: P.args, **kwargs: P.kwargs) -> None:
            wrong = CHECKS[code](*args, **kwargs)
            if wrong is not None:
                raise LoginRefused(code, wrong)
            trail.passed(code)

        run.__doc__ = find.__doc__
        return run

    return register
