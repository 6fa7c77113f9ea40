"""The rules of a mapping file: whom each speaks of, where, when, and what it gives or takes away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import translate

from rolebridge.core.catalogue import Level, Slot
from rolebridge.core.diagnostics import Place
from rolebridge.core.mapping import (
    Boundary,
    Capture,
    DenyTerm,
    GroupRef,
    Pattern,
    Project,
    ProjectSelector,
    RoleTerm,
    Rule,
    SelectorKind,
)
from rolebridge.mapfile import reading
from rolebridge.mapfile.conditions import ConditionReader
from rolebridge.mapfile.given import ReadRule
from rolebridge.mapfile.names import Names
from rolebridge.mapfile.patterns import PatternReader, capture_name, has_braces, taken_literally
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table

_RULE = ("id", "groups", "users", "when", "values", "projects", "grant", "deny", "from", "until", "note")
_GROUP = ("name", "id", "external_id", "connection", "match")
_GLOB = re.compile(r"[*?\[]")
_MAX_GLOB = 200


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules of a file may refer to. `connections` is None where any connection may be named.

    `all_projects` says that `projects` are all there are: a name that none of them has is a mistake.
    """

    names: Names
    projects: Mapping[str, Project]
    connections: frozenset[str] | None
    conditions: ConditionReader
    all_projects: bool


@dataclass(slots=True)
class _Uses:
    """Where one rule uses captures, and what its own `values` are."""

    values: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    value_keys: dict[str, Scalar] = field(default_factory=dict)
    in_grant: list[tuple[Slot, str, Scalar]] = field(default_factory=list)
    in_projects: list[tuple[str, Scalar]] = field(default_factory=list)

    @property
    def all(self) -> list[tuple[str, Scalar]]:
        """Return every use: the capture's name and the text that uses it."""
        return [(name, text) for _, name, text in self.in_grant] + self.in_projects

    def meaning(self, name: str, value: str) -> str:
        """Return what `value` of a capture stands for: the id, where it is another name of a role that is granted."""
        named = (slot.named(value) for slot, capture, _ in self.in_grant if capture == name)
        return next((role.id for role in named if role is not None), value)


