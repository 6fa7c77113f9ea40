"""Catalogue files → `core.catalogue.Catalogue`: a platform's role model, read and checked for contradictions.

The format is described by `docs/reference/catalogue.schema.json`; the files that come with the package lie in
`rolebridge/catalogues/`, and an administrator's own are read in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from types import MappingProxyType

from rolebridge.core.catalogue import (
    AccountKind,
    Assignable,
    Cardinality,
    Catalogue,
    CustomRoles,
    Level,
    Merge,
    Need,
    Prerequisite,
    ProjectOverride,
    Reach,
    Role,
    Sees,
    Slot,
)
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.permissions import Setting
from rolebridge.mapfile import reading
from rolebridge.mapfile.delegations import DelegationReader
from rolebridge.mapfile.layers import laid_over
from rolebridge.mapfile.matrices import MatrixReader
from rolebridge.mapfile.optional import OptionalReader
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Entry, Node, Scalar, Table, parse_yaml

_FILE = (
    "platform", "name", "project_word", "account_kinds", "slots", "prerequisites", "custom_roles", "settings",
    "permissions", "delegation", "member_states", "extends",
)  # fmt: skip
_SLOT = ("name", "level", "holds", "roles", "merge", "rank", "governs", "locks_access", "neutral")
_ROLE = (
    "name",
    "assignable",
    "reach",
    "project_override",
    "inherits",
    "needs_work",
    "account_kinds",
    "parts",
    "least",
    "most",
    "aliases",
    "sees",
)


def load_catalogue(text: str, file: str) -> tuple[Catalogue | None, tuple[Diagnostic, ...]]:
    """Return the catalogue that a file describes and everything that is wrong with it; None if that is any error."""
    root, problems = parse_yaml(text, file)
    sink = Sink()
    sink.take(problems)
    catalogue = _CatalogueReader(sink).read(root, text) if root is not None else None
    return (None if has_errors(sink.found) else catalogue), sink.found


def _shipped_text(platform: str) -> str:
    return resources.files("rolebridge.catalogues").joinpath(f"{platform}.yaml").read_text(encoding="utf-8")


@cache
def shipped_catalogues() -> Mapping[str, Catalogue]:
    """Return the catalogues that come with the package, by platform id. ValueError when one of them is broken."""
    found: dict[str, Catalogue] = {}
    for entry in sorted(resources.files("rolebridge.catalogues").iterdir(), key=lambda entry: entry.name):
        if not entry.name.endswith(".yaml"):
            continue
        catalogue, problems = load_catalogue(entry.read_text(encoding="utf-8"), entry.name)
        if catalogue is None:
            told = "; ".join(f"{problem.place}: {problem.detail}" for problem in problems)
            raise ValueError(f"a catalogue of the package cannot be read: {told}")
        found[catalogue.id] = catalogue
    return MappingProxyType(found)


def own_catalogues(
    sources: Mapping[str, Node], files: Mapping[str, str], shipped: Mapping[str, Catalogue]
) -> tuple[dict[str, Catalogue], list[Diagnostic]]:
    """Return an organization's own catalogues, by platform id, and everything wrong with them.

    `sources` are their documents by file name, `files` the texts. With `extends:` a catalogue says only what
    differs from one of the package (`extended`); its id must be its own in any case.
    """
    found: dict[str, Catalogue] = {}
    problems: list[Diagnostic] = []
    for name, root in sources.items():
        sink = Sink()
        whole = extended(root, shipped, sink)
        catalogue = _CatalogueReader(sink).read(whole, files[name]) if whole is not None else None
        if catalogue is not None and catalogue.id in {**shipped, **found}:
            detail = f"there is a catalogue of `{catalogue.id}` already"
            help_ = f"choose another id; `extends: {catalogue.id}` keeps what that one says"
            sink.add("duplicate-id", root, detail, help_=help_)
        elif catalogue is not None:
            base = _extends(root)
            # What it extends is part of what it says.
            digest = hashlib.sha256((catalogue.digest + shipped[base].digest).encode()).hexdigest() if base else ""
            found[catalogue.id] = replace(catalogue, digest=digest or catalogue.digest)
        problems += sink.found
    return found, problems


def extended(root: Node, shipped: Mapping[str, Catalogue], sink: Sink) -> Node | None:
    """Return a catalogue's document laid over the one that it extends; as it is when it extends none.

    Mappings are laid over each other key by key, lists of entries with ids entry by entry; a key without a value takes
    what it names away; everything else takes the place of what was there.
    """
    base = _extends(root)
    if base is None or not isinstance(root, Table):
        return root
    if base not in shipped:
        detail = f"no catalogue of the package describes `{shorten(base)}`"
        sink.add("unknown-platform", root.entries["extends"].value, detail, known=shipped)
        return None
    below, _ = parse_yaml(_shipped_text(base), f"{base}.yaml")
    assert isinstance(below, Table)  # the package's own
    own = replace(root, entries={key: entry for key, entry in root.entries.items() if key != "extends"})
    return laid_over(below, own)


def _extends(root: Node) -> str | None:
    entry = root.entries.get("extends") if isinstance(root, Table) else None
    return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else None


class _CatalogueReader(OptionalReader):
    """Reads one catalogue; keeps the nodes that later checks blame."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._kinds: tuple[AccountKind, ...] = ()
        self._slots: dict[str, Slot] = {}
        # Names that can only be checked once every slot is known: (what to check, the text that names it).
        self._slot_names: list[tuple[Scalar, Level]] = []
        self._aliases: list[Scalar] = []
        # What governs what: a slot, the text that names the other.
        self._governing: list[tuple[str, Scalar]] = []
        # What must be decided before what: a slot, the workspace slot that it looks at, the text that says so.
        self._looks_at: list[tuple[str, str, Node]] = []

    def read(self, root: Node, text: str) -> Catalogue | None:
        sink = self._sink
        table = reading.read_table(root, "a catalogue", sink)
        if table is None:
            return None
        fields = reading.read_fields(table, "a catalogue", _FILE, sink, required=("platform", "name", "slots"))
        id_ = self._id(fields.get("platform"), "a platform's id")
        name = self._text(fields.get("name"), "`name`")
        word = self._text(fields.get("project_word"), "`project_word`") or "project"
        self._kinds = tuple(self._account_kinds(fields.get("account_kinds")))
        self._read_slots(fields.get("slots"))
        self._check_slot_names()
        self._check_belonging()
        prerequisites = tuple(self._prerequisites(fields.get("prerequisites")))
        self._check_circles()
        custom = self._custom_roles(fields["custom_roles"]) if "custom_roles" in fields else None
        words = self._words(fields.get("settings"), "`settings`", "a setting")
        settings = {id_: Setting(id_, text) for id_, text in words.items()}
        tables = tuple(MatrixReader(self._slots, settings, sink).matrices(fields.get("permissions")))
        rows = {row for matrix in tables for row in matrix.rows}
        delegations = DelegationReader(self._slots, rows, sink).delegations(fields.get("delegation"))
        if id_ is None or name is None:
            return None
        return Catalogue(
            id_,
            name,
            self._slots,
            prerequisites,
            self._kinds,
            custom,
            word,
            settings,
            tables,
            tuple(delegations),
            self._words(fields.get("member_states"), "`member_states`", "a state"),
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )

    # --- slots ---

    def _read_slots(self, node: Node | None) -> None:
        if node is None:
            return
        entries = list(reading.read_entries(node, "`slots`", self._sink))
        if isinstance(node, Table) and not entries:
            self._sink.add("wrong-type", node, "`slots` is empty")
        for entry in entries:
            id_ = self._id(entry.key, "a slot's id")
            slot = self._slot(id_ or "", entry)
            if id_ is not None and slot is not None:
                self._slots[id_] = slot

    def _slot(self, id_: str, entry: Entry) -> Slot | None:
        what, sink = f"slot `{shorten(entry.key.text)}`", self._sink
        table = reading.read_table(entry.value, what, sink)
        if table is None:
            return None
        fields = reading.read_fields(table, what, _SLOT, sink, required=("name", "level", "holds", "roles", "merge"))
        level = self._choice(fields.get("level"), "`level`", Level, Level.WORKSPACE)
        holds = self._choice(fields.get("holds"), "`holds`", Cardinality, Cardinality.OPTIONAL)
        merge = self._choice(fields.get("merge"), "`merge`", Merge, Merge.ERROR)
        roles = self._roles(id_, level, fields.get("roles"))
        rank = self._rank(fields.get("rank"), roles)
        self._check_merge(fields.get("merge"), merge, holds, rank, roles)
        return Slot(
            id_,
            self._text(fields.get("name"), "`name`") or id_,
            level,
            holds,
            roles,
            merge,
            rank,
            self._governs(id_, fields.get("governs"), level),
            self._flag(fields.get("locks_access"), "`locks_access`"),
            self._neutral(fields.get("neutral"), roles),
        )

    def _roles(self, slot: str, level: Level, node: Node | None) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        if node is None:
            return roles
        for entry in reading.read_entries(node, "`roles`", self._sink):
            id_ = self._id(entry.key, "a role's id")
            role = self._role(id_ or "", slot, level, entry)
            if id_ is not None and role is not None:
                roles[id_] = role
        self._check_parts(roles, node)
        self._check_access(roles, node)
        self._check_aliases(roles)
        return roles

    def _role(self, id_: str, slot: str, level: Level, entry: Entry) -> Role | None:
        what, sink = f"role `{shorten(entry.key.text)}`", self._sink
        table = reading.read_table(entry.value, what, sink)
        if table is None:
            return None
        fields = reading.read_fields(table, what, _ROLE, sink, required=("name",))
        reach = self._choice(fields.get("reach"), "`reach`", Reach, Reach.NONE)
        override = self._choice(
            fields.get("project_override"), "`project_override`", ProjectOverride, ProjectOverride.YIELDS
        )
        if reach is not Reach.NONE and level is Level.PROJECT:
            self._contradiction(fields["reach"], "a project role reaches its own project only")
        if "project_override" in fields and reach is Reach.NONE:
            self._contradiction(fields["project_override"], "`project_override` says nothing where `reach` is none")
        inherits = self._texts(fields.get("inherits"), "`inherits`")
        self._slot_names += [(text, Level.WORKSPACE) for text in inherits]
        self._looks_at += [(slot, text.text, text) for text in inherits]
        aliases = self._texts(fields.get("aliases"), "`aliases`")
        self._aliases += aliases
        return Role(
            id_,
            self._text(fields.get("name"), "`name`") or id_,
            slot,
            self._choice(fields.get("assignable"), "`assignable`", Assignable, Assignable.YES),
            reach,
            override,
            tuple(text.text for text in inherits),
            self._flag(fields.get("needs_work"), "`needs_work`"),
            self._known_kinds(fields.get("account_kinds")),
            tuple(text.text for text in self._texts(fields.get("parts"), "`parts`")),
            self._number(fields.get("least"), "`least`"),
            self._number(fields.get("most"), "`most`"),
            aliases=tuple(alias for text in aliases if (alias := reading.read_id(text, "an alias", sink)) is not None),
            sees=self._choice(fields.get("sees"), "`sees`", Sees, Sees.EVERYTHING),
        )

    def _rank(self, node: Node | None, roles: Mapping[str, Role]) -> tuple[str, ...]:
        rank: list[str] = []
        for text in self._known_roles(node, "`rank`", roles):
            if text.text in rank:
                self._contradiction(text, f"`{text.text}` stands in the rank twice")
            elif roles[text.text].is_access:
                self._contradiction(text, f"`{text.text}` is access without a role and has no rank")
            else:
                rank.append(text.text)
        return tuple(rank)

    def _governs(self, slot: str, node: Node | None, level: Level) -> tuple[str, ...]:
        texts = self._texts(node, "`governs`")
        self._governing += [(slot, text) for text in texts]
        if texts and level is Level.PROJECT:
            self._contradiction(texts[0], "only a workspace slot governs project slots")
        self._slot_names += [(text, Level.PROJECT) for text in texts]
        return tuple(text.text for text in texts)

    def _neutral(self, node: Node | None, roles: Mapping[str, Role]) -> str | None:
        text = self._text(node, "`neutral`")
        if text is None or node is None:
            return None
        role = roles.get(text)
        if role is None:
            self._sink.add("unknown-role", node, f"the slot has no role `{shorten(text)}`", known=roles)
        elif role.assignable is Assignable.YES:
            self._contradiction(node, f"`{text}` means no role, so it cannot be assignable")
        return text

    # --- the other sections ---

    def _account_kinds(self, node: Node | None) -> Iterable[AccountKind]:
        seen: set[str] = set()
        for item in reading.read_items(node, "`account_kinds`", self._sink) or () if node else ():
            table = reading.read_table(item, "an account kind", self._sink)
            if table is None:
                continue
            keys = ("id", "name", "requires")
            fields = reading.read_fields(table, "an account kind", keys, self._sink, required=("id", "name"))
            id_ = self._id(fields.get("id"), "an account kind's id")
            requires = self._texts(fields.get("requires"), "`requires`")
            if id_ in seen:
                self._sink.add("duplicate-id", fields["id"], f"account kind `{id_}` is described twice")
            elif id_ is not None:
                seen.add(id_)
                name = self._text(fields.get("name"), "`name`") or id_
                yield AccountKind(id_, name, tuple(text.text for text in requires))

    def _prerequisites(self, node: Node | None) -> Iterable[Prerequisite]:
        for item in reading.read_items(node, "`prerequisites`", self._sink) or () if node else ():
            table = reading.read_table(item, "a prerequisite", self._sink)
            if table is None:
                continue
            keys = ("slot", "roles", "account_kinds", "needs")
            fields = reading.read_fields(table, "a prerequisite", keys, self._sink, required=("slot", "needs"))
            slot = self._known_slot(fields.get("slot"))
            needs = tuple(self._needs(slot.id if slot else "", fields.get("needs")))
            roles = self._known_roles(fields.get("roles"), "`roles`", slot.roles) if slot else []
            if slot is not None and needs:
                kinds = self._known_kinds(fields.get("account_kinds"))
                yield Prerequisite(slot.id, needs, frozenset(text.text for text in roles), kinds)

    def _needs(self, needy: str, node: Node | None) -> Iterable[Need]:
        for item in reading.read_items(node, "`needs`", self._sink) or () if node else ():
            table = reading.read_table(item, "a need", self._sink)
            if table is None:
                continue
            fields = reading.read_fields(table, "a need", ("slot", "roles"), self._sink, required=("slot",))
            slot = self._known_slot(fields.get("slot"))
            if slot is None:
                continue
            if slot.level is not Level.WORKSPACE:
                self._contradiction(fields["slot"], "a need names a workspace slot")
            else:
                self._looks_at.append((needy, slot.id, fields["slot"]))
            roles = self._known_roles(fields.get("roles"), "`roles`", slot.roles)
            yield Need(slot.id, frozenset(text.text for text in roles))

    def _custom_roles(self, node: Node) -> CustomRoles | None:
        table = reading.read_table(node, "`custom_roles`", self._sink)
        if table is None:
            return None
        keys, required = ("slot", "limit", "permissions"), ("slot", "permissions")
        fields = reading.read_fields(table, "`custom_roles`", keys, self._sink, required=required)
        slot = self._known_slot(fields.get("slot"))
        limit = reading.read_number(fields["limit"], "`limit`", self._sink) if "limit" in fields else None
        permissions = self._words(fields.get("permissions"), "`permissions`", "a permission")
        return CustomRoles(slot.id, limit, permissions) if slot is not None else None

    # --- consistency ---

    def _check_merge(
        self, node: Node | None, merge: Merge, holds: Cardinality, rank: tuple[str, ...], roles: Mapping[str, Role]
    ) -> None:
        if node is None:
            return
        if merge is Merge.UNION and holds is not Cardinality.MANY:
            self._contradiction(node, "only a slot that holds many can merge by `union`")
        if merge is not Merge.UNION and holds is Cardinality.MANY:
            self._contradiction(node, "a slot that holds many keeps them all: it merges by `union`")
        if merge is not Merge.HIGHEST or holds is Cardinality.MANY:
            return
        for role in roles.values():
            if role.assignable is Assignable.YES and not role.is_access and role.id not in rank:
                self._contradiction(node, f"`highest` needs a rank for `{role.id}`")

    def _check_access(self, roles: Mapping[str, Role], node: Node) -> None:
        access = [role.id for role in roles.values() if role.is_access]
        if len(access) > 1:
            self._contradiction(node, f"`{access[0]}` and `{access[1]}` are both mere access, and a slot has one")

    def _check_belonging(self) -> None:
        """Report where a role would overrule the very role by which a project is the person's own, and leave nothing.

        Mere access is what stays there: without it the project would be nobody's, and neither role would hold.
        """
        for governor, text in self._governing:
            above, below = self._slots.get(governor), self._slots.get(text.text)
            if above is None or below is None or below.access_role is not None:
                continue
            own = [role.id for role in above.roles.values() if role.overrules and role.reach is Reach.OWN]
            if own:
                detail = f"`{own[0]}` overrules in one's own projects, and `{below.id}` has no role that is mere access"
                self._sink.add("catalogue-inconsistent", text, detail, help_="add one with `inherits: [slot]`")

    def _check_circles(self) -> None:
        """Report what would have to be decided before itself: a slot that looks at one that looks at it."""
        below: dict[str, set[str]] = {}
        for slot, seen, node in self._looks_at:
            if slot in _all_below(seen, below):
                self._contradiction(node, f"`{slot}` depends on `{seen}`, which depends on `{slot}`")
            else:
                below.setdefault(slot, set()).add(seen)

    def _check_parts(self, roles: Mapping[str, Role], node: Node) -> None:
        for role in roles.values():
            for part in role.parts:
                if part not in roles or part == role.id:
                    self._contradiction(
                        node, f"role `{role.id}` is made of `{shorten(part)}`, which the slot does not have"
                    )

    def _check_aliases(self, roles: Mapping[str, Role]) -> None:
        taken = dict.fromkeys(roles, "a role of the slot") | {"all": "the word for every role"}
        for alias in self._aliases:
            if alias.text in taken:
                self._contradiction(alias, f"`{shorten(alias.text)}` is {taken[alias.text]} already")
            taken[alias.text] = "an alias in the slot"
        self._aliases.clear()

    def _check_slot_names(self) -> None:
        for text, level in self._slot_names:
            slot = self._slots.get(text.text)
            if slot is None:
                self._sink.add("unknown-slot", text, f"there is no slot `{shorten(text.text)}`", known=self._slots)
            elif slot.level is not level:
                self._contradiction(text, f"`{slot.id}` is not a {level.value} slot")

    def _contradiction(self, node: Node, detail: str) -> None:
        self._sink.add("catalogue-inconsistent", node, detail)

    # --- values ---

    def _known_slot(self, node: Node | None) -> Slot | None:
        text = reading.read_text(node, "a slot", self._sink) if node is not None else None
        if text is None:
            return None
        slot = self._slots.get(text.text)
        if slot is None:
            self._sink.add("unknown-slot", text, f"there is no slot `{shorten(text.text)}`", known=self._slots)
        return slot

    def _known_roles(self, node: Node | None, what: str, roles: Mapping[str, Role]) -> list[Scalar]:
        known: list[Scalar] = []
        for text in self._texts(node, what):
            if text.text in roles:
                known.append(text)
            else:
                self._sink.add("unknown-role", text, f"the slot has no role `{shorten(text.text)}`", known=roles)
        return known

    def _known_kinds(self, node: Node | None) -> frozenset[str]:
        kinds = {kind.id for kind in self._kinds}
        named = self._texts(node, "`account_kinds`")
        for text in named:
            if text.text not in kinds:
                detail = f"there is no account kind `{shorten(text.text)}`"
                self._sink.add("unknown-account-kind", text, detail, known=kinds)
        return frozenset(text.text for text in named)


def _all_below(slot: str, below: Mapping[str, set[str]]) -> set[str]:
    """Return a slot and everything that it looks at, and so on."""
    found, waiting = {slot}, [slot]
    while waiting:
        new = below.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found
