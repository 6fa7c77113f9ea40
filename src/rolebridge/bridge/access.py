"""Who holds what, as it is recorded: grants are read, nothing is resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from rolebridge.bridge.naming import programs_meant, the_user
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.catalogue import Catalogue, Reach
from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.errors import NotFound
from rolebridge.core.grants import Grant, GrantKey, GrantState
from rolebridge.core.permissions import permissions_of
from rolebridge.store.engine import Store
from rolebridge.store.records import HeldGrant
from rolebridge.store.unit import Unit

_PAGE = 500
_COMPARED = 5_000  # user names that a misspelt one is compared with: a hint is not worth more than a second


@dataclass(frozen=True, slots=True)
class Listing:
    """Some rows, and the grant to go on after; None when these were the last."""

    rows: tuple[HeldGrant, ...]
    after: Grant | None


@dataclass(frozen=True, slots=True)
class _Section:
    """A part of a listing that the store reads in one order; `reaching` keeps only roles that reach every project."""

    workspace: str | None
    project: str | None
    reaching: bool = False

    def lies_before(self, grant: Grant | GrantKey) -> bool:
        """Return whether every row of the section comes before `grant`."""
        if self.workspace is None or self.project is None:
            return False
        return (self.workspace, self.project) < (grant.workspace, grant.project)


class Totals:
    """Counts over rows in the order of a listing: people and grants in force, blocked rows, conflicts."""

    def __init__(self) -> None:
        self._people: set[str] = set()
        self._conflict: tuple[str, str, str, str] | None = None
        self.grants = 0
        self.blocked = 0
        self.conflicts = 0

    @property
    def people(self) -> int:
        """Return how many people hold something that is in force."""
        return len(self._people)

    def count(self, grant: Grant) -> None:
        """Count one more row. The rows of one conflict follow each other, and count once."""
        match grant.state:
            case GrantState.EFFECTIVE:
                self._people.add(grant.user_id)
                self.grants += 1
            case GrantState.BLOCKED:
                self.blocked += 1
            case GrantState.CONFLICT:
                scope = (grant.workspace, grant.project, grant.user_id, grant.slot)
                self.conflicts += scope != self._conflict
                self._conflict = scope


class Access:
    """Reading the recorded effective roles of an organization."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def listing(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user: str | None = None,
        limit: int = _PAGE,
        after: Grant | GrantKey | None = None,
    ) -> Listing:
        """Return up to `limit` rows in the order of (workspace, project, user, slot, role), those after `after`.

        Blocked and conflicting claims are rows too; what has ended is none, even if nobody has resolved it since.
        With `project`, the roles of its workspace that reach every project are listed as well: their holders are in
        it. `user` is a userName, an id, or the part of one userName before its `@`. Raises NotFound for a workspace or
        project that no mapping in force names and for an unknown user, Invalid when `user` may be several.
        """
        today = self._clock().date()
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            sections = _sections(rulebook, workspace, project)
            user_id = None if user is None else the_user(unit, organization_id, user).id
            found = _rows(unit, organization_id, sections, user_id, after)
            rows = tuple(islice((row for row in found if _in_force(row.grant, today)), limit + 1))
        more = len(rows) > limit
        return Listing(rows[:limit], rows[limit - 1].grant if more else None)

    def rows(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        project: str | None = None,
        user: str | None = None,
    ) -> Iterator[HeldGrant]:
        """Yield all rows of `listing`, page by page: between two pages nothing is held open."""
        after: Grant | None = None
        while True:
            page = self.listing(organization_id, workspace=workspace, project=project, user=user, after=after)
            yield from page.rows
            if page.after is None:
                return
            after = page.after

    def catalogues(self, organization_id: str) -> Mapping[str, Catalogue]:
        """Return the role model of each workspace in force, custom roles included: what its roles are called."""
        return {program.workspace: program.catalogue for program in self._current(organization_id).programs}

    def user_id(self, organization_id: str, user: str) -> str:
        """Return the id of the user that `user` means: a userName, an id, or the part of one userName before its `@`.

        Raises NotFound, and Invalid when it may be several.
        """
        with self._store.read() as unit:
            return the_user(unit, organization_id, user).id

    def holds(
        self, organization_id: str, user_id: str, workspace: str, project: str | None, slot: str, role: str
    ) -> bool:
        """Return whether a user holds a role in one scope now; `project` None is the workspace itself.

        What `inherit` acts as is held too. A role of the workspace is asked for there, whatever it reaches. Users,
        workspaces and projects that there are not hold nothing.
        """
        with self._store.read() as unit:
            today = self._clock().date()
            return unit.members(organization_id).holds(user_id, workspace, project or "", slot, role, today)

    def user_names(self, organization_id: str, user_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the userNames of those of the users that exist, by id."""
        with self._store.read() as unit:
            return {user.id: user.user_name for user in unit.directory(organization_id).core_users(user_ids)}

    def hint(self, organization_id: str, missing: NotFound) -> str | None:
        """Return which user, workspace or project may have been meant by the name that was not found."""
        match missing.kind:
            case "user":
                return _similar(missing.name, self._some_user_names(organization_id))
            case "workspace":
                known = [program.workspace for program in self._current(organization_id).programs]
            case "project":
                known = [project for program in self._current(organization_id).programs for project in program.projects]
            case "permission":
                programs = self._current(organization_id).programs
                return did_you_mean(missing.name, {id_ for one in programs for id_ in permissions_of(one.catalogue)})
            case _:
                return None
        return did_you_mean(missing.name, known) or (f"known here: {_listed(known)}" if known else None)

    def _current(self, organization_id: str) -> Rulebook:
        with self._store.read() as unit:
            return self._rulebooks.current(unit, organization_id)

    def _some_user_names(self, organization_id: str) -> list[str]:
        with self._store.read() as unit:
            users = islice(unit.directory(organization_id).all_core_users(_PAGE), _COMPARED)
            return [user.user_name for user in users]


def _similar(word: str, names: Sequence[str]) -> str | None:
    """Return a hint at the names that hold the word, else at those spelt like it, the part before the @ included."""
    holding = [name for name in names if word.casefold() in name.casefold()]
    if word and holding:
        return f"did you mean {_listed(holding, 3)}?"
    return did_you_mean(word, [*names, *(name.partition("@")[0] for name in names)])


def _listed(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(f"`{name}`" for name in names[:most]) + (", …" if len(names) > most else "")


def _sections(rulebook: Rulebook, workspace: str | None, project: str | None) -> tuple[_Section, ...]:
    programs = programs_meant(rulebook, workspace, project)
    if project is None:
        return (_Section(workspace, None),)
    inside = sorted(one.workspace for one in programs)
    return tuple(section for name in inside for section in (_Section(name, "", reaching=True), _Section(name, project)))


def _rows(
    unit: Unit, organization_id: str, sections: Sequence[_Section], user_id: str | None, after: Grant | GrantKey | None
) -> Iterator[HeldGrant]:
    for section in sections:
        if after is not None and section.lies_before(after):
            continue
        place = after
        while page := unit.grants(organization_id).listing(
            workspace=section.workspace, project=section.project, user_id=user_id, after=place, limit=_PAGE
        ):
            yield from (row for row in page if not section.reaching or row.grant.reach == Reach.ALL)
            place = page[-1].grant


def _in_force(grant: Grant, today: date) -> bool:
    return grant.valid_until is None or today <= grant.valid_until