class RuleReader:
    """Reads the rules of one file, in order."""

    def __init__(self, surroundings: Surroundings, sink: Sink) -> None:
        self._in = surroundings
        self._sink = sink
        self._ids: dict[str, Place] = {}
        self._spellings = {id_.casefold(): id_ for id_ in surroundings.projects}
        self._tags = {tag for project in surroundings.projects.values() for tag in project.tags}
        self._containers = {p.container for p in surroundings.projects.values() if p.container is not None}

    def read(self, node: Node) -> ReadRule | None:
        """Return the rule, or None when anything about it is wrong."""
        before = self._sink.errors
        table = reading.read_table(node, "a rule", self._sink)
        if table is None:
            return None
        fields = reading.read_fields(table, "a rule", _RULE, self._sink, required=("id",))
        uses = _Uses()
        id_ = self._id(fields.get("id"))
        self._values(fields.get("values"), uses)
        grant = tuple(self._grant(fields.get("grant"), uses))
        groups = tuple(self._groups(fields.get("groups"), uses))
        users = reading.read_texts(fields["users"], "`users`", self._sink) if "users" in fields else []
        when = self._in.conditions.condition(fields["when"]) if "when" in fields else None
        deny_all, deny = self._deny(fields.get("deny"))
        projects = tuple(self._projects(fields.get("projects"), uses))
        starts, ends = self._boundary(fields.get("from"), "`from`"), self._boundary(fields.get("until"), "`until`")
        note = self._text(fields.get("note"), "`note`")
        self._check_shape(table, fields, deny_all)
        self._check_projects(table, fields, [*(term.slot for term in grant), *(term.slot for term in deny)])
        self._check_captures(fields, groups, uses, sound=self._sink.errors == before)
        self._check_period(fields, starts, ends)
        if self._sink.errors != before:
            return None
        self._warn_of_literals(fields.get("groups"), users)
        people = frozenset(user.text.casefold() for user in users)
        rule = Rule(
            id_ or "", table.place, groups, people, when, projects, grant, deny, deny_all, starts, ends, note or ""
        )
        return ReadRule(rule, table)

    def _id(self, node: Node | None) -> str | None:
        text = reading.read_text(node, "`id`", self._sink) if node is not None else None
        id_ = reading.read_id(text, "a rule's id", self._sink) if text is not None else None
        if text is None or id_ is None:
            return None
        first = self._ids.setdefault(id_.casefold(), text.place)
        if first != text.place:
            self._sink.add("duplicate-id", text, f"the rule at line {first.line} has the id `{id_}` already")
        return id_

    # --- whom ---

    def _values(self, node: Node | None, uses: _Uses) -> None:
        for entry in reading.read_entries(node, "`values`", self._sink) if node is not None else ():
            table = reading.read_table(entry.value, f"the values of `{shorten(entry.key.text)}`", self._sink)
            meanings = uses.values.setdefault(entry.key.text, {})
            uses.value_keys[entry.key.text] = entry.key
            for value in table.entries.values() if table is not None else ():
                spelling = value.key.text.casefold()
                meaning = reading.read_text(value.value, "a value", self._sink)
                if not spelling:
                    self._sink.add("wrong-type", value.key, "a value's spelling is empty")
                elif spelling in meanings:
                    detail = f"`{shorten(value.key.text)}` is listed twice, apart from case"
                    self._sink.add("duplicate-id", value.key, detail)
                elif meaning is not None:
                    meanings[spelling] = meaning

    def _groups(self, node: Node | None, uses: _Uses) -> Iterator[GroupRef | Pattern]:
        if node is None:
            return
        if isinstance(node, Items) and not node.items:
            self._sink.add("wrong-type", node, "`groups` is an empty list", help_="a rule that speaks of nobody can go")
        values = {
            name: {key: uses.meaning(name, text.text) for key, text in table.items()}
            for name, table in uses.values.items()
        }
        patterns = PatternReader(values, self._spellings, self._sink, all_projects=self._in.all_projects)
        for item in node.items if isinstance(node, Items) else (node,):
            if isinstance(item, Table) and not item.looks_like_capture:
                group = self._group(item, patterns)
            else:
                text = reading.read_text(item, "a group", self._sink)
                group = GroupRef(name=text.text) if text is not None else None
            if group is not None:
                yield group

    def _group(self, table: Table, patterns: PatternReader) -> GroupRef | Pattern | None:
        fields = reading.read_fields(table, "a group", _GROUP, self._sink)
        texts = {key: self._text(value, f"`{key}`") for key, value in fields.items()}
        given = [key for key in ("name", "id", "external_id", "match") if key in fields]
        if len(given) != 1:
            detail = "a group is named by " + (" and ".join(f"`{key}`" for key in given) if given else "nothing")
            self._sink.add("wrong-type", table, detail, help_="write one of `name`, `id`, `external_id` and `match`")
            return None
        if given[0] == "match":
            if "connection" in fields:
                detail = "`match` looks at the groups of every connection that the file trusts"
                self._sink.add(
                    "wrong-type", table, detail, help_="leave `connection` out, and name it under `connections`"
                )
            match = reading.read_text(fields["match"], "`match`", Sink())
            return patterns.compile(match) if match is not None else None
        connection = fields.get("connection")
        trusted = self._in.connections
        if connection is not None and trusted is not None and texts["connection"] not in {*trusted, None}:
            detail = f"the file does not trust a connection `{shorten(texts['connection'] or '')}`"
            self._sink.add("unknown-connection", connection, detail, known=sorted(trusted))
        return GroupRef(texts.get("name"), texts.get("id"), texts.get("external_id"), texts.get("connection"))

    def _warn_of_literals(self, groups: Node | None, users: Iterable[Scalar]) -> None:
        """Warn of names and patterns that are taken as they stand, and look as if they were not meant so."""
        for user in users:
            if "*" in user.text:
                detail = f"`{shorten(user.text)}` is taken as a whole user name"
                help_ = 'for everyone of a domain write a condition: `when: userName ew "@acme.example"`'
                self._sink.add("taken-literally", user, detail, help_=help_)
        for item in groups.items if isinstance(groups, Items) else (groups,):
            match = item.entries.get("match") if isinstance(item, Table) else None
            text = match.value if match is not None else item
            if not isinstance(text, Scalar) or not taken_literally(text.text, pattern=match is not None):
                continue
            if match is not None:
                detail = f"`{shorten(text.text)}` is no regular expression, and its signs are taken as they stand"
                help_ = "`*` stands for any text, `{word}` for one of a list"
            else:
                detail = f"`{shorten(text.text)}` is taken as the whole name of a group"
                help_ = 'write `{match: "…"}` for a pattern, in which `*` stands for any text'
            self._sink.add("taken-literally", text, detail, help_=help_)

    # --- what ---

    def _grant(self, node: Node | None, uses: _Uses) -> Iterator[RoleTerm]:
        names = self._in.names
        for slot, value in names.slots(node, "`grant`") if node is not None else ():
            for text in names.role_texts(slot, value):
                capture = capture_name(text.text)
                if capture is not None:
                    uses.in_grant.append((slot, capture, text))
                    yield RoleTerm(slot.id, capture=capture)
                elif (role := names.assignable(slot, text)) is not None:
                    yield RoleTerm(slot.id, role.id)

    def _deny(self, node: Node | None) -> tuple[bool, tuple[DenyTerm, ...]]:
        if node is None:
            return False, ()
        if isinstance(node, Scalar):
            chosen = reading.read_choice(node, "`deny`", ("all",), self._sink)
            return chosen is not None, ()
        return False, tuple(self._deny_terms(node))

    def _deny_terms(self, node: Node) -> Iterator[DenyTerm]:
        names = self._in.names
        for slot, value in names.slots(node, "`deny`"):
            if isinstance(value, Scalar) and value.text == "all":
                yield DenyTerm(slot.id)
                continue
            roles: set[str] = set()
            for text in reading.read_texts(value, f"`{slot.id}`", self._sink):
                if capture_name(text.text) is not None:
                    self._sink.add(
                        "wrong-type", text, "`deny` takes no capture", help_="list the roles, or write `all`"
                    )
                elif (role := names.assignable(slot, text)) is not None:
                    roles.add(role.id)
            if roles:
                yield DenyTerm(slot.id, frozenset(roles))

    # --- where ---

    def _projects(self, node: Node | None, uses: _Uses) -> Iterator[ProjectSelector]:
        if node is None:
            return
        if isinstance(node, Items) and not node.items:
            self._sink.add("wrong-type", node, "`projects` is an empty list")
        for item in node.items if isinstance(node, Items) else (node,):
            if isinstance(item, Table) and not item.looks_like_capture:
                selector = self._selector_table(item)
            else:
                text = reading.read_text(item, "`projects`", self._sink)
                selector = self._selector(text, uses) if text is not None else None
            if selector is not None:
                yield selector

    def _selector(self, text: Scalar, uses: _Uses) -> ProjectSelector | None:
        capture = capture_name(text.text)
        if capture is not None:
            uses.in_projects.append((capture, text))
            return ProjectSelector(SelectorKind.CAPTURE, capture)
        if text.text == "all":
            return ProjectSelector(SelectorKind.ALL)
        if has_braces(text.text):
            self._sink.add("wrong-type", text, "a capture must stand alone here", help_='write it like `"{project}"`')
            return None
        if _GLOB.search(text.text):
            return self._glob(text)
        if text.text not in self._in.projects and self._in.all_projects:
            detail = f"`{shorten(text.text)}` is not declared under `projects`"
            self._sink.add("unknown-project", text, detail, known=self._in.projects)
            return None
        return ProjectSelector(SelectorKind.ID, text.text)

    def _glob(self, text: Scalar) -> ProjectSelector | None:
        fits = re.compile(translate(text.text)).match
        if len(text.text) > _MAX_GLOB:
            self._sink.add("wrong-type", text, f"the glob has {len(text.text)} characters, the limit is {_MAX_GLOB}")
            return None
        if self._in.all_projects and not any(fits(id_) for id_ in self._in.projects):
            detail = f"no declared project fits `{text.text}`"
            self._sink.add(
                "matches-no-project", text, detail, help_="write `all` for all projects, later ones included"
            )
            return None
        return ProjectSelector(SelectorKind.GLOB, text.text)

    def _selector_table(self, table: Table) -> ProjectSelector | None:
        fields = reading.read_fields(table, "a project selector", ("tag", "in"), self._sink)
        if len(fields) != 1:
            if len(fields) == len(table.entries):
                detail = "a project selector has one of `tag` and `in`"
                self._sink.add("wrong-type", table, detail, help_="write two selectors as a list")
            return None
        key, node = next(iter(fields.items()))
        text = reading.read_text(node, f"`{key}`", self._sink)
        if text is None:
            return None
        known = self._tags if key == "tag" else self._containers
        if self._in.all_projects and text.text not in known:
            detail = f"no declared project has `{key}: {shorten(text.text)}`"
            self._sink.add("matches-no-project", text, detail, known=sorted(known))
            return None
        return ProjectSelector(SelectorKind.TAG if key == "tag" else SelectorKind.CONTAINER, text.text)

    # --- when ---

    def _boundary(self, node: Node | None, what: str) -> Boundary:
        if node is None:
            return None
        if isinstance(node, Table) and not node.looks_like_capture:
            fields = reading.read_fields(node, what, ("attribute",), self._sink, required=("attribute",))
            return self._in.conditions.date_from(fields["attribute"]) if "attribute" in fields else None
        return reading.read_day(node, what, self._sink)

    # --- does it fit together ---

    def _check_shape(self, table: Table, fields: Mapping[str, Node], deny_all: bool) -> None:
        sink = self._sink
        if "grant" in fields and "deny" in fields:
            sink.add("rule-grants-and-denies", table, "a rule has `grant` or `deny`, not both", help_="write two rules")
        elif "grant" not in fields and "deny" not in fields:
            sink.add("rule-without-effect", table, "the rule has neither `grant` nor `deny`")
        for key in ("grant", "deny"):
            node = fields.get(key)
            if isinstance(node, Table) and not node.entries:
                sink.add("rule-without-effect", node, f"`{key}` is empty")
        if not {"groups", "users", "when"} & fields.keys():
            help_ = "if everyone is meant, write `when: active eq true`"
            sink.add("missing-key", table, "the rule names no `groups`, no `users` and no `when`", help_=help_)
        if deny_all and "projects" in fields:
            help_ = "to deny these projects only, name a project slot: `deny: {…: all}`"
            detail = "`deny: all` speaks of the whole workspace"
            sink.add("projects-without-project-role", fields["projects"], detail, help_=help_)

    def _check_projects(self, table: Table, fields: Mapping[str, Node], slots: Iterable[str]) -> None:
        """Check that projects stand exactly where a project slot is spoken of; only sound slots are judged."""
        known = self._in.names.catalogue.slots
        touched = set(slots) | self._slots_named(fields)
        of_projects = sorted(slot for slot in touched if known[slot].level is Level.PROJECT)
        if of_projects and "projects" not in fields:
            detail = f"`{of_projects[0]}` is held in projects, and the rule names none"
            self._sink.add("projects-missing", table, detail, help_="add `projects: all`, or name them")
        elif touched and not of_projects and "projects" in fields:
            detail = "the rule speaks of no project role, and projects never narrow a workspace role"
            self._sink.add("projects-without-project-role", fields["projects"], detail, help_="leave `projects` out")

    def _slots_named(self, fields: Mapping[str, Node]) -> set[str]:
        """Return the slots that `grant` and `deny` name, whether their roles are sound or not."""
        tables = [fields.get("grant"), fields.get("deny")]
        keys = {key for table in tables if isinstance(table, Table) for key in table.entries}
        return keys & self._in.names.catalogue.slots.keys()

    def _check_period(self, fields: Mapping[str, Node], starts: Boundary, ends: Boundary) -> None:
        if isinstance(starts, date) and isinstance(ends, date) and ends < starts:
            detail = f"the rule ends on {ends} and begins on {starts}"
            self._sink.add("empty-period", fields["until"], detail)

    # --- captures ---

    def _check_captures(
        self, fields: Mapping[str, Node], groups: tuple[GroupRef | Pattern, ...], uses: _Uses, *, sound: bool
    ) -> None:
        patterns = [group for group in groups if isinstance(group, Pattern)]
        captures = {p.name for pattern in patterns for p in pattern.pieces if isinstance(p, Capture)}
        for name, text in uses.all:
            self._check_use(name, text, fields, groups)
        used = {name for name, _ in uses.all}
        if all(isinstance(group, GroupRef) for group in groups) and _pattern_meant(fields.get("groups")):
            return  # a pattern was meant and refused: what follows from that is not another mistake
        if sound:  # in a rule with errors, the use may be what was refused
            for name in sorted(captures - used):
                self._unused(name, fields["groups"])
        for name, key in uses.value_keys.items():
            if name not in captures and name not in used:
                self._sink.add("value-unused", key, f"no pattern of the rule has `{{{shorten(name)}}}`")
        for slot, name, text in uses.in_grant:
            self._check_roles(slot, name, text, uses)
        for name, text in uses.in_projects:
            self._check_project_values(name, text, uses)

    def _check_use(
        self, name: str, text: Scalar, fields: Mapping[str, Node], groups: tuple[GroupRef | Pattern, ...]
    ) -> None:
        """Check that whoever the rule speaks of brings a value for the capture."""
        if _pattern_meant(fields.get("groups")) and not any(isinstance(group, Pattern) for group in groups):
            return
        help_ = None
        without = next((group for group in groups if not _captures(group, name)), None)
        if without is not None:
            called = without.text if isinstance(without, Pattern) else str(without)
            detail = f"the group `{shorten(called)}` gives `{{{name}}}` no value"
            if has_braces(called):
                help_ = f'write `groups: {{match: "{shorten(called)}"}}`' if isinstance(without, GroupRef) else None
        elif "users" in fields:
            detail = f"the people under `users` give `{{{name}}}` no value"
            help_ = "write a rule of its own for them"
        elif not groups:
            detail = f"the rule has no group whose name gives `{{{name}}}` a value"
        else:
            return
        self._sink.add("unknown-capture", text, detail, help_=help_)

    def _unused(self, name: str, groups: Node) -> None:
        for item in groups.items if isinstance(groups, Items) else (groups,):
            match = item.entries.get("match") if isinstance(item, Table) else None
            if match is not None and isinstance(match.value, Scalar) and f"{{{name}}}" in match.value.text:
                detail = f"`{{{name}}}` is matched and used nowhere in the rule"
                self._sink.add("capture-unused", match.value, detail, help_="write `*` for text that does not matter")
                return

    def _check_roles(self, slot: Slot, name: str, text: Scalar, uses: _Uses) -> None:
        if name in uses.values:
            for meaning in uses.values[name].values():
                role = self._in.names.assignable(slot, meaning)
                other = uses.meaning(name, meaning.text)
                if role is not None and role.id != other:
                    detail = (
                        f"`{shorten(meaning.text)}` means `{role.id}` in `{slot.id}`, and `{other}` in another slot"
                    )
                    self._sink.add("unknown-role", meaning, detail, help_="give each slot a capture of its own")
        elif name == "project":
            self._sink.add("unknown-role", text, "`{project}` stands for projects, not for roles")

    def _check_project_values(self, name: str, text: Scalar, uses: _Uses) -> None:
        for meaning in uses.values.get(name, {}).values():
            if self._in.all_projects and meaning.text not in self._in.projects:
                detail = f"`{shorten(meaning.text)}` is not declared under `projects`"
                self._sink.add("unknown-project", meaning, detail, known=self._in.projects)

    def _text(self, node: Node | None, what: str) -> str | None:
        text = reading.read_text(node, what, self._sink) if node is not None else None
        return text.text if text is not None else None


def _pattern_meant(groups: Node | None) -> bool:
    items = groups.items if isinstance(groups, Items) else (groups,)
    return any(isinstance(item, Table) and "match" in item.entries for item in items)


def _captures(group: GroupRef | Pattern, name: str) -> bool:
    return isinstance(group, Pattern) and any(isinstance(p, Capture) and p.name == name for p in group.pieces)
