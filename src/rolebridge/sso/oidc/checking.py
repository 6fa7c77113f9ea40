"""How checks are made: each is a small function with a code, and the first that finds something refuses the login."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, TypeVar

from rolebridge.core.login import LoginRefused, Trail
from rolebridge.sso import wording
from rolebridge.web.bodies import BodyRefused, read_json

T = TypeVar("T")
Check: TypeAlias = tuple[str, Callable[[T], str | None]]
"""A code of `core.login_codes`, and what looks at one thing: it returns what is wrong, or None."""

_SHOWN: Final = 1_000


def run(checks: Iterable[Check[T]], subject: T, trail: Trail) -> None:
    """Make checks in their order, noting each that passes. Raises LoginRefused for the first that does not."""
    for code, wrong_with in checks:
        wrong = wrong_with(subject)
        if wrong is not None:
            raise LoginRefused(code, wrong)
        trail.passed(code)


def shown(value: object) -> str:
    """Return a JSON value from outside as it may stand in a refusal."""
    return wording.shown(value if isinstance(value, str | None) else repr(value)[:_SHOWN])


def read_object(code: str, what: str, body: bytes | str) -> dict[str, Any]:
    """Return the JSON object that `what` is; keys that are there twice are refused. Raises LoginRefused with `code`."""
    try:
        value = read_json(body)
    except BodyRefused as refused:
        raise LoginRefused(code, f"{what} cannot be read: {refused.detail}") from None
    if not isinstance(value, dict):
        raise LoginRefused(code, f"{what} is no JSON object")
    return value
