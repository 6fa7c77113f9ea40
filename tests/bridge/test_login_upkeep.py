"""What becomes of logins afterwards: previews leave nothing, statements end, identities are forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.bridge.logging_in import Gate
from tests.bridge.worlds import OPERATOR, World
from tests.switching import switch

from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.consistency import Consistency
from rolebridge.bridge.explaining import Explaining
from rolebridge.bridge.login_preview import LoginPreviews, Preview, preview_document
from rolebridge.bridge.login_upkeep import LoginUpkeep
from rolebridge.bridge.sealing import SealKeys
from rolebridge.bridge.sso_connections import DomainTaken
from rolebridge.bridge.vault import Locked
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.login import LoginRefused, Trail, Values
from rolebridge.core.login_rules import Authority, GroupsClaim

GUARDED = """\
workspace: vision
platform: labelbox
connections: [okta]
rules:
  - id: admins
    groups: [Admins]
    grant: {workspace_role: admin}
guard:
  hold_revocations: {over: 25%, and_at_least: 1}
"""


@pytest.fixture
def gate(world: World) -> Gate:
    """Okta's connection, whose logins make users and state groups, and the mapping in force."""
    world.apply()
    return Gate(world, world.okta).declare()


@pytest.fixture
def upkeep(world: World) -> LoginUpkeep:
    """What ends what is over."""
    return LoginUpkeep(world.store, world.rulebooks, world.clock)


def tried(gate: Gate, local: str, groups: Values | None = (), **how: Values) -> Preview:
    """Return what a login would do."""
    world = gate.world
    previews = LoginPreviews(world.store, gate.logins, world.rulebooks, world.clock)
    return previews.preview(gate.settings, gate.identity(local, groups, **how), Trail())  # type: ignore[arg-type]


# --- previews --------------------------------------------------------------------------------------------------


def test_a_preview_tells_user_groups_and_roles_and_writes_nothing(gate: Gate, world: World) -> None:
    """Groups that no rule speaks of are told as such; the user, who would be made, has no id."""
    before = world.audit()
    preview = tried(gate, "ana", ("Admins", "Unmapped"))
    document = preview_document(preview)
    assert (document["outcome"], document["found"]) == ("accepted", "made")
    assert document["user"] == {"id": None, "user_name": gate.name("ana")}
    assert [(one["name"], one["known"], one["mapped"], one["counts"]) for one in document["groups"]] == [
        ("Admins", False, True, True),
        ("Unmapped", False, False, True),
    ]
    assert document["roles_now"] == []
    assert {(one["slot"], one["role"]) for one in document["roles_after"]} >= {("workspace_role", "admin")}
    assert world.audit() == before
    assert gate.stored(gate.name("ana")) is None
    assert gate.log.newest(gate.connection) == []
    with world.store.read() as unit:
        assert unit.directory(world.id).group_by_name("Admins") == []


def test_a_preview_of_somebody_known_tells_roles_now_and_then(gate: Gate, world: World) -> None:
    """What the person would leave is told; they keep it."""
    ana = gate.login("ana", ("Admins",)).user.id
    preview = tried(gate, "ana", ("lbx-retail-labelers",))
    assert [(one.role, one.project) for one in preview.before if one.slot == "workspace_role"] == [("admin", "")]
    assert ("labeler", "retail") in {(one.role, one.project) for one in preview.after}
    assert preview.left == ("Admins",)
    assert world.roles(ana) == {("workspace_role", "", "admin")}


def test_a_preview_tells_which_check_would_refuse(gate: Gate) -> None:
    """With what can be read of the login all the same."""
    preview = tried(gate, "eve@evil.example", ("Admins",))
    assert preview.refused
    assert preview.refused.code == "login-domain"
    assert [check.code for check in preview.trail.checks if check.verdict == "failed"] == ["login-domain"]
    document = preview_document(preview)
    assert (document["outcome"], document["code"], document["user"]) == ("refused", "login-domain", None)
    assert document["claimed"]["user_name"] == "eve@evil.example"


def test_a_preview_says_of_ignored_groups_that_they_do_not_count(gate: Gate) -> None:
    """Where SCIM has the authority the groups are shown, mapped or not, and give nothing."""
    gate.set(authority=Authority.SCIM)
    preview = tried(gate, "ana", ("Admins", "x"))
    assert [(one.name, one.mapped, one.counts) for one in preview.groups] == [
        ("Admins", True, False),
        ("x", False, False),
    ]
    assert preview.after == ()


def test_an_assertion_that_was_used_can_be_tried_again(gate: Gate, world: World) -> None:
    """An administrator has the assertion of a login that went wrong, which is a used one."""
    identity = gate.identity("ana", ("Admins",))
    gate.enter(identity)
    previews = LoginPreviews(world.store, gate.logins, world.rulebooks, world.clock)
    assert previews.preview(gate.settings, identity, Trail()).refused is None
    with pytest.raises(LoginRefused):
        gate.enter(identity)


# --- the end of statements -------------------------------------------------------------------------------------


