"""Lint: what a mapping's rules do in a directory, and which of them do nothing, never win, or give more than they say.

A rule is judged by everybody there is, so a finding is about this directory on this day; that a rule can never win at
all is said by checking its file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from rolebridge.core.assignment import Reason, Resolution
from rolebridge.core.catalogue import Level, Slot
from rolebridge.core.claims import Claims
from rolebridge.core.mapping import GroupRef, Rule
from rolebridge.core.program import Program

_WORD = re.compile(r"[^\W_]+")
_MOST = 0.5
"""The share of active people from which a rule that names nobody is said to speak of most of them."""


class LintKind(StrEnum):
    """What can be said of a rule."""

    NO_GROUP = "no-group"
    NOBODY = "nobody"
    NEVER_WINS = "never-wins"
    MORE_THAN_NAMED = "more-than-named"
    MOST_PEOPLE = "most-people"


@dataclass(frozen=True, slots=True)
class Lint:
    """One finding about a rule of a workspace, in one line."""

    kind: LintKind
    workspace: str
    rule: Rule
    detail: str


@dataclass(slots=True)
class Tally:
    """What the rules of one program did for everybody: to whom they spoke, what they gave, why others' claims lost."""

    program: Program
    people: int = 0
    heard: Counter[str] = field(default_factory=Counter)
    won: Counter[str] = field(default_factory=Counter)
    lost: dict[str, Counter[Reason]] = field(default_factory=dict)

    def count(self, claims: Claims, resolution: Resolution) -> None:
        """Count one active person: the claims that were gathered for them, and what became of these."""
        self.people += 1
        heard = {claim.rule for claim in claims.standing if claim.rule} | {rule.id for _, rule in claims.denials}
        self.heard.update(heard)
        self.won.update({winner.rule for role in resolution.roles for winner in role.winners if winner.rule})
        for lost in resolution.lost:
            if lost.assignment.rule:
                self.lost.setdefault(lost.assignment.rule, Counter())[lost.reason] += 1


def lint(tally: Tally, groups: Sequence[str]) -> tuple[Lint, ...]:
    """Return what is to be said of the rules, in their order. `groups` are the names of all trusted groups."""
    known = {name.casefold() for name in groups}
    return tuple(found for rule in tally.program.mapping.rules for found in _of(rule, tally, known))


def _of(rule: Rule, tally: Tally, groups: set[str]) -> Iterator[Lint]:
    def found(kind: LintKind, detail: str) -> Lint:
        return Lint(kind, tally.program.workspace, rule, detail)

    named = [one.name for one in rule.groups if isinstance(one, GroupRef) and one.name]
    missing = [name for name in named if name.casefold() not in groups]
    if missing:
        yield found(LintKind.NO_GROUP, f"the directory has no group {', '.join(f'`{name}`' for name in missing)}")
    if not tally.heard[rule.id]:
        if not missing or len(missing) < len(rule.groups):
            yield found(LintKind.NOBODY, f"speaks of nobody today{_why(rule, tally)}")
    elif rule.grant and not tally.won[rule.id]:
        yield found(LintKind.NEVER_WINS, f"wins for none of {tally.heard[rule.id]} people{_why(rule, tally)}")
    if rule.grant and not rule.groups and not rule.users and tally.heard[rule.id] > _MOST * tally.people:
        yield found(LintKind.MOST_PEOPLE, f"names nobody and speaks of {tally.heard[rule.id]} of {tally.people} people")
    yield from (found(LintKind.MORE_THAN_NAMED, detail) for detail in _more_than_named(rule, tally.program))


def _why(rule: Rule, tally: Tally) -> str:
    reasons = tally.lost.get(rule.id)
    if not reasons:
        return ""
    return ": " + ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))


def _more_than_named(rule: Rule, program: Program) -> Iterator[str]:
    """Yield where a group's name says one role and the rule gives a higher one: `LBX Labelers` made admin."""
    for term in rule.grant:
        slot = program.catalogue.slots[term.slot]
        order = _order(slot, program)
        if term.role not in order:
            continue
        for group in rule.groups:
            name = group.name if isinstance(group, GroupRef) else None
            said = _said(name, slot, order) if name else None
            if said is not None and order.index(term.role) < order.index(said):
                yield f"`{name}` says {said}, and the rule gives `{term.role}` in `{slot.id}`"


def _order(slot: Slot, program: Program) -> Sequence[str]:
    """Return a slot's roles from the highest: by the mapping's order, the platform's rank, else as they are listed."""
    merge = program.mapping.conflicts.get(slot.id)
    if merge is not None and merge.rank:
        return merge.rank
    if slot.rank:
        return slot.rank
    # An unranked list is an order only as far as all projects are more than one's own.
    return [role.id for role in slot.roles.values()] if slot.level is Level.WORKSPACE else ()


def _said(name: str, slot: Slot, order: Sequence[str]) -> str | None:
    words = {word.casefold() for word in _WORD.findall(name)}
    said = [role for role in order if role in slot.roles and _last(role) & words]
    return said[0] if len(said) == 1 else None


def _last(role: str) -> set[str]:
    word = re.split(r"[_-]", role)[-1].casefold()
    return {word, word + "s"}
