"""Why somebody does not hold a role, and the ways to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rolebridge.cli.terminal import one_line, strong
from rolebridge.cli.views.roles import person, role_name, slot_name, source_words
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.whynot import Step, StepKind

if TYPE_CHECKING:
    from rolebridge.bridge.explaining import NotHeld


def text(found: NotHeld) -> str:
    """Return what would have to change, as people read it."""
    return "\n".join(_lines(found))


def _lines(found: NotHeld) -> Iterator[str]:
    why, catalogue = found.why, found.program.catalogue
    who = strong(person(found.user))
    name = strong(role_name(catalogue, why.target.slot, why.target.role))
    scope = f"{why.target.project} ({found.program.workspace})" if why.target.project else found.program.workspace
    if why.held:
        yield f"{who} is {name} in {scope}: rolebridge explain says why."
        return
    yield f"{who} is not {name} in {scope}."
    for number, lost in enumerate(why.lost):
        detail = f"{lost.reason}{': ' * bool(lost.detail)}{lost.detail}"
        yield f"  {'claims' if number == 0 else '      '}    {source_words(lost.assignment)}   {one_line(detail)}"
    if why.ways:
        yield "  ways to it"
        for number, way in enumerate(why.ways, 1):
            words = "; then ".join(step_words(catalogue, person(found.user), step) for step in way)
            yield f"            {number}. {words}"
    else:
        yield "  no way to it was found"
    for obstacle in why.obstacles:
        yield f"  in the way  {one_line(obstacle)}"


def step_words(catalogue: Catalogue, who: str, step: Step) -> str:
    """Return a step as an order."""
    place = f" (rule {step.rule}, {step.place})" if step.rule else ""
    group = one_line(step.group.display) if step.group else ""
    connection = f" in {step.group.connection}" if step.group else ""
    role = role_name(catalogue, step.slot, step.role) if step.role else ""
    words = {
        StepKind.JOIN_GROUP: f"add {who} to {group}{connection}{place}",
        StepKind.CREATE_GROUP: f"make a group {group}{connection} and add {who} to it{place}",
        StepKind.ASSIGN: f"assign {role} by hand",
        StepKind.FULFIL_CONDITION: f"make the condition hold: {one_line(step.detail)}{place}",
        StepKind.CHANGE_DATES: f"change the rule's dates: {one_line(step.detail)}{place}",
        StepKind.REACTIVATE: f"reactivate {who}",
        StepKind.LEAVE_GROUP: f"remove {who} from {group}{connection}{place}",
        StepKind.CHANGE_RULE: f"change the rule {step.rule} ({step.place})",
        StepKind.UNASSIGN: f"end the assignment by hand of {role}",
        StepKind.CHANGE_ON_PLATFORM: f"change it on {catalogue.name} itself",
        StepKind.ALLOW_BY_HAND: f"let the mapping allow assignments by hand of {slot_name(catalogue, step.slot)}",
        StepKind.DECLARE_PROJECT: f"declare the project {step.project}",
    }
    return words[step.do]
