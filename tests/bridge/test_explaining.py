"""Explaining from the store: the same answer as the resolver's, with what an administrator needs beside it."""

from __future__ import annotations

import pytest
from tests.bridge.worlds import World, user_draft

from rolebridge.core.errors import Invalid, NotFound


def test_a_locked_role_is_explained_with_ways_out_and_whom_they_touch(world: World) -> None:
    """Winner, lock, loser and release paths; a rule's release tells how many others hold a role through it."""
    world.apply()
    ana = world.user("ana")
    world.assign_by_hand(ana, "labeler", "cityscapes")
    world.group("lbx-cityscapes-reviewers", [ana, *world.users(3)])
    (explained,) = world.explaining.explain(world.id, "ana", workspace="vision", project="cityscapes")
    explanation = explained.explanation
    assert [(role.role, role.lock.kind if role.lock else None) for role in explanation.roles] == [("reviewer", "group")]
    assert [(lost.assignment.role, lost.reason) for lost in explanation.lost] == [("labeler", "shadowed")]
    (locked,) = explanation.locks
    assert [way.then for way in locked.releases] == [("labeler",), ("labeler",)]
    assert explained.affects == {"teams": 3}
    assert explained.revision == 1


def test_a_person_is_found_by_name_id_or_local_part(world: World) -> None:
    """The whole userName in any case, the id, or what stands before the @ when it is one person's."""
    world.apply()
    ana = world.user("ana")
    for name in ("ANA@acme.example", ana, "ana"):
        (explained,) = world.explaining.explain(world.id, name)
        assert explained.explanation.user.id == ana


def test_an_unknown_or_ambiguous_person_is_refused_as_such(world: World) -> None:
    """Nobody is guessed."""
    world.apply()
    world.provisioning.create_user(world.okta, user_draft("jo@a.example"))
    world.provisioning.create_user(world.okta, user_draft("jo@b.example"))
    with pytest.raises(Invalid, match=r"may be any of `jo@a.example`, `jo@b.example`"):
        world.explaining.explain(world.id, "jo")
    with pytest.raises(NotFound, match="there is no user `nobody`"):
        world.explaining.explain(world.id, "nobody")


@pytest.mark.parametrize(
    ("scope", "refusal"),
    [({"workspace": "visoin"}, "no workspace `visoin`"), ({"project": "citiscapes"}, "no project `citiscapes`")],
)
def test_an_unknown_scope_is_refused(world: World, scope: dict[str, str], refusal: str) -> None:
    """A workspace or project that no mapping declares is named in the refusal."""
    world.apply()
    world.user("ana")
    with pytest.raises(NotFound, match=refusal):
        world.explaining.explain(world.id, "ana", **scope)


def test_what_is_explained_is_what_is_recorded(world: World) -> None:
    """The roles of an explanation are the grants in force."""
    world.apply()
    ana = world.user("ana", userType="Contractor")
    for group in ("lbx-cityscapes-reviewers", "lbx-retail-labelers", "Contractors"):
        world.group(group, [ana])
    (explained,) = world.explaining.explain(world.id, "ana")
    explained_roles = {(role.slot, role.project or "", role.role) for role in explained.explanation.roles}
    assert explained_roles == {(grant.slot, grant.project, grant.role) for grant in world.grants(ana)}
