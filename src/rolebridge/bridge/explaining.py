"""Reading access: who holds what, and why this person holds this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.explanation import Case, Explanation, explain
from rolebridge.core.program import Program
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation with what a reader needs beside it.

    `affects` says, for each rule that holds a lock, how many other people hold a role through it.
    """

    explanation: Explanation
    program: Program
    revision: int
    affects: dict[str, int]


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
            found = unit.directory(organization_id).user_by_name(user)
            if not found:
                raise NotFound("user", user)
            if len(found) > 1:
                names = ", ".join(f"`{candidate.user_name}`" for candidate in found)
                raise Invalid(f"`{user}` may be any of {names}", "user")
            rulebook = self._rulebooks.current(unit, organization_id)
            programs = _chosen(rulebook, workspace, project)
            return tuple(
                self._explained(unit, organization_id, rulebook, program, found[0].id, project) for program in programs
            )

    def _explained(
        self,
        unit: Unit,
        organization_id: str,
        rulebook: Rulebook,
        program: Program,
        user_id: str,
        project: str | None,
    ) -> Explained:
        directory = unit.directory(organization_id)
        granted = unit.grants(organization_id)
        case = Case(
            program=program,
            user=directory.core_users([user_id])[0],
            memberships=tuple(directory.memberships([user_id]).get(user_id, ())),
            manual=tuple(granted.manual_of_users([user_id]).get(user_id, ())),
            at=self._clock(),
        )
        explanation = explain(case, project)
        rules = {release.rule for locked in explanation.locks for release in locked.releases if release.rule}
        affects = {
            rule: granted.people_through_rule(program.workspace, rule, except_user=user_id) for rule in sorted(rules)
        }
        return Explained(explanation, program, rulebook.revision, affects)


def _chosen(rulebook: Rulebook, workspace: str | None, project: str | None) -> tuple[Program, ...]:
    programs = rulebook.programs
    if workspace is not None:
        programs = tuple(program for program in programs if program.workspace == workspace)
        if not programs:
            raise NotFound("workspace", workspace)
    if project is not None:
        programs = tuple(program for program in programs if project in program.projects)
        if not programs:
            raise NotFound("project", project)
    return programs
