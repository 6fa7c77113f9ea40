"""Who is there: people, and who holds what in workspaces and their projects, in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.catalogue import Reach
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.program import Program
from rolebridge.store.engine import Store
from rolebridge.store.records import Person
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class People:
    """Some people in the order of their userNames; `after` is the place to go on after, None at the end."""

    people: Sequence[Person]
    after: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """A person and the roles they hold, in the order of their keys."""

    person: Person
    grants: Sequence[Grant]


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some members in the order of their ids; `after` is the id to go on after, None at the end."""

    members: Sequence[Member]
    after: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which of a person's roles are wanted; None is all. `project` None: in every scope."""

    workspace: str | None = None
    project: str | None = None
    slot: str | None = None
    role: str | None = None

    def holds(self, grant: Grant, today: date) -> bool:
        """Return whether a grant is in force and among those wanted: those in a project, those that reach it too."""
        return (
            grant.state is GrantState.EFFECTIVE
            and (grant.valid_until is None or today <= grant.valid_until)
            and self.workspace in {None, grant.workspace}
            and (self.project is None or _is_in(grant, self.project))
            and self._asks_for(grant)
        )

    def _asks_for(self, grant: Grant) -> bool:
        own = self.slot in {None, grant.slot} and self.role in {None, grant.role}
        acting = bool(grant.acts_as_role) and (
            self.slot in {None, grant.acts_as_slot} and self.role in {None, grant.acts_as_role}
        )
        return own or acting


class Membership:
    """Reading who is in an organization and what they hold, as recorded."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    # --- people

    def people(
        self, organization_id: str, *, prefix: str = "", workspace: str | None = None, after: str = "", limit: int = 50
    ) -> People:
        """Return people whose userName begins with `prefix`, apart from case (who hold something in `workspace`)."""
        with self._store.read() as unit:
            found = unit.members(organization_id).named(prefix, after, limit + 1, workspace)
        shown = found[:limit]
        return People([person for person, _ in shown], shown[-1][1] if len(found) > limit else None)

    def person(self, organization_id: str, name: str, *, within: str | None = None) -> Person:
        """Return whom `name` means: a userName, an id, or the part of one userName before its `@`.

        `within` is the workspace of who asks: people who hold nothing there do not exist. Raises NotFound, Invalid.
        """
        with self._store.read() as unit:
            return self._person(unit, organization_id, name, within)

    def stranger(self, organization_id: str, name: str, *, within: str | None) -> Person:
        """Return whom `name` means as `person` does, and those outside the workspace by their whole userName or id."""
        with self._store.read() as unit:
            for found in unit.directory(organization_id).user_by_name(name) if within is not None else ():
                if found.id == name or found.user_name.casefold() == name.casefold():
                    return unit.members(organization_id).people([found.id])[found.id]
            return self._person(unit, organization_id, name, within)

    def roles(self, organization_id: str, user: str, scope: Scope, *, within: str | None = None) -> Member:
        """Return a person and what they hold in a scope. Raises NotFound, also for a workspace that there is not."""
        today = self._clock().date()
        with self._store.read() as unit:
            if scope.workspace is not None:
                _program(self._rulebooks.current(unit, organization_id), scope.workspace)
            person = self._person(unit, organization_id, user, within)
            held = unit.grants(organization_id).of_users([person.id], scope.workspace)[person.id]
        return Member(person, [grant for grant in held if scope.holds(grant, today)])

    # --- members

    def members(
        self, organization_id: str, workspace: str, project: str | None = None, *, after: str = "", limit: int = 50
    ) -> MemberPage:
        """Return who holds what in a workspace, or in a project of it, roles that reach every project included.

        Raises NotFound.
        """
        scope, today = Scope(workspace, project), self._clock().date()
        with self._store.read(snapshot=True) as unit:
            program = _program(self._rulebooks.current(unit, organization_id), workspace)
            if project is not None and project not in program.projects:
                raise NotFound("project", project)
            members = unit.members(organization_id)
            ids = (
                members.in_workspace(workspace, after, limit + 1)
                if project is None
                else members.in_project(workspace, project, after, limit + 1)
            )
            shown = ids[:limit]
            people = members.people(shown)
            held = unit.grants(organization_id).of_users(shown, workspace)
        found = [
            Member(people[id_], _wanted(held[id_], scope, today))
            for id_ in shown
            if id_ in people and _wanted(held[id_], scope, today)
        ]
        return MemberPage(found, shown[-1] if len(ids) > limit else None)

    # --- shared

    def _person(self, unit: Unit, organization_id: str, name: str, within: str | None) -> Person:
        called = unit.members(organization_id).called(name) if within is None else None
        return called or self._meant(unit, organization_id, name, within)

    def _meant(self, unit: Unit, organization_id: str, name: str, within: str | None) -> Person:
        found = [one.id for one in unit.directory(organization_id).user_by_name(name)]
        if within is not None:
            held = unit.grants(organization_id).of_users(found, within)
            found = [id_ for id_ in found if any(grant.state is GrantState.EFFECTIVE for grant in held[id_])]
        people = unit.members(organization_id).people(found)
        if not people:
            raise NotFound("user", name)
        if len(people) > 1:
            names = ", ".join(f"`{one.user_name}`" for one in people.values())
            raise Invalid(f"`{name}` may be any of {names}", "user")
        return next(iter(people.values()))


def _program(rulebook: Rulebook, workspace: str) -> Program:
    found = next((program for program in rulebook.programs if program.workspace == workspace), None)
    if found is None:
        raise NotFound("workspace", workspace)
    return found


def _wanted(grants: Iterable[Grant], scope: Scope, today: date) -> list[Grant]:
    return [grant for grant in grants if scope.holds(grant, today)]


def _is_in(grant: Grant, project: str) -> bool:
    return grant.project == project or (not grant.project and grant.reach == Reach.ALL)
