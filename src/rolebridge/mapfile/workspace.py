"""One mapping file → `WorkspaceMapping`: its sections, each read and checked against the platform's catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from rolebridge.core.catalogue import Catalogue, Merge, Reach, Role, Slot
from rolebridge.core.diagnostics import Place
from rolebridge.core.filters import AttributeTable
from rolebridge.core.mapping import (
    AccountRule,
    Guard,
    HoldLimit,
    MergeRule,
    OutsideRole,
    Project,
    WorkspaceMapping,
)
from rolebridge.core.permissions import Cell, Matrix, Setting
from rolebridge.mapfile import reading
from rolebridge.mapfile.checks import ConflictOrder, check_rules
from rolebridge.mapfile.conditions import ConditionReader
from rolebridge.mapfile.given import ReadRule
from rolebridge.mapfile.matrices import MatrixReader
from rolebridge.mapfile.names import Names
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.rules import RuleReader, Surroundings
from rolebridge.mapfile.yamlsource import Entry, Items, Node, Scalar, Table

_FILE = (
    "workspace", "platform", "connections", "accounts", "custom_roles", "outside", "projects", "defaults", "conflicts",
    "manual", "rules", "guard", "settings", "permissions", "seats",
)  # fmt: skip
MAX_PROJECTS = 10_000
MAX_RULES = 5_000
"""Bounds on one file; checking costs at most their product, some seconds."""

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")


@dataclass(frozen=True, slots=True)
class ReadWorkspace:
    """A mapping file that was read: the text of its workspace id, and its mapping when the platform is known."""

    workspace: Scalar | None
    mapping: WorkspaceMapping | None


class WorkspaceReader:
    """Reads one file. `known_connections` are the organization's, None when they are not known here.

    `registered` are the projects beside those of files, by workspace, None when they are not known.
    """

    def __init__(
        self,
        catalogues: Mapping[str, Catalogue],
        table: AttributeTable,
        known_connections: frozenset[str] | None,
        sink: Sink,
        registered: Mapping[str, Mapping[str, Project]] | None,
    ) -> None:
        self._catalogues = catalogues
        self._registered = registered
        self._known_connections = known_connections
        self._sink = sink
        self._conditions = ConditionReader(table, sink)
        self._known_settings: Mapping[str, Setting] = {}

    def read(self, root: Node) -> ReadWorkspace:
        """Return what the document says; everything wrong with it is in the sink."""
        table = reading.read_table(root, "a mapping file", self._sink)
        if table is None:
            return ReadWorkspace(None, None)
        required = ("workspace", "platform", "rules")
        fields = reading.read_fields(table, "a mapping file", _FILE, self._sink, required=required)
        workspace = self._text(fields.get("workspace"), "`workspace`")
        id_ = reading.read_id(workspace, "a workspace's id", self._sink) if workspace else None
        catalogue = self._platform(fields.get("platform"))
        connections = self._connections(fields.get("connections"), table)
        if catalogue is None:
            return ReadWorkspace(workspace, None)
        custom = self._custom_roles(fields.get("custom_roles"), catalogue)
        names = Names(catalogue.with_custom_roles(custom), self._sink)
        self._known_settings = catalogue.settings
        projects = self._projects(fields.get("projects"))
        orders = dict(self._conflicts(fields.get("conflicts"), names))
        there = self._with_registered(id_, projects)
        rules = self._rules(fields.get("rules"), names, there, connections)
        mapping = WorkspaceMapping(
            workspace=id_ or "",
            platform=catalogue.id,
            place=workspace.place if workspace else table.place,
            connections=connections,
            projects=projects,
            rules=tuple(read.rule for read in rules),
            defaults=tuple(self._defaults(fields.get("defaults"), names)),
            conflicts={slot: order.rule for slot, order in orders.items()},
            manual_forbidden=frozenset(self._manual(fields.get("manual"), names)),
            outside=tuple(self._outside(fields.get("outside"), names)),
            accounts=tuple(self._accounts(fields.get("accounts"), catalogue)),
            custom_roles=custom,
            guard=self._guard(fields.get("guard"), names),
            settings=self._settings(fields.get("settings")),
            cells=dict(self._cells(fields.get("permissions"), catalogue)),
            seats=self._seats(fields.get("seats")),
        )
        check_rules(replace(mapping, projects=there), rules, orders, names.catalogue, self._sink)
        return ReadWorkspace(workspace, mapping)

    # --- whose file ---

    def _platform(self, node: Node | None) -> Catalogue | None:
        text = self._text(node, "`platform`")
        if text is None:
            return None
        catalogue = self._catalogues.get(text.text)
        if catalogue is None:
            detail = f"no catalogue describes the platform `{shorten(text.text)}`"
            self._sink.add("unknown-platform", text, detail, known=self._catalogues)
        return catalogue

    def _connections(self, node: Node | None, table: Table) -> frozenset[str] | None:
        known = self._known_connections
        if node is None:
            if known is not None and len(known) > 1:
                listed = ", ".join(sorted(known)[:12])
                detail = f"the organization has {len(known)} connections: whose groups does the file trust?"
                help_ = f"add `connections: [{listed}]` and leave out what is not meant"
                self._sink.add("connections-missing", table, detail, help_=help_)
            # The only connection there is now, by name: one that is added later is not meant.
            return known
        texts = reading.read_texts(node, "`connections`", self._sink)
        for text in texts:
            if known is not None and text.text not in known:
                detail = f"the organization has no connection `{shorten(text.text)}`"
                self._sink.add("unknown-connection", text, detail, known=sorted(known))
        return frozenset(text.text for text in texts)

    def _accounts(self, node: Node | None, catalogue: Catalogue) -> Iterator[AccountRule]:
        kinds = {kind.id: kind for kind in catalogue.account_kinds}
        for entry in self._entries(node, "`accounts`"):
            kind = kinds.get(entry.key.text)
            if kind is None:
                detail = f"{catalogue.name} has no account kind `{shorten(entry.key.text)}`"
                self._sink.add("unknown-account-kind", entry.key, detail, known=kinds)
                continue
            if kind is catalogue.account_kinds[0]:
                detail = f"`{kind.id}` is everybody whom no other kind claims"
                self._sink.add("wrong-type", entry.key, detail, help_="leave it out")
                continue
            table = reading.read_table(entry.value, f"`{kind.id}`", self._sink)
            if table is None:
                continue
            keys = ("when", *kind.requires)
            fields = reading.read_fields(table, f"account kind `{kind.id}`", keys, self._sink, required=keys)
            when = self._conditions.condition(fields["when"]) if "when" in fields else None
            sources = ((key, self._conditions.value_from(fields[key])) for key in kind.requires if key in fields)
            attributes = tuple((key, source) for key, source in sources if source is not None)
            if when is not None:
                yield AccountRule(kind.id, when, attributes)

    def _outside(self, node: Node | None, names: Names) -> Iterator[OutsideRole]:
        if node is None:
            return
        for slot, key, value in names.roles_by_slot(node, "`outside`"):
            role = names.role(slot, key)
            users = reading.read_texts(value, "the holders", self._sink)
            if role is not None and users:
                holders = frozenset(user.text.casefold() for user in users)
                yield OutsideRole(slot.id, role.id, holders, key.place)

    # --- custom roles and projects ---

    def _custom_roles(self, node: Node | None, catalogue: Catalogue) -> tuple[Role, ...]:
        entries = list(self._entries(node, "`custom_roles`"))
        allowed = catalogue.custom_roles
        if node is not None and allowed is None:
            self._sink.add("custom-roles-not-supported", node, f"{catalogue.name} has no custom roles")
            return ()
        if allowed is None:
            return ()
        if node is not None and allowed.limit is not None and len(entries) > allowed.limit:
            detail = f"there are {len(entries)} custom roles, {catalogue.name} allows {allowed.limit}"
            self._sink.add("too-many-custom-roles", node, detail)
        found = [self._custom_role(entry, catalogue) for entry in entries]
        return tuple(role for role in found if role is not None)

    def _custom_role(self, entry: Entry, catalogue: Catalogue) -> Role | None:
        allowed, sink = catalogue.custom_roles, self._sink
        assert allowed is not None  # the caller has looked
        id_ = reading.read_id(entry.key, "a role's id", sink)
        what = f"custom role `{shorten(entry.key.text)}`"
        table = reading.read_table(entry.value, what, sink)
        if id_ is None or table is None:
            return None
        keys = ("slot", "name", "description", "permissions")
        fields = reading.read_fields(table, what, keys, sink, required=keys)
        slot = self._text(fields.get("slot"), "`slot`")
        name = self._text(fields.get("name"), "`name`")
        description = self._text(fields.get("description"), "`description`")
        if slot is not None and slot.text != allowed.slot:
            detail = f"{catalogue.name} has custom roles in `{allowed.slot}` only"
            sink.add("unknown-slot", slot, detail, help_=f"write `slot: {allowed.slot}`")
        texts = reading.read_texts(fields["permissions"], "`permissions`", sink) if "permissions" in fields else []
        for text in texts:
            if text.text not in allowed.permissions:
                detail = f"{catalogue.name} has no permission `{shorten(text.text)}`"
                sink.add("unknown-permission", text, detail, known=sorted(allowed.permissions))
        if catalogue.slots[allowed.slot].named(id_) or id_ == "all":
            sink.add("duplicate-id", entry.key, f"`{allowed.slot}` has a role `{id_}` already")
            return None
        return Role(
            id_,
            name.text if name else id_,
            allowed.slot,
            custom=True,
            description=description.text if description else "",
            permissions=frozenset(text.text for text in texts),
        )

    def _projects(self, node: Node | None) -> dict[str, Project]:
        projects: dict[str, Project] = {}
        folded: dict[str, Place] = {}
        entries = list(self._entries(node, "`projects`"))
        if node is not None and len(entries) > MAX_PROJECTS:
            self._too_many(node, f"{len(entries)} projects", MAX_PROJECTS)
        for entry in entries[:MAX_PROJECTS]:
            id_ = reading.read_id(entry.key, "a project's id", self._sink)
            if id_ is None:
                continue
            if id_ == "all":
                self._sink.add("bad-id", entry.key, "`all` means every project and cannot be the id of one")
            elif id_.casefold() in folded:
                detail = f"project `{id_}` stands at line {folded[id_.casefold()].line} already, apart from case"
                self._sink.add("duplicate-id", entry.key, detail)
            else:
                folded[id_.casefold()] = entry.key.place
                projects[id_] = self._project(id_, entry)
        return projects

    def _with_registered(self, workspace: str | None, declared: Mapping[str, Project]) -> dict[str, Project]:
        """Return the projects that rules may speak of: those of the file, and the registered ones that it leaves."""
        taken = {id_.casefold() for id_ in declared}
        registered = (self._registered or {}).get(workspace or "", {})
        return {**declared, **{id_: one for id_, one in registered.items() if id_.casefold() not in taken}}

    def _project(self, id_: str, entry: Entry) -> Project:
        if isinstance(entry.value, Scalar) and entry.value.is_empty:
            return Project(id_, id_, place=entry.key.place)
        table = reading.read_table(entry.value, f"project `{id_}`", self._sink)
        if table is None:
            return Project(id_, id_, place=entry.key.place)
        fields = reading.read_fields(table, f"project `{id_}`", ("name", "tags", "in", "settings"), self._sink)
        name = self._text(fields.get("name"), "`name`")
        container = self._text(fields.get("in"), "`in`")
        tags = reading.read_texts(fields["tags"], "`tags`", self._sink) if "tags" in fields else []
        return Project(
            id_,
            name.text if name else id_,
            frozenset(tag.text for tag in tags),
            container.text if container else None,
            entry.key.place,
            self._settings(fields.get("settings")),
        )

    # --- what permissions hang on ---

    def _settings(self, node: Node | None) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for entry in self._entries(node, "`settings`"):
            if entry.key.text not in self._known_settings:
                detail = f"no permission of the platform hangs on a setting `{shorten(entry.key.text)}`"
                self._sink.add("unknown-setting", entry.key, detail, known=self._known_settings)
                continue
            flag = reading.read_flag(entry.value, f"`{entry.key.text}`", self._sink)
            if flag is not None:
                found[entry.key.text] = flag
        return found

    def _cells(self, node: Node | None, catalogue: Catalogue) -> Iterator[tuple[str, Mapping[tuple[str, str], Cell]]]:
        matrices = {matrix.id: matrix for matrix in catalogue.matrices}
        for entry in self._entries(node, "`permissions`"):
            matrix = matrices.get(entry.key.text)
            if matrix is None:
                detail = f"{catalogue.name} has no table `{shorten(entry.key.text)}` of permissions"
                self._sink.add("unknown-permission", entry.key, detail, known=matrices)
            else:
                yield matrix.id, dict(self._rows(entry.value, matrix))

    def _rows(self, node: Node, matrix: Matrix) -> Iterator[tuple[tuple[str, str], Cell]]:
        reader = MatrixReader({}, self._known_settings, self._sink)
        columns = [column.id for column in matrix.columns]
        for entry in reading.read_entries(node, f"`{matrix.id}`", self._sink):
            if entry.key.text not in matrix.rows:
                detail = f"`{matrix.id}` has no permission `{shorten(entry.key.text)}`"
                self._sink.add("unknown-permission", entry.key, detail, known=matrix.rows)
                continue
            for column, cell in reader.cells(entry.value, columns):
                yield (entry.key.text, column), cell

    # --- what happens per slot ---

    def _defaults(self, node: Node | None, names: Names) -> Iterator[tuple[str, str]]:
        for slot, value in names.slots(node, "`defaults`") if node is not None else ():
            for text in names.role_texts(slot, value):
                role = names.assignable(slot, text)
                if role is not None and (role.is_access or role.reach is Reach.ALL):
                    access = "is access" if role.is_access else "reaches every project"
                    detail = f"`{role.id}` {access}, and a default never gives access"
                    self._sink.add("role-not-assignable", text, detail)
                elif role is not None:
                    yield slot.id, role.id

    def _conflicts(self, node: Node | None, names: Names) -> Iterator[tuple[str, ConflictOrder]]:
        for slot, value in names.slots(node, "`conflicts`") if node is not None else ():
            rule = self._order(slot, value, names) if isinstance(value, Items) else self._merge(slot, value)
            if rule is not None:
                yield slot.id, ConflictOrder(rule, value)

    def _order(self, slot: Slot, node: Items, names: Names) -> MergeRule | None:
        if slot.holds_many:
            detail = f"`{slot.id}` holds many roles at once, so there is no first among them"
            self._sink.add("merge-not-possible", node, detail, help_="write `union`")
            return None
        rank: list[str] = []
        for text in reading.read_texts(node, f"the order of `{slot.id}`", self._sink):
            role = names.assignable(slot, text)
            if role is None:
                continue
            if role.is_access:
                detail = f"`{role.id}` is access without a role: every role comes before it"
                self._sink.add("merge-not-possible", text, detail, help_="leave it out")
            elif role.id in rank:
                self._sink.add("duplicate-id", text, f"`{role.id}` stands in the order twice")
            else:
                rank.append(role.id)
        return MergeRule(Merge.HIGHEST, tuple(rank))

    def _merge(self, slot: Slot, node: Node) -> MergeRule | None:
        chosen = reading.read_choice(node, f"`{slot.id}`", [merge.value for merge in Merge], self._sink)
        if chosen is None:
            return None
        merge = Merge(chosen)
        if merge is Merge.UNION and not slot.holds_many:
            self._sink.add("merge-not-possible", node, f"`{slot.id}` holds one role, so nothing can be added up")
        elif merge is not Merge.UNION and slot.holds_many:
            self._sink.add("merge-not-possible", node, f"`{slot.id}` holds many roles at once", help_="write `union`")
        elif merge is Merge.HIGHEST and not slot.rank:
            detail = f"the platform states no order of the roles of `{slot.id}`"
            self._sink.add("not-ranked", node, detail, help_="write the order yourself: a list, the highest role first")
        return MergeRule(merge, slot.rank if merge is Merge.HIGHEST else ())

    def _manual(self, node: Node | None, names: Names) -> Iterator[str]:
        for slot, value in names.slots(node, "`manual`") if node is not None else ():
            if reading.read_choice(value, f"`{slot.id}`", ("allow", "forbid"), self._sink) == "forbid":
                yield slot.id

    # --- rules and guard rails ---

    def _rules(
        self, node: Node | None, names: Names, projects: Mapping[str, Project], connections: frozenset[str] | None
    ) -> list[ReadRule]:
        if node is None:
            return []
        trusted = connections if connections is not None else self._known_connections
        reader = RuleReader(
            Surroundings(names, projects, trusted, self._conditions, self._registered is not None), self._sink
        )
        found: list[ReadRule] = []
        items = reading.read_items(node, "`rules`", self._sink) or ()
        if len(items) > MAX_RULES:
            self._too_many(node, f"{len(items)} rules", MAX_RULES)
        for item in items[:MAX_RULES]:
            rule = reader.read(item)
            if rule is not None:
                found.append(rule)
        return found

    def _guard(self, node: Node | None, names: Names) -> Guard:
        table = reading.read_table(node, "`guard`", self._sink) if node is not None else None
        if table is None:
            return Guard()
        fields = reading.read_fields(table, "`guard`", ("hold_revocations", "keep"), self._sink)
        limit = self._hold_limit(fields["hold_revocations"]) if "hold_revocations" in fields else None
        return Guard(limit, tuple(self._keep(fields["keep"], names)) if "keep" in fields else ())

    def _hold_limit(self, node: Node) -> HoldLimit | None:
        table = reading.read_table(node, "`hold_revocations`", self._sink)
        if table is None:
            return None
        keys = ("over", "and_at_least")
        fields = reading.read_fields(table, "`hold_revocations`", keys, self._sink, required=keys)
        over = self._text(fields.get("over"), "`over`")
        share = _SHARE.fullmatch(over.text) if over else None
        percent = float(share[1]) if share else 0.0
        if over is not None and not 0 < percent <= 100:
            self._sink.add(
                "bad-guard", over, f"`{shorten(over.text)}` is not a share of people", help_="write it like `25%`"
            )
        least = None
        if "and_at_least" in fields:
            least = reading.read_number(fields["and_at_least"], "`and_at_least`", self._sink, "bad-guard")
        return HoldLimit(percent / 100, least) if over is not None and least is not None else None

    def _keep(self, node: Node, names: Names) -> Iterator[tuple[str, str, int]]:
        for slot, key, value in names.roles_by_slot(node, "`keep`"):
            role = names.role(slot, key)
            number = reading.read_number(value, f"the number of `{shorten(key.text)}`", self._sink, "bad-guard")
            if number == 0:
                self._sink.add("bad-guard", value, "keeping at least 0 keeps nothing")
            elif role is not None and number is not None:
                yield slot.id, role.id, number

    def _seats(self, node: Node | None) -> int | None:
        return reading.read_number(node, "`seats`", self._sink) if node is not None else None

    # --- values ---

    def _too_many(self, node: Node, what: str, limit: int) -> None:
        self._sink.add("file-too-large", node, f"the file has {what}, the limit is {limit}")

    def _text(self, node: Node | None, what: str) -> Scalar | None:
        return reading.read_text(node, what, self._sink) if node is not None else None

    def _entries(self, node: Node | None, what: str) -> Iterator[Entry]:
        if node is not None:
            yield from reading.read_entries(node, what, self._sink)
