"""`rolebridge connection adopt`: users and groups of one connection become another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, one_line, strong

if TYPE_CHECKING:
    from rolebridge.bridge.adopting import Adopted
    from rolebridge.cli.views.changes import Names

_SHOWN = 20


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--user", "users", multiple=True, metavar="NAME", help="A user to move; may be given several times.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group to move; may be given several times.")
@click.option("--all", "everything", is_flag=True, help="Move every user and group of SOURCE.")
@click.option("--apply", is_flag=True, help="Do it; otherwise it is only shown. Needs --reason.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is kept with every resource that moves.")
@org_option
@json_option
@pass_session
def adopt(  # noqa: PLR0913, PLR0917 - the options of a command
    session: Session,
    source: str,
    target: str,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    everything: bool,
    apply: bool,
    reason: str,
    org: str | None,
) -> None:
    """Make users and groups of the connection SOURCE the connection TARGET's, or show what that would do.

    Ids stay, and so do memberships between what moves together; a membership of which only one half moves ends. All
    moves, or nothing when TARGET has an externalId or a group name already.
    """
    if everything == bool(users or groups):
        raise click.UsageError("say what moves: --user and --group, or --all")
    if apply != bool(reason.strip()):
        raise click.UsageError("--apply and --reason go together: who moves people says why")
    from rolebridge.bridge.adopting import Selection
    from rolebridge.cli.views.changes import Names

    wanted = Selection(users, groups, everything)
    with session.installation() as installation, _refusing():
        organization = installation.administration.organization(org)
        giver, taker = (installation.administration.connection(organization, name) for name in (source, target))
        if apply:
            adopted = installation.adopting.adopt(session.operator, giver, taker, wanted, reason=reason.strip())
        else:
            adopted = installation.adopting.preview(session.operator, giver, taker, wanted)
        ids = {change.user_id for change in adopted.changes} | {parting.member_id for parting in adopted.partings}
        people = installation.access.user_names(organization.id, ids)
        names = Names(installation.access.catalogues(organization.id), people)
    session.answer(
        _document(giver.name, taker.name, adopted, names, apply), _text(giver.name, taker.name, adopted, names, apply)
    )


def _text(source: str, target: str, adopted: Adopted, names: Names, done: bool) -> str:
    return "\n".join(_lines(source, target, adopted, names, done))


def _lines(source: str, target: str, adopted: Adopted, names: Names, done: bool) -> Iterator[str]:
    from rolebridge.cli.views.changes import listing

    verb = "moved" if done else "would move"
    many = f"{counted(len(adopted.users), 'user')} and {counted(len(adopted.groups), 'group')}"
    yield f"{many} {verb} from {strong(source)} to {strong(target)}"
    for kind, moved in (("user", adopted.users), ("group", adopted.groups)):
        yield from (f"  {kind}  {one_line(name)}" for _, name in moved[:_SHOWN])
        if len(moved) > _SHOWN:
            yield f"  … and {len(moved) - _SHOWN:,} more"
    if adopted.partings:
        ends = "ended" if done else "would end"
        yield f"{counted(len(adopted.partings), 'membership')} {ends}: of two that belong together only one moves"
    yield from listing(adopted.changes, names, _SHOWN)
    if not done:
        yield 'nothing was changed; --apply --reason "why" does it'


def _document(source: str, target: str, adopted: Adopted, names: Names, done: bool) -> dict[str, Any]:
    from rolebridge.cli.views.changes import change_document

    return {
        "from": source,
        "to": target,
        "applied": done,
        "users": [{"id": id_, "user_name": name} for id_, name in adopted.users],
        "groups": [{"id": id_, "display_name": name} for id_, name in adopted.groups],
        "memberships_ended": [
            {"group_id": one.group_id, "member_id": one.member_id, "kind": one.kind} for one in adopted.partings
        ],
        "changes": [change_document(change, names) for change in adopted.changes],
    }


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell a refusal for collisions with each of them."""
    from rolebridge.bridge.adopting import Collides

    try:
        yield
    except Collides as error:
        notes = tuple(
            f"{one.kind} `{one_line(one.name)}`: {one.attribute} is that of `{one_line(one.other)}`"
            for one in error.collisions[:_SHOWN]
        )
        more = {
            "collisions": [
                {"kind": one.kind, "name": one.name, "attribute": one.attribute, "other": one.other}
                for one in error.collisions
            ]
        }
        raise Refused(error, "rename or delete the one or the other first", notes=notes, more=more) from error
