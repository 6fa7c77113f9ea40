"""A starter mapping from the names of groups: which naming convention they follow, and what it may mean on a platform.

Nothing is decided here: a suggestion is a file for somebody to read and correct. What no convention covers is listed,
not guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rolebridge.core.catalogue import Assignable, Catalogue, Level, Slot
from rolebridge.core.registry import WELL_FORMED_ID

_WORD = re.compile(r"[^\W_]+")
_LONGEST = 200
"""Characters of a group's name that are looked at; longer names follow no convention."""


@dataclass(frozen=True, slots=True)
class Convention:
    """Groups called alike: `before`, a project, `between`, a word for a role. `words` says what each word may mean."""

    slot: str
    before: str
    between: str
    words: Mapping[str, str]
    projects: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """Return the pattern of a mapping file that all these groups fit."""
        return f"{self.before}{{project}}{self.between}{{team}}"


@dataclass(frozen=True, slots=True)
class Named:
    """One group whose name ends in a word for a role of a workspace slot."""

    group: str
    slot: str
    role: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the names of groups suggest; `unmapped` are those that suggest nothing."""

    conventions: tuple[Convention, ...]
    named: tuple[Named, ...]
    unmapped: tuple[str, ...]

    @property
    def projects(self) -> tuple[str, ...]:
        """Return the ids of all projects that the conventions speak of, each spelt as it was met first."""
        found: dict[str, str] = {}
        for convention in self.conventions:
            for project in convention.projects:
                found.setdefault(project.casefold(), project)
        return tuple(found.values())


def suggest(catalogue: Catalogue, groups: Iterable[str]) -> Suggestion:
    """Return what the names of groups suggest on a platform. The order of the names does not matter."""
    below, above = _words_of(catalogue, Level.PROJECT), _words_of(catalogue, Level.WORKSPACE)
    families: dict[tuple[str, str, str], list[_Read]] = defaultdict(list)
    named: list[Named] = []
    unmapped: list[str] = []
    for name in sorted(set(groups), key=lambda name: (name.casefold(), name)):
        read = _read(name, below)
        if read is not None:
            families[read.slot, read.before.casefold(), read.between].append(read)
            continue
        meant = _last_word(name, above)
        if meant is not None:
            named.append(Named(name, *meant))
        else:
            unmapped.append(name)
    conventions = tuple(_convention(members) for _, members in sorted(families.items()))
    return Suggestion(conventions, tuple(named), tuple(unmapped))


@dataclass(frozen=True, slots=True)
class _Read:
    """A name taken apart: `lbx-`, `cityscapes`, `-`, `reviewers`, and the role that the last part means."""

    name: str
    slot: str
    role: str
    before: str
    project: str
    between: str
    word: str


def _convention(members: list[_Read]) -> Convention:
    first = members[0]
    return Convention(
        first.slot,
        first.before,
        first.between,
        {member.word.lower(): member.role for member in members},
        tuple(dict.fromkeys(member.project for member in members)),
        tuple(member.name for member in members),
    )


def _read(name: str, words: Mapping[str, tuple[str, str]]) -> _Read | None:
    found = list(_WORD.finditer(name)) if len(name) <= _LONGEST else []
    if len(found) < 3 or found[0].start() or found[-1].end() != len(name):
        return None
    meant = words.get(found[-1][0].casefold())
    before, project = name[: found[1].start()], name[found[1].start() : found[-2].end()]
    if meant is None or not WELL_FORMED_ID.fullmatch(project):
        return None
    return _Read(name, *meant, before, project, name[found[-2].end() : found[-1].start()], found[-1][0])


def _last_word(name: str, words: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    found = _WORD.findall(name) if len(name) <= _LONGEST else []
    # "Read-only Admins" says more than "Admins": the longest ending that means something counts.
    for start in range(len(found)):
        meant = words.get(" ".join(found[start:]).casefold())
        if meant is not None:
            return meant
    return None


def _words_of(catalogue: Catalogue, level: Level) -> dict[str, tuple[str, str]]:
    """Return what words mean at a level: word or words → (slot, role). A word for several roles means none of them."""
    meanings: dict[str, set[tuple[str, str]]] = defaultdict(set)
    short: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for slot in catalogue.slots.values():
        if slot.level is level:
            for role, phrase in _phrases(slot):
                for word in (phrase, _plural(phrase)):
                    meanings[word].add((slot.id, role))
                for word in (phrase.split()[-1], _plural(phrase.split()[-1])):
                    short[word].add((slot.id, role))
    known = {word: next(iter(roles)) for word, roles in meanings.items() if len(roles) == 1}
    return {word: next(iter(roles)) for word, roles in short.items() if len(roles) == 1} | known


def _phrases(slot: Slot) -> Iterable[tuple[str, str]]:
    for role in slot.roles.values():
        if role.assignable is Assignable.YES and not role.is_access and role.id != slot.neutral:
            yield role.id, role.id.replace("_", " ").replace("-", " ").casefold()


def _plural(word: str) -> str:
    return word + "s"
