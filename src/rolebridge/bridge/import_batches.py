"""One batch of an import while its transaction runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.import_entries import Fate, Import, Outcome
from rolebridge.bridge.import_references import source_text
from rolebridge.bridge.provisioning import DirectoryChange
from rolebridge.core.errors import RolebridgeError
from rolebridge.store.bulk import Bulk
from rolebridge.store.unit import Unit


@dataclass(slots=True)
class Batch:
    """One batch while its transaction runs: whose grants may differ, and which source ids to remember."""

    wanted: Import
    unit: Unit
    change: DirectoryChange
    bulk: Bulk
    affected: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> Caller:
        """Return whose import it is."""
        return self.wanted.caller

    def keep(self, source_id: str | None, id_: str) -> None:
        """Remember what an id of the source, if it has one, became."""
        if source_id is not None:
            self.kept[source_text(source_id)] = id_


def given_texts(texts: Iterable[str | None]) -> list[str]:
    """Return the texts that are there."""
    return [text for text in texts if text is not None]


def refused(refusal: RolebridgeError) -> Outcome:
    """Return what became of a row that cannot be."""
    return Outcome(Fate.REFUSED, str(refusal))
