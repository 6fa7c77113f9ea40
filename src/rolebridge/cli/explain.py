"""`rolebridge explain`: why somebody has the roles they have, and what would change them."""

from __future__ import annotations

import click

from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, hinting, pass_session


@click.command()
@click.argument("user")
@click.option("--workspace", metavar="WORKSPACE", help="Only this workspace.")
@click.option("--project", metavar="PROJECT", help="One project, with what would change the role there.")
@org_option
@json_option
@pass_session
def explain(session: Session, user: str, workspace: str | None, project: str | None, org: str | None) -> None:
    """Explain which roles somebody has, why, what locks them, what lost, and what would change them.

    USER is a userName, an id, or what stands before the @ of one userName.
    """
    from rolebridge.bridge.documents import explanation_document
    from rolebridge.cli.views import explanation as view

    with session.installation() as installation:
        organization = installation.administration.organization(org)
        with hinting(installation, organization):
            found = installation.explaining.explain(organization.id, user, workspace=workspace, project=project)
    document = {"organization": organization.name, "explanations": [explanation_document(one) for one in found]}
    text = "\n\n".join(view.text(one) for one in found)
    session.answer(document, text or "no mapping is in force yet: rolebridge apply mappings/")
