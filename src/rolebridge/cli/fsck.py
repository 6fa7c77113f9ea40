"""`rolebridge fsck`: whether the record is right, and making grants right again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import bad, counted, good, one_line

if TYPE_CHECKING:
    from rolebridge.bridge.consistency import GrantProblem
    from rolebridge.core.grants import Grant
    from rolebridge.store.checks import RowProblem

SHOWN = 20
"""How many problems the text lists one by one; JSON has all of them."""


@click.command()
@click.option("--repair", is_flag=True, help="Compute everybody's grants again and write what differs, audited.")
@org_option
@json_option
@pass_session
def fsck(session: Session, repair: bool, org: str | None) -> int:
    """Check that grants are what the resolver says and that no row contradicts another.

    Reads one state of the database and writes nothing, also while identity providers are at work. With --repair the
    grants are computed again in one transaction; other rows are never repaired by guessing.
    """
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        rows = list(installation.consistency.row_problems(organization.id))
        grants = list(installation.consistency.grant_problems(organization.id))
        repaired = None
        if repair and grants:
            repaired = installation.consistency.repair_grants(session.operator, organization.id)
    document = {
        "organization": organization.name,
        "rows": [{"subject": problem.subject, "problem": problem.problem} for problem in rows],
        "grants": [_grant_document(problem) for problem in grants],
        "repaired": repaired,
    }
    session.answer(document, "\n".join(_text(rows, grants, repaired)))
    return Exit.REFUSED if rows or (grants and repaired is None) else Exit.DONE


def _grant_document(problem: GrantProblem) -> dict[str, Any]:
    return {
        "user": problem.user_name,
        "user_id": problem.user_id,
        "changes": [
            {
                "kind": change.kind,
                "workspace": change.workspace,
                "slot": change.slot,
                "project": change.project,
                "recorded": _role(change.before),
                "resolved": _role(change.after),
            }
            for change in problem.changes
        ],
    }


def _text(rows: list[RowProblem], grants: list[GrantProblem], repaired: int | None) -> list[str]:
    lines = [f"{bad('✗')} {one_line(problem.subject)}: {problem.problem}" for problem in rows[:SHOWN]]
    for problem in grants[:SHOWN]:
        for change in problem.changes:
            scope = f"{change.workspace} {change.project or '(workspace)'} {change.slot}"
            recorded, resolved = _role(change.before) or "nothing", _role(change.after) or "nothing"
            name = one_line(problem.user_name)
            lines.append(f"{bad('✗')} {name}: {scope}: recorded is {recorded}, right would be {resolved}")
    hidden = max(0, len(rows) - SHOWN) + max(0, len(grants) - SHOWN)
    if hidden:
        lines.append(f"… {hidden} more; --json has all of them")
    if repaired is not None:
        lines.append(f"{good('✓')} grants of {counted(repaired, 'person', 'people')} computed again")
    if not rows and not grants:
        lines.append(f"{good('✓')} grants are what the resolver says, and no row contradicts another")
    return lines


def _role(grant: Grant | None) -> str | None:
    return None if grant is None else f"{grant.role} ({grant.state})"
