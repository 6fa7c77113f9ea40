"""The active mapping revision of an organization, compiled and kept in the process.

Whoever resolves asks for the rulebook inside their transaction: the revision number is read there, and with it the
version of what is registered beside the files, so that a process never decides by a mapping, a project or a mode of a
workspace that another process has replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.directory import Group, User
from rolebridge.core.extensions import user_table
from rolebridge.core.filters import AttributeTable
from rolebridge.core.mapping import MappingSet, WorkspaceMapping
from rolebridge.core.program import Program
from rolebridge.core.registry import Registry, observed, without_prerequisites
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.mapfile.mapping import load_mapping_set

if TYPE_CHECKING:  # an offline check of mapping files has no use for a database, nor the half second to load one
    from rolebridge.store.records import Revision
    from rolebridge.store.unit import Unit


NOTHING_REGISTERED: Final = Registry()
HOLD_WINDOW: Final = timedelta(hours=1)
"""How far back guard rails count who lost something, unless the installation says otherwise."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A revision's programs, one for each workspace. Revision 0 is the empty one, before the first apply.

    `programs` are those in force: by them everybody is resolved. `intended` are what the files say; a workspace that is
    only observed has another one in force (`core.registry`), all others have the same.
    """

    revision: int = 0
    programs: tuple[Program, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    """What the revision is bound to: the files, the catalogues that they were read with, and whom they trust."""
    is_as_applied: bool = True
    """Whether the files still mean what they meant when they were applied: no platform was described anew since."""
    schemas_version: int = 0
    """The version of the organization's schemas with which the conditions were read."""
    intended: tuple[Program, ...] = ()
    registry: Registry = NOTHING_REGISTERED
    """The projects and observed workspaces with which the programs were made."""
    hold_window: timedelta = HOLD_WINDOW
    """How far back the guard rails of this installation count who lost something."""
    catalogues: Mapping[str, Catalogue] = field(default_factory=dict)
    """The platforms that the files can name, the organization's own included."""

    def program(self, workspace: str) -> Program | None:
        """Return the program of a workspace, or None when no mapping speaks of it."""
        return next((program for program in self.programs if program.workspace == workspace), None)

    def intention(self, workspace: str) -> Program | None:
        """Return the program that the files intend for a workspace, or None when no mapping speaks of it."""
        return next((program for program in self.intended if program.workspace == workspace), None)

    def as_intended(self) -> Rulebook:
        """Return the rulebook that would be in force if every workspace were enforced."""
        return replace(self, programs=self.intended)

    def registering(self, registry: Registry) -> Rulebook:
        """Return the same revision beside another registry; what that leaves alone stays compiled."""
        if (registry.observed, registry.projects) == (self.registry.observed, self.registry.projects):
            return replace(self, registry=registry)
        mappings = [program.mapping for program in self.intended]
        known = {one.workspace: one for one in self.intended}
        intended, programs = _programs(mappings, self.catalogues, registry, known)
        return replace(self, programs=programs, intended=intended, registry=registry)

    def concerns(self, group: Group) -> bool:
        """Return whether entering or leaving `group` can change anyone's grants."""
        return any(program.concerns(group) for program in self.programs)

    def concerns_user(self, user: User) -> bool:
        """Return whether the user can hold something without any membership: named, held outside, or like everyone."""
        return any(program.for_user(user) or program.holds_outside(user) for program in self.programs)

    @property
    def reads_attributes(self) -> bool:
        """Return whether any condition reads users' attributes."""
        return any(program.condition_attributes for program in self.programs)


def read_mappings(
    files: Mapping[str, str],
    connections: Sequence[str] | None,
    table: AttributeTable = USER_TABLE,
    registry: Registry | None = NOTHING_REGISTERED,
) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    """Read and check mapping files against the shipped catalogues; no set is returned when there is an error.

    `connections` are the organization's connection names, or None when they are not known (an offline check); `table`
    holds the attributes of its users, those of its own schemas included. `registry` holds its registered projects; None
    for files that were checked before: their projects may have changed since.
    """
    known = None if registry is None else registry.known()
    mappings, diagnostics = load_mapping_set(
        files, shipped_catalogues(), table=table, connections=connections, registered=known
    )
    return (None if has_errors(diagnostics) else mappings), diagnostics


