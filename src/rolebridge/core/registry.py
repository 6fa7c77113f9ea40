"""What is registered at run time beside the mapping files: projects, and workspaces that are only observed.

The files say what is *intended*. What is *in force* is made of them here: with the projects that were registered since,
and in an observed workspace without rules, so that what people held before stays as it was until it is enforced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from rolebridge.core.catalogue import Catalogue, Slot
from rolebridge.core.mapping import Project, WorkspaceMapping

WELL_FORMED_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_])?", re.ASCII)
"""The id of a workspace or project, declared or registered: what may stand in a URL and a file name as it is."""


class Mode(StrEnum):
    """Whether a workspace's rules decide (`enforce`), or are only compared with what people hold (`observe`)."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True)
class RegisteredProject:
    """A project that was registered at run time; `archived_at` is set while it carries no roles."""

    workspace: str
    project: Project
    created: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """An organization's registered projects and observed workspaces, as of a version that every change counts up."""

    version: int = 0
    observed: frozenset[str] = frozenset()
    projects: tuple[RegisteredProject, ...] = ()

    def beside(self, mapping: WorkspaceMapping) -> dict[str, Project]:
        """Return the registered projects that exist beside those that a mapping declares.

        What the reviewed file says of a project holds alone: one that it declares, apart from case, is not looked up
        here, archived or not.
        """
        declared = {id_.casefold() for id_ in mapping.projects}
        return {
            one.project.id: one.project
            for one in self.projects
            if one.workspace == mapping.workspace
            and one.archived_at is None
            and one.project.id.casefold() not in declared
        }

    def known(self) -> dict[str, dict[str, Project]]:
        """Return what a mapping file may name beside its own projects, by workspace."""
        found: dict[str, dict[str, Project]] = {}
        for one in self.projects:
            if one.archived_at is None:
                found.setdefault(one.workspace, {})[one.project.id] = one.project
        return found

    def with_mode(self, workspace: str, mode: Mode) -> Registry:
        """Return the next version, in which a workspace has this mode."""
        observed = self.observed - {workspace} if mode is Mode.ENFORCE else self.observed | {workspace}
        return replace(self, version=self.version + 1, observed=observed)


def observed(mapping: WorkspaceMapping) -> WorkspaceMapping:
    """Return what is in force where a mapping is only observed: nobody but a hand gives anything.

    What is held outside and what overrules what stay as the platform has them.
    """
    return replace(mapping, rules=(), defaults=(), manual_forbidden=frozenset(), accounts=())


def without_prerequisites(catalogue: Catalogue) -> Catalogue:
    """Return a role model in which nothing is needed for a role: whoever holds it on the platform does hold it."""
    return replace(
        catalogue,
        prerequisites=(),
        slots={id_: _for_every_account(slot) for id_, slot in catalogue.slots.items()},
    )


def _for_every_account(slot: Slot) -> Slot:
    return replace(slot, roles={id_: replace(role, account_kinds=frozenset()) for id_, role in slot.roles.items()})
