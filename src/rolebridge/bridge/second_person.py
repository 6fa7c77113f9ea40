"""Whether two actors can be one person: whoever made a key may have kept it, and can act by it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rolebridge.bridge.callers import KEY_ACTOR, key_actor
from rolebridge.store.unit import Unit


def may_be_one(unit: Unit, organization_id: str, first: str, second: str) -> bool:
    """Return whether one person could be both actors.

    An actor and whoever made its key, also by way of further keys, may be one; so may two keys that somebody made by
    means of the same key. Two that were made at the machine are for two people: whoever has that needs no second key.
    """
    makers = {
        key_actor(key.credential.name, key.credential.id): key.made_by for key in unit.accounts.keys(organization_id)
    }
    mine, theirs = set(_line(first, makers)), set(_line(second, makers))
    return first in theirs or second in mine or any(one.startswith(KEY_ACTOR) for one in mine & theirs)


def _line(actor: str, makers: Mapping[str, str | None]) -> Iterator[str]:
    """Yield an actor, who made its key, who made theirs, and so on."""
    seen: set[str] = set()
    at: str | None = actor
    while at and at not in seen:
        seen.add(at)
        yield at
        at = makers.get(at)
