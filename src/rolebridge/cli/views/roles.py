"""Roles, scopes and where they come from, in the words of the platform and of people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rolebridge.bridge.titles import person_name, role_title
from rolebridge.cli.terminal import minute, one_line
from rolebridge.core.assignment import Assignment, Source
from rolebridge.core.catalogue import Catalogue, ProjectOverride, Reach, Role, Sees
from rolebridge.core.directory import MembershipSource, User
from rolebridge.core.grants import Grant, GrantState

WORKSPACE_WIDE = "workspace-wide"


def person(user: User) -> str:
    """Return what to call a person, on one line."""
    return one_line(person_name(user))


def role_name(catalogue: Catalogue | None, slot: str, role: str) -> str:
    """Return the platform's name of a role, on one line."""
    return one_line(role_title(catalogue, slot, role))


def slot_name(catalogue: Catalogue | None, slot: str) -> str:
    """Return the platform's name of a slot, or its id."""
    return catalogue.slots[slot].name if catalogue and slot in catalogue.slots else slot


def sight_words(role: Role) -> Iterator[str]:
    """Yield what the holder of a role does not see, as the platform says."""
    if role.needs_work:
        yield "sees nothing until work is assigned"
    if role.sees is Sees.OWN_TEAM:
        yield "of the work of others sees only their own team's"


# --- where an assignment comes from ----------------------------------------------------------------------------


def source_words(claim: Assignment) -> str:
    """Return in a few words where an assignment comes from: `rule project-teams, group lbx-cityscapes-reviewers`."""
    match claim.source:
        case Source.RULE if claim.group:
            groups = (*(claim.membership.via if claim.membership else ()), claim.group)
            return f"rule {claim.rule}, group {' in '.join(one_line(group.display) for group in groups)}"
        case Source.RULE:
            return f"rule {claim.rule}"
        case Source.MANUAL if claim.manual:
            return f"by hand ({one_line(claim.manual.by)}, {claim.manual.at:%Y-%m-%d})"
        case Source.DEFAULT:
            return "the mapping's default"
        case _:
            return "held on the platform"


def source_sentence(claim: Assignment) -> Iterator[str]:
    """Yield, in lines, where an assignment comes from, as `explain` tells it."""
    if claim.source is Source.RULE and claim.membership:
        membership = claim.membership
        how = "asserted at login by" if membership.source is MembershipSource.LOGIN else "sent by"
        since = f"member since {minute(membership.since)}, " if membership.since else ""
        names = [one_line(group.display) for group in (*membership.via, membership.group)]
        yield f"rule {claim.rule} ({claim.place}) through group {', member of '.join(names)},"
        yield f"{since}{how} {membership.group.connection}"
    elif claim.held_since:
        yield f"rule {claim.rule} ({claim.place}) no longer gives it, but a guard rail holds"
        yield f"the revocation since {minute(claim.held_since)} (rolebridge hold list)"
    elif claim.source is Source.RULE:
        yield f"rule {claim.rule} ({claim.place}), which speaks of them without a group"
    else:
        yield source_words(claim)
    if claim.note:
        yield f"note: {one_line(claim.note)}"
    if claim.manual and claim.manual.reason:
        yield f"reason: {one_line(claim.manual.reason)}"
    period = [f"from {claim.starts}"] * bool(claim.starts) + [f"until {claim.ends}"] * bool(claim.ends)
    if period:
        yield f"{' '.join(period)}, the last day included" if claim.ends else period[0]


# --- recorded grants -------------------------------------------------------------------------------------------


def scope_words(grant: Grant) -> str:
    """Return the project of a grant; `(all)` or `(own)` for a workspace role that carries into projects."""
    if grant.project:
        return grant.project
    return {Reach.ALL: "(all)", Reach.OWN: "(own)"}.get(Reach(grant.reach or Reach.NONE), "-")


def held_words(catalogue: Catalogue | None, grant: Grant) -> str:
    """Return the role that a person works with through a grant; `-` for one that is not in force."""
    if grant.state is not GrantState.EFFECTIVE:
        return "-"
    if grant.acts_as_role:
        return role_name(catalogue, grant.acts_as_slot, grant.acts_as_role)
    name = role_name(catalogue, grant.slot, grant.role)
    # A role that carries into no project says little without the axis that it is on.
    return name if grant.project or grant.reach != Reach.NONE else f"{name} ({slot_name(catalogue, grant.slot)})"


def lock_words(grant: Grant) -> str:
    """Return what locks a grant, or that it is blocked or in conflict."""
    if grant.state is not GrantState.EFFECTIVE:
        return grant.state
    if grant.reach == Reach.ALL and grant.override == ProjectOverride.NEVER:
        return WORKSPACE_WIDE
    return grant.lock or "-"


def because_words(catalogue: Catalogue | None, grant: Grant) -> str:
    """Return why a grant is as it is, in one line."""
    because: Mapping[str, Any] = json.loads(grant.because)
    name = role_name(catalogue, grant.slot, grant.role)
    if grant.state is GrantState.BLOCKED:
        return f"{name} {because.get('needs', '')}; {provenance_words(because)}"
    words = provenance_words(because)
    if grant.state is GrantState.CONFLICT:
        return f"{name}: {words}"
    if grant.acts_as_role:
        words += f" (no role given: {slot_name(catalogue, grant.acts_as_slot)})"
    if grant.valid_until:
        words += f", until {grant.valid_until}"
    if grant.held_since:
        words += f"; held since {minute(grant.held_since)}"
    return words


def provenance_words(because: Mapping[str, Any]) -> str:
    """Return where a recorded role comes from, or the claims to it that are in conflict, in one line."""
    if "claims" in because:
        return ", against ".join(_recorded(one) for one in because["claims"])
    return "; ".join(_recorded(one) for one in because.get("winners", ()))


def _recorded(provenance: Mapping[str, Any]) -> str:
    """Return where a recorded winner comes from, in the words of `source_words`."""
    match provenance.get("source"):
        case Source.RULE if "group" in provenance:
            via = "".join(f"{one_line(group['display'])} in " for group in provenance.get("via", ()))
            return f"rule {provenance['rule']}, group {via}{one_line(provenance['group']['display'])}"
        case Source.RULE:
            return f"rule {provenance['rule']}"
        case Source.MANUAL:
            return f"by hand ({one_line(provenance['by'])}, {provenance['at'][:10]})"
        case Source.DEFAULT:
            return "the mapping's default"
        case _:
            return "held on the platform"
