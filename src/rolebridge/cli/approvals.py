"""`rolebridge approve` and `rolebridge proposal`: being the second person of an act that takes two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import csv_option, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import good, minute, one_line, table

_CSV_HEAD = ("id", "act", "summary", "proposed_by", "reason", "created", "expires_at", "approved_by", "approved_at")


@click.command()
@click.argument("id")
@org_option
@json_option
@pass_session
def approve(session: Session, id: str, org: str | None) -> None:
    """Agree, as the second person, to what another one proposed. ID is the proposal's id, or the beginning of it.

    Whoever proposed it then runs the same command again. Nobody approves what they proposed themselves.
    """
    from rolebridge.bridge.hold_documents import proposal_document

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        proposal = installation.approvals.approve(session.operator, organization.id, id)
    text = (
        f"{good('✓')} approved: {one_line(proposal.summary)}; `{one_line(proposal.actor)}` can carry it out "
        f"until {minute(proposal.expires_at)}"
    )
    session.answer({"organization": organization.name, "proposal": proposal_document(proposal)}, text)


@click.group()
def proposal() -> None:
    """Acts that wait for a second person."""


@proposal.command("list")
@org_option
@csv_option
@json_option
@pass_session
def list_(session: Session, org: str | None) -> None:
    """List what was proposed and not carried out yet. A proposal lasts 24 hours."""
    from rolebridge.bridge.hold_documents import proposal_document

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        found = installation.approvals.listing(organization.id)
    document = {"organization": organization.name, "proposals": [proposal_document(one) for one in found]}
    rows = [
        (
            one.id[:8],
            one_line(one.summary),
            one_line(one.actor),
            one_line(one.reason) or "-",
            minute(one.expires_at),
            one_line(one.approved_by or "") or "nobody yet",
        )
        for one in found
    ]
    head = ("ID", "WHAT", "PROPOSED BY", "REASON", "UNTIL", "APPROVED BY")
    text = table(head, rows) if found else "nothing waits for a second person"
    session.answer_list(document, "proposals", _CSV_HEAD, text)


@contextmanager
def approval_asked() -> Iterator[None]:
    """Tell, when an act needs a second person, how that person agrees."""
    from rolebridge.bridge.approvals import ApprovalNeeded
    from rolebridge.bridge.hold_documents import proposal_document

    try:
        yield
    except ApprovalNeeded as needed:
        help_ = f"another person runs: rolebridge approve {needed.proposal.id[:8]}; then run this again"
        if needed.proposal.approved_by is not None:
            help_ = "it is approved: run this again"
        raise Refused(needed, help_, more={"proposal": proposal_document(needed.proposal)}) from needed
