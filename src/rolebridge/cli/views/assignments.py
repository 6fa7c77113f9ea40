"""Assignments by hand: what giving and ending did, why one was refused, and what has become of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rolebridge.bridge.assigning import Assigned, ListedAssignment, Unassigned
from rolebridge.bridge.assignment_documents import listed_document
from rolebridge.cli.terminal import counted, doubtful, faint, good, one_line, strong, table
from rolebridge.cli.views import csv
from rolebridge.cli.views.roles import person, role_name
from rolebridge.cli.views.ways import Whose, ways_out
from rolebridge.core.assignment import Lock, LockKind, ManualAssignment
from rolebridge.core.by_hand import AssignmentRefused, Standing
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.directory import User

Catalogues = Mapping[str, Catalogue]

CSV_HEAD = (
    "user", "user_name", "workspace", "project", "slot", "role", "state", "lock", "lock_role", "until", "by", "at",
    "reason", "imported", "ended_at", "ended_by", "ended_reason", "id",
)  # fmt: skip


# --- giving and ending -----------------------------------------------------------------------------------------


def assigned_text(done: Assigned, catalogues: Catalogues) -> str:
    """Return what giving a role did."""
    one, who = done.assignment, strong(person(done.user))
    name = strong(_role(one, catalogues))
    until = f" until {one.until}, the last day included" if one.until else ""
    if not done.new:
        return f"nothing to do: {who} has {name} in {_place(one)} by hand already{until}{_but(done.standing)}"
    lines = [f"{good('✓')} {who} is {name} in {_place(one)}, by hand{until}{_but(done.standing)}"]
    lines += [f"  in the place of {_role(old, catalogues)}, by hand ({one_line(old.by)})" for old in done.ended]
    return "\n".join(lines)


def unassigned_text(done: Unassigned, catalogues: Catalogues) -> str:
    """Return what ending did, and where it changes nothing that it does not."""
    who = strong(person(done.user))
    if not done.ended:
        return f"nothing to do: {who} has nothing by hand there"
    lines = []
    for one, stood in done.ended:
        unfelt = "" if stood.in_force else f"; it was {_state(stood)}, so nothing changes now"
        lines.append(f"{good('✓')} {who} is no longer {_role(one, catalogues)} in {_place(one)} by hand{unfelt}")
    return "\n".join(lines)


def _but(standing: Standing) -> str:
    if standing.in_force:
        return ""
    detail = f": {one_line(standing.detail)}" if standing.detail else ""
    return f"; {doubtful('not in force')}, {_state(standing)}{detail}"


# --- refusals --------------------------------------------------------------------------------------------------


def refusal_notes(refused: AssignmentRefused) -> tuple[str, ...]:
    """Return what stands below a refusal: the ways out, and that nothing was written."""
    refusal, context = refused.refusal, refused.context
    whose = Whose(context.program.catalogue, person(context.user), context.affects)
    # What is no lock has no kind of its own; the ways out of it are told as those of a rule.
    lock = refusal.lock or Lock(LockKind.RULE, refusal.slot, refusal.project, refusal.role, refusal.claims)
    ways = [(lock, release) for release in refusal.releases]
    told = [f"  {line}" for line in ways_out(whose, ways)]
    return (*(("to change it", *told) if told else ()), "nothing was written")


def refusal_help(user: User, workspace: str, project: str | None) -> str:
    """Return which command explains the refusal."""
    where = f" --project {project}" if project else ""
    return f"rolebridge explain {user.user_name} --workspace {workspace}{where}"


# --- listing ---------------------------------------------------------------------------------------------------


def print_csv(rows: Iterable[ListedAssignment]) -> None:
    """Print one line for each assignment."""
    csv.print_documents(CSV_HEAD, (_csv_row(listed_document(row)) for row in rows))


def _csv_row(document: dict[str, Any]) -> dict[str, Any]:
    lock = document["lock"] or {}
    return {
        **document,
        "user": document["user"]["id"],
        "user_name": document["user"]["user_name"],
        "lock": lock.get("kind"),
        "lock_role": lock.get("role"),
    }


def text(rows: Sequence[ListedAssignment], catalogues: Catalogues) -> str:
    """Return assignments as a table, and how many do not hold."""
    if not rows:
        return "nothing is given by hand"
    head = ("PERSON", "WORKSPACE", "PROJECT", "ROLE", "STATE", "UNTIL", "BY", "REASON")
    lines = [table(head, (_row(row, catalogues) for row in rows))]
    waiting = sum(not row.standing.in_force for row in rows)
    lines.append(faint(f"{counted(len(rows), 'assignment')}, {waiting:,} not in force"))
    return "\n".join(lines)


def _row(row: ListedAssignment, catalogues: Catalogues) -> tuple[str, ...]:
    one = row.listed.assignment
    listed = row.listed
    by = f"{one.by} {one.at:%Y-%m-%d}" + (" (imported)" if one.imported else "")
    if listed.ended_at:  # the reason is theirs who ended it
        by += f", ended by {listed.ended_by} {listed.ended_at:%Y-%m-%d}"
    reason = listed.ended_reason if listed.ended_at else one.reason
    return (
        row.listed.user_name.partition("@")[0] or one.user_id,
        one.workspace,
        one.project or "",
        _role(one, catalogues),
        _state(row.standing),
        str(one.until) if one.until else "",
        by,
        reason,
    )


def _state(standing: Standing) -> str:
    """Return the state with what holds the place instead: `shadowed by group lbx-cityscapes-reviewers`."""
    if standing.lock is None:
        return standing.state
    return f"{standing.state} by {next(_holders(standing.lock), str(standing.lock.kind))}"


def _holders(lock: Lock) -> Iterator[str]:
    for claim in lock.by:
        if claim.group:
            yield f"group {one_line(claim.group.display)}"
        elif claim.rule:
            yield f"rule {claim.rule}"


def _role(one: ManualAssignment, catalogues: Catalogues) -> str:
    return role_name(catalogues.get(one.workspace), one.slot, one.role)


def _place(one: ManualAssignment) -> str:
    return f"{one.project} ({one.workspace})" if one.project else one.workspace
