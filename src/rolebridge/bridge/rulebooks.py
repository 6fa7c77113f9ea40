"""The active mapping revision of an organization, compiled and kept in the process.

Whoever resolves asks for the rulebook inside their transaction: the revision number is read there, so that a process
never decides by a mapping that another process has replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.directory import Group
from rolebridge.core.mapping import MappingSet
from rolebridge.core.program import Program
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.mapfile.mapping import load_mapping_set
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class Rulebook:
    """A revision's programs, one for each workspace. Revision 0 is the empty one, before the first apply."""

    revision: int = 0
    programs: tuple[Program, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def program(self, workspace: str) -> Program | None:
        """Return the program of a workspace, or None when no mapping speaks of it."""
        return next((program for program in self.programs if program.workspace == workspace), None)

    def concerns(self, group: Group) -> bool:
        """Return whether entering or leaving `group` can change anyone's grants."""
        return any(program.concerns(group) for program in self.programs)

    def tells_apart(self, group: Group, renamed: Group) -> bool:
        """Return whether any rule says something else to the members of `renamed` than to those of `group`."""
        return any(
            program.reads_groups or program.for_group(group) != program.for_group(renamed) for program in self.programs
        )

    def concerns_user(self, user_key: str) -> bool:
        """Return whether a user without any membership can hold something: named, held outside, or like everyone."""
        return any(
            program.for_everyone or program.for_user(user_key) or user_key in program.outside
            for program in self.programs
        )

    @property
    def reads_attributes(self) -> bool:
        """Return whether any condition reads users' attributes."""
        return any(program.condition_attributes for program in self.programs)


def read_mappings(
    files: Mapping[str, str], connections: Sequence[str] | None
) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    """Read and check mapping files against the shipped catalogues; no set is returned when there is an error.

    `connections` are the organization's connection names, or None when they are not known (an offline check).
    """
    mappings, diagnostics = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=connections)
    return (None if has_errors(diagnostics) else mappings), diagnostics


def compile_rulebook(revision: int, mappings: MappingSet, files: Mapping[str, str]) -> Rulebook:
    """Return the compiled form of a checked mapping set."""
    catalogues: Mapping[str, Catalogue] = shipped_catalogues()
    programs = tuple(Program(catalogues[mapping.platform], mapping) for mapping in mappings.mappings)
    return Rulebook(revision, programs, files)


class Rulebooks:
    """The compiled rulebooks of this process, one for each organization."""

    def __init__(self) -> None:
        self._kept: dict[str, Rulebook] = {}

    def current(self, unit: Unit, organization_id: str) -> Rulebook:
        """Return the active rulebook as of `unit`'s transaction.

        A kept revision was checked when it was applied; that it no longer reads without errors means that the program
        changed under it, and is an error of the installation, not of a request.
        """
        revisions = unit.revisions(organization_id)
        number = revisions.active_number()
        kept = self._kept.get(organization_id)
        if kept is not None and kept.revision == number:
            return kept
        book = Rulebook()
        if number:
            files = revisions.files(number)
            mappings, diagnostics = read_mappings(files, None)
            if mappings is None:
                problems = "; ".join(f"{found.place}: {found.detail}" for found in diagnostics)
                raise RuntimeError(f"revision {number} does not read any more: {problems}")
            book = compile_rulebook(number, mappings, files)
        self._kept[organization_id] = book
        return book
