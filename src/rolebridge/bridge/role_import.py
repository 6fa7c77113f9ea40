"""From a table of today's roles to assignments by hand: checked as a whole, taken as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from rolebridge.bridge.assigning import record_assignment
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.naming import hinted, the_role
from rolebridge.bridge.projects import MAX_PROJECTS
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.role_table import MAX_TOLD, RoleRow, TableProblem, TableRefused
from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.catalogue import Assignable, Catalogue, Level, Role, Slot
from rolebridge.core.directory import User
from rolebridge.core.errors import Invalid
from rolebridge.core.mapping import Project
from rolebridge.core.plan import Change
from rolebridge.core.program import Program
from rolebridge.core.registry import WELL_FORMED_ID, Mode, RegisteredProject
from rolebridge.mapfile.catalogue import shipped_catalogues
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class RoleImport:
    """Into which workspace, from which file, and what is to be done where the mapping does not say enough yet.

    `platform` is the platform's id, needed only while no mapping speaks of the workspace. With `register_projects`,
    projects that nobody knows are registered under their ids instead of being problems.
    """

    workspace: str
    file: str
    platform: str | None = None
    register_projects: bool = False


@dataclass(frozen=True, slots=True)
class RolesImported:
    """What an import did. `observed` says that the workspace is only observed since this import.

    `imported` are new assignments, `unchanged` were there already, `replaced` held another imported role before.
    `outside` are held on the platform as the mapping says, `empty` are rows that say that a slot is empty: both are
    left alone. `inactive` of the people are inactive and hold nothing until they are active again.
    """

    workspace: str
    people: int
    imported: int
    unchanged: int
    replaced: int
    outside: int
    empty: int
    inactive: int
    projects: tuple[str, ...]
    observed: bool
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Claim:
    """A sound row: who, where, which role."""

    row: RoleRow
    user_id: str
    slot: Slot
    role: Role

    @property
    def place(self) -> tuple[str, str, str | None]:
        return (self.user_id, self.slot.id, self.row.project)


@dataclass(slots=True)
class _Found:
    """What a table says, while its rows are gone through."""

    claims: list[_Claim] = field(default_factory=list)
    problems: list[TableProblem] = field(default_factory=list)
    count: int = 0
    outside: int = 0
    empty: int = 0
    projects: dict[str, None] = field(default_factory=dict)
    """Those to be registered."""
    taken: set[str] = field(default_factory=set)
    """The ids of all others and of these, casefolded."""
    unknown: set[str] = field(default_factory=set)

    def refuse(self, line: int, problem: str, help_: str = "") -> None:
        self.count += 1
        if len(self.problems) < MAX_TOLD:
            self.problems.append(TableProblem(line, problem, help_))


@dataclass(frozen=True, slots=True)
class RoleTaking:
    """One import, while its transaction runs."""

    unit: Unit
    operator: Operator
    organization_id: str
    rulebook: Rulebook
    wanted: RoleImport
    now: datetime

    def take(self, rows: Sequence[RoleRow], problems: Sequence[TableProblem]) -> RolesImported:
        """Check the rows and take them. Raises TableRefused with every problem, Invalid."""
        workspace = self.wanted.workspace
        program = self.rulebook.intention(workspace)
        if program is not None and workspace not in self.rulebook.registry.observed:
            raise Invalid(
                f"workspace `{workspace}` is enforced: its rules decide; only an observed one takes today's roles",
                "workspace",
            )
        if not WELL_FORMED_ID.fullmatch(workspace):
            raise Invalid(f"`{workspace}` cannot be a workspace's id", "workspace")
        table = _Table(self.unit, self.organization_id, self._catalogue(program), self._projects(program), self.wanted)
        found = table.check(rows, problems, program)
        users = self._users({claim.user_id for claim in found.claims})
        fates = self._compare(found)
        if found.count:
            raise TableRefused(sorted(found.problems, key=lambda one: one.line), found.count)
        return self._write(found, users, fates, program)

    def _catalogue(self, program: Program | None) -> Catalogue:
        platform = self.wanted.platform
        if program is not None:
            if platform not in {None, program.mapping.platform}:
                raise Invalid(
                    f"the mapping says that `{program.workspace}` is on {program.mapping.platform}", "platform"
                )
            return program.catalogue
        catalogues = shipped_catalogues()
        if platform is None:
            raise Invalid(
                f"no mapping speaks of `{self.wanted.workspace}` yet: say which platform it is on", "platform"
            )
        if platform not in catalogues:
            raise Invalid(f"no catalogue describes the platform `{platform}`{hinted(platform, catalogues)}", "platform")
        return catalogues[platform]

    def _projects(self, program: Program | None) -> Mapping[str, Project]:
        return (
            program.projects if program is not None else self.rulebook.registry.known().get(self.wanted.workspace, {})
        )

    def _users(self, ids: set[str]) -> dict[str, User]:
        return {user.id: user for user in self.unit.directory(self.organization_id).core_users(ids)}

    def _compare(self, found: _Found) -> list[tuple[_Claim, ManualAssignment | None]]:
        """Return each claim that is new with the imported assignment it takes the place of.

        One that a hand gave otherwise is a problem: what a person did on purpose is not undone by a table.
        """
        manual = self.unit.grants(self.organization_id).manual_of_users({claim.user_id for claim in found.claims})
        known: dict[tuple[str, str, str | None], list[ManualAssignment]] = {}
        for records in manual.values():
            for one in records:
                if one.workspace == self.wanted.workspace:
                    known.setdefault((one.user_id, one.slot, one.project), []).append(one)
        fates: list[tuple[_Claim, ManualAssignment | None]] = []
        for claim in found.claims:
            there = known.get(claim.place, [])
            if any(one.role == claim.role.id for one in there):
                continue
            other = None if claim.slot.holds_many or not there else there[0]
            if other is not None and not other.imported:
                found.refuse(
                    claim.row.line,
                    f"`{claim.row.user}` was given `{other.role}` by hand there ({other.by})",
                    "end that first: rolebridge unassign",
                )
            fates.append((claim, other))
        return fates

    def _write(
        self,
        found: _Found,
        users: Mapping[str, User],
        fates: Sequence[tuple[_Claim, ManualAssignment | None]],
        program: Program | None,
    ) -> RolesImported:
        rows = self.unit.workspaces(self.organization_id)
        workspace = self.wanted.workspace
        observed = workspace not in self.rulebook.registry.observed
        if observed:
            reason = f"roles imported from {self.wanted.file}"
            rows.set_mode(workspace, Mode.OBSERVE, actor=self.operator.actor, reason=reason, now=self.now)
        for id_ in found.projects:
            rows.put_project(RegisteredProject(workspace, Project(id_, id_), self.now))
        self._record(fates)
        done = RolesImported(
            workspace=workspace,
            people=len(users),
            imported=len(fates),
            unchanged=len(found.claims) - len(fates),
            replaced=sum(old is not None for _, old in fates),
            outside=found.outside,
            empty=found.empty,
            inactive=sum(not user.active for user in users.values()),
            projects=tuple(found.projects),
            observed=observed,
        )
        self._audit(done)
        if program is None:
            return done
        rulebook = self.rulebook.registering(rows.registry())
        granted = self.unit.grants(self.organization_id)
        touched = {claim.user_id for claim, _ in fates}
        for id_ in found.projects:
            touched.update(granted.holders_by_hand(workspace, id_))
        cause = Cause(self.operator.actor, self.operator.request_id, f"roles imported from {self.wanted.file}")
        changes = recompute(self.unit, self.organization_id, rulebook, touched, cause, self.now)
        return replace(done, changes=changes)

    def _record(self, fates: Sequence[tuple[_Claim, ManualAssignment | None]]) -> None:
        granted = self.unit.grants(self.organization_id)
        reason = f"imported from {self.wanted.file}"
        made: list[ManualAssignment] = []
        for claim, old in fates:
            record = ManualAssignment(
                str(uuid4()),
                claim.user_id,
                self.wanted.workspace,
                claim.slot.id,
                claim.row.project,
                claim.role.id,
                by=self.operator.actor,
                at=self.now,
                reason=reason,
                imported=True,
            )
            if old is not None:
                granted.end_manual(old.id, actor=self.operator.actor, reason=reason, now=self.now)
                self._told("assignment.ended", old, None)
            made.append(record)
        granted.add_manual_many(made)
        for record in made:
            self._told("assignment.made", None, record)

    def _told(self, kind: str, before: ManualAssignment | None, after: ManualAssignment | None) -> None:
        reason = f"imported from {self.wanted.file}"
        record_assignment(self.unit, self.organization_id, self.operator, kind, before, after, reason, self.now)

    def _audit(self, done: RolesImported) -> None:
        told = {
            "file": self.wanted.file,
            "people": done.people,
            "imported": done.imported,
            "unchanged": done.unchanged,
            "replaced": done.replaced,
            "projects": done.projects,
        }
        if not done.imported and not done.projects and not done.observed:
            return
        self.unit.record(self.organization_id).audit(
            kind="workspace.imported",
            actor=self.operator.actor,
            request_id=self.operator.request_id,
            subject_kind="workspace",
            subject_id=done.workspace,
            before=None,
            after=json.dumps(told, ensure_ascii=False),
            reason="",
            now=self.now,
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """The rows of a table against a role model, the projects there are, and the directory."""

    unit: Unit
    organization_id: str
    catalogue: Catalogue
    projects: Mapping[str, Project]
    wanted: RoleImport

    def check(self, rows: Sequence[RoleRow], problems: Sequence[TableProblem], program: Program | None) -> _Found:
        found = _Found()
        for one in problems:
            found.refuse(one.line, one.problem, one.help)
        people = self._people(rows, found)
        roles: dict[tuple[str | None, str, str], tuple[Slot, Role] | str] = {}
        for row in rows:
            user = people.get(row.user)
            sound = self._check_scope(row, found)
            key = (row.project and "", row.slot, row.role)
            if key not in roles:
                roles[key] = self._role(row)
            meant = roles[key]
            if isinstance(meant, str):
                found.refuse(row.line, meant)
            elif user is not None and sound:
                self._claim(row, user, meant, found, program)
        self._check_places(found)
        return found

    def _people(self, rows: Sequence[RoleRow], found: _Found) -> dict[str, User]:
        """Return whom the rows name; whoever is not one person of the directory is a problem of each of their lines."""
        directory = self.unit.directory(self.organization_id)
        lines: dict[str, list[int]] = {}
        for row in rows:
            lines.setdefault(row.user, []).append(row.line)
        ids = directory.ids_named(lines)
        meant: dict[str, str] = {}
        for name, where in lines.items():
            known = [ids[name]] if name in ids else []
            if not known and found.count < MAX_TOLD:  # an id, or what stands before the @
                known = [user.id for user in directory.user_by_name(name)]
            if len(known) == 1:
                meant[name] = known[0]
                continue
            what = f"`{name}` may be any of {len(known)} users" if known else f"there is no user `{name}`"
            help_ = "write the user's id" if known else "provision them first, or leave the line out"
            for line in where:
                found.refuse(line, what, help_)
        users = {user.id: user for user in directory.core_users(meant.values())}
        return {name: users[id_] for name, id_ in meant.items() if id_ in users}

    def _check_scope(self, row: RoleRow, found: _Found) -> bool:
        if row.workspace and row.workspace != self.wanted.workspace:
            found.refuse(row.line, f"the line is of workspace `{row.workspace}`", "import each workspace by itself")
            return False
        if row.project is None or row.project in self.projects or row.project in found.projects:
            return True
        if not self.wanted.register_projects:
            help_ = "register it (rolebridge project add), declare it in the mapping, or use --register-projects"
            # Comparing with every project is worth it once.
            near = "" if row.project in found.unknown else hinted(row.project, self.projects)
            found.unknown.add(row.project)
            found.refuse(row.line, f"there is no project `{row.project}`{near}", help_)
            return False
        if not found.taken:
            found.taken.update(id_.casefold() for id_ in self.projects)
        if not WELL_FORMED_ID.fullmatch(row.project) or (row.project == "all" or row.project.casefold() in found.taken):
            found.refuse(row.line, f"`{row.project}` cannot be the id of a new project")
            return False
        if len(found.taken) >= MAX_PROJECTS:
            found.refuse(row.line, f"a workspace has at most {MAX_PROJECTS:,} projects")
            return False
        found.taken.add(row.project.casefold())
        found.projects[row.project] = None
        return True

    def _role(self, row: RoleRow) -> tuple[Slot, Role] | str:
        level = Level.WORKSPACE if row.project is None else Level.PROJECT
        try:
            return the_role(self.catalogue, level, row.role, row.slot or None)
        except Invalid as error:
            return str(error)

    def _claim(
        self, row: RoleRow, user: User, meant: tuple[Slot, Role], found: _Found, program: Program | None
    ) -> None:
        slot, role = meant
        if role.id == slot.neutral:
            found.empty += 1
        elif program is not None and any(
            (one.slot, one.role) == (slot.id, role.id) for one in program.holds_outside(user)
        ):
            found.outside += 1
        elif role.assignable is not Assignable.YES:
            help_ = f"name its holders in the mapping file: `outside: {{{slot.id}: {{{role.id}: [{user.user_name}]}}}}`"
            found.refuse(row.line, f"`{role.id}` cannot be given by hand ({role.assignable})", help_)
        else:
            found.claims.append(_Claim(row, user.id, slot, role))

    @staticmethod
    def _check_places(found: _Found) -> None:
        """Leave out what is said twice; two roles in a slot that holds one are a problem of the later line."""
        first: dict[tuple[str, ...], _Claim] = {}
        kept: list[_Claim] = []
        for claim in found.claims:
            key = tuple(map(str, claim.place)) + ((claim.role.id,) if claim.slot.holds_many else ())
            earlier = first.setdefault(key, claim)
            if earlier is claim:
                kept.append(claim)
            elif earlier.role.id != claim.role.id:
                found.refuse(
                    claim.row.line,
                    f"`{claim.row.user}` has `{earlier.role.id}` in the same place (line {earlier.row.line})",
                    f"`{claim.slot.id}` holds one role",
                )
        found.claims = kept
