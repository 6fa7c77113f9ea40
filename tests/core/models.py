"""Small catalogues that mirror real platforms, and the shortest ways to write values down in a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from rolebridge.core.assignment import ManualAssignment, Resolution
from rolebridge.core.catalogue import (
    AccountKind,
    Assignable,
    Cardinality,
    Catalogue,
    Level,
    Merge,
    Need,
    Prerequisite,
    ProjectOverride,
    Reach,
    Role,
    Slot,
)
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group, Membership, User
from rolebridge.core.mapping import (
    AnyText,
    Capture,
    Condition,
    DateFrom,
    GroupRef,
    Literal,
    Pattern,
    Project,
    ProjectSelector,
    RoleTerm,
    Rule,
    SelectorKind,
    WorkspaceMapping,
)
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve

ALL, OWN = Reach.ALL, Reach.OWN
NEVER, BOTH, YIELDS = ProjectOverride.NEVER, ProjectOverride.BOTH, ProjectOverride.YIELDS

PLACE = Place("acme.yaml", 1, 1)
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def _slot(slot: str, level: Level, cardinality: Cardinality, roles: Sequence[Role], **more: Any) -> Slot:
    return Slot(slot, slot, level, cardinality, {role.id: role for role in roles}, **more)


def _roles(slot: str, *ids: str) -> list[Role]:
    return [Role(id_, id_, slot) for id_ in ids]


def labelbox() -> Catalogue:
    """Every workspace role applies everywhere and cannot be overridden; nothing ranks; access is locked too."""
    wide = [
        Role(id_, id_, "workspace_role", reach=ALL, project_override=NEVER)
        for id_ in ("admin", "team_manager", "labeler")
    ]
    tenant = Role(
        "tenant_admin", "tenant_admin", "workspace_role", Assignable.ACCOUNT_CREATION, ALL, project_override=NEVER
    )
    inherit = Role("inherit", "inherit", "project_role", inherits=("default_role",))
    project_roles = [*_roles("project_role", "project_lead", "team_manager", "reviewer", "labeler"), inherit]
    slots = [
        _slot("workspace_role", Level.WORKSPACE, Cardinality.OPTIONAL, [*wide, tenant], governs=("project_role",)),
        _slot("project_role", Level.PROJECT, Cardinality.OPTIONAL, project_roles, locks_access=True),
        _slot("default_role", Level.WORKSPACE, Cardinality.OPTIONAL, _roles("default_role", "reviewer", "labeler")),
    ]
    return Catalogue("labelbox", "Labelbox", {slot.id: slot for slot in slots})


def label_studio() -> Catalogue:
    """The most elevated role wins; a manager is one where they belong; a project role needs an organization role."""
    org = [
        Role("owner", "owner", "org_role", Assignable.SUPPORT_TICKET, ALL, project_override=NEVER),
        Role("administrator", "administrator", "org_role", reach=ALL, project_override=NEVER),
        Role("manager", "manager", "org_role", reach=OWN, project_override=NEVER),
        Role("reviewer", "reviewer", "org_role", reach=OWN, project_override=YIELDS),
        Role("annotator", "annotator", "org_role", reach=OWN, project_override=YIELDS),
    ]
    inherit = Role("inherit", "inherit", "project_role", inherits=("org_role",))
    slots = [
        _slot(
            "org_role",
            Level.WORKSPACE,
            Cardinality.ONE,
            org,
            merge=Merge.HIGHEST,
            rank=("administrator", "manager", "reviewer", "annotator"),
            governs=("project_role",),
        ),
        _slot(
            "project_role",
            Level.PROJECT,
            Cardinality.OPTIONAL,
            [*_roles("project_role", "reviewer", "annotator"), inherit],
            merge=Merge.HIGHEST,
            rank=("reviewer", "annotator"),
        ),
    ]
    needs = (Prerequisite("project_role", (Need("org_role"),)),)
    return Catalogue("label_studio", "Label Studio", {slot.id: slot for slot in slots}, needs)


def itag() -> Catalogue:
    """A chain of prerequisites by account kind: a PAI role, then an iTAG role, then a node role."""
    itag_roles = [
        Role("administrator", "administrator", "itag_role", account_kinds=frozenset({"ram_user"})),
        *_roles("itag_role", "leader", "worker"),
    ]
    # Declared back to front: the order of need is not the order of the file.
    slots = [
        _slot("node_role", Level.PROJECT, Cardinality.MANY, _roles("node_role", "annotate", "check")),
        _slot("itag_role", Level.WORKSPACE, Cardinality.OPTIONAL, itag_roles),
        _slot(
            "pai_role",
            Level.WORKSPACE,
            Cardinality.OPTIONAL,
            _roles("pai_role", "pai_administrator", "labeling_administrator", "pai_member"),
        ),
    ]
    above = Need("pai_role", frozenset({"pai_administrator", "labeling_administrator"}))
    needs = (
        Prerequisite("itag_role", (above,), frozenset({"administrator", "leader"}), frozenset({"ram_user"})),
        Prerequisite("node_role", (Need("itag_role"),)),
    )
    kinds = (AccountKind("ram_user", "RAM user"), AccountKind("external_account", "External", ("uid",)))
    return Catalogue("itag", "iTAG", {slot.id: slot for slot in slots}, needs, kinds)


def teams() -> Catalogue:
    """Synthetic: a set of workspace roles with every kind of override, two governed project slots and a free one."""
    team = [
        Role("auditor", "auditor", "team_role", reach=ALL, project_override=BOTH),
        Role("guest", "guest", "team_role"),
        # `lead` sorts before `owner`: the wider reach must win by its meaning, not by its name.
        Role("lead", "lead", "team_role", reach=OWN, project_override=NEVER),
        Role("owner", "owner", "team_role", reach=ALL, project_override=NEVER),
    ]
    inherit = Role("inherit", "inherit", "task_role", inherits=("seat", "team_role"))
    slots = [
        _slot(
            "team_role", Level.WORKSPACE, Cardinality.MANY, team, merge=Merge.UNION, governs=("task_role", "tool_role")
        ),
        _slot("seat", Level.WORKSPACE, Cardinality.OPTIONAL, _roles("seat", "paid", "free")),
        _slot("task_role", Level.PROJECT, Cardinality.OPTIONAL, [*_roles("task_role", "boss", "worker"), inherit]),
        _slot(
            "round_role", Level.PROJECT, Cardinality.MANY, _roles("round_role", "first", "second"), merge=Merge.UNION
        ),
        _slot("tool_role", Level.PROJECT, Cardinality.OPTIONAL, _roles("tool_role", "pen", "brush")),
    ]
    either = (Need("team_role", frozenset({"guest"})), Need("team_role", frozenset({"owner"})))
    needs = (Prerequisite("seat", either), Prerequisite("tool_role", (Need("seat"),)))
    return Catalogue("teams", "Teams", {slot.id: slot for slot in slots}, needs)


# --- words for rules ---------------------------------------------------------------------------------------------

PROJECTS = {
    "p1": Project("p1", "One", tags=frozenset({"street"})),
    "p2": Project("p2", "Two", tags=frozenset({"street"}), container="box"),
    "p3": Project("p3", "Three"),
}

EVERYWHERE = (ProjectSelector(SelectorKind.ALL),)


def at(*projects: str) -> tuple[ProjectSelector, ...]:
    return tuple(ProjectSelector(SelectorKind.ID, project) for project in projects)


def named(*names: str) -> tuple[GroupRef, ...]:
    return tuple(GroupRef(name=name) for name in names)


def give(**roles: str) -> tuple[RoleTerm, ...]:
    return tuple(RoleTerm(slot, role) for slot, role in roles.items())


def pattern(text: str, **sets: Mapping[str, str]) -> Pattern:
    """Return the pattern of `lbx-{project}-{team}*`; `sets` gives each capture its spellings and their values."""
    pieces: list[Literal | Capture | AnyText] = []
    rest = text
    while rest:
        if rest[0] == "*":
            pieces.append(AnyText())
            rest = rest[1:]
        elif rest[0] == "{":
            name, rest = rest[1:].split("}", 1)
            pieces.append(Capture(name, sets[name]))
        else:
            end = min((i for i in (rest.find("{"), rest.find("*")) if i >= 0), default=len(rest))
            pieces.append(Literal(rest[:end]))
            rest = rest[end:]
    return Pattern(text, tuple(pieces))


def when(text: str, holds: Callable[[Mapping[str, Any]], bool], *attributes: str) -> Condition:
    return Condition(text, PLACE, holds, lambda user: None if holds(user) else f"not: {text}", frozenset(attributes))


IS_CONTRACTOR = when('userType eq "Contractor"', lambda user: user.get("userType") == "Contractor", "usertype")
NOT_FINANCE = when('not (department eq "Finance")', lambda user: user.get("department") != "Finance", "department")
IN_BETA = when(
    'groups.display eq "Beta"',
    lambda user: any(group["display"].casefold() == "beta" for group in user.get("groups", ())),
    "groups",
)
CONTRACT_END = DateFrom("contractEnd", lambda user: user.get("contractEnd"))
CONTRACT_START = DateFrom("contractStart", lambda user: user.get("contractStart"))


# --- one case ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Everything that one resolution is a function of."""

    catalogue: Catalogue
    mapping: WorkspaceMapping
    user: User
    memberships: tuple[Membership, ...] = ()
    manual: tuple[ManualAssignment, ...] = ()
    moment: datetime = field(default=NOON)

    def resolve(self, moment: datetime | None = None) -> Resolution:
        program = Program(self.catalogue, self.mapping)
        return resolve(program, self.user, self.memberships, self.manual, moment or self.moment)

    @property
    def day(self) -> date:
        return self.moment.astimezone(UTC).date()


def mapping(*rules: Rule, **more: Any) -> WorkspaceMapping:
    return WorkspaceMapping("acme", "synthetic", PLACE, **{"projects": PROJECTS, "rules": rules, **more})


def ana(*, active: bool = True, **attributes: Any) -> User:
    return User("u-ana", "Ana.Ruiz", active, "okta", attributes)


def member(*displays: str, connection: str = "okta") -> tuple[Membership, ...]:
    return tuple(Membership(Group(f"id-{display}", display, connection)) for display in displays)


def by_hand(slot: str, project: str | None, role: str, number: int = 1, **more: Any) -> ManualAssignment:
    moment = datetime(2026, 10, number, tzinfo=UTC)
    return ManualAssignment(f"m{number}", "u-ana", "acme", slot, project, role, "mia", moment, **more)
