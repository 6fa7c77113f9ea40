"""`rolebridge can`: may this person do that here, and by which cell of the platform's own tables."""

from __future__ import annotations

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session


@click.command()
@click.argument("user")
@click.argument("permission")
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="In this project; otherwise in the workspace itself.")
@org_option
@json_option
@pass_session
def can(
    session: Session, user: str, permission: str, workspace: str | None, project: str | None, org: str | None
) -> Exit:
    """Say whether somebody may do something, from the platform's permission tables and the roles in force.

    USER is a userName, an id, or what stands before the @ of one userName; PERMISSION an id that `rolebridge catalogue`
    lists. The exit code is 0 only if the answer is yes everywhere it was asked; "in part", "unknown" and no are 1.
    """
    from rolebridge.bridge.deciding import Question
    from rolebridge.bridge.decision_documents import decision_document
    from rolebridge.cli.views import decisions as view
    from rolebridge.core.permissions import Answer

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = installation.deciding.decide(organization.id, Question(user, permission, workspace, project))
    document = {"organization": organization.name, "decisions": [decision_document(one) for one in found]}
    session.answer(document, "\n\n".join(view.text(one) for one in found))
    return Exit.DONE if all(one.decision.answer is Answer.ALLOWED for one in found) else Exit.REFUSED
