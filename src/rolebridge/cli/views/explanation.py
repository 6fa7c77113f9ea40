"""An explanation: what somebody is in a scope, why, what locks it, what lost, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rolebridge.cli.terminal import doubtful, faint, minute, one_line, padded, strong, table
from rolebridge.cli.views.roles import (
    WORKSPACE_WIDE,
    person,
    role_name,
    sight_words,
    slot_name,
    source_sentence,
    source_words,
)
from rolebridge.cli.views.ways import Whose, in_columns, ways_out
from rolebridge.core.assignment import Assignment, EffectiveRole, Lock, LockKind, Reason
from rolebridge.core.catalogue import Catalogue, Reach

if TYPE_CHECKING:
    from rolebridge.bridge.explaining import Explained
    from rolebridge.bridge.login_statements import LoginStatement

_LABEL = 10
_GROUPS_SHOWN = 8
_MARGIN = "  " + " " * _LABEL


def text(explained: Explained) -> str:
    """Return an explanation as people read it."""
    lines = _of_workspace(explained) if explained.explanation.project is None else _of_project(explained)
    return "\n".join([*_then_lines(explained), *lines, *_differing(explained)])


def _then_lines(explained: Explained) -> Iterator[str]:
    if explained.at is not None:
        yield faint(f"as of {minute(explained.at)}, by revision {explained.revision}")


def _differing(explained: Explained) -> Iterator[str]:
    """Yield where the record of the time says otherwise."""
    for one in explained.differs:
        where = f" in {one.project}" if one.project else ""
        name = role_name(explained.program.catalogue, one.slot, one.role)
        what = "was recorded, and does not follow" if one.recorded else "follows, and was not recorded"
        yield f"  {doubtful('!')} {name}{where} ({one.state}) {what} from what was known then"


# --- one project -----------------------------------------------------------------------------------------------


def _of_project(explained: Explained) -> Iterator[str]:
    explanation, catalogue = explained.explanation, explained.program.catalogue
    above = [role for role in explanation.from_above if _reach(catalogue, role) is Reach.ALL]
    shown = explanation.roles or tuple(above)
    yield _headline(explained, shown, through_above=not explanation.roles)
    for role in shown:
        yield from _held(catalogue, role, with_name=len(shown) > 1)
    yield from _labelled("lock", _lock_lines(explained, shown))
    yield from _rest(explained)
    yield from _ways_out(explained)


def _headline(explained: Explained, shown: Sequence[EffectiveRole], *, through_above: bool) -> str:
    explanation, program = explained.explanation, explained.program
    project = program.projects[explanation.project or ""]
    where = f"{strong(one_line(project.name))} ({explanation.workspace}, {program.catalogue.name})"
    who = strong(person(explanation.user))
    if not shown:
        return f"{who} has no role in {where}{_why_nothing(explained)}."
    names = [_works_as(program.catalogue, role) for role in shown]
    if "" in names:
        return f"{who} has access to {where}, and no role there."
    as_everywhere = ", as in every project" if through_above else ""
    return f"{who} is {strong(' and '.join(names))} in {where}{as_everywhere}."


def _why_nothing(explained: Explained) -> str:
    explanation = explained.explanation
    if not explanation.user.active:
        return ": the user is inactive"
    return ": rules are in conflict" if explanation.conflicts else ""


def _held(catalogue: Catalogue, role: EffectiveRole, *, with_name: bool) -> Iterator[str]:
    if with_name:
        yield from _labelled("role", [f"{_works_as(catalogue, role)} ({slot_name(catalogue, role.slot)})"])
    lines = [line for winner in role.winners for line in source_sentence(winner)]
    if role.acts_as:
        lines.append(f"no role of its own is given: it comes from the {slot_name(catalogue, role.acts_as.slot)}")
    yield from _labelled("why", lines)
    acting = catalogue.role(role.acts_as.slot, role.acts_as.role) if role.acts_as else None
    yield from _labelled("limits", list(sight_words(acting or catalogue.role(role.slot, role.role))))


def _works_as(catalogue: Catalogue, role: EffectiveRole) -> str:
    """Return the name of the role that somebody works with; "" for access that becomes none."""
    if role.acts_as:
        return role_name(catalogue, role.acts_as.slot, role.acts_as.role)
    entry = catalogue.role(role.slot, role.role)
    return "" if entry.is_access else role_name(catalogue, role.slot, role.role)


def _lock_lines(explained: Explained, shown: Sequence[EffectiveRole]) -> Iterator[str]:
    catalogue, locks = explained.program.catalogue, [locked.lock for locked in explained.explanation.locks]
    for lock in locks:
        axis = f" ({slot_name(catalogue, lock.slot)})" if len(locks) > 1 else ""
        yield f"{lock.kind}: {_lock_sentence(catalogue, lock)}{axis}"
    if shown and not locks:
        forbidden = any(role.slot in explained.program.mapping.manual_forbidden for role in shown)
        yield "none, but the mapping forbids assignments by hand" if forbidden else "none: it can be changed by hand"


def _lock_sentence(catalogue: Catalogue, lock: Lock) -> str:
    match lock.kind:
        case LockKind.WORKSPACE_WIDE:
            slot = lock.by[0].slot if lock.by else lock.slot
            return f"{role_name(catalogue, slot, lock.role)} applies in every project and cannot be overridden in one"
        case LockKind.GROUP:
            return "it cannot be changed in this project alone" if lock.project else "it comes and goes with the group"
        case LockKind.RULE if any(claim.held_since for claim in lock.by):
            return "it is held, until somebody decides or the membership returns"
        case LockKind.RULE:
            return "only a change of the rule changes it"
        case _:
            return "it is held on the platform and can only be changed there"


# --- a whole workspace -----------------------------------------------------------------------------------------


def _of_workspace(explained: Explained) -> Iterator[str]:
    explanation, program = explained.explanation, explained.program
    where = f"{strong(explanation.workspace)} ({program.catalogue.name})"
    who = strong(person(explanation.user))
    if not explanation.roles:
        yield f"{who} holds nothing in {where}{_why_nothing(explained)}."
    else:
        yield f"{who} in {where}, by revision {explained.revision}:"
        head = ("PROJECT", "ROLE", "LOCK", "BECAUSE")
        rows = [_row(program.catalogue, role) for role in explanation.roles]
        yield from (f"  {line}" for line in table(head, rows).splitlines())
    yield from _rest(explained)


def _row(catalogue: Catalogue, role: EffectiveRole) -> Sequence[str]:
    reach = _reach(catalogue, role)
    scope = role.project or {Reach.ALL: "(all)", Reach.OWN: "(own)"}.get(reach, "-")
    name = _works_as(catalogue, role) or "(access only)"
    if role.project is None and reach is Reach.NONE:
        name += f" ({slot_name(catalogue, role.slot)})"
    overrules = role.project is None and reach is Reach.ALL and catalogue.role(role.slot, role.role).overrules
    lock = WORKSPACE_WIDE if overrules else role.lock.kind if role.lock else "-"
    because = "; ".join(source_words(winner) for winner in role.winners)
    if role.acts_as:
        because += f" (no role given: {slot_name(catalogue, role.acts_as.slot)})"
    return (scope, name, lock, because)


def _reach(catalogue: Catalogue, role: EffectiveRole) -> Reach:
    return catalogue.role(role.slot, role.role).reach


# --- what both have --------------------------------------------------------------------------------------------


def _rest(explained: Explained) -> Iterator[str]:
    """Yield what lost, what is in conflict, and what else there is to know."""
    explanation, catalogue = explained.explanation, explained.program.catalogue
    lost = [
        (
            _claim_words(catalogue, one.assignment, explanation.project),
            f"{one.reason}{': ' * bool(one.detail)}{one.detail}",
        )
        for one in explanation.lost
        if one.reason is not Reason.CONFLICT  # told with the conflict
    ]
    yield from _labelled("lost", in_columns(lost))
    for conflict in explanation.conflicts:
        claims = [_claim_words(catalogue, claim, explanation.project) for claim in conflict.claims]
        yield from _labelled(
            "conflict", [*claims, "nothing says which one wins: the slot stays empty until a rule does"]
        )
    yield from _labelled("login", [line for one in explained.logins for line in _login_lines(one)])
    yield from _labelled("note", [one_line(finding.detail) for finding in explanation.findings])


def _login_lines(statement: LoginStatement) -> Iterator[str]:
    """Yield what a person's last login stated, and what comes of it."""
    if statement.at is not None:
        shown = ", ".join(map(one_line, statement.groups[:_GROUPS_SHOWN])) or "no groups"
        more = f" and {len(statement.groups) - _GROUPS_SHOWN} more" if len(statement.groups) > _GROUPS_SHOWN else ""
        yield f"by {statement.connection} on {minute(statement.at)} stated {shown}{more}:"
        if statement.ignored:
            yield "they give nothing, as SCIM has the authority over groups there"
        elif statement.until is None:
            yield "that has ended; the next login states them again"
        else:
            yield f"that holds until {minute(statement.until)}, or until the next login states others"
    if statement.overage_at is not None:
        since = minute(statement.overage_at)
        yield f"by {statement.connection} on {since} left groups out: there are too many to be stated"


def _claim_words(catalogue: Catalogue, claim: Assignment, project: str | None) -> str:
    where = "" if claim.project == project else f" in {claim.project}" if claim.project else " in the workspace"
    name = role_name(catalogue, claim.slot, claim.role)
    known = catalogue.slots[claim.slot].roles.get(claim.role) if claim.slot in catalogue.slots else None
    return f"{f'access ({name})' if known and known.is_access else name}{where}, {source_words(claim)}"


def _ways_out(explained: Explained) -> Iterator[str]:
    whose = Whose(explained.program.catalogue, person(explained.explanation.user), explained.affects)
    ways = [(locked.lock, release) for locked in explained.explanation.locks for release in locked.releases]
    if ways:
        yield "  to change it"
        yield from (f"{_MARGIN}{line}" for line in ways_out(whose, ways))


def _labelled(label: str, lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"  {padded(label, _LABEL)}{line}" if number == 0 else f"{_MARGIN}{line}"
