"""Delegation: who may give which role to whom on a platform, as its catalogue says.

`may ACTOR grant ROLE to TARGET`: what the catalogue permits is allowed, what it does not speak of is denied, and what
its sources leave open is unknown, never guessed either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from rolebridge.core.permissions import Answer, Column, HeldRole, decide

if TYPE_CHECKING:
    from rolebridge.core.catalogue import Catalogue, Role


class Act(StrEnum):
    """What somebody does to another's roles: give one, take one away, hand them work, add or remove them altogether."""

    GRANT = "grant"
    REVOKE = "revoke"
    ASSIGN_WORK = "assign_work"
    MANAGE_MEMBERS = "manage_members"


@dataclass(frozen=True, slots=True)
class Delegation:
    """One rule of a catalogue: who may do which acts in which slots, and what is excepted.

    Who: whoever holds all of one of `by` (as in a matrix's column), or whom the platform's table gives `permission`.
    `roles` and `phases` empty mean all; `only_holders` and `except_holders` look at what the other person holds.
    `unknown` says that the sources leave it open.
    """

    id: str
    acts: frozenset[Act]
    slots: frozenset[str]
    by: tuple[Mapping[str, frozenset[str]], ...] = field(default=(), hash=False)
    permission: str = ""
    roles: frozenset[str] = frozenset()
    except_roles: frozenset[str] = frozenset()
    only_holders: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    except_holders: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    phases: frozenset[str] = frozenset()
    unknown: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: an act on `role` of `slot`, in a phase of the work where the platform tells phases apart.

    `actor` and `target` are the roles that both act with in the scope. `target_kind` is the account kind of the target,
    `holders` how many hold the role now, None when nobody counted.
    """

    act: Act
    slot: str
    role: str
    actor: tuple[HeldRole, ...]
    target: tuple[HeldRole, ...] = ()
    target_kind: str = ""
    phase: str = ""
    holders: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer (never `qualified`), in one line why, and the catalogue's rule that it is read from, if one speaks."""

    answer: Answer
    why: str
    rule: Delegation | None = None


def may(catalogue: Catalogue, request: Request) -> Verdict:
    """Return whether the platform lets the actor do that. KeyError for a slot or role that it does not have."""
    role = catalogue.role(request.slot, request.role)
    refused = next(_impossible(catalogue, request, role), None)
    if refused is not None:
        return Verdict(Answer.DENIED, refused)
    verdicts = [verdict for rule in catalogue.delegations if (verdict := _of(catalogue, rule, request)) is not None]
    for answer in (Answer.ALLOWED, Answer.UNKNOWN, Answer.DENIED):
        found = next((verdict for verdict in verdicts if verdict.answer is answer), None)
        if found is not None:
            return found
    held = " and ".join(sorted({one.role for one in request.actor})) or "nobody"
    return Verdict(Answer.DENIED, f"the platform lets {held} {_words(request.act)} no role of `{request.slot}`")


def _impossible(catalogue: Catalogue, request: Request, role: Role) -> Iterator[str]:
    """Yield why nobody at all could do it."""
    slot = catalogue.slots[request.slot]
    if request.act in {Act.GRANT, Act.REVOKE} and role.assignable != "yes":
        yield f"`{role.id}` is not assignable ({role.assignable})"
    if request.act is Act.REVOKE and role.least and request.holders is not None and request.holders <= role.least:
        yield f"`{role.id}` must be held by at least {role.least}, and {request.holders} hold it"
    if request.act is not Act.GRANT:
        return
    if role.id == slot.neutral:
        yield f"`{role.id}` means that `{slot.id}` is empty"
    if role.most and request.holders is not None and request.holders >= role.most:
        yield f"`{role.id}` is held by {request.holders}, and at most {role.most} may hold it"
    if role.account_kinds and request.target_kind not in role.account_kinds:
        yield f"`{role.id}` is not for an account of kind `{request.target_kind or 'unknown'}`"
    for rule in catalogue.prerequisites:
        if rule.covers(request.slot, role.id, request.target_kind) and not any(
            held.slot == need.slot and (not need.roles or held.role in need.roles)
            for need in rule.needs
            for held in request.target
        ):
            yield f"`{role.id}` needs " + " or ".join(_need(need.slot, need.roles) for need in rule.needs)


def _need(slot: str, roles: frozenset[str]) -> str:
    return f"{' or '.join(sorted(roles)) or 'a role'} in `{slot}`"


def _of(catalogue: Catalogue, rule: Delegation, request: Request) -> Verdict | None:
    """Return what one rule says of the request; None when it does not speak of this actor, act or slot."""
    if request.act not in rule.acts or (rule.slots and request.slot not in rule.slots):
        return None
    entitled = _entitled(catalogue, rule, request.actor)
    if entitled is Answer.DENIED:
        return None
    if rule.only_holders and not _holds(request.target, rule.only_holders):
        return None
    excepted = _excepted(rule, request)
    if excepted:
        return _verdict(Answer.DENIED, excepted, rule)
    if rule.phases and not request.phase:
        return _verdict(Answer.UNKNOWN, f"it depends on the phase: {' or '.join(sorted(rule.phases))}", rule)
    if rule.unknown or entitled is Answer.UNKNOWN:
        return _verdict(Answer.UNKNOWN, "the platform's documentation does not say", rule)
    return _verdict(Answer.ALLOWED, "the platform says so", rule)


def _excepted(rule: Delegation, request: Request) -> str:
    if rule.phases and request.phase and request.phase not in rule.phases:
        return f"only in the phase {' or '.join(sorted(rule.phases))}"
    if (rule.roles and request.role not in rule.roles) or request.role in rule.except_roles:
        return f"`{request.role}` is excepted"
    if _holds(request.target, rule.except_holders):
        return "the other person's role is out of reach"
    return ""


def _verdict(answer: Answer, why: str, rule: Delegation) -> Verdict:
    return Verdict(answer, f"{why}: {rule.note}" if rule.note else why, rule)


def _entitled(catalogue: Catalogue, rule: Delegation, actor: Sequence[HeldRole]) -> Answer:
    if rule.permission:
        return decide(catalogue, rule.permission, actor).answer
    return Answer.ALLOWED if Column(rule.id, rule.id, rule.by).matched_by(actor) else Answer.DENIED


def _holds(held: Sequence[HeldRole], wanted: Mapping[str, frozenset[str]]) -> bool:
    return any(one.role in wanted.get(one.slot, ()) for one in held)


def _words(act: Act) -> str:
    return act.value.replace("_", " ")
