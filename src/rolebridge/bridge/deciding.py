"""Decisions: may this person do that here? Read from the grants in force and the platform's own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from rolebridge.bridge.naming import programs_meant, the_user
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.acting import acting
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.grants import Grant
from rolebridge.core.permissions import Decision, HeldRole, decide, permissions_of
from rolebridge.core.program import Program
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

MOST = 1_000
"""How many questions one call answers."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether `user` may do `permission`: in a project, in a workspace, or in all whose platform knows it."""

    user: str
    permission: str
    workspace: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer for one workspace; `grants` are those that the roles of the decision come from, in their order."""

    user_name: str
    program: Program
    project: str | None
    decision: Decision
    grants: Mapping[HeldRole, Grant]


class Deciding:
    """Answers questions about permissions, from grants in force alone: nothing is resolved."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def decide(self, organization_id: str, question: Question) -> tuple[Decided, ...]:
        """Answer one question, in each workspace that it means.

        Raises NotFound for a user, workspace, project or permission that there is not, Invalid when `user` may be
        several people.
        """
        return self.decide_many(organization_id, [question])[0]

    def decide_many(self, organization_id: str, questions: Sequence[Question]) -> tuple[tuple[Decided, ...], ...]:
        """Answer questions in their order, as of one moment. Raises as `decide`, and Invalid for more than `MOST`."""
        if len(questions) > MOST:
            raise Invalid(f"{len(questions)} questions are more than the {MOST} that are answered at once", "decisions")
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            asked = _Asked(unit, organization_id, rulebook, self._clock().date())
            return tuple(tuple(asked.answers(question)) for question in questions)


class _Asked:
    """What questions of one call share: people looked up once, and their grants."""

    def __init__(self, unit: Unit, organization_id: str, rulebook: Rulebook, today: date) -> None:
        self._unit = unit
        self._organization_id = organization_id
        self._rulebook = rulebook
        self._today = today
        self._people: dict[str, tuple[str, Sequence[Grant]]] = {}

    def answers(self, question: Question) -> Iterator[Decided]:
        name, grants = self._person(question.user)
        for program in self._programs(question):
            here = [one for one in grants if one.workspace == program.workspace]
            roles = acting(program.catalogue, here, question.project)
            settings = {**program.mapping.settings}
            if question.project is not None:
                settings |= program.projects[question.project].settings
            decision = decide(program.catalogue, question.permission, [role for role, _ in roles], settings)
            yield Decided(name, program, question.project, decision, dict(roles))

    def _programs(self, question: Question) -> Sequence[Program]:
        meant = programs_meant(self._rulebook, question.workspace, question.project)
        found = [one for one in meant if question.permission in permissions_of(one.catalogue)]
        if not found:
            raise NotFound("permission", question.permission)
        return found

    def _person(self, user: str) -> tuple[str, Sequence[Grant]]:
        if user not in self._people:
            found = the_user(self._unit, self._organization_id, user)
            granted = self._unit.grants(self._organization_id).of_users([found.id])[found.id]
            held = [one for one in granted if one.valid_until is None or self._today <= one.valid_until]
            self._people[user] = (found.user_name, held)
        return self._people[user]
