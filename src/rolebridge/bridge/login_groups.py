"""What a login states of groups, as memberships: found or made, compared with what the last one stated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rolebridge.bridge.identifiers import ordered_id
from rolebridge.bridge.provisioning import DirectoryChange
from rolebridge.core.directory import GroupDraft
from rolebridge.core.errors import Taken
from rolebridge.core.login_claims import is_disguised, same_but_case
from rolebridge.core.login_rules import GroupKey, GroupsClaim
from rolebridge.store.logins import LoginRows
from rolebridge.store.records import StoredGroup

T = TypeVar("T")

MOST_GROUPS_OF_CONNECTION: Final = 50_000
"""Groups up to which logins make those that a connection lacks: a provider that makes up names fills nothing."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What a login does to memberships: the groups that its person enters and leaves, and which it has made.

    `unmade` are stated groups that were not made: there are too many, or the name is another group's.
    """

    entered: tuple[StoredGroup, ...] = ()
    left: tuple[StoredGroup, ...] = ()
    made: tuple[StoredGroup, ...] = ()
    unmade: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.entered or self.left)


def moves_of(
    change: DirectoryChange, rows: LoginRows, claim: GroupsClaim, stated: Sequence[str], user_id: str | None
) -> Moves:
    """Return what stating these groups moves for a user (None: for one that is to be made), making groups missing."""
    if user_id is not None and _unchanged(rows, change.caller.connection_id, claim, stated, user_id):
        return Moves()
    found = stored_groups(rows, change.caller.connection_id, claim, stated)
    made: list[StoredGroup] = []
    unmade: list[str] = []
    missing = [name for name in stated if name not in found]
    room = MOST_GROUPS_OF_CONNECTION - rows.group_count(change.caller.connection_id) if missing else 0
    for name in missing:
        group = _make(change, rows, claim, name) if room > len(made) else None
        if group is None:
            unmade.append(name)
        else:
            made.append(group)
            found[name] = group
    wanted = {group.id: group for group in found.values()}
    present = {group.id: group for group in rows.memberships(user_id)} if user_id else {}
    entered = sorted(wanted.keys() - present.keys())
    if entered:
        rows.hold_groups(entered)
    return Moves(
        tuple(wanted[id_] for id_ in entered),
        tuple(present[id_] for id_ in sorted(present.keys() - wanted.keys())),
        tuple(made),
        tuple(unmade),
    )


def _unchanged(rows: LoginRows, connection_id: str, claim: GroupsClaim, stated: Sequence[str], user_id: str) -> bool:
    """Return whether somebody is in exactly these groups by their last login: by ids, which most logins end with."""
    by_id = claim.key is GroupKey.ID
    ids = rows.ids_identified(connection_id, stated) if by_id else _meant(rows.ids_named(connection_id, stated), stated)
    return all(name in ids for name in stated) and set(ids.values()) == rows.membership_ids(user_id)


def stored_groups(
    rows: LoginRows, connection_id: str, claim: GroupsClaim, names: Sequence[str]
) -> dict[str, StoredGroup]:
    """Return of the stated groups those that the connection has, by what the login calls them."""
    if claim.key is GroupKey.ID:
        by_id = rows.groups_identified(connection_id, names)
        return {group.external_id: group for group in by_id if group.external_id is not None}
    return _meant({group.display: group for group in rows.groups_named(connection_id, names)}, names)


def _meant(found: Mapping[str, T], names: Sequence[str]) -> dict[str, T]:
    """Return by stated name what was found by displayName, of groups that are called so but for the case of letters."""
    folded = {display.casefold(): display for display in found}
    called = ((name, folded.get(name.casefold())) for name in names)
    return {name: found[display] for name, display in called if display is not None and same_but_case(name, display)}


def _make(change: DirectoryChange, rows: LoginRows, claim: GroupsClaim, name: str) -> StoredGroup | None:
    """Make a group that a login states; None when its name is another group's, or written so that rules take it so."""
    if is_disguised(name):
        return None
    draft = GroupDraft(name, name if claim.key is GroupKey.ID else None, {})
    connection_id, now = change.caller.connection_id, change.now
    try:
        group = change.directory.insert_group(connection_id, draft, ordered_id(now), now)
    except Taken:  # also by another login of this moment, whose group it is then
        return stored_groups(rows, connection_id, claim, [name]).get(name)
    change.audit("group.created", group.id, None, json.dumps({"group": json.loads(group.body)}, ensure_ascii=False))
    return group


def carry_out(change: DirectoryChange, rows: LoginRows, moves: Moves, user_id: str) -> bool:
    """Write the moves of a user; return whether their grants may differ by it."""
    ids = [group.id for group in moves.entered]
    entered = set(rows.enter(user_id, change.caller.connection_id, ids, change.now)) if ids else set()
    left = set(rows.leave(user_id, [group.id for group in moves.left], change.now)) if moves.left else set()
    if not (entered or left):
        return False
    told = {"entered": sorted(entered), "left": sorted(left)}
    change.audit("user.login-groups", user_id, None, json.dumps(told))
    moved = [group for group in (*moves.entered, *moves.left) if group.id in entered | left]
    return any(change.concerned(group) for group in moved)
