"""`rolebridge may`: whether the platform lets somebody give or take a role."""

from __future__ import annotations

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session

_ACTS = ("grant", "revoke", "assign-work", "manage-members")
_PREPOSITIONS = ("to", "from", "of")


@click.command()
@click.argument("sentence", nargs=5, metavar="ACTOR ACT ROLE to TARGET")
@click.option("--workspace", metavar="WORKSPACE", help="In this workspace; needed when there are several.")
@click.option("--project", metavar="PROJECT", help="A role of this project; otherwise one of the workspace.")
@click.option("--slot", metavar="SLOT", help="The slot, when several have a role of that name.")
@click.option("--phase", default="", metavar="PHASE", help="The phase of the work, where a platform tells them apart.")
@org_option
@json_option
@pass_session
def may(session: Session, /, sentence: tuple[str, str, str, str, str], org: str | None, **place: str | None) -> Exit:
    """Say whether the platform lets ACTOR do ACT: grant ROLE to TARGET, revoke it from them, assign them work.

    ACT is `grant`, `revoke`, `assign-work` or `manage-members`; for the last two ROLE is the role that TARGET has. The
    exit code is 0 for yes alone.
    """
    from rolebridge.bridge.decision_documents import verdict_document
    from rolebridge.bridge.delegating import Wish
    from rolebridge.cli.terminal import bad, doubtful, good, one_line, strong
    from rolebridge.core.delegation import Act
    from rolebridge.core.permissions import Answer

    actor, act, role, preposition, target = sentence
    if act not in _ACTS:
        raise click.UsageError(f"`{act}` is no act: there are {', '.join(_ACTS)}")
    if preposition not in _PREPOSITIONS:
        raise click.UsageError(f"write `{actor} {act} {role} to {target}`, or `from`, or `of`")
    wish = Wish(actor, Act(act.replace("-", "_")), role, target, **place)  # type: ignore[arg-type]  # click's own names
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = installation.delegating.may(organization.id, wish)
    verdict = found.verdict
    colour, word = {
        Answer.ALLOWED: (good, "yes"),
        Answer.DENIED: (bad, "no"),
        Answer.UNKNOWN: (doubtful, "unknown"),
    }[verdict.answer]
    where = f"{found.project} ({found.program.workspace})" if found.project else found.program.workspace
    said = f"{strong(one_line(found.actor))} {act} {found.role} {preposition} {one_line(found.target)} in {where}"
    session.answer(verdict_document(found), f"{said}: {colour(word)}\n  {one_line(verdict.why)}")
    return Exit.DONE if verdict.answer is Answer.ALLOWED else Exit.REFUSED
