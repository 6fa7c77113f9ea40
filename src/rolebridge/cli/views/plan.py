"""A plan as people read it: what happens in each workspace, through which rule, to whom, and what stands against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from rolebridge.bridge.planning import Applied, Planned
from rolebridge.cli.terminal import aligned, bad, counted, doubtful, faint, good, one_line, strong, width
from rolebridge.cli.views import diagnostics
from rolebridge.cli.views.roles import role_name
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.plan import (
    ChangeKind,
    Counts,
    OnDay,
    Plan,
    PlannedChange,
    RuleEffect,
    Seats,
    WorkspacePlan,
)

Catalogues = Mapping[str, Catalogue]

SIGNS = {ChangeKind.GAIN: good("+"), ChangeKind.CHANGE: doubtful("~"), ChangeKind.LOSE: bad("-")}
NO_RULE = "(no rule)"
DAYS_SHOWN = 6
"""How many later days a summary names; the others are counted."""


def planned_text(planned: Planned, *, apply: str, changes: bool = False) -> str:
    """Return a plan; `apply` is the command that carries it out, without its digest."""
    plan = planned.plan
    warnings = diagnostics.text(planned.diagnostics, planned.files)
    if not plan.differs:
        return f"{warnings}nothing to do: {_in_force(plan)} and says the same"
    return warnings + "\n".join([*plan_lines(plan, planned.catalogues, changes=changes), *_end(plan, apply)])


def supposed_text(sentences: Sequence[str], planned: Planned, *, held: bool) -> str:
    """Return what would be if what is supposed were so; `held` says whether guard rails would hold losses of it."""
    plan = planned.plan
    lines = [f"if {one_line(sentence)}" for sentence in sentences]
    lines.extend(plan_lines(plan, planned.catalogues, changes=True, everything=": --changes lists them"))
    lines.extend(trip_lines(plan, "would hold" if held else "takes effect, past a guard rail"))
    return "\n".join([*lines, f"{_in_force(plan)}: {_summary(plan.counts)}; nothing was changed"])


def applied_text(applied: Applied, *, everything: str = "") -> str:
    """Return what was done, with the warnings on the files; `everything` says how to see all changes."""
    warnings = diagnostics.text(applied.diagnostics, applied.files)
    plan = applied.plan
    if not applied.new:
        return f"{warnings}nothing to do: {_in_force(plan)} and says the same"
    lines = list(plan_lines(plan, applied.catalogues, changes=True, everything=everything))
    lines.extend(f"{doubtful('forced')}: {trip}" for trip in applied.forced)
    was = f"was {plan.base_revision}" if plan.base_revision else "the first"
    restored = f", the files of {applied.restores} again" if applied.restores else ""
    number = strong(str(applied.revision))
    lines.append(f"{good('✓')} revision {number} is in force ({was}{restored}): {_summary(plan.counts)}")
    return warnings + "\n".join(lines)


def _in_force(plan: Plan) -> str:
    return f"revision {plan.base_revision} is in force" if plan.base_revision else "no mapping is in force"


def plan_lines(plan: Plan, catalogues: Catalogues, *, changes: bool = False, everything: str = "") -> Iterator[str]:
    """Yield what happens in each workspace; with `changes` also to whom, as far as the plan keeps them."""
    for one in plan.workspaces:
        if one.now.felt or _new_days(one.days):
            yield from _workspace(one, catalogues.get(one.workspace))
            if changes:
                mine = [change for change in plan.changes if change.change.workspace == one.workspace]
                yield from change_lines([change for change in mine if not change.known], catalogues)
                hidden = _in_all(one) - len(mine)
                if hidden > 0:
                    yield faint(f"    … and {hidden:,} more{everything}")
    if not any(one.now.felt or _new_days(one.days) for one in plan.workspaces):
        yield "nobody gains or loses anything"
    for missing in plan.undeclared:
        what = f"group {one_line(missing.group)} speaks of project {one_line(missing.project)}, which is not declared"
        yield f"  {doubtful('?')} {missing.workspace}: {what} (rule {missing.rule}, {missing.place})"
    if plan.more_undeclared:
        yield faint(f"    … and {counted(plan.more_undeclared, 'undeclared project')} more")


def _in_all(one: WorkspacePlan) -> int:
    return one.now.felt + sum(day.counts.felt for day in one.days)


def _workspace(one: WorkspacePlan, catalogue: Catalogue | None) -> Iterator[str]:
    observed = f"  {doubtful('observed')}: nothing takes effect until it is enforced" if one.observed else ""
    yield f"{strong(one.workspace)}: {counted(one.seats.before, 'person holds', 'people hold')} something{observed}"
    rows = [_rule(rule, catalogue) for rule in one.rules if rule.now.felt or _new_days(rule.days)]
    if rows:
        columns = [max(width(row[at]) for row in rows) for at in range(3)]
        yield from (f"  {aligned(row, [*columns, 0])}" for row in rows)
    new = _new_days(one.days)
    held = seats(one.seats if new else replace(one.seats, days=()))
    yield f"  now: {counts(one.now)}, {people(one.now)}   {_later(new)}{held}"


def _new_days(days: Sequence[OnDay]) -> list[OnDay]:
    """Return the later days that bring something which the revision in force would not bring."""
    return [day for day in days if day.known < day.counts.felt]


def _rule(rule: RuleEffect, catalogue: Catalogue | None) -> tuple[str, str, str, str]:
    days = _new_days(rule.days)
    total = rule.now if rule.now.felt else days[0].counts
    told = [turns(rule, catalogue)] if rule.now.felt else ["0 now"]
    told += [_on_day(day) for day in days[:DAYS_SHOWN]]
    if len(days) > DAYS_SHOWN:
        told.append(f"and on {len(days) - DAYS_SHOWN} more days")
    return (_sign(total), rule.rule or NO_RULE, short_place(rule.place), "; ".join(told))


def _sign(counts_: Counts) -> str:
    """Return the sign of what there is only one kind of; `~` for a mixture."""
    kinds = [kind for kind in SIGNS if getattr(counts_, kind.value)]
    return SIGNS[kinds[0]] if len(kinds) == 1 else SIGNS[ChangeKind.CHANGE]


def short_place(place: str) -> str:
    """Return `:33:5` of `mappings/acme.yaml:33:5`, what follows the name of the file."""
    _, colon, rest = place.partition(":")
    return colon + rest


def turns(rule: RuleEffect, catalogue: Catalogue | None) -> str:
    """Return how many people go from which role to which through a rule now."""
    told = []
    for turn in rule.turns:
        before, after = (role_name(catalogue, turn.slot, role) if role else "" for role in (turn.before, turn.after))
        if before and after:
            told.append(f"{turn.count:,} change {before} → {after}")
        elif after:
            told.append(f"{turn.count:,} gain {after}")
        else:
            told.append(f"{turn.count:,} lose {before}")
    return ", ".join(told)


def _on_day(day: OnDay) -> str:
    told = [
        f"{number:,} {verb}"
        for number, verb in ((day.counts.gain, "gain"), (day.counts.change, "change"), (day.counts.lose, "lose"))
        if number
    ]
    projects = ", ".join(day.projects) + (f" and {day.more_projects} more" if day.more_projects else "")
    where = f" ({projects})" if projects else ""
    known = f", {day.known:,} anyway" if day.known else ""
    return f"on {day.day} {', '.join(told)}{where}{known}"


def _later(days: Sequence[OnDay]) -> str:
    if not days:
        return ""
    total = Counts(
        sum(day.counts.gain for day in days),
        sum(day.counts.change for day in days),
        sum(day.counts.lose for day in days),
    )
    known = sum(day.known for day in days)
    return f"later: {counts(total)}" + (f" ({known:,} anyway)" if known else "") + "   "


def seats(one: Seats) -> str:
    """Return how many people hold something, now and later: `seats 812 → 598 of 850`."""
    told = f"seats {one.before:,}" if one.before == one.after else f"seats {one.before:,} → {one.after:,}"
    told += "".join(f", {held:,} from {day}" for day, held in one.days[:DAYS_SHOWN])
    if len(one.days) > DAYS_SHOWN:
        day, held = one.days[-1]
        told += f", … {held:,} from {day}"
    if one.limit is None:
        return told
    most = max((one.after, *(held for _, held in one.days)))
    return f"{told}, of {one.limit:,}" + (f" {bad('too few')}" if most > one.limit else "")


def counts(one: Counts) -> str:
    """Return `+1 ~9 -3`."""
    return f"+{one.gain:,} ~{one.change:,} -{one.lose:,}"


def people(one: Counts) -> str:
    """Return `9 people`."""
    return counted(one.people, "person", "people")


def _summary(one: Counts) -> str:
    return f"{counts(one)}, {people(one)}"


# --- to whom ---------------------------------------------------------------------------------------------------


def change_lines(changes: Sequence[PlannedChange], catalogues: Catalogues) -> Iterator[str]:
    """Yield changes in columns: when, who, where, what and why."""
    rows = [change_row(one, catalogues) for one in changes]
    if rows:
        columns = [max(width(row[at]) for row in rows) for at in range(5)]
        yield from (f"    {aligned(row, columns)}" for row in rows)


def change_row(one: PlannedChange, catalogues: Catalogues) -> tuple[str, str, str, str, str]:
    """Return a change in cells: sign with the day, who, where, what, why."""
    change = one.change
    sign = SIGNS[change.kind] + (f" {one.on}" if one.on else "")
    before, after = role(change.before, catalogues), role(change.after, catalogues)
    step = f"{before} → {after}" if before and after else before or after
    return (sign, one_line(one.user_name), change.project or "(workspace)", step, faint(one_line(change.cause)))


def role(grant: Grant | None, catalogues: Catalogues) -> str:
    """Return what a grant gives; "" for none, and the state of one that is not in force."""
    if grant is None:
        return ""
    name = role_name(catalogues.get(grant.workspace), grant.slot, grant.role)
    return name if grant.state is GrantState.EFFECTIVE else f"{name} ({grant.state})"


CSV_HEAD = (
    "day", "kind", "known", "user_id", "user_name", "workspace", "project", "slot", "before", "after", "rule", "place",
    "cause",
)  # fmt: skip


def csv_row(one: PlannedChange) -> tuple[object, ...]:
    """Return a change as a row of CSV: ids, and no day for what happens now."""
    change = one.change
    where = (change.workspace, change.project, change.slot)
    roles = (change.before.role if change.before else "", change.after.role if change.after else "")
    who = (change.user_id, one.user_name)
    return (one.on, change.kind, one.known, *who, *where, *roles, change.rule, one.place, change.cause)


# --- what stands against it ------------------------------------------------------------------------------------


def trip_lines(plan: Plan, verb: str = "") -> Iterator[str]:
    """Yield the guard rails that forbid an apply, and those that a later day will pass; `verb` is what they do."""
    does = f"{verb}: " if verb else ""
    yield from (f"  {bad('!')} {does}{trip}" for trip in plan.trips)
    yield from (f"  {doubtful('!')} {_dated(day)}{trip}" for day, trip in plan.later_trips)


def _dated(day: date) -> str:
    return f"on {day} "


def _end(plan: Plan, apply: str) -> Iterator[str]:
    yield from trip_lines(plan)
    base = f"revision {plan.base_revision}" if plan.base_revision else "nothing in force"
    yield f"{base} → files: {_summary(plan.counts)}, digest {plan.digest}"
    if not plan.new:
        return
    if plan.trips:
        yield f'  help: a guard rail forbids it; if it is meant: {apply} --digest {plan.digest} --force --reason "why"'
    else:
        yield f"apply: {apply} --digest {plan.digest}"
