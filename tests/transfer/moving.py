"""An organization to import into and export from, without the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.bridge.worlds import World

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.exporting import Exporting
from rolebridge.bridge.import_entries import Import
from rolebridge.bridge.importing import Importing
from rolebridge.core.schemas import CORE_GROUP, CORE_USER
from rolebridge.scim.profile import profile
from rolebridge.scim.schemas import standard
from rolebridge.scim.transfer.exporter import lines
from rolebridge.scim.transfer.files import digest_of, format_of, open_source
from rolebridge.scim.transfer.importer import Importer, Report, Watcher
from rolebridge.scim.transfer.rows import Source
from rolebridge.scim.transfer.shape import SchemaShape
from rolebridge.store.engine import Store


def user(name: str, /, **attributes: Any) -> dict[str, Any]:
    return {"schemas": [CORE_USER], "userName": name, **attributes}


def group(display: str, /, *members: str, **attributes: Any) -> dict[str, Any]:
    held = {"members": [{"value": name} for name in members]} if members else {}
    return {"schemas": [CORE_GROUP], "displayName": display, **held, **attributes}


class Moving:
    """A world, and imports and exports of its connections."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.world = World(store)
        self.folder = folder
        self.importing = Importing(store, self.world.provisioning)
        self.rejected = b""

    def file(self, text: str | bytes, suffix: str = ".jsonl") -> Path:
        path = self.folder / f"{uuid4().hex}{suffix}"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def lines(self, resources: Iterable[Mapping[str, Any]]) -> Path:
        return self.file("".join(json.dumps(resource) + "\n" for resource in resources))

    def take(
        self,
        *paths: Path,
        caller: Caller | None = None,
        profile_name: str = "generic",
        sources: list[Source] | None = None,
        watch: Watcher = lambda _kind, _source, _mark: None,
        afresh: bool = False,
        create_only: bool = False,
        dry_run: bool = False,
    ) -> Report:
        """Import files into the connection `okta` as the operator."""
        into = caller or self.world.okta
        actor = replace(into, operator="os:mia")
        wanted = Import(actor, digest_of(paths, into.connection_id), SchemaShape(standard()), create_only, dry_run)
        spoken = profile(profile_name)
        opened = sources or [open_source(path, path.name, format_of(path), ";", standard()) for path in paths]
        rejects = BytesIO()
        importer = Importer(self.importing, wanted, spoken.reading, opened, rejects=rejects, watch=watch)
        try:
            return importer.run(self.world.now, afresh=afresh)
        finally:
            self.rejected = rejects.getvalue()

    def give(self, format: str = "jsonl", only: str | None = None, caller: Caller | None = None) -> str:
        """Export the connection `okta`."""
        of = caller or self.world.okta
        with self.world.store.read() as unit:
            connection = unit.accounts.connection_named(self.world.id, of.connection_name)
        assert connection is not None
        with Exporting(self.world.store).snapshot(connection) as snapshot:
            return "".join(lines(snapshot, format, only, ";"))

    def resources(self, caller: Caller | None = None) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.give(caller=caller).split("\n") if line]


def counts(report: Report, kind: str) -> dict[str, int]:
    return {str(fate): number for (of, fate), number in report.counts.items() if of == kind}
