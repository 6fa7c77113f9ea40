"""What rules give, worked out for comparing them: the possible roles of each grant, and the projects it reaches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rolebridge.core.catalogue import Catalogue, Slot
from rolebridge.core.mapping import Capture, Pattern, Project, ProjectSelector, Rule, SelectorKind
from rolebridge.mapfile.yamlsource import Table


@dataclass(frozen=True, slots=True)
class ReadRule:
    """A sound rule and the part of the file that it was read from."""

    rule: Rule
    node: Table


@dataclass(frozen=True, slots=True)
class Given:
    """What one rule can give in one slot: every role that its captures may mean."""

    read: ReadRule
    slot: Slot
    roles: frozenset[str]

    @property
    def rule(self) -> Rule:
        """Return the rule that gives."""
        return self.read.rule

    @property
    def real_roles(self) -> frozenset[str]:
        """Return the roles without mere access, which every role outranks."""
        return frozenset(role for role in self.roles if not self.slot.roles[role].is_access)


class Scopes:
    """The declared projects that selectors choose, worked out once for each different list of selectors."""

    def __init__(self, projects: Mapping[str, Project]) -> None:
        self._projects = projects
        self._known: dict[object, frozenset[str] | None] = {}
        self._values: dict[int, frozenset[str]] = {}

    def of(self, rule: Rule) -> frozenset[str] | None:
        """Return the projects that a rule speaks of, under any captures; None means all, later ones included."""
        captured = [
            values
            for selector in rule.projects
            if selector.kind is SelectorKind.CAPTURE
            for values in self._captured(rule, selector.value)
        ]
        key = (rule.projects, tuple(captured))
        if key not in self._known:
            self._known[key] = self._select(rule.projects, captured)
        return self._known[key]

    def _captured(self, rule: Rule, name: str) -> Iterator[frozenset[str]]:
        # Captures over the declared projects share one mapping, which may be long: each is looked through once.
        for capture in captures_of(rule, name):
            found = self._values.get(id(capture.values))
            if found is None:
                found = self._values[id(capture.values)] = frozenset(capture.values.values())
            yield found

    def _select(
        self, selectors: tuple[ProjectSelector, ...], captured: Sequence[frozenset[str]]
    ) -> frozenset[str] | None:
        chosen: set[str] = set().union(*captured)
        for selector in selectors:
            if selector.kind is SelectorKind.ALL:
                return None
            if selector.kind is not SelectorKind.CAPTURE:
                chosen |= {project.id for project in self._projects.values() if selector.selects(project, {})}
        return frozenset(chosen)


def given_by(read: ReadRule, catalogue: Catalogue) -> Iterator[Given]:
    """Yield what a rule can give, slot by slot."""
    roles: dict[str, set[str]] = defaultdict(set)
    for term in read.rule.grant:
        if term.role is not None:
            roles[term.slot].add(term.role)
        for capture in captures_of(read.rule, term.capture) if term.capture else ():
            roles[term.slot].update(capture.values.values())
    for slot_id, granted in roles.items():
        yield Given(read, catalogue.slots[slot_id], frozenset(granted))


def captures_of(rule: Rule, name: str) -> Iterator[Capture]:
    """Yield the captures of that name in the patterns of a rule."""
    for group in rule.groups:
        if isinstance(group, Pattern):
            yield from (piece for piece in group.pieces if isinstance(piece, Capture) and piece.name == name)
