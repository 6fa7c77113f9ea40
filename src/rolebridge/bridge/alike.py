"""People who fare alike: what decides somebody's part in a plan, so that it is worked out once for all of them.

Two people fare alike when everything is the same that the resolver reads of them (the groups that a rule names, the
attributes that a rule reads which speaks to them, whether they are active and whose) and everything that is recorded of
them (their grants but for the person, and the days to look again). When a membership began is told in a grant and
decides nothing: of each moment in a grant only that matters whose of the memberships it is.

Whom a rule names, and whoever has something by hand, a grant that is held, or a membership that leads into other groups
is looked at alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.program import Program, Speech
from rolebridge.store.crowd import Crowd, Passer
from rolebridge.store.documents import moment
from rolebridge.store.unit import Unit

# Where a membership began, in a grant's `because`. A name cannot look like it: its quotation marks are escaped.
_SINCE: Final = re.compile('"since":"([^"]*)"')
_MOMENTS_KEPT: Final = 100_000

_Held = Sequence[tuple[str, str, str]]
_Shown = Sequence[tuple[str, str, str | None]]


class Likeness:
    """What is read of people for a set of rulebooks, and told in a key."""

    def __init__(self, unit: Unit, organization_id: str, rulebooks: Iterable[Rulebook]) -> None:
        """Look at the organization's groups: only those that a program is concerned with matter."""
        programs = [program for book in rulebooks for program in (*book.programs, *book.intended)]
        self._crowd: Crowd = unit.crowd(organization_id)
        self._nested = self._crowd.nested()
        self._for_all = _names((program, program.for_everyone) for program in programs)
        self._for_members: dict[str, frozenset[str]] = {}
        concerned = set(self._nested)
        for group in unit.directory(organization_id).all_core_groups():
            if any(program.concerns(group) for program in programs):
                concerned.add(group.id)
                names = _names((program, program.for_group(group)) for program in programs)
                if names - self._for_all:
                    self._for_members[group.id] = names
        self._concerned = frozenset(concerned)
        self._named = frozenset(name for program in programs for name in program.named_users)
        self._moments: dict[str, str] = {}

    def of_block(self, people: Sequence[Passer], ids: str, *, due: bool) -> list[Hashable]:
        """Return the key of each of the people, whose ids `ids` lists in JSON; None for who is to be looked at alone.

        With `due` the days on which they are to be looked at again are part of it.
        """
        held = self._crowd.memberships(ids, self._concerned)
        shown = self._crowd.grants(ids)
        by_hand = self._crowd.by_hand(ids)
        days = self._crowd.rechecks(ids) if due else {}
        nothing: tuple[()] = ()
        return [
            None
            if one.id in by_hand or one.user_key in self._named
            else self._key(one, held.get(one.id, nothing), shown.get(one.id, nothing), days.get(one.id, nothing))
            for one in people
        ]

    def _key(self, one: Passer, held: _Held, shown: _Shown, days: Hashable) -> Hashable:
        groups = tuple([(entry[0], entry[2]) for entry in held])
        if self._nested and any(entry[0] in self._nested for entry in held):
            return None
        grants: list[Hashable] = []
        for shape, because, waits in shown:
            if waits is not None:
                return None
            parts = _SINCE.split(because)
            if len(parts) == 3:  # nearly always: one winner, through one membership
                grants.append((shape, parts[0], self._whose(parts[1], held), parts[2]))
            else:
                grants.append((shape, *self._told(parts, held)))
        names = self._for_all.union(*[self._for_members[id_] for id_, _ in groups if id_ in self._for_members])
        read = _values(one.body, names) if names else ()
        return (groups, tuple(grants), read, one.active, one.connection, days)

    def _told(self, parts: Sequence[str], held: _Held) -> list[Hashable]:
        """Return what a grant says, of each moment (every second part) whose it is."""
        return [self._whose(part, held) if at % 2 else part for at, part in enumerate(parts)]

    def _whose(self, began: str, held: _Held) -> Hashable:
        """Return which of the memberships began at a moment, the moment itself if none did."""
        return tuple([place for place, entry in enumerate(held) if self._moment(entry[1]) == began]) or began

    def _moment(self, stamp: str) -> str:
        """Return a stored moment as grants tell it."""
        known = self._moments.get(stamp)
        if known is None:
            if len(self._moments) >= _MOMENTS_KEPT:
                self._moments.clear()
            known = self._moments[stamp] = moment(stamp).isoformat()
        return known


def _names(speaking: Iterable[tuple[Program, Iterable[Speech]]]) -> frozenset[str]:
    """Return the names, lower case, of the attributes of any schema that are read of those to whom only these speak."""
    paths = (path for program, speeches in speaking for path in program.attributes_read(speeches))
    return frozenset(path.rpartition(":")[2].partition(".")[0] for path in paths)


def _values(body: str, names: frozenset[str]) -> Hashable:
    """Return the values that a user has under these names, in the core schema or in any extension."""
    resource: Mapping[str, Any] = json.loads(body)
    found: list[Hashable] = []
    for key, value in resource.items():
        if key.lower() in names:
            found.append((key, value) if isinstance(value, str) else (key, json.dumps(value), None))
        elif ":" in key and isinstance(value, dict):
            found.extend((key, name, json.dumps(held)) for name, held in value.items() if name.lower() in names)
    return tuple(found)
