"""The truth tables of docs/how-roles-are-resolved.md, run row by row against the mappings that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rolebridge.core.assignment import FindingKind, LockKind, ManualAssignment, Reason
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.program import Program
from rolebridge.core.resolver import lock_at, resolve
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_mapping_set, read_mapping_dir, shipped_catalogues

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-roles-are-resolved.md"
SLOT = "project_role"


@dataclass(frozen=True)
class Row:
    """One row of a table: what is given, and what comes of the project slot."""

    workspace: str
    groups: tuple[str, ...]
    project: str
    facts: dict[str, str]
    by_hand: tuple[str, ...]
    role: str
    works_as: str
    lock: str
    lost: frozenset[tuple[str, str]]


def words(cell: str) -> tuple[str, ...]:
    """Return what stands between backticks."""
    return tuple(re.findall(r"`([^`]+)`", cell))


def rows() -> Iterator[Row]:
    parts = re.split(r"<!-- truth-table: ([a-z-]+) -->", PAGE.read_text(encoding="utf-8"))[1:]
    for workspace, part in zip(parts[::2], parts[1::2], strict=True):
        table = part.strip().partition("\n\n")[0].splitlines()
        for line in table[2:]:
            groups, project, user, by_hand, role, lock, lost = (cell.strip() for cell in line.strip("|").split("|"))
            held, _, works_as = role.partition(", works as ")
            facts = {word.partition("=")[0]: word.partition("=")[2] for word in words(user)}
            reasons = frozenset(re.findall(r"`([^`]+)` ([a-z -]+)", lost))
            yield Row(
                workspace,
                words(groups),
                words(project)[0],
                facts,
                words(by_hand),
                "".join(words(held)),
                "".join(words(works_as)),
                "".join(words(lock)),
                reasons,
            )


ROWS = list(rows())


def program_of(workspace: str) -> Program:
    mappings, found = load_mapping_set(
        read_mapping_dir(ROOT / "mappings"), shipped_catalogues(), table=USER_TABLE, connections=None
    )
    assert mappings is not None, found
    mapping = mappings.workspace(workspace)
    assert mapping is not None
    return Program(shipped_catalogues()[mapping.platform], mapping)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.project}: {', '.join((*row.groups, *row.facts))}")
def test_a_documented_row_is_what_the_resolver_says(row: Row) -> None:
    """Role, what access works as, lock, and every loser with its reason are as the table says."""
    program = program_of(row.workspace)
    facts: dict[str, Any] = dict(row.facts)
    active = facts.pop("inactive", None) is None
    moment = datetime.fromisoformat(facts.pop("day", "2026-12-01")).replace(hour=12, tzinfo=UTC)
    connection = next(iter(program.mapping.connections or ()))
    user = User("u1", "ana.ruiz@acme.example", active, connection, {"active": active, **facts})
    memberships = [Membership(Group(f"g{number}", name, connection)) for number, name in enumerate(row.groups)]
    manual = [
        ManualAssignment(f"m{number}", "u1", row.workspace, SLOT, row.project, role, "mia", moment)
        for number, role in enumerate(row.by_hand)
    ]
    resolution = resolve(program, user, memberships, manual, moment)
    held = resolution.at(SLOT, row.project)
    assert [role.role for role in held] == [row.role] * bool(row.role)
    assert "".join(role.acts_as.role for role in held if role.acts_as) == row.works_as
    assert "".join(lock.kind for lock in lock_at(program, resolution, SLOT, row.project)) == row.lock
    lost = {
        (one.assignment.role, one.reason.value)
        for one in resolution.lost
        if (one.assignment.slot, one.assignment.project) == (SLOT, row.project)
    }
    assert lost == row.lost


def test_both_platforms_have_a_table() -> None:
    """A page whose marks were lost would be tested by nothing."""
    assert {row.workspace for row in ROWS} == {"acme-vision", "acme-text"}
    assert len(ROWS) >= 20


@pytest.mark.parametrize("kind", [Reason, LockKind, FindingKind], ids=lambda kind: kind.__name__)
def test_every_reason_lock_and_finding_is_explained(kind: type[Reason | LockKind | FindingKind]) -> None:
    """Whatever an explanation can say stands on the page."""
    said = set(words(PAGE.read_text(encoding="utf-8")))
    assert {one.value for one in kind} <= said
