"""An organization to act in: callers, use cases, a clock that tests turn, and short ways to say things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from rolebridge.bridge.administration import Administration
from rolebridge.bridge.callers import Caller, Operator
from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.explaining import Explaining
from rolebridge.bridge.planning import Applied, Planning
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.bridge.resolving import resolve_users
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.directory import GroupChange, GroupDraft, MemberAction, MemberStep, UserDraft
from rolebridge.core.grants import Grant
from rolebridge.store.engine import Store
from rolebridge.store.records import AuditEntry, OutboxEntry

MAPPING = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes}, retail: {name: Retail}}
defaults: {default_role: labeler}
conflicts: {project_role: [reviewer, labeler], workspace_role: [admin, data_admin]}
rules:
  - id: admins
    groups: [Admins]
    grant: {workspace_role: admin}
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - id: contractors
    groups: [Contractors]
    when: userType eq "Contractor"
    projects: all
    grant: {project_role: inherit}
  - id: suspended
    groups: [Suspended]
    deny: all
"""
OPERATOR = Operator("os:mia", "command-1")


def user_draft(name: str, active: bool | None = None, **attributes: str) -> UserDraft:
    return UserDraft(name, None, active, {"userName": name, **attributes})


def add(*ids: str) -> GroupChange:
    return GroupChange(steps=(MemberStep(MemberAction.ADD, ids),))


def remove(*ids: str) -> GroupChange:
    return GroupChange(steps=(MemberStep(MemberAction.REMOVE, ids),))


def rename(display: str) -> GroupChange:
    return GroupChange(
        revise=lambda draft: replace(draft, display=display, attributes={**draft.attributes, "displayName": display})
    )


class World:
    """One organization, its connections `okta` and `entra`, and everything that can be done to it."""

    def __init__(self, store: Store, connections: Sequence[str] = ("okta", "entra")) -> None:
        self.start(store)
        self.organization = self.administration.add_organization(OPERATOR, f"acme-{uuid4().hex[:8]}")
        self.id = self.organization.id
        callers = {name: self.connect(name) for name in connections}
        self.okta, self.entra = callers["okta"], callers.get("entra", callers["okta"])

    @classmethod
    def of(cls, other: World) -> World:
        """Return the same organization as another process sees it."""
        world = cls.__new__(cls)
        world.start(other.store)
        world.organization, world.id, world.okta, world.entra = other.organization, other.id, other.okta, other.entra
        return world

    def start(self, store: Store) -> None:
        """Make the use cases, as a process does when it starts."""
        self.store = store
        self.now = datetime(2026, 11, 21, 9, tzinfo=UTC)
        self.rulebooks = Rulebooks()
        self.administration = Administration(store, Hasher(b"k" * 32), self.clock)
        self.planning = Planning(store, self.rulebooks, self.clock)
        self.explaining = Explaining(store, self.rulebooks, self.clock)
        self.provisioning = Provisioning(store, self.rulebooks, self.clock, "https://bridge.example/scim/v2")

    def clock(self) -> datetime:
        """Return a moment later than any before, so that times tell the order."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def connect(self, name: str) -> Caller:
        connection, _ = self.administration.add_connection(OPERATOR, self.organization, name, "generic")
        return Caller(self.id, connection.id, connection.name, connection.profile, f"request-{name}")

    def apply(self, mapping: str = MAPPING, *, force: str = "", **files: str) -> Applied:
        texts = {"mappings/vision.yaml": mapping, **files}
        return self.planning.apply(OPERATOR, self.id, texts, force_reason=force)

    def user(self, name: str, caller: Caller | None = None, **attributes: str) -> str:
        draft = user_draft(f"{name}@acme.example", None, **attributes)
        return self.provisioning.create_user(caller or self.okta, draft).id

    def users(self, count: int) -> list[str]:
        return [self.user(f"person{number:03}") for number in range(count)]

    def group(self, display: str, members: Sequence[str] = (), caller: Caller | None = None) -> str:
        draft = GroupDraft(display, None, {"displayName": display})
        answer, _ = self.provisioning.create_group(caller or self.okta, draft, members, refuse_unknown=False)
        return answer.id

    def change(self, group_id: str, wanted: GroupChange, caller: Caller | None = None) -> tuple[str, ...]:
        _, unknown = self.provisioning.change_group(caller or self.okta, group_id, wanted, refuse_unknown=False)
        return unknown

    def activate(self, user_id: str, active: bool) -> None:
        self.provisioning.change_user(self.okta, user_id, lambda draft: replace(draft, active=active))

    def assign_by_hand(self, user_id: str, role: str, project: str) -> None:
        record = ManualAssignment(str(uuid4()), user_id, "vision", "project_role", project, role, "mia", self.clock())
        self.store.transact(lambda unit: unit.grants(self.id).add_manual(record))

    def grants(self, user_id: str) -> list[Grant]:
        with self.store.read() as unit:
            return unit.grants(self.id).of_users([user_id])[user_id]

    def roles(self, user_id: str) -> set[tuple[str, str, str]]:
        """Return (slot, project, role) of everything in force but the default role, which says little."""
        return {
            (grant.slot, grant.project, grant.role)
            for grant in self.grants(user_id)
            if grant.state == "effective" and grant.slot != "default_role"
        }

    def audit(self, subject_id: str | None = None) -> list[AuditEntry]:
        with self.store.read() as unit:
            return unit.record(self.id).audit_entries(subject_id=subject_id)

    def outbox(self) -> list[OutboxEntry]:
        with self.store.read() as unit:
            return unit.record(self.id).outbox_entries(limit=1000)

    def differing(self) -> list[str]:
        """Return whose recorded grants are not what the resolver says now: nobody's, ever."""
        with self.store.read(snapshot=True) as unit:
            rulebook = self.rulebooks.current(unit, self.id)
            ids = [user.id for user in unit.directory(self.id).all_core_users()]
            return [
                resolved.user_id
                for resolved in resolve_users(unit, self.id, rulebook, ids, self.now)
                if set(resolved.before) != set(resolved.after)
            ]
