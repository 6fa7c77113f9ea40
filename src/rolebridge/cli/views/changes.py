"""Changes of people's roles, by rule and by person, in each workspace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rolebridge.bridge.grant_documents import grant_document
from rolebridge.cli.terminal import aligned, bad, counted, doubtful, faint, good, one_line, strong, width
from rolebridge.cli.views.roles import role_name
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.plan import Change, ChangeKind

_SIGNS = {ChangeKind.GAIN: good("+"), ChangeKind.CHANGE: doubtful("~"), ChangeKind.LOSE: bad("-")}


@dataclass(frozen=True, slots=True)
class Names:
    """What workspaces' roles and users are called: catalogues by workspace, userNames by id."""

    catalogues: Mapping[str, Catalogue]
    users: Mapping[str, str]

    def user(self, user_id: str) -> str:
        """Return a userName, or the id of a user that no longer exists."""
        return one_line(self.users.get(user_id, user_id))

    def role(self, grant: Grant | None) -> str:
        """Return what a grant gives; "" for none, and the state of one that is not in force."""
        if grant is None:
            return ""
        name = role_name(self.catalogues.get(grant.workspace), grant.slot, grant.role)
        return name if grant.state is GrantState.EFFECTIVE else f"{name} ({grant.state})"


def listing(changes: Sequence[Change], names: Names, most: int | None) -> Iterator[str]:
    """Yield what people gain and lose, by workspace; `most` bounds what is shown of each."""
    felt = [change for change in changes if change.kind is not ChangeKind.PROVENANCE]
    for workspace, group in groupby(sorted(felt, key=lambda one: one.workspace), key=lambda one: one.workspace):
        yield from _workspace(workspace, list(group), names, most)
    if not felt:
        yield "nobody gains or loses anything"


def _workspace(workspace: str, changes: Sequence[Change], names: Names, most: int | None) -> Iterator[str]:
    people = len({change.user_id for change in changes})
    yield f"{strong(workspace)}: {_counts(changes)}, {counted(people, 'person', 'people')}"
    rules = Counter(change.rule or "(no rule)" for change in changes)
    for rule in sorted(rules):
        yield f"  rule {rule}: {_counts([change for change in changes if (change.rule or '(no rule)') == rule])}"
    shown = sorted(changes, key=lambda one: (names.user(one.user_id).casefold(), one.project, one.slot))[:most]
    rows = [
        (_SIGNS[one.kind], names.user(one.user_id), one.project or "(workspace)", _step(one, names)) for one in shown
    ]
    columns = [max(width(row[at]) for row in rows) for at in range(4)]
    yield from (f"    {aligned(row, columns)}" for row in rows)
    if len(changes) > len(shown):
        yield faint(f"    … and {len(changes) - len(shown):,} more")


def _step(change: Change, names: Names) -> str:
    before, after = names.role(change.before), names.role(change.after)
    role = f"{before} → {after}" if before and after else before or after
    return f"{role}   {faint(f'rule {change.rule}')}" if change.rule else role


def _counts(changes: Sequence[Change]) -> str:
    kinds = Counter(change.kind for change in changes)
    return f"+{kinds[ChangeKind.GAIN]:,} ~{kinds[ChangeKind.CHANGE]:,} -{kinds[ChangeKind.LOSE]:,}"


def change_document(change: Change, names: Names) -> dict[str, Any]:
    """Return one change as JSON has it."""
    return {
        "kind": change.kind,
        "user": {"id": change.user_id, "user_name": names.users.get(change.user_id)},
        "workspace": change.workspace,
        "slot": change.slot,
        "project": change.project or None,
        "rule": change.rule or None,
        "before": grant_document(change.before) if change.before else None,
        "after": grant_document(change.after) if change.after else None,
    }
