"""Ways out of a lock: what to do about it, and what somebody would then be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rolebridge.cli.terminal import counted, one_line, padded, width
from rolebridge.cli.views.roles import role_name, slot_name
from rolebridge.core.assignment import Lock, LockKind
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.explanation import Release, ReleaseKind


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose lock it is: the platform's role model, what to call the person, how many others each rule gives a role."""

    catalogue: Catalogue
    who: str
    affects: Mapping[str, int]


def ways_out(whose: Whose, ways: Iterable[tuple[Lock, Release]]) -> Iterator[str]:
    """Yield the ways out of locks, each once, numbered and in columns; nothing when there are none."""
    distinct = list(dict.fromkeys(_way(whose, lock, release) for lock, release in ways))
    yield from in_columns([(f"{number}. {do}", f"→ {then}") for number, (do, then) in enumerate(distinct, 1)])


def in_columns(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield pairs of texts as lines, the second ones below each other."""
    columns = max((width(first) for first, _ in pairs), default=0)
    return (f"{padded(first, columns)}   {second}" for first, second in pairs)


def _way(whose: Whose, lock: Lock, release: Release) -> tuple[str, str]:
    catalogue = whose.catalogue
    match release.do:
        case ReleaseKind.LEAVE_GROUP if release.group:
            do = f"remove {whose.who} from {one_line(release.group.display)} in {release.group.connection}"
            return do, _then(catalogue, lock, release)
        case ReleaseKind.CHANGE_RULE:
            others = whose.affects.get(release.rule, 0)
            more = (
                f"; also changes {counted(others, 'other person', 'other people')}"
                if others
                else "; nobody else holds a role through it"
            )
            return (
                f"edit rule {release.rule} ({release.place})",
                f"without it {_then(catalogue, lock, release)}{more}",
            )
        case ReleaseKind.RELEASE_HOLD:
            return "let it go: rolebridge hold release", _then(catalogue, lock, release)
        case ReleaseKind.UNASSIGN:
            return "end the assignment by hand", _then(catalogue, lock, release)
        case ReleaseKind.CHANGE_DEFAULT:
            return "change the default in the mapping", f"without it {_then(catalogue, lock, release)}"
        case _:
            return f"change it on {catalogue.name} itself", _then(catalogue, lock, release)


def _then(catalogue: Catalogue, lock: Lock, release: Release) -> str:
    if not release.then:
        return f"no {slot_name(catalogue, lock.slot)}"
    names = " and ".join(_any_name(catalogue, lock.slot, role) for role in release.then)
    return f"still {names}" if release.then == (lock.role,) and lock.kind is not LockKind.WORKSPACE_WIDE else names


def _any_name(catalogue: Catalogue, slot: str, role: str) -> str:
    """Return a role's name, in `slot` or, for what mere access becomes, in the slots that it inherits from."""
    access = catalogue.slots[slot].access_role
    for candidate in (slot, *(access.inherits if access else ())):
        if role in catalogue.slots[candidate].roles:
            return role_name(catalogue, candidate, role)
    return role
