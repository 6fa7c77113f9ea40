"""Reading access: who holds what, and why this person holds this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from rolebridge.bridge.login_statements import LoginStatement, statements_of
from rolebridge.bridge.naming import programs_meant, the_program, the_role, the_user, user_then
from rolebridge.bridge.past import Past, PersonThen
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.catalogue import Level
from rolebridge.core.directory import User
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.explanation import Case, Explanation, explain
from rolebridge.core.grants import grants_of
from rolebridge.core.moments import stamp
from rolebridge.core.program import Program
from rolebridge.core.whynot import Target, WhyNot, why_not
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Difference:
    """A role that was `recorded` and is not explained, or that is explained and was not recorded."""

    slot: str
    project: str
    role: str
    state: str
    recorded: bool


@dataclass(frozen=True, slots=True)
class NotHeld:
    """What would have to change for a person to hold a role."""

    why: WhyNot
    user: User
    program: Program
    revision: int


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with what a reader needs beside it.

    `affects` says, for each rule that holds a lock, how many other people hold a role through it. `at` is set for an
    explanation of the past: then `differs` tells where what is explained is not what was recorded at the time.
    """

    explanation: Explanation
    program: Program
    revision: int
    affects: dict[str, int]
    at: datetime | None = None
    differs: tuple[Difference, ...] = ()
    logins: tuple[LoginStatement, ...] = ()
    """What their last logins stated of groups; nothing for an explanation of the past."""


class Explaining:
    """Explanations from the directory and mapping in force."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def explain(
        self, organization_id: str, user: str, *, workspace: str | None = None, project: str | None = None
    ) -> tuple[Explained, ...]:
        """Explain a person's roles, workspace by workspace, or in one workspace or project.

        `user` is a userName, an id, or the part of one userName before its `@` when that names one person. Raises
        NotFound, and Invalid when it names several. A project that stands in several workspaces is explained in each.
        """
        with self._store.read(snapshot=True) as unit:
            user_id = the_user(unit, organization_id, user).id
            rulebook = self._rulebooks.current(unit, organization_id)
            programs = programs_meant(rulebook, workspace, project)
            return tuple(
                self._explained(unit, organization_id, rulebook, program, user_id, project) for program in programs
            )

    def why_not(
        self,
        organization_id: str,
        user: str,
        role: str,
        *,
        workspace: str | None = None,
        project: str | None = None,
        slot: str | None = None,
    ) -> NotHeld:
        """Tell what would have to change for a person to hold a role: in a project, or in the workspace itself.

        `workspace` may be left out where only one can be meant, `slot` where only one has the role; a project that
        nobody declared is named as an obstacle, where the workspace is clear. Raises NotFound and Invalid for what the
        names do not mean.
        """
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            program = _program_of(rulebook, workspace, project)
            level = Level.WORKSPACE if project is None else Level.PROJECT
            of_slot, of_role = the_role(program.catalogue, level, role, slot)
            user_id = the_user(unit, organization_id, user).id
            case = self._case(unit, organization_id, program, user_id)
            target = Target(of_slot.id, of_role.id, project)
            # What a guard rail holds is not given by anything, so nothing needs to change for it.
            found = why_not(case.without_holds(), target, unit.directory(organization_id).all_core_groups())
            return NotHeld(found, case.user, program, rulebook.revision)

    def explain_then(
        self,
        organization_id: str,
        user: str,
        at: datetime,
        *,
        workspace: str | None = None,
        project: str | None = None,
    ) -> tuple[Explained, ...]:
        """Explain a person's roles as they were at a moment, from the record: by what was known and in force then.

        `user` may be somebody who was deleted since. Raises what `explain` raises, and Invalid for a moment that the
        record does not reach, or when nobody was there.
        """
        with self._store.read(snapshot=True) as unit:
            past = Past(unit, organization_id, at, self._clock())
            person = past.person(user_then(unit, organization_id, user, at))
            if person.user is None:
                why = f": {'; '.join(person.gaps)}" if person.gaps else ""
                raise Invalid(f"there was no user `{user}` at {stamp(at)}{why}", "at")
            rulebook = past.rulebook()
            programs = programs_meant(rulebook, workspace, project)
            return tuple(_explained_then(person, rulebook, program, at, project) for program in programs)

    def _explained(
        self,
        unit: Unit,
        organization_id: str,
        rulebook: Rulebook,
        program: Program,
        user_id: str,
        project: str | None,
    ) -> Explained:
        granted = unit.grants(organization_id)
        case = self._case(unit, organization_id, program, user_id)
        explanation = explain(case, project)
        rules = {release.rule for locked in explanation.locks for release in locked.releases if release.rule}
        affects = {
            rule: granted.people_through_rule(program.workspace, rule, except_user=user_id) for rule in sorted(rules)
        }
        logins = statements_of(unit, organization_id, user_id)
        return Explained(explanation, program, rulebook.revision, affects, logins=logins)

    def _case(self, unit: Unit, organization_id: str, program: Program, user_id: str) -> Case:
        directory = unit.directory(organization_id)
        return Case(
            program=program,
            user=directory.core_users([user_id])[0],
            memberships=tuple(directory.memberships([user_id]).get(user_id, ())),
            manual=tuple(unit.grants(organization_id).manual_of_users([user_id]).get(user_id, ())),
            at=self._clock(),
            held=tuple(unit.grants(organization_id).of_users([user_id], program.workspace)[user_id]),
        )


def _program_of(rulebook: Rulebook, workspace: str | None, project: str | None) -> Program:
    """Return the program that is meant, also where the project is the one that is missing."""
    try:
        return the_program(rulebook, workspace, project)
    except NotFound as missing:
        if missing.kind == "project" and (workspace is not None or len(rulebook.programs) == 1):
            return the_program(rulebook, workspace, None)
        raise


def _explained_then(
    person: PersonThen, rulebook: Rulebook, program: Program, at: datetime, project: str | None
) -> Explained:
    assert person.user is not None  # who was not there is refused before
    case = Case(program, person.user, person.memberships, person.manual, at)
    grants = grants_of(program, case.resolve(), rulebook.revision)
    resolved = {(one.slot, one.project, one.role, str(one.state)) for one in grants}
    of_record = [one for one in person.recorded if one.workspace == program.workspace]
    held = {one.key[1:] for one in of_record if one.held_since}  # kept by a guard rail, whatever rules say
    recorded = {(one.slot, one.project, one.role, one.state) for one in of_record}
    differs = tuple(
        Difference(*place, recorded=place in recorded) for place in sorted(resolved ^ recorded) if place[:3] not in held
    )
    explanation = explain(case, project)
    # What would change it now is another question than what held then.
    locks = tuple(replace(locked, releases=()) for locked in explanation.locks)
    return Explained(replace(explanation, locks=locks), program, rulebook.revision, {}, at, differs)