def compile_rulebook(
    revision: int, mappings: MappingSet, files: Mapping[str, str], registry: Registry = NOTHING_REGISTERED
) -> Rulebook:
    """Return the compiled form of a checked mapping set beside what is registered."""
    intended, programs = _programs(mappings.mappings, mappings.catalogues, registry, {})
    digest = _digest(mappings)
    return Rulebook(
        revision, programs, files, digest, intended=intended, registry=registry, catalogues=mappings.catalogues
    )


def _programs(
    mappings: Iterable[WorkspaceMapping],
    catalogues: Mapping[str, Catalogue],
    registry: Registry,
    known: Mapping[str, Program],
) -> tuple[tuple[Program, ...], tuple[Program, ...]]:
    """Return the intended programs and those in force; one of `known` serves again if nothing of it differs."""
    intended: list[Program] = []
    in_force: list[Program] = []
    for mapping in mappings:
        beside = registry.beside(mapping)
        program = known.get(mapping.workspace)
        if program is None or program.projects != {**beside, **mapping.projects}:
            program = Program(catalogues[mapping.platform], mapping, beside)
        intended.append(program)
        if mapping.workspace in registry.observed:
            catalogue = without_prerequisites(catalogues[mapping.platform])
            program = Program(catalogue, observed(mapping), beside)
        in_force.append(program)
    return tuple(intended), tuple(in_force)


def _digest(mappings: MappingSet) -> str:
    """Return SHA-256 (hexadecimal) over whatever decides what the files mean."""
    parts = [
        [mapping.workspace, mappings.catalogues[mapping.platform].digest, sorted(mapping.connections or ())]
        for mapping in mappings.mappings
    ]
    return hashlib.sha256(json.dumps([mappings.digest, parts]).encode()).hexdigest()


class Rulebooks:
    """The compiled rulebooks of this process, one for each organization."""

    def __init__(self, hold_window: timedelta = HOLD_WINDOW) -> None:
        self._kept: dict[str, Rulebook] = {}
        self._hold_window = hold_window

    def current(self, unit: Unit, organization_id: str) -> Rulebook:
        """Return the active rulebook as of `unit`'s transaction.

        A kept revision was checked when it was applied; that it no longer reads without errors means that the program
        changed under it, and is an error of the installation, not of a request.
        """
        number, schemas_version, registry_version = unit.revisions(organization_id).in_force()
        kept = self._kept.get(organization_id)
        if kept is None or kept.revision != number or kept.schemas_version != schemas_version:
            book = replace(read_back(unit, organization_id), hold_window=self._hold_window)
            kept = self._kept[organization_id] = book
        elif kept.registry.version != registry_version:
            kept = self._kept[organization_id] = kept.registering(unit.workspaces(organization_id).registry())
        return kept


def read_back(unit: Unit, organization_id: str) -> Rulebook:
    """Return the rulebook in force as of `unit`'s transaction, read anew, under the digest with which it was applied.

    Raises `MappingUnreadable`.
    """
    number, schemas_version, _ = unit.revisions(organization_id).in_force()
    registry = unit.workspaces(organization_id).registry()
    revision = unit.revisions(organization_id).revision(number)
    if revision is None:
        return Rulebook(schemas_version=schemas_version, registry=registry)
    files = unit.revisions(organization_id).files(number)
    table = mapping_table(unit, organization_id)
    mappings, diagnostics = read_mappings(files, revision.connections, table, None)
    if mappings is None:
        raise MappingUnreadable(revision, files, diagnostics)
    book = compile_rulebook(revision.number, mappings, files, registry)
    as_applied = book.digest == revision.digest
    return replace(book, digest=revision.digest, is_as_applied=as_applied, schemas_version=schemas_version)


def mapping_table(unit: Unit, organization_id: str) -> AttributeTable:
    """Return the attributes of an organization's users, as the conditions of its mapping may use them."""
    return user_table(unit.extensions(organization_id).all())


class MappingUnreadable(RuntimeError):
    """That a revision does not read any more, which only another program or other schemas can bring about."""

    def __init__(self, revision: Revision, files: Mapping[str, str], diagnostics: Sequence[Diagnostic]) -> None:
        problems = "; ".join(f"{found.place}: {found.detail}" for found in diagnostics)
        super().__init__(f"revision {revision.number} does not read any more: {problems}")
        self.files = files
        self.diagnostics = tuple(diagnostics)
