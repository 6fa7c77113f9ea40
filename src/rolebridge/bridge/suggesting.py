"""Suggesting a mapping from the groups that the directory holds, and looking at what one's rules do in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.planning import MappingRefused
from rolebridge.bridge.resolving import read_people
from rolebridge.bridge.rulebooks import Rulebooks, compile_rulebook, mapping_table, read_mappings
from rolebridge.core.batches import batches
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.claims import Subject, gather
from rolebridge.core.linting import Lint, Tally, lint
from rolebridge.core.resolver import resolve
from rolebridge.core.suggestions import Suggestion, suggest
from rolebridge.mapfile.writing import mapping_text
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Suggested:
    """A starter mapping: what was found, and the text of the file."""

    suggestion: Suggestion
    text: str


class Suggesting:
    """Reads the directory for somebody who writes mapping files; nothing is written."""

    def __init__(self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._clock = clock

    def suggest(
        self, organization_id: str, catalogue: Catalogue, workspace: str, connection: str | None = None
    ) -> Suggested:
        """Return a starter mapping for a platform from the groups (of one connection) that no rule in force names."""
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            names = tuple(one.name for one in unit.accounts.connections(organization_id))
            trusted = (connection,) if connection is not None else names
            groups = [
                group.display
                for group in unit.directory(organization_id).all_core_groups()
                if group.connection in trusted and not rulebook.concerns(group)
            ]
        found = suggest(catalogue, groups)
        return Suggested(found, mapping_text(catalogue, workspace, trusted, found))

    def lint(self, organization_id: str, files: Mapping[str, str]) -> tuple[Lint, ...]:
        """Return what is to be said of the rules of `files` in the directory of today. Raises MappingRefused."""
        with self._store.read(snapshot=True) as unit:
            connections = [one.name for one in unit.accounts.connections(organization_id)]
            registry = unit.workspaces(organization_id).registry()
            mappings, diagnostics = read_mappings(files, connections, mapping_table(unit, organization_id), registry)
            if mappings is None:
                raise MappingRefused(diagnostics)
            tallies = [Tally(program) for program in compile_rulebook(0, mappings, files, registry).intended]
            self._count(unit, organization_id, tallies)
            groups = list(unit.directory(organization_id).all_core_groups())
        return tuple(
            found
            for tally in tallies
            for found in lint(tally, [group.display for group in groups if tally.program.trusts(group)])
        )

    def _count(self, unit: Unit, organization_id: str, tallies: Iterable[Tally]) -> None:
        now = self._clock()
        for users in batches(unit.directory(organization_id).all_core_users(_BATCH), _BATCH):
            for person in read_people(unit, organization_id, [user.id for user in users]):
                if person.user is None or not person.user.active:
                    continue
                for tally in tallies:
                    claims = gather(Subject(tally.program, person.user, person.memberships), person.manual, now.date())
                    found = resolve(tally.program, person.user, person.memberships, person.manual, now)
                    tally.count(claims, found)
