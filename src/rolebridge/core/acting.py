"""The roles somebody acts with in a scope: which of their grants count there, and as what."""

from __future__ import annotations

from collections.abc import Iterable

from rolebridge.core.catalogue import Catalogue, ProjectOverride, Reach
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.permissions import HeldRole


def acting(catalogue: Catalogue, grants: Iterable[Grant], project: str | None) -> tuple[tuple[HeldRole, Grant], ...]:
    """Return the roles, each with its grant, with which a person acts in `project`, or in the workspace itself (None).

    `grants` are all the person's in one workspace; what is not in force is left out. In a project a workspace role
    counts where it reaches, and there stands beside the project's roles, or yields to them, as it says of itself; what
    an overruling one replaces is in force nowhere already. Mere access acts as the role that it becomes.
    """
    held = [grant for grant in grants if grant.state is GrantState.EFFECTIVE]
    above = [grant for grant in held if not grant.project]
    if project is None:
        return tuple((_role(catalogue, grant), grant) for grant in above)
    inside = [grant for grant in held if grant.project == project]
    own = any(not _is_access(catalogue, grant) for grant in inside)
    reaching = [
        grant
        for grant in above
        if (grant.reach == Reach.ALL or (grant.reach == Reach.OWN and inside))
        and not (own and grant.override == ProjectOverride.YIELDS)
    ]
    return tuple((_role(catalogue, grant), grant) for grant in (*inside, *reaching))


def _is_access(catalogue: Catalogue, grant: Grant) -> bool:
    return catalogue.role(grant.slot, grant.role).is_access


def _role(catalogue: Catalogue, grant: Grant) -> HeldRole:
    slot, role_id = grant.slot, grant.role
    if grant.acts_as_role:
        # A role of the project's own slot where it has one of that name: a default role is held as a project role.
        here = grant.acts_as_role in catalogue.slots[slot].roles
        slot, role_id = (slot if here else grant.acts_as_slot), grant.acts_as_role
    role = catalogue.role(slot, role_id)
    return HeldRole(slot, role_id, grant.project or None, role.parts, role.permissions if role.custom else None)
