"""The schema extensions that an organization defines: registered, kept in the process, taken away again.

A schema decides what conditions of the mapping in force mean, so one under which that mapping would no longer read is
refused. What it changes for requests it changes for the next ones: see `Extensions.of`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rolebridge.bridge.callers import Operator
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import MappingUnreadable, Rulebook, read_back
from rolebridge.core.batches import batches
from rolebridge.core.diagnostics import Diagnostic
from rolebridge.core.errors import NotFound, RolebridgeError
from rolebridge.core.extensions import (
    MAX_SCHEMAS,
    ExtensionSchema,
    Resource,
    SchemaProblem,
    SchemaRefused,
    misgrown,
    read_extension,
)
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

_BATCH = 500


class MappingInTheWay(RolebridgeError):
    """That the mapping in force would not read with other schemas; `diagnostics` say where in its `files`."""

    def __init__(self, files: Mapping[str, str], diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("the mapping in force would no longer be valid; nothing was changed")
        self.files = files
        self.diagnostics = tuple(diagnostics)


class SchemaInUse(RolebridgeError):
    """That a schema cannot be taken away while resources hold values of it, unless those may be lost."""

    def __init__(self, schema: ExtensionSchema, holders: int) -> None:
        what = f"{schema.extends.lower()}{'s hold' if holders != 1 else ' holds'}"
        super().__init__(f"{holders} {what} values of `{schema.urn}`")
        self.holders = holders


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """An organization's schemas as of a version; 0 is before the first one."""

    version: int = 0
    schemas: tuple[ExtensionSchema, ...] = ()


_NONE = Registered()


class Extensions:
    """The schemas of organizations, as this process knows them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, Registered] = {}

    def of(self, organization_id: str, version: int) -> Registered:
        """Return an organization's schemas, at least as new as `version`, which came with the caller's credential.

        So whoever never defined a schema pays for comparing a number, and nobody is answered by schemas that were
        replaced before their request.
        """
        if version == 0:
            return _NONE
        kept = self._kept.get(organization_id)
        if kept is None or kept.version != version:
            with self._store.read(snapshot=True) as unit:
                rows = unit.extensions(organization_id)
                kept = self._kept[organization_id] = Registered(rows.version(), rows.all())
        return kept


class SchemaRegistry:
    """What an operator does to an organization's schemas."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def schemas(self, organization_id: str) -> tuple[ExtensionSchema, ...]:
        """Return the schemas in the order of their URNs."""
        with self._store.read() as unit:
            return unit.extensions(organization_id).all()

    def schema(self, organization_id: str, urn: str) -> ExtensionSchema:
        """Return the schema with a URN, in any case. Raises NotFound."""
        return _named(self.schemas(organization_id), urn)

    def holders(self, organization_id: str, schema: ExtensionSchema) -> int:
        """Return how many users (groups) hold values of a schema. Every one of them is looked at."""
        with self._store.read() as unit:
            return sum(1 for _ in unit.extensions(organization_id).holders(schema))

    def add(
        self,
        operator: Operator,
        organization_id: str,
        text: str,
        extends: Resource,
        *,
        required: bool = False,
        grow: bool = False,
    ) -> ExtensionSchema:
        """Register the schema in a file's text; with `grow` it may take the place of one with its URN.

        Raises SchemaRefused with every problem, and MappingInTheWay.
        """

        def work(unit: Unit) -> ExtensionSchema:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rows = unit.extensions(organization_id)
            known = rows.all()
            alone = read_extension(text, extends, required=required)
            old = next((one for one in known if one.key == alone.key), None) if grow else None
            schema = read_extension(
                text, extends, required=required, registered=[one for one in known if one is not old]
            )
            if old is not None and any(True for _ in rows.holders(old)) and (problems := misgrown(old, schema)):
                raise SchemaRefused(problems)
            if old is None and len(known) >= MAX_SCHEMAS:
                raise SchemaRefused([SchemaProblem("", f"the organization has {len(known)} schemas, the limit")])
            rows.put(schema, self._clock())
            _rulebook(unit, organization_id)
            kind = "schema.added" if old is None else "schema.grown"
            self._audit(unit, operator, organization_id, kind, old, schema)
            return schema

        return self._store.transact(work)

    def remove(self, operator: Operator, organization_id: str, urn: str, *, force: bool = False) -> int:
        """Take a schema away; returns how many users (groups) lost values of it, which only happens by `force`.

        Raises NotFound, SchemaInUse and MappingInTheWay.
        """

        def work(unit: Unit) -> int:
            unit.directory(organization_id).lock_organization(exclusive=True)
            rows = unit.extensions(organization_id)
            schema = _named(rows.all(), urn)
            holders = list(rows.holders(schema))
            if holders and not force:
                raise SchemaInUse(schema, len(holders))
            rows.remove(schema)
            rulebook = _rulebook(unit, organization_id)
            self._audit(unit, operator, organization_id, "schema.removed", schema, None)
            removal = _Removal(unit, operator, organization_id, schema, self._clock())
            removal.clear(holders)
            if schema.extends is Resource.USER and rulebook.reads_attributes:
                cause = Cause(operator.actor, operator.request_id, f"schema `{schema.urn}` removed")
                recompute(unit, organization_id, rulebook, holders, cause, self._clock())
            return len(holders)

        return self._store.transact(work)

    def _audit(
        self,
        unit: Unit,
        operator: Operator,
        organization_id: str,
        kind: str,
        before: ExtensionSchema | None,
        after: ExtensionSchema | None,
    ) -> None:
        schema = after or before
        assert schema is not None  # one of them is what happened
        unit.record(organization_id).audit(
            kind=kind,
            actor=operator.actor,
            request_id=operator.request_id,
            subject_kind="schema",
            subject_id=schema.urn,
            before=before.text() if before else None,
            after=after.text() if after else None,
            reason="",
            now=self._clock(),
        )


