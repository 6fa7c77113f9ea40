"""Delegation: may this person give that role to that one? Asked by platforms, people, and of who acts for a user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.naming import the_program, the_role, the_user
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.acting import acting
from rolebridge.core.catalogue import Level
from rolebridge.core.claims import Subject
from rolebridge.core.delegation import Act, Request, Verdict, may
from rolebridge.core.errors import RolebridgeError
from rolebridge.core.permissions import Answer, HeldRole
from rolebridge.core.program import Program
from rolebridge.store.engine import Store
from rolebridge.store.records import StoredUser
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: `actor` would do `act` to `target`, with a role where the act is about one.

    People are named by a userName, an id, or what stands before the `@` of one. `project` None means the workspace;
    `slot` may be left out where only one has the role; `phase` where the platform tells none apart.
    """

    actor: str
    act: Act
    role: str
    target: str
    workspace: str | None = None
    project: str | None = None
    slot: str | None = None
    phase: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The platform's answer, with whom and what it is about."""

    actor: str
    target: str
    program: Program
    slot: str
    role: str
    project: str | None
    verdict: Verdict


class NotDelegated(RolebridgeError):
    """That the person for whom somebody acts may not do this on the platform; an open answer refuses as well."""

    def __init__(self, answered: Answered) -> None:
        super().__init__(f"`{answered.actor}` may not give or take `{answered.role}` there: {answered.verdict.why}")
        self.answered = answered


class Delegating:
    """Answers from the catalogue's delegation rules and the grants in force of both people."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def may(self, organization_id: str, wish: Wish) -> Answered:
        """Return whether the platform lets the actor do that. Raises NotFound and Invalid for unknown names."""
        with self._store.read(snapshot=True) as unit:
            return answer(unit, organization_id, self._rulebooks, self._clock(), wish)


def require(unit: Unit, organization_id: str, rulebooks: Rulebooks, now: datetime, wish: Wish) -> Answered:
    """Return the platform's answer if it is a plain yes. Raises NotDelegated."""
    answered = answer(unit, organization_id, rulebooks, now, wish)
    if answered.verdict.answer is not Answer.ALLOWED:
        raise NotDelegated(answered)
    return answered


def answer(unit: Unit, organization_id: str, rulebooks: Rulebooks, now: datetime, wish: Wish) -> Answered:
    """Answer a wish as of `unit`'s transaction."""
    program = the_program(rulebooks.current(unit, organization_id), wish.workspace, wish.project)
    level = Level.WORKSPACE if wish.project is None else Level.PROJECT
    slot, role = the_role(program.catalogue, level, wish.role, wish.slot)
    actor, target = (the_user(unit, organization_id, name) for name in (wish.actor, wish.target))
    granted = unit.grants(organization_id)
    request = Request(
        wish.act,
        slot.id,
        role.id,
        _roles(unit, organization_id, program, actor, wish.project, now),
        # What the other person holds in the workspace counts too: "can't manage admins" is said of workspace roles.
        _roles(unit, organization_id, program, target, wish.project, now)
        + (_roles(unit, organization_id, program, target, None, now) if wish.project else ()),
        _account_kind(unit, organization_id, program, target),
        wish.phase,
        granted.people_with(program.workspace, wish.project or "", slot.id, role.id),
    )
    verdict = may(program.catalogue, request)
    return Answered(actor.user_name, target.user_name, program, slot.id, role.id, wish.project, verdict)


def _roles(
    unit: Unit, organization_id: str, program: Program, user: StoredUser, project: str | None, now: datetime
) -> tuple[HeldRole, ...]:
    grants = unit.grants(organization_id).of_users([user.id], program.workspace)[user.id]
    held = [one for one in grants if one.valid_until is None or now.date() <= one.valid_until]
    return tuple(role for role, _ in acting(program.catalogue, held, project))


def _account_kind(unit: Unit, organization_id: str, program: Program, user: StoredUser) -> str:
    directory = unit.directory(organization_id)
    found = directory.core_users([user.id])
    memberships = directory.memberships([user.id]).get(user.id, ())
    return program.account_kind(Subject(program, found[0], tuple(memberships)).resource) if found else ""
