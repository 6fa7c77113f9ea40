"""Why a plan changes somebody's role: which rule gives it, or what takes it away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rolebridge.core.assignment import Lost, Reason, Source
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.plan import Change, ChangeKind
from rolebridge.core.program import Program


class Reasons:
    """Says why each change happens, by the rules of the candidate and of the revision in force."""

    def __init__(self, base: Iterable[Program], base_revision: int, candidate: Iterable[Program]) -> None:
        self._candidate = {program.workspace for program in candidate}
        self._new = {(one.workspace, rule.id): str(rule.place) for one in candidate for rule in one.mapping.rules}
        self._old = {
            (one.workspace, rule.id): f"{rule.place} of revision {base_revision}"
            for one in base
            for rule in one.mapping.rules
        }

    def place(self, workspace: str, rule: str) -> str:
        """Return where a rule stands: in the candidate, else in the revision in force; "" for none."""
        return self._new.get((workspace, rule)) or self._old.get((workspace, rule), "")

    def told(self, changes: Iterable[Change], lost: Mapping[str, Sequence[Lost]]) -> tuple[Change, ...]:
        """Return the changes, each with its cause; `lost` are the claims that lose, by workspace."""
        return tuple(replace(one, cause=self._cause(one, lost.get(one.workspace, ()))) for one in changes)

    def _cause(self, change: Change, lost: Sequence[Lost]) -> str:
        if change.kind is ChangeKind.LOSE or change.after is None:
            return self._loss(change, lost)
        if change.after.state is not GrantState.EFFECTIVE:
            return f"{change.after.state}: {self._given(change.after)}"
        return self._given(change.after)

    def _given(self, grant: Grant) -> str:
        match grant.source:
            case Source.RULE:
                group = _group(grant)
                return f"rule {grant.rule}" + (f", group {group}" if group else "")
            case Source.MANUAL:
                return "by hand"
            case Source.DEFAULT:
                return "the mapping's default"
            case Source.OUTSIDE:
                return "held on the platform"

    def _loss(self, change: Change, lost: Sequence[Lost]) -> str:
        held = change.before
        assert held is not None  # only what was held is lost
        if change.workspace not in self._candidate:
            return "no mapping file speaks of the workspace"
        claims = [one for one in lost if _same_claim(one, held)]
        if claims:
            # The reason of the claim that gave the role; of several, the one that is told first.
            found = next((one for one in claims if one.assignment.rule == (held.rule or None)), claims[0])
            return _words(found)
        if held.source is Source.RULE:
            if (change.workspace, held.rule) not in self._new:
                return f"rule {held.rule} is gone"
            return f"rule {held.rule} does not give it any more"
        if held.source is Source.DEFAULT:
            return "nothing else is held here, or another default"
        return "it is not given any more"


def _same_claim(lost: Lost, held: Grant) -> bool:
    claim = lost.assignment
    return (claim.slot, claim.project or "", claim.role) == (held.slot, held.project, held.role)


def _words(lost: Lost) -> str:
    rule = f"rule {lost.assignment.rule}: " if lost.assignment.rule else ""
    # The values of a person's attributes are no business of a plan.
    detail = f": {lost.detail}" if lost.detail and lost.reason is not Reason.CONDITION_FALSE else ""
    return f"{rule}{lost.reason}{detail}"


def _group(grant: Grant) -> str:
    """Return the name of the group through which a grant comes, "" for one that comes through none."""
    winners = json.loads(grant.because).get("winners") or [{}]
    group = winners[0].get("group")
    return str(group["display"]) if group else ""