@dataclass(frozen=True, slots=True)
class _Removal:
    """The loss of a schema's values, resource by resource."""

    unit: Unit
    operator: Operator
    organization_id: str
    schema: ExtensionSchema
    now: datetime

    def clear(self, ids: Sequence[str]) -> None:
        """Take the values away from these users (groups), each of which gets a new version and an audit row."""
        clear = self._user if self.schema.extends is Resource.USER else self._group
        for batch in batches(ids, _BATCH):
            for id_ in batch:
                clear(id_)

    def _user(self, id_: str) -> None:
        directory = self.unit.directory(self.organization_id)
        old = directory.user(None, id_, lock=True)
        if old is not None:
            draft = old.draft()
            new = directory.update_user(old, replace(draft, attributes=self._without(draft.attributes)), self.now)
            self._audit("user", id_, old.body, new.body)

    def _group(self, id_: str) -> None:
        directory = self.unit.directory(self.organization_id)
        old = directory.group(None, id_, lock=True)
        if old is not None:
            draft = old.draft()
            new = directory.update_group(old, replace(draft, attributes=self._without(draft.attributes)), self.now)
            self._audit("group", id_, old.body, new.body)

    def _without(self, attributes: Mapping[str, object]) -> dict[str, object]:
        return {name: value for name, value in attributes.items() if name != self.schema.urn}

    def _audit(self, kind: str, id_: str, before: str, after: str) -> None:
        self.unit.record(self.organization_id).audit(
            kind=f"{kind}.updated",
            actor=self.operator.actor,
            request_id=self.operator.request_id,
            subject_kind=kind,
            subject_id=id_,
            before=before,
            after=after,
            reason=f"schema `{self.schema.urn}` removed",
            now=self.now,
        )


def _rulebook(unit: Unit, organization_id: str) -> Rulebook:
    """Return the rulebook under the schemas of this transaction, which nobody else may keep: it may be undone."""
    try:
        return read_back(unit, organization_id)
    except MappingUnreadable as error:
        raise MappingInTheWay(error.files, error.diagnostics) from error


def _named(schemas: Sequence[ExtensionSchema], urn: str) -> ExtensionSchema:
    found = next((schema for schema in schemas if schema.key == urn.lower()), None)
    if found is None:
        raise NotFound("schema", urn)
    return found
