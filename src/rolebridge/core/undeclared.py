"""Projects that nobody declared: group names that a pattern would fit if there were a project of that name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rolebridge.core.directory import Group
from rolebridge.core.mapping import Capture, NoMatch, Pattern, Rule, SelectorKind
from rolebridge.core.plan import Undeclared
from rolebridge.core.program import Program

_LONGEST_NAME = 256
"""Longer names are not looked at: what is tried grows with the square of the length."""


def undeclared_in(program: Program, group: Group) -> Iterator[Undeclared]:
    """Yield the projects that `group` speaks of and that the workspace does not have, one for each rule."""
    if not program.trusts(group) or len(group.display) > _LONGEST_NAME:
        return
    for rule in program.mapping.rules:
        for pattern in rule.groups:
            project = _project(rule, pattern, group.display) if isinstance(pattern, Pattern) else None
            if project is not None:
                yield Undeclared(program.workspace, project, group.display, rule.id, str(rule.place))
                break


def _project(rule: Rule, pattern: Pattern, name: str) -> str | None:
    """Return the text that stands in `name` where the pattern wants a project; None if it fits, or does not even so.

    Of several decompositions it is the one with the shortest text before the project, and of those the longest project.
    """
    at = _place_of_project(rule, pattern)
    if at is None or pattern.match(name) is not NoMatch.DIFFERENT:
        return None
    folded = name.casefold()
    before = replace(pattern, pieces=pattern.pieces[:at])
    after = replace(pattern, pieces=pattern.pieces[at + 1 :])
    starts = [start for start in range(len(folded)) if before.match(folded[:start]) is not NoMatch.DIFFERENT]
    if not starts:
        return None
    for end in range(len(folded), starts[0], -1):
        if after.match(folded[end:]) is not NoMatch.DIFFERENT:
            # Casefolding may change the length of a name; then it is shown folded.
            return (name if len(name) == len(folded) else folded)[starts[0] : end]
    return None


def _place_of_project(rule: Rule, pattern: Pattern) -> int | None:
    captures = {selector.value for selector in rule.projects if selector.kind is SelectorKind.CAPTURE}
    places = [at for at, piece in enumerate(pattern.pieces) if isinstance(piece, Capture) and piece.name in captures]
    return places[0] if len(places) == 1 else None
