"""`<workspace>.test.yaml` → cases: made-up people, and what they should hold under the mapping beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from rolebridge.core.assignment import LockKind, ManualAssignment, Reason, Source
from rolebridge.core.cases import ExpectedConflict, ExpectedLoss, ExpectedRole, MappingCase
from rolebridge.core.catalogue import Level, Role, Slot
from rolebridge.core.diagnostics import Diagnostic
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.filters import Attribute, AttributeTable, AttributeType
from rolebridge.core.mapping import MappingSet, WorkspaceMapping
from rolebridge.mapfile import reading
from rolebridge.mapfile.conditions import ConditionReader
from rolebridge.mapfile.files import holds_cases
from rolebridge.mapfile.names import Names
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table, parse_yaml

MAX_CASES = 5_000
"""A bound on one file; resolving that many people costs about a second."""

_CASE: Final = ("name", "user", "groups", "manual", "on", "expect", "lost", "conflicts")
_GROUP: Final = ("name", "connection", "id", "external_id")
_NONE: Final = "none"
_ANY_DAY: Final = date(2000, 1, 1)
_USER_NAME: Final = "somebody@case.invalid"


def load_cases(
    files: Mapping[str, str], mappings: MappingSet, *, table: AttributeTable
) -> tuple[tuple[MappingCase, ...], tuple[Diagnostic, ...]]:
    """Return the cases that files with such names hold, and everything wrong with them; others are passed over.

    `mappings` is the set that they test, `table` holds the attributes that the people in them may have.
    """
    cases: list[MappingCase] = []
    found: list[Diagnostic] = []
    for name in sorted(name for name in files if holds_cases(name)):
        sink = Sink()
        root, problems = parse_yaml(files[name], name)
        sink.take(problems)
        if root is not None:
            cases += _File(mappings, table, sink).read(root)
        found += sink.found
    return tuple(cases), tuple(found)


@dataclass(frozen=True, slots=True)
class _File:
    """Reads one file with cases."""

    mappings: MappingSet
    table: AttributeTable
    sink: Sink

    def read(self, root: Node) -> list[MappingCase]:
        table = reading.read_table(root, "a file with cases", self.sink)
        if table is None:
            return []
        keys = ("workspace", "people", "cases")
        fields = reading.read_fields(table, "a file with cases", keys, self.sink, required=("workspace", "cases"))
        workspace = reading.read_text(fields["workspace"], "`workspace`", self.sink) if "workspace" in fields else None
        mapping = self.mappings.workspace(workspace.text) if workspace else None
        if workspace is not None and mapping is None:
            detail = f"no mapping file describes the workspace `{shorten(workspace.text)}`"
            known = [one.workspace for one in self.mappings.mappings]
            self.sink.add("case-without-mapping", workspace, detail, known=known)
        if mapping is None or "cases" not in fields:
            return []
        catalogue = self.mappings.catalogues[mapping.platform].with_custom_roles(mapping.custom_roles)
        reader = _Reader(mapping, Names(catalogue, self.sink), ConditionReader(self.table, self.sink), self.sink)
        people = dict(reader.people(fields["people"])) if "people" in fields else {}
        items = reading.read_items(fields["cases"], "`cases`", self.sink) or ()
        if len(items) > MAX_CASES:
            detail = f"the file has {len(items)} cases, the limit is {MAX_CASES}"
            self.sink.add("file-too-large", fields["cases"], detail)
        return [case for item in items[:MAX_CASES] if (case := reader.case(item, people)) is not None]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the cases of one workspace."""

    mapping: WorkspaceMapping
    names: Names
    conditions: ConditionReader
    sink: Sink

    def case(self, node: Node, people: Mapping[str, User]) -> MappingCase | None:
        """Return the case, or None when anything about it is wrong."""
        before = self.sink.errors
        table = reading.read_table(node, "a case", self.sink)
        if table is None:
            return None
        fields = reading.read_fields(table, "a case", _CASE, self.sink, required=("name", "expect"))
        name = reading.read_text(fields["name"], "`name`", self.sink) if "name" in fields else None
        user = self._user(fields.get("user"), people)
        day = self._day(fields.get("on"), table)
        at = datetime.combine(day, time(12), UTC)
        memberships = tuple(self._memberships(fields["groups"])) if "groups" in fields else ()
        manual = tuple(self._manual(fields["manual"], user, at)) if "manual" in fields else ()
        roles = tuple(self._roles(fields["expect"])) if "expect" in fields else ()
        lost = tuple(self._losses(fields["lost"])) if "lost" in fields else ()
        conflicts = tuple(self._conflicts(fields["conflicts"])) if "conflicts" in fields else ()
        if self.sink.errors != before or name is None:
            return None
        return MappingCase(
            self.mapping.workspace, name.text, table.place, user, memberships, manual, at, roles, lost, conflicts
        )

    def _day(self, node: Node | None, case: Table) -> date:
        if node is not None:
            return reading.read_day(node, "`on`", self.sink) or _ANY_DAY
        dated = next((rule for rule in self.mapping.rules if rule.starts or rule.ends), None)
        if dated is not None:
            detail = f"rule `{dated.id}` ({dated.place}) has dates, so what a person holds depends on the day"
            self.sink.add("case-without-day", case, detail, help_="say which day it is: `on: 2026-12-31`")
        return _ANY_DAY

    # --- people ------------------------------------------------------------------------------------------------

    def people(self, node: Node) -> Iterator[tuple[str, User]]:
        """Yield the people to whom cases refer by a name."""
        for entry in reading.read_entries(node, "`people`", self.sink):
            yield entry.key.text, self._described(entry.value)

    def _user(self, node: Node | None, people: Mapping[str, User]) -> User:
        if node is None:
            return self._person({})
        if not isinstance(node, Scalar):
            return self._described(node)
        text = reading.read_text(node, "`user`", self.sink)
        if text is not None and text.text not in people:
            self.sink.add("wrong-type", text, f"`people` has no `{shorten(text.text)}`", known=people)
        return people.get(text.text, self._person({})) if text is not None else self._person({})

    def _described(self, node: Node) -> User:
        attributes: dict[str, Any] = {}
        for entry in reading.read_entries(node, "a person", self.sink):
            path = self.conditions.attribute(entry.key)
            if path is None:
                continue
            if path.keys == ("groups",):
                self.sink.add("wrong-type", entry.key, "`groups` stands beside the person, not in it")
                continue
            value = self._value(path.target, entry.value, many=path.multi_valued)
            holder = attributes
            for key in path.keys[:-1]:
                holder = holder.setdefault(key, {})
            if value is not None:
                holder[path.keys[-1]] = value
        return self._person(attributes)

    def _person(self, attributes: dict[str, Any]) -> User:
        name = attributes.setdefault("userName", _USER_NAME)
        active = attributes.setdefault("active", True)
        # Whose people a file trusts is not what a case is about, unless it says so of a group.
        return User("case", str(name), active is True, self._connection(), attributes)

    def _connection(self) -> str:
        return min(self.mapping.connections or ("",))

    def _value(self, attribute: Attribute, node: Node, *, many: bool) -> Any:
        if many:
            items = node.items if isinstance(node, Items) else (node,)
            found = [self._value(attribute, item, many=False) for item in items]
            return [value if isinstance(value, dict) or not attribute.sub else {"value": value} for value in found]
        if isinstance(node, Table) and attribute.sub:
            return dict(self._parts(attribute, node))
        text = reading.read_text(node, f"`{attribute.name}`", self.sink)
        if text is None:
            return None
        match attribute.type:
            case AttributeType.BOOLEAN:
                return reading.read_flag(text, f"`{attribute.name}`", self.sink)
            case AttributeType.INTEGER | AttributeType.DECIMAL:
                return reading.read_number(text, f"`{attribute.name}`", self.sink)
            case _:
                return text.text

    def _parts(self, attribute: Attribute, table: Table) -> Iterator[tuple[str, Any]]:
        for entry in table.entries.values():
            part = attribute.sub.get(entry.key.text.lower())
            if part is None:
                detail = f"`{attribute.name}` has no `{shorten(entry.key.text)}`"
                known = [one.name for one in attribute.sub.values()]
                self.sink.add("unknown-attribute", entry.key, detail, known=known)
            else:
                yield part.name, self._value(part, entry.value, many=part.multi_valued)

    def _memberships(self, node: Node) -> Iterator[Membership]:
        for item in node.items if isinstance(node, Items) else (node,):
            group = self._group(item)
            if group is not None:
                yield Membership(group)

    def _group(self, node: Node) -> Group | None:
        if not isinstance(node, Table):
            text = reading.read_text(node, "a group", self.sink)
            return Group(f"case:{text.text.casefold()}", text.text, self._connection()) if text is not None else None
        fields = reading.read_fields(node, "a group", _GROUP, self.sink)
        given = {
            key: text.text for key, value in fields.items() if (text := reading.read_text(value, f"`{key}`", self.sink))
        }
        if not given.keys() & {"name", "id", "external_id"}:
            self.sink.add("missing-key", node, "a group has none of `name`, `id` and `external_id`")
            return None
        name = given.get("name", "")
        id_ = given.get("id") or f"case:{given.get('external_id', name.casefold())}"
        return Group(id_, name, given.get("connection", self._connection()), given.get("external_id"))

    def _manual(self, node: Node, user: User, at: datetime) -> Iterator[ManualAssignment]:
        items = reading.read_items(node, "`manual`", self.sink) or ()
        for number, item in enumerate(items):
            for slot, project, role, fields in self._scoped(item, "an assignment by hand", ("until",)):
                until = reading.read_day(fields["until"], "`until`", self.sink) if "until" in fields else None
                id_ = f"case-{number}-{role.id}"
                yield ManualAssignment(
                    id_, user.id, self.mapping.workspace, slot.id, project, role.id, "case", at, until=until
                )

    # --- what is expected --------------------------------------------------------------------------------------

    def _roles(self, node: Node) -> Iterator[ExpectedRole]:
        if isinstance(node, Scalar) and node.text == "nothing":
            return
        for item in reading.read_items(node, "`expect` (a list, or `nothing`)", self.sink) or ():
            for slot, project, role, said in self._scoped(item, "a role", ("lock", "rule", "source", "acts_as")):
                lock = self._choice(said.get("lock"), "`lock`", [*LockKind, _NONE])
                source = self._choice(said.get("source"), "`source`", list(Source))
                acts_as = reading.read_text(said["acts_as"], "`acts_as`", self.sink) if "acts_as" in said else None
                yield ExpectedRole(
                    item.place,
                    slot.id,
                    project,
                    role.id,
                    "" if lock == _NONE else lock,
                    self._rule(said.get("rule")),
                    source,
                    None if acts_as is None else "" if acts_as.text == _NONE else acts_as.text,
                )

    def _losses(self, node: Node) -> Iterator[ExpectedLoss]:
        for item in reading.read_items(node, "`lost`", self.sink) or ():
            for slot, project, role, said in self._scoped(item, "a lost claim", ("reason", "rule")):
                if "reason" not in said:
                    self.sink.add("missing-key", item, "a lost claim has no `reason`")
                reason = self._choice(said.get("reason"), "`reason`", list(Reason))
                yield ExpectedLoss(item.place, slot.id, project, role.id, reason or "", self._rule(said.get("rule")))

    def _conflicts(self, node: Node) -> Iterator[ExpectedConflict]:
        for item in reading.read_items(node, "`conflicts`", self.sink) or ():
            table = reading.read_table(item, "a conflict", self.sink)
            if table is None:
                continue
            fields = reading.read_fields(table, "a conflict", ("slot", "project"), self.sink, required=("slot",))
            text = reading.read_text(fields["slot"], "`slot`", self.sink) if "slot" in fields else None
            slot = self.names.slot(text) if text is not None else None
            if slot is not None:
                yield ExpectedConflict(item.place, slot.id, self._project(slot, table, fields.get("project")))

    def _scoped(
        self, node: Node, what: str, more: tuple[str, ...]
    ) -> Iterator[tuple[Slot, str | None, Role, Mapping[str, Node]]]:
        """Yield (slot, project, role, further fields) of an entry: `{project: cityscapes, project_role: reviewer}`."""
        table = reading.read_table(node, what, self.sink)
        if table is None:
            return
        fields = {
            entry.key.text: entry.value for entry in table.entries.values() if entry.key.text in ("project", *more)
        }
        named = [entry for entry in table.entries.values() if entry.key.text not in fields]
        if not named:
            help_ = "name a slot and its role: `project_role: reviewer`"
            self.sink.add("missing-key", table, f"{what} has no slot", help_=help_)
        for entry in named:
            slot = self.names.slot(entry.key)
            if slot is None:
                continue
            project = self._project(slot, table, fields.get("project"))
            for text in self.names.role_texts(slot, entry.value):
                role = self.names.role(slot, text)
                if role is not None:
                    yield slot, project, role, fields

    def _project(self, slot: Slot, table: Table, node: Node | None) -> str | None:
        if slot.level is not Level.PROJECT:
            return None
        text = reading.read_text(node, "`project`", self.sink) if node is not None else None
        if node is None:
            self.sink.add("projects-missing", table, f"`{slot.id}` is held in a project", help_="add `project:`")
        elif text is not None and text.text not in self.mapping.projects:
            detail = f"`{shorten(text.text)}` is not declared under `projects`"
            self.sink.add("unknown-project", text, detail, known=self.mapping.projects)
        return text.text if text else None

    def _rule(self, node: Node | None) -> str | None:
        text = reading.read_text(node, "`rule`", self.sink) if node is not None else None
        if text is None:
            return None
        known = [rule.id for rule in self.mapping.rules]
        if text.text not in known:
            detail = f"`{self.mapping.workspace}` has no rule `{shorten(text.text)}`"
            self.sink.add("unknown-rule", text, detail, known=known)
        return text.text

    def _choice(self, node: Node | None, what: str, choices: list[str]) -> str | None:
        return (
            reading.read_choice(node, what, [str(choice) for choice in choices], self.sink)
            if node is not None
            else None
        )
