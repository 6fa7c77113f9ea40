"""A machine for the command line: a folder, an environment and a clock, and how commands are run on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from rolebridge.app import open_installation
from rolebridge.bridge.callers import Caller
from rolebridge.cli.main import cli
from rolebridge.cli.session import Session
from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.directory import GroupDraft, UserDraft

NOW = datetime(2026, 11, 20, 9, 14, 30, tzinfo=UTC)

MAPPING = """\
workspace: acme-vision
platform: labelbox
connections: [okta]
projects:
  cityscapes: {name: Cityscapes 2026, tags: [street]}
  retail: {name: Retail shelves}
defaults: {default_role: labeler}
rules:
  - id: admins
    groups: [LBX Admins]
    grant: {workspace_role: admin}
  - id: auditors
    groups: [LBX Auditors]
    grant: {workspace_role: read_only_admin}
  - id: project-teams
    groups: {match: "lbx-{project}-{team}"}
    values:
      team: {reviewers: reviewer, labelers: labeler}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - id: street
    groups: [Street Contractors]
    when: userType eq "Contractor"
    projects: {tag: street}
    grant: {project_role: inherit}
    until: 2027-03-31
    note: SEC-88
conflicts:
  project_role: [reviewer, labeler]
guard:
  keep: {workspace_role: {admin: 1}}
"""

AUDITORS = """\
  - id: auditors
    groups: [LBX Auditors]
    grant: {workspace_role: read_only_admin}
"""
SOUND = MAPPING.replace(AUDITORS, "")
"""The mapping without the rule that can be in conflict with another, and so without a warning."""


@dataclass
class Machine:
    """Runs commands as a person at the machine would, one process each."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    now: datetime = NOW

    def __call__(self, *arguments: str) -> Result:
        """Run a command line; whatever is unexpected fails the test here."""
        session = Session(environ=self.environ, clock=lambda: self.now)
        result = CliRunner().invoke(cli, list(arguments), obj=session, env={"NO_COLOR": None})
        assert result.exit_code != 70, result.stderr
        return result

    def out(self, *arguments: str) -> str:
        """Run a command that works, and return what it prints."""
        result = self(*arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command that works with `--json`, and return the document."""
        return json.loads(self.out(*arguments, "--json"))

    def refused(self, *arguments: str, code: int = 1) -> str:
        """Run a command that is refused with an exit code, and return what it says, without the request id."""
        result = self(*arguments)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        return "".join(line for line in result.stderr.splitlines(keepends=True) if not line.startswith("  request "))

    def write(self, name: str, text: str) -> Path:
        """Write a file below the working directory."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def settings_of(self) -> Session:
        """Return a session of this machine, for its settings."""
        return Session(environ=self.environ, clock=lambda: self.now)

    def provision(
        self,
        users: Sequence[dict[str, Any]],
        groups: dict[str, Sequence[str]],
        connection: str = "okta",
    ) -> None:
        """Create users, and groups of them by userName, as an identity provider does."""
        installation = open_installation(self.settings_of().settings, clock=lambda: self.now)
        try:
            organization = installation.administration.organization(None)
            owner = installation.administration.connection(organization, connection)
            caller = Caller(organization.id, owner.id, owner.name, owner.profile, "test")
            ids = {}
            for attributes in users:
                draft = UserDraft(attributes["userName"], None, attributes.get("active"), attributes)
                ids[attributes["userName"]] = installation.provisioning.create_user(caller, draft).id
            for display, members in groups.items():
                group = GroupDraft(display, None, {"displayName": display})
                installation.provisioning.create_group(
                    caller, group, [ids[name] for name in members], refuse_unknown=True
                )
        finally:
            installation.close()

    def delete_user(self, user_name: str, connection: str = "okta") -> None:
        """Delete a user, as an identity provider does."""
        installation = open_installation(self.settings_of().settings, clock=lambda: self.now)
        try:
            organization = installation.administration.organization(None)
            owner = installation.administration.connection(organization, connection)
            caller = Caller(organization.id, owner.id, owner.name, owner.profile, "test")
            installation.provisioning.delete_user(caller, installation.access.user_id(organization.id, user_name))
        finally:
            installation.close()

    def assign_by_hand(self, user_name: str, project: str, role: str, until: date | None = None) -> None:
        """Record an assignment by hand; the next apply takes it up."""
        installation = open_installation(self.settings_of().settings, clock=lambda: self.now)
        try:
            organization = installation.administration.organization(None)

            def work(unit: Any) -> None:
                user = unit.directory(organization.id).user_by_name(user_name)[0]
                unit.grants(organization.id).add_manual(
                    ManualAssignment(
                        f"hand-{user.id}-{project}", user.id, "acme-vision", "project_role", project, role,
                        by="mia", at=datetime(2026, 10, 2, 8, tzinfo=UTC), reason="trial", until=until,
                    )
                )  # fmt: skip

            installation.store.transact(work)
        finally:
            installation.close()


def person(user_name: str, name: str, kind: str = "Employee") -> dict[str, Any]:
    """Return the attributes of a user."""
    return {"userName": user_name, "displayName": name, "userType": kind}


def process(machine: Machine, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start the real command as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "rolebridge", *arguments],
        cwd=machine.home,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
