"""A plan as Markdown, for a pull request: short, and nothing that a directory says can act in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rolebridge.bridge.planning import Planned
from rolebridge.cli.views import plan as text
from rolebridge.core.plan import ChangeKind, Counts, OnDay, Plan, PlannedChange, RuleEffect, WorkspacePlan

RULES_SHOWN = 40
CHANGES_SHOWN = 200
_STYLES = re.compile("\x1b\\[[0-9;]*m")
_SIGNS = {ChangeKind.GAIN: "+", ChangeKind.CHANGE: "~", ChangeKind.LOSE: "-"}


def markdown(planned: Planned, *, apply: str, changes: bool) -> str:
    """Return a plan; `apply` is the command that carries it out, `changes` whether people are listed."""
    return "\n".join(_lines(planned, apply, changes))


def _lines(planned: Planned, apply: str, changes: bool) -> Iterator[str]:
    plan = planned.plan
    yield "### Rolebridge plan"
    yield ""
    base = f"revision {plan.base_revision}" if plan.base_revision else "nothing in force"
    if not plan.differs:
        yield f"Nothing to do: the files say what is in force ({base})."
        return
    yield f"**{text.counts(plan.counts)}**, {text.people(plan.counts)} now, compared with {base} on {plan.day}."
    yield from _warnings(plan)
    for one in plan.workspaces:
        if one.now.felt or one.days:
            yield from _workspace(one, planned)
    if changes:
        yield from _changes(plan.changes, plan.total, planned)
    yield from _undeclared(plan)
    if plan.new:
        yield ""
        yield f"Apply: {code(f'{apply} --digest {plan.digest}')}"


def _warnings(plan: Plan) -> Iterator[str]:
    if plan.trips or plan.later_trips:
        yield ""
    for trip in plan.trips:
        yield f"- **Guard rail:** {plain(str(trip))}"
    for day, trip in plan.later_trips:
        yield f"- Guard rail on {day}: {plain(str(trip))}"


def _workspace(one: WorkspacePlan, planned: Planned) -> Iterator[str]:
    yield ""
    observed = " (observed: nothing takes effect until it is enforced)" if one.observed else ""
    yield f"#### {plain(one.workspace)}{observed}"
    yield ""
    yield f"now {text.counts(one.now)}, {text.people(one.now)}; {plain(_STYLES.sub('', text.seats(one.seats)))}"
    rules = [rule for rule in one.rules if rule.now.felt or any(day.known < day.counts.felt for day in rule.days)]
    if not rules:
        return
    yield ""
    yield "| rule | place | now | people | what | later |"
    yield "|---|---|---|---|---|---|"
    yield from (_rule(rule, one, planned) for rule in rules[:RULES_SHOWN])
    if len(rules) > RULES_SHOWN:
        hidden = rules[RULES_SHOWN:]
        total = Counts(*(sum(getattr(rule.now, kind) for rule in hidden) for kind in ("gain", "change", "lose")))
        yield f"| … {len(hidden)} more rules | | {text.counts(total)} | | | |"


def _rule(rule: RuleEffect, one: WorkspacePlan, planned: Planned) -> str:
    catalogue = planned.catalogues.get(one.workspace)
    what = text.turns(rule, catalogue)
    days = [day for day in rule.days if day.known < day.counts.felt]
    later = "; ".join(_day(day) for day in days[: text.DAYS_SHOWN])
    if len(days) > text.DAYS_SHOWN:
        later += f"; {len(days) - text.DAYS_SHOWN} more days"
    name = code(rule.rule) if rule.rule else "(no rule)"
    place = code(rule.place) if rule.place else ""
    return f"| {name} | {place} | {text.counts(rule.now)} | {rule.now.people:,} | {plain(what)} | {later} |"


def _day(day: OnDay) -> str:
    known = f" ({day.known:,} anyway)" if day.known else ""
    return f"{day.day}: {text.counts(day.counts)}{known}"


def _changes(changes: tuple[PlannedChange, ...], total: int, planned: Planned) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{total:,} changes</summary>"
    yield ""
    yield "| | day | person | workspace | project | role | because |"
    yield "|---|---|---|---|---|---|---|"
    for one in changes[:CHANGES_SHOWN]:
        change = one.change
        before, after = (text.role(grant, planned.catalogues) for grant in (change.before, change.after))
        step = f"{before} → {after}" if before and after else before or after
        cells = (code(one.user_name), plain(change.workspace), plain(change.project), plain(step), code(change.cause))
        yield f"| {_SIGNS[change.kind]} | {one.on or 'now'} | {' | '.join(cells)} |"
    if total > CHANGES_SHOWN:
        yield f"| | | … {total - CHANGES_SHOWN:,} more | | | | |"
    yield ""
    yield "</details>"


def _undeclared(plan: Plan) -> Iterator[str]:
    if plan.undeclared:
        yield ""
    for one in plan.undeclared:
        yield f"- undeclared project {code(one.project)} in {plain(one.workspace)}: group {code(one.group)}"
    if plan.more_undeclared:
        yield f"- … {plan.more_undeclared:,} more"


def code(words: str) -> str:
    """Return text that somebody else may have chosen as a code span: nothing in it is markup, a mention or a link."""
    one_line = " ".join(words.split()).replace("`", "'").replace("|", "\\|")
    return f"`{one_line}`" if one_line else ""


def plain(words: str) -> str:
    """Return text with everything written out that Markdown would act on."""
    return re.sub(r"([\\`*_\[\]<>#|@~!])", r"\\\1", " ".join(words.split()))
