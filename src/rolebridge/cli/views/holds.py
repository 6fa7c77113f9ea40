"""What guard rails hold, as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rolebridge.bridge.holding import HeldAccess
from rolebridge.cli.terminal import counted, faint, minute, one_line, strong, table
from rolebridge.cli.views import csv
from rolebridge.cli.views.roles import role_name
from rolebridge.core.catalogue import Catalogue
from rolebridge.store.holds import HoldKind

HEAD = ("ID", "PERSON", "HELD", "SINCE", "BECAUSE")
CSV_HEAD = ("id", "kind", "workspace", "user_id", "user_name", "since", "slot", "project", "role", "guard", "limit",
            "actual", "cause", "actor", "request_id")  # fmt: skip


def text(found: Sequence[HeldAccess], catalogues: Mapping[str, Catalogue]) -> str:
    """Return the holds by workspace, with what to do about them."""
    if not found:
        return "nothing is held"
    parts = []
    for workspace in sorted({one.hold.workspace for one in found}):
        inside = sorted(
            (one for one in found if one.hold.workspace == workspace), key=lambda one: one.user_name.casefold()
        )
        parts.append(f"{_head(workspace, inside)}\n{table(HEAD, [_cells(one, catalogues) for one in inside])}")
    advice = (
        "they end by themselves when the memberships return; rolebridge hold release lets the revocations happen, "
        "rolebridge hold discard keeps the roles by hand"
    )
    return "\n\n".join([*parts, faint(advice)])


def _head(workspace: str, inside: Sequence[HeldAccess]) -> str:
    people = counted(len({one.hold.user_id for one in inside}), "person", "people")
    first = min((one.hold for one in inside), key=lambda hold: hold.since)
    return f"{strong(workspace)}: {people} held since {minute(first.since)}, {first.guard} ({first.actual})"


def _cells(one: HeldAccess, catalogues: Mapping[str, Catalogue]) -> Sequence[str]:
    hold = one.hold
    catalogue = catalogues.get(hold.workspace)
    roles = ", ".join(
        f"{role_name(catalogue, role.slot, role.role)}{f' in {role.project}' if role.project else ''}"
        for role in one.roles
    )
    if hold.kind is HoldKind.DELIVERY:
        roles = f"delivery only: {roles}"
    return (hold.id[:8], one_line(one.user_name) or hold.user_id, roles, minute(hold.since), one_line(hold.cause))


def print_csv(found: Sequence[HeldAccess]) -> None:
    """Print one row for each role that is held."""
    csv.print_rows(CSV_HEAD, (_row(one, place) for one in found for place in one.roles or (None,)))


def _row(one: HeldAccess, place: object) -> Sequence[object]:
    def value(name: str) -> object:
        if name == "user_name":
            return one.user_name
        if name in {"slot", "project", "role"}:
            return getattr(place, name, None)
        return getattr(one.hold, name)

    return [value(name) for name in CSV_HEAD]
