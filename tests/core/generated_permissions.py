"""Permission tables and rules of delegation for generated platforms, each set made from a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from tests.core.generated import catalogue

from rolebridge.core.catalogue import Catalogue, CustomRoles, Level
from rolebridge.core.delegation import Act, Delegation
from rolebridge.core.permissions import Cell, CellValue, Column, HeldRole, Matrix, Permission

SETTINGS = ("lights", "doors")
PERMISSIONS = ("see", "touch", "move")
PHASES = ("creation", "publishing")

_Pairs = list[tuple[str, str]]
_Value = TypeVar("_Value")


@lru_cache(maxsize=4_096)
def platform(number: int, *, composite: bool) -> Catalogue:
    """Return the catalogue of a number with its tables; `composite` says whether columns may take several slots."""
    return _Maker(Random(number), catalogue(number), composite).made()


platforms: st.SearchStrategy[Catalogue] = st.builds(
    lambda number, composite: platform(number, composite=composite), st.integers(0, 9_999_999), st.booleans()
)
plain_platforms: st.SearchStrategy[Catalogue] = st.integers(0, 9_999_999).map(
    lambda number: platform(number, composite=False)
)


def pairs_of(made: Catalogue) -> _Pairs:
    return [(slot.id, role) for slot in made.slots.values() for role in slot.roles]


def held_roles(made: Catalogue, least: int = 0) -> st.SearchStrategy[list[HeldRole]]:
    """Return up to four roles that somebody acts with, a combined one with its parts."""
    return st.lists(
        st.sampled_from(pairs_of(made)).map(lambda pair: held(made, *pair)), min_size=least, max_size=4, unique=True
    )


def held(made: Catalogue, slot: str, role: str) -> HeldRole:
    project = "p1" if made.slots[slot].level is Level.PROJECT else None
    return HeldRole(slot, role, project, made.role(slot, role).parts)


class _Maker:
    """Makes one platform's tables."""

    def __init__(self, random: Random, below: Catalogue, composite: bool) -> None:
        self.random, self.below, self.composite = random, below, composite
        self.pairs = pairs_of(below)

    def made(self) -> Catalogue:
        matrices = tuple(self.matrix(f"table-{at}") for at in range(self.random.randint(1, 2)))
        delegations = tuple(self.delegation(f"rule-{at}") for at in range(self.random.randint(0, 4)))
        custom = CustomRoles(self.random.choice(list(self.below.slots)), None, {"listed": "Listed", "see": "See"})
        return replace(
            self.below,
            matrices=matrices,
            delegations=delegations,
            custom_roles=custom if self.random.random() < 0.3 else None,
        )

    def matrix(self, id_: str) -> Matrix:
        columns = tuple(Column(f"c{at}", f"c{at}", self.holds()) for at in range(self.random.randint(1, 4)))
        rows = {name: self.row(name, columns) for name in PERMISSIONS if self.random.random() < 0.8}
        return Matrix(id_, id_, columns, rows, decides_first=self.composite and self.random.random() < 0.5)

    def holds(self) -> tuple[dict[str, frozenset[str]], ...]:
        """Return one or two ways to stand in a column, each by one slot or, in a composite one, by two."""
        ways = []
        for _ in range(self.random.randint(1, 2)):
            slots = self.random.sample(
                list(self.below.slots), 2 if self.composite and self.random.random() < 0.4 else 1
            )
            ways.append({slot: frozenset(self.some(list(self.below.slots[slot].roles))) for slot in slots})
        return tuple(ways)

    def row(self, name: str, columns: Sequence[Column]) -> Permission:
        cells = {column.id: self.cell() for column in columns if self.random.random() < 0.9}
        return Permission(name, name, "section", cells)

    def cell(self) -> Cell:
        value = self.random.choice(list(CellValue))
        return Cell(value, setting=self.random.choice(SETTINGS) if value is CellValue.CONDITIONAL else "")

    def delegation(self, id_: str) -> Delegation:
        by_table = self.random.random() < 0.3
        roles = [role for _, role in self.pairs]
        return Delegation(
            id_,
            frozenset(self.some(list(Act))),
            frozenset(self.some(list(self.below.slots))) if self.random.random() < 0.7 else frozenset(),
            by=() if by_table else self.holds(),
            permission=self.random.choice(PERMISSIONS) if by_table else "",
            roles=frozenset(self.some(roles)) if self.random.random() < 0.3 else frozenset(),
            except_roles=frozenset(self.some(roles)) if self.random.random() < 0.3 else frozenset(),
            only_holders=dict(self.holds()[0]) if self.random.random() < 0.2 else {},
            except_holders=dict(self.holds()[0]) if self.random.random() < 0.2 else {},
            phases=frozenset(self.some(PHASES)) if self.random.random() < 0.3 else frozenset(),
            unknown=self.random.random() < 0.2,
        )

    def some(self, values: Sequence[_Value]) -> list[_Value]:
        return self.random.sample(list(values), self.random.randint(1, min(3, len(values))))