def test_what_a_login_stated_ends_after_its_days(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """The worker ends the memberships; the roles go with them, and a new login brings them back."""
    ana = gate.login("ana", ("Admins",)).user.id
    world.now += timedelta(days=29)
    assert upkeep.end_due("worker", world.id, lambda: True) == 0
    gate.login("ana", None)  # says nothing of groups, and so prolongs nothing
    world.now += timedelta(days=1, minutes=1)
    assert upkeep.end_due("worker", world.id, lambda: True) == 1
    assert (gate.groups_of(ana), world.roles(ana)) == ({}, set())
    assert upkeep.end_due("worker", world.id, lambda: True) == 0
    gate.login("ana", ("Admins",))
    assert world.roles(ana) == {("workspace_role", "", "admin")}
    assert world.differing() == []


def test_each_login_that_states_groups_prolongs_them(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """Who logs in now and then keeps what they have."""
    ana = gate.login("ana", ("Admins",)).user.id
    world.now += timedelta(days=20)
    gate.login("ana", ("Admins",))
    world.now += timedelta(days=20)
    assert upkeep.end_due("worker", world.id, lambda: True) == 0
    assert world.roles(ana) == {("workspace_role", "", "admin")}


def test_when_scim_gets_the_authority_what_logins_stated_ends(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """By the worker's next round, however long it would have held."""
    ana = gate.login("ana", ("Admins",)).user.id
    gate.set(authority=Authority.SCIM)
    assert upkeep.end_due("worker", world.id, lambda: True) == 1
    assert world.roles(ana) == set()


def test_guard_rails_hold_what_ends_for_many_at_once(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """An identity provider that lets nobody in for a month does not take everybody's roles; a login ends the hold."""
    world.apply(GUARDED, force="guarded")
    people = [gate.login(f"p{number}", ("Admins",)).user.id for number in range(4)]
    world.now += timedelta(days=31)
    upkeep.end_due("worker", world.id, lambda: True)
    assert all(grant.held_since for person in people for grant in world.grants(person) if grant.role == "admin")
    gate.login("p0", ("Admins",))
    assert all(grant.held_since is None for grant in world.grants(people[0]))


def test_a_login_that_takes_groups_away_from_many_is_held_as_scim_would_be(gate: Gate, world: World) -> None:
    """A provider that suddenly states no groups for anybody is a mistake as any other."""
    world.apply(GUARDED, force="guarded")
    people = [gate.login(f"p{number}", ("Admins",)).user.id for number in range(4)]
    for number in range(4):
        gate.login(f"p{number}", ())
    held = [person for person in people if any(grant.held_since for grant in world.grants(person))]
    assert len(held) == 3


def test_used_assertions_are_remembered_as_long_as_they_would_do(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """And somewhat longer; afterwards they are refused by their time."""
    identity = gate.identity("ana")
    gate.enter(identity)
    assert upkeep.tidy(world.id, lambda: True) == 0
    with pytest.raises(LoginRefused):
        gate.enter(identity)
    world.now += timedelta(minutes=20)
    assert upkeep.tidy(world.id, lambda: True) == 1


# --- forgetting ------------------------------------------------------------------------------------------------


def test_a_forgotten_identity_is_linked_anew(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """After a change of subjects at the provider: what the login stated ends, the next one is a first one."""
    gate.set(user_name="name")
    ana = gate.login("ana", ("Admins",), subject="s-1").user.id
    assert gate.refusal("ana", ("Admins",), subject="s-2") == "login-user-linked"
    assert upkeep.forget(OPERATOR, gate.connection, gate.name("ana")) == ana
    assert world.roles(ana) == set()
    again = gate.login("ana", ("Admins",), subject="s-2")
    assert (again.found, again.user.id) == ("linked", ana)
    assert "user.unlinked" in {entry.kind for entry in world.audit(ana)}
    with pytest.raises(NotFound):
        upkeep.forget(OPERATOR, gate.connection, "nobody")


def test_a_forgotten_deletion_lets_somebody_of_the_name_in(gate: Gate, world: World, upkeep: LoginUpkeep) -> None:
    """As a new user: nothing of the old one comes back."""
    ana = gate.login("ana", ("Admins",)).user.id
    world.provisioning.delete_user(gate.caller, ana)
    assert gate.refusal("ana") == "login-user-deleted"
    upkeep.forget(OPERATOR, gate.connection, gate.name("ana"))
    again = gate.login("ana")
    assert again.found == "made"
    assert again.user.id != ana


def test_erasing_a_deleted_person_takes_their_identity_and_logins_along(gate: Gate, world: World) -> None:
    """Issuer and subject go, and the log of logins no longer says whose they were."""
    auditing = Auditing(world.store, world.clock, SealKeys([b"k" * 32]), 0)
    ana = gate.login("ana", ("Admins",)).user.id
    world.provisioning.delete_user(gate.caller, ana)
    auditing.erase(OPERATOR, world.id, ana, reason="asked for it")
    assert gate.stored(gate.name("ana")) is None
    assert [row.user_id for row in gate.log.newest(gate.connection)] == [None]
    with world.store.read() as unit:
        assert unit.logins(world.id).departed_named(gate.name("ana")) is None


# --- proofs ----------------------------------------------------------------------------------------------------


def test_fsck_finds_logins_sound_and_says_what_is_not(gate: Gate, world: World) -> None:
    """A membership that no statement would end is told."""
    ana = gate.login("ana", ("Admins",)).user.id
    consistency = Consistency(world.store, world.rulebooks, world.clock)
    assert list(consistency.row_problems(world.id)) == []
    identity = gate.stored(gate.name("ana"))
    assert identity is not None
    world.store.transact(lambda unit: unit.logins(world.id).update_identity(replace(identity, stated_until=None)))
    assert [one.problem for one in consistency.row_problems(world.id)] == ["1 memberships by login would never end"]
    assert world.roles(ana) == {("workspace_role", "", "admin")}


def test_explanations_tell_what_the_last_login_stated(gate: Gate, world: World) -> None:
    """When, which groups, until when; of the past the record tells who was in a group by a login."""
    gate.set(groups=GroupsClaim("groups", overage=("more",)))
    ana = gate.login("ana", ("Admins",)).user.id
    gate.login("ana", None, more="yes")
    explaining = Explaining(world.store, world.rulebooks, world.clock)
    (explained,) = explaining.explain(world.id, ana, workspace="vision")
    (statement,) = explained.logins
    assert (statement.connection, statement.groups, statement.ignored) == ("okta", ("Admins",), False)
    assert statement.until is not None
    assert statement.overage_at is not None
    (winner,) = [role.winners[0] for role in explained.explanation.roles if role.slot == "workspace_role"]
    assert winner.membership
    assert winner.membership.source == "login"

    then = world.clock()
    gate.login("ana", ())
    (past,) = explaining.explain_then(world.id, ana, then, workspace="vision")
    assert [role.role for role in past.explanation.roles if role.slot == "workspace_role"] == ["admin"]
    assert past.differs == ()

    gate.set(authority=Authority.SCIM)
    gate.login("ana", ("Admins",))
    (explained,) = explaining.explain(world.id, ana, workspace="vision")
    assert [(one.ignored, one.groups, one.until) for one in explained.logins] == [(True, ("Admins",), None)]


# --- connections -----------------------------------------------------------------------------------------------


def test_a_domain_is_spoken_for_by_one_connection_of_the_installation(gate: Gate, world: World) -> None:
    """Neither another connection of the organization nor another organization gets it, in any case."""
    entra = Gate(world, world.entra)
    with pytest.raises(DomainTaken):
        entra.sso.declare_domains(OPERATOR, entra.connection, ["fresh-" + gate.domain, gate.domain.upper()])
    assert entra.settings.domains == frozenset()
    other = World(world.store)
    foreign = Gate(other, other.okta)
    with pytest.raises(DomainTaken):
        foreign.sso.declare_domains(OPERATOR, foreign.connection, [gate.domain])
    assert [entry.kind for entry in other.audit() if "domain" in entry.kind] == []
    with pytest.raises(Invalid):
        foreign.sso.declare_domains(OPERATOR, foreign.connection, ["nodot"])
    with pytest.raises(Invalid, match="does not speak for"):
        foreign.sso.withdraw_domain(OPERATOR, foreign.connection, gate.domain)
    found = gate.sso.by_domain(gate.domain.upper())
    assert found
    assert found.id == gate.connection.id
    gate.sso.withdraw_domain(OPERATOR, gate.connection, gate.domain)
    assert foreign.sso.declare_domains(OPERATOR, foreign.connection, [gate.domain]).domains == {gate.domain}


def test_a_connection_that_is_switched_off_is_as_if_it_was_never_set_up(gate: Gate) -> None:
    """Nobody finds it by its id or its domain; its settings stay."""
    switch(gate.sso, gate.connection, on=False)
    assert gate.sso.find(gate.connection.id) is None
    assert gate.sso.by_domain(gate.domain) is None
    assert gate.sso.find("no id at all\x00") is None
    assert not gate.settings.enabled
    switch(gate.sso, gate.connection, on=True)
    assert gate.sso.find(gate.connection.id) is not None


def test_secrets_are_sealed_and_bound_to_their_connection(gate: Gate) -> None:
    """The newest so many are kept; one of another connection does not open."""
    gate.sso.add_secret(OPERATOR, gate.connection, "sp-key", b"one", public="cert 1", keep=2)
    gate.sso.add_secret(OPERATOR, gate.connection, "sp-key", b"two", keep=2)
    gate.sso.add_secret(OPERATOR, gate.connection, "sp-key", b"three", keep=2)
    gate.sso.add_secret(OPERATOR, gate.connection, "client-secret", b"s")
    secrets = gate.sso.secrets(gate.connection, "sp-key")
    assert [gate.sso.open(one) for one in secrets] == [b"two", b"three"]
    with pytest.raises(Locked):
        gate.sso.open(replace(secrets[0], connection_id="another"))
    assert b"two" not in secrets[0].sealed
    gate.sso.remove_secret(OPERATOR, gate.connection, secrets[0].id)
    with pytest.raises(NotFound):
        gate.sso.remove_secret(OPERATOR, gate.connection, secrets[0].id)
