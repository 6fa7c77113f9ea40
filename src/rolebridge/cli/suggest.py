"""`rolebridge suggest` and `rolebridge lint`: help for who writes mapping files, from the directory there is."""

from __future__ import annotations

from pathlib import Path

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import MAPPINGS, csv_option, json_option, org_option, vars_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, good, table


@click.command()
@click.argument("platform")
@click.option("--workspace", default="my-workspace", show_default=True, metavar="ID", help="The workspace's id.")
@click.option("--connection", metavar="NAME", help="Only groups of this connection; otherwise of all.")
@org_option
@json_option
@pass_session
def suggest(session: Session, platform: str, workspace: str, connection: str | None, org: str | None) -> None:
    """Print a starter mapping for PLATFORM from the names of groups that no rule in force speaks of.

    Naming conventions become patterns, names that end in a role's word become rules, and what neither covers is listed.
    """
    from rolebridge.cli.failures import Refused
    from rolebridge.core.diagnostics import did_you_mean
    from rolebridge.core.errors import NotFound
    from rolebridge.mapfile import shipped_catalogues

    known = shipped_catalogues()
    if platform not in known:
        raise Refused(NotFound("platform", platform), did_you_mean(platform, known) or f"known: {', '.join(known)}")
    with session.installation() as installation:
        organization = installation.administration.organization(org)
        if connection is not None:
            connection = installation.administration.connection(organization, connection).name
        made = installation.suggesting.suggest(organization.id, known[platform], workspace, connection)
    found = made.suggestion
    document = {
        "platform": platform,
        "conventions": [
            {"pattern": one.pattern, "slot": one.slot, "words": dict(one.words), "groups": list(one.groups)}
            for one in found.conventions
        ],
        "named": [{"group": one.group, "slot": one.slot, "role": one.role} for one in found.named],
        "unmapped": list(found.unmapped),
        "mapping": made.text,
    }
    session.answer(document, made.text.rstrip("\n"))


@click.command()
@click.argument("path", metavar="[PATH]", type=click.Path(path_type=Path), default=MAPPINGS)
@vars_option
@org_option
@csv_option
@json_option
@pass_session
def lint(session: Session, path: Path, org: str | None) -> Exit:
    """Say which rules of a folder's mapping files do nothing in the directory of today, never win, or give too much.

    A finding is no error: a group may come tomorrow. The exit code is 1 when there is any.
    """
    from rolebridge.cli.apply import read, refusing

    files = read(path, session.variables)
    with session.installation() as installation, refusing(files, f"rolebridge lint {path}"):
        organization = installation.administration.organization(org)
        found = installation.suggesting.lint(organization.id, files)
    head = ["workspace", "rule", "kind", "detail", "place"]
    rows = [[one.workspace, one.rule.id, str(one.kind), one.detail, str(one.rule.place)] for one in found]
    text = table([title.upper() for title in head], rows) if rows else f"{good('✓')} nothing to say about any rule"
    document = {"findings": [dict(zip(head, row, strict=True)) for row in rows]}
    session.answer_list(document, "findings", head, f"{text}\n{counted(len(rows), 'finding')}" if rows else text)
    return Exit.REFUSED if rows else Exit.DONE
