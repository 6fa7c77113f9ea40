"""Logins: whom they let in, whom they refuse and by which check, and what they state of groups."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.bridge.logging_in import ISSUER, Gate, codes
from tests.bridge.worlds import OPERATOR, World, add, remove, rename

from rolebridge.bridge.adopting import Adopting, Selection
from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.errors import Taken
from rolebridge.core.login import AssertedIdentity, LoginRefused, Trail
from rolebridge.core.login_rules import Authority, GroupKey, GroupsClaim
from rolebridge.store.logins import LoginRows, StoredIdentity

LONG_S = "\u017f"
"""A letter that is an `s` to whoever compares without regard to case."""


@pytest.fixture
def gate(world: World) -> Gate:
    """Okta's connection, whose logins make users and state groups, and the mapping in force."""
    world.apply()
    return Gate(world, world.okta).declare()


def provision(gate: Gate, local: str, world: World) -> str:
    """Return the id of a user whom SCIM provisions."""
    draft = UserDraft(gate.name(local), None, None, {"userName": gate.name(local)})
    return world.provisioning.create_user(gate.caller, draft).id


# --- whom a login means ----------------------------------------------------------------------------------------


def test_a_first_login_makes_the_user_with_their_roles(gate: Gate, world: World) -> None:
    """The user, the groups they are stated to be in, and the grants of those are there when the login is done."""
    accepted = gate.login("ana", ("Admins", "lbx-cityscapes-labelers"))
    assert accepted.found == "made"
    assert world.roles(accepted.user.id) == {("workspace_role", "", "admin")}
    assert gate.groups_of(accepted.user.id) == {"Admins": "login", "lbx-cityscapes-labelers": "login"}
    assert [entry.kind for entry in reversed(world.audit(accepted.user.id))][:2] == [
        "user.created",
        "user.login-groups",
    ]
    assert world.differing() == []


def test_a_later_login_finds_the_user_by_identity_whatever_they_are_called(gate: Gate, world: World) -> None:
    """The identity is issuer and subject: another userName in the claims leads to the same user."""
    gate.set(user_name="name")
    first = gate.login("ana", subject="s-1")
    second = gate.login("renamed", subject="s-1")
    assert (second.found, second.user.id) == ("known", first.user.id)
    assert second.user.user_name == gate.name("ana")


def test_the_same_subject_of_another_issuer_is_somebody_else(gate: Gate, world: World) -> None:
    """Subjects mean nothing without their issuer, and a user has one identity at a connection."""
    gate.set(user_name="name")
    gate.login("ana", subject="s-1")
    assert gate.refusal("ana", subject="s-1", issuer="https://other.example") == "login-user-linked"
    assert gate.login("eva", subject="s-1", issuer="https://other.example").found == "made"


def test_a_provisioned_user_is_linked_by_user_name(gate: Gate, world: World) -> None:
    """A user whom SCIM made is found by userName in any case of ASCII, once; audit says that they were linked."""
    user_id = provision(gate, "Bo", world)
    accepted = gate.login("bo")
    assert (accepted.found, accepted.user.id) == ("linked", user_id)
    assert "user.linked" in {entry.kind for entry in world.audit(user_id)}
    assert gate.login("bo").found == "known"


def test_a_provisioned_user_is_linked_by_external_id(gate: Gate, world: World) -> None:
    """Where the rules name a claim for the externalId, that decides and not the name."""
    gate.set(external_id="oid")
    draft = UserDraft("old-name@elsewhere.example", "o-1", None, {"userName": "old-name@elsewhere.example"})
    user_id = world.provisioning.create_user(
        gate.caller, replace(draft, attributes={**draft.attributes, "externalId": "o-1"})
    ).id
    assert gate.login("new-name", oid="o-1").user.id == user_id
    assert gate.refusal("nobody") == "login-external-id"


def test_a_user_with_another_external_id_is_somebody_else(gate: Gate, world: World) -> None:
    """An address that was given to somebody new does not lead to the user who had it; one without an id is linked."""
    gate.set(external_id="oid")
    draft = UserDraft(gate.name("ceo"), "o-1", None, {"userName": gate.name("ceo"), "externalId": "o-1"})
    world.provisioning.create_user(gate.caller, draft)
    assert gate.refusal("ceo", oid="o-2") == "login-user-other"
    user_id = provision(gate, "plain", world)
    assert gate.login("plain", oid="o-3").user.id == user_id


def test_nobody_is_made_or_renamed_with_letters_that_rules_take_for_others(gate: Gate, world: World) -> None:
    """Rules that name users compare without case: `bo\u017fs` would be the boss to them."""
    gate.set(user_name="name", update=True)
    assert gate.refusal(f"bo{LONG_S}s", subject="s-1") == "login-user-alike"
    gate.login("eve", subject="s-1")
    assert gate.login(f"bo{LONG_S}s", subject="s-1").user.user_name == gate.name("eve")
    assert codes(gate.trail)["login-user-alike"] == "not-needed"


def test_a_user_of_another_connection_is_never_linked(gate: Gate, world: World) -> None:
    """An identity provider does not sign in as the people of another, also not for a domain that it speaks for."""
    draft = UserDraft(gate.name("cleo"), None, None, {"userName": gate.name("cleo")})
    other = world.provisioning.create_user(world.entra, draft).id
    assert gate.refusal("cleo") == "login-user-elsewhere"
    assert gate.stored(gate.name("cleo")) is None
    assert [entry.kind for entry in world.audit(other)] == ["user.created"]


def test_a_user_who_moved_to_another_connection_no_longer_comes_in_by_the_old_one(gate: Gate, world: World) -> None:
    """Adoption forgets the identity and ends what the login stated: the old provider vouches no more."""
    ana = gate.login("ana", ("Admins",)).user.id
    target = world.administration.connection(world.organization, "entra")
    adopting = Adopting(world.store, world.rulebooks, world.clock)
    adopting.adopt(OPERATOR, gate.connection, target, Selection(users=(gate.name("ana"),)), reason="moved")
    assert world.roles(ana) == set()
    assert gate.stored(gate.name("ana")) is None
    assert gate.refusal("ana", ("Admins",)) == "login-user-elsewhere"
    assert world.differing() == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("eve@evil.example", "login-domain"),
        ("eve@{domain}.evil.example", "login-domain"),
        ("eve@sub.{domain}", "login-domain"),
        ("eve@evil.example@{domain}", "login-domain"),
        ("@{domain}", "login-domain"),
        ("eve@{domain}.", "login-domain"),
        ("eve@{domain} ", "login-user-name"),
        ("eve\x00@{domain}", "login-subject"),
    ],
)
def test_a_name_of_a_domain_that_the_connection_does_not_speak_for_is_refused(gate: Gate, name: str, code: str) -> None:
    """Domains are compared whole and in ASCII; a subdomain is another domain."""
    with pytest.raises(LoginRefused) as refused:
        gate.enter(gate.identity(name.format(domain=gate.domain)))
    assert refused.value.code == code


def test_a_domain_in_letters_that_fold_into_ascii_is_another_domain(gate: Gate) -> None:
    """The long s folds into `s`; whoever owns such a domain is nobody of the real one."""
    gate.sso.declare_domains(OPERATOR, gate.connection, [f"s{gate.domain}"])
    with pytest.raises(LoginRefused) as refused:
        gate.enter(gate.identity(f"eve@{LONG_S}{gate.domain}"))
    assert refused.value.code == "login-domain"


def test_a_name_that_folds_into_somebodys_is_not_theirs(gate: Gate, world: World) -> None:
    """userNames are unique without regard to any case, and logins are linked without regard to that of ASCII only."""
    provision(gate, "sam", world)
    assert gate.refusal(f"{LONG_S}am") == "login-user-alike"


def test_a_name_without_a_domain_needs_a_rule(gate: Gate, world: World) -> None:
    """By default there is nothing to believe in a name that belongs to no domain."""
    identity = gate.identity("x@y")
    plain = replace(identity, subject="robert", assertion_id="a-1")
    with pytest.raises(LoginRefused) as refused:
        gate.enter(plain)
    assert refused.value.code == "login-domain"
    gate.set(plain_names=True)
    assert gate.enter(plain).user.user_name == "robert"


def test_an_e_mail_that_the_provider_does_not_vouch_for_is_nobodys_name(gate: Gate) -> None:
    """`email_verified` that says anything but true refuses where the userName is the claim `email`."""
    gate.set(user_name="email")
    for said in ("false", "False", "0", "", "maybe", (), ("true", "true")):
        assert gate.refusal("x", email=gate.name("ana"), email_verified=said) == "login-email-unverified"
    assert gate.refusal("x", email=gate.name("ana"), email_verified="true") == "accepted"


def test_without_create_only_known_people_come_in(gate: Gate, world: World) -> None:
    """A connection whose people come over SCIM makes nobody."""
    gate.set(create=False)
    assert gate.refusal("dan") == "login-user-unknown"
    provision(gate, "dan", world)
    assert gate.refusal("dan") == "accepted"


def test_without_link_only_whom_logins_made_come_in(gate: Gate, world: World) -> None:
    """A provisioned user is not taken over where the rules do not link."""
    gate.set(link=False)
    provision(gate, "dan", world)
    assert gate.refusal("dan") == "login-linking-off"
    assert gate.refusal("eva") == "accepted"


# --- what SCIM says goes first ---------------------------------------------------------------------------------


def test_a_user_whom_scim_deactivated_does_not_come_back(gate: Gate, world: World) -> None:
    """Neither by the identity that is known nor by linking: and the refused login changes nothing."""
    ana = gate.login("ana", ("Admins",)).user.id
    world.activate(ana, False)
    before = world.audit()
    assert gate.refusal("ana", ("Admins", "Suspended")) == "login-user-inactive"
    assert world.audit() == before
    assert not gate.user(ana).active
    assert world.roles(ana) == set()
    world.activate(ana, True)
    assert world.roles(ana) == {("workspace_role", "", "admin")}

    bo = provision(gate, "bo", world)
    world.activate(bo, False)
    assert gate.refusal("bo") == "login-user-inactive"


def test_a_user_whom_scim_deleted_is_not_made_again(gate: Gate, world: World) -> None:
    """Known by identity or by name alone, in any case; until SCIM provisions them again, whom the login then finds."""
    ana = gate.login("ana", ("Admins",)).user.id
    world.provisioning.delete_user(gate.caller, ana)
    assert gate.refusal("ana", ("Admins",)) == "login-user-deleted"
    bo = provision(gate, "Bo", world)
    world.provisioning.delete_user(gate.caller, bo)
    assert gate.refusal("BO") == "login-user-deleted"

    again = provision(gate, "ana", world)
    accepted = gate.login("ana", ("Admins",))
    assert (accepted.found, accepted.user.id) == ("linked", again)
    assert world.roles(again) == {("workspace_role", "", "admin")}
    assert world.differing() == []


def test_whom_one_connection_deleted_it_does_not_make_again_whoever_had_the_name_since(
    gate: Gate, world: World
) -> None:
    """A user of another connection who had the same name, and was deleted later, changes nothing."""
    bo = provision(gate, "bo", world)
    world.provisioning.delete_user(gate.caller, bo)
    draft = UserDraft(gate.name("bo"), None, None, {"userName": gate.name("bo")})
    other = world.provisioning.create_user(world.entra, draft).id
    world.provisioning.delete_user(world.entra, other)
    assert gate.refusal("bo") == "login-user-deleted"


def test_a_user_whom_a_login_made_can_be_provisioned_afterwards(gate: Gate, world: World) -> None:
    """SCIM finds the user by userName and goes on with them; a second one of the name is refused as ever."""
    ana = gate.login("ana", ("Admins",)).user.id
    with pytest.raises(Taken):
        provision(gate, "ana", world)
    world.provisioning.change_user(gate.caller, ana, lambda draft: replace(draft, external_id="e-1"))
    assert gate.login("ana", ("Admins",)).user.id == ana
    assert world.roles(ana) == {("workspace_role", "", "admin")}


@pytest.mark.parametrize("subject", ["a\x00b", "\ud800", "", "x" * 1025, "審" * 342, "a\nb"])
def test_a_subject_that_cannot_be_kept_is_refused_and_logged(gate: Gate, subject: str) -> None:
    """Neither it nor what a check said of it reaches the database as it is."""
    identity = replace(gate.identity("ana"), subject=subject)
    with pytest.raises(LoginRefused) as refused:
        gate.enter(identity)
    assert refused.value.code == "login-subject"
    gate.log.refused(gate.settings, Trail(), LoginRefused("oidc-subject", f"`{subject}`"), request_id="r-odd")
    assert gate.log.of_request(gate.connection, "r-odd").code == "oidc-subject"


# --- groups ----------------------------------------------------------------------------------------------------


def test_each_login_replaces_what_the_last_one_stated(gate: Gate, world: World) -> None:
    """Who is no longer stated to be in a group leaves it, with the role it gave."""
    ana = gate.login("ana", ("Admins", "Extra")).user.id
    gate.login("ana", ("lbx-retail-labelers",))
    assert gate.groups_of(ana) == {"lbx-retail-labelers": "login"}
    assert world.roles(ana) == {("project_role", "retail", "labeler")}
    assert world.differing() == []


def test_empty_groups_take_everything_away_and_absent_ones_nothing(gate: Gate, world: World) -> None:
    """A provider that says nothing of groups has not said that there are none."""
    ana = gate.login("ana", ("Admins",)).user.id
    stated = gate.stored(gate.name("ana"))
    gate.login("ana", None)
    assert world.roles(ana) == {("workspace_role", "", "admin")}
    again = gate.stored(gate.name("ana"))
    assert stated
    assert again
    assert (again.stated, again.stated_until) == (stated.stated, stated.stated_until)
    assert codes(gate.trail)["login-groups-shape"] == "not-needed"
    gate.login("ana", ())
    assert world.roles(ana) == set()


def test_an_overage_keeps_what_was_stated_and_is_flagged(gate: Gate, world: World) -> None:
    """A sign that groups were left out outweighs a list beside it, until a login states all groups again."""
    gate.set(groups=GroupsClaim("groups", overage=("_claim_names.groups",)))
    ana = gate.login("ana", ("Admins",)).user.id
    gate.login("ana", (), **{"_claim_names.groups": "src1"})
    identity = gate.stored(gate.name("ana"))
    assert identity
    assert identity.overage_at is not None
    assert world.roles(ana) == {("workspace_role", "", "admin")}
    gate.login("ana", ("Admins",))
    identity = gate.stored(gate.name("ana"))
    assert identity
    assert identity.overage_at is None


def test_groups_in_another_shape_refuse_where_they_count(gate: Gate, world: World) -> None:
    """A text where a list was declared is not guessed at."""
    assert gate.refusal("ana", "Admins") == "login-groups-shape"
    gate.set(authority=Authority.SCIM)
    assert gate.refusal("ana", "Admins") == "accepted"
    assert codes(gate.trail)["login-groups-shape"] == "not-needed"


def test_where_scim_has_the_authority_groups_are_recorded_and_ignored(gate: Gate, world: World) -> None:
    """No group, no membership, no role comes of them; what was stated is kept for the explanation."""
    gate.set(authority=Authority.SCIM)
    ana = gate.login("ana", ("Admins",)).user.id
    assert (gate.groups_of(ana), world.roles(ana)) == ({}, set())
    identity = gate.stored(gate.name("ana"))
    assert identity
    assert (identity.stated, identity.stated_until) == (("Admins",), None)
    with world.store.read() as unit:
        assert unit.directory(world.id).group_by_name("Admins") == []


def test_logins_and_scim_never_touch_each_others_memberships(gate: Gate, world: World) -> None:
    """Who is in a group by both words stays in it until both are gone; SCIM's members are SCIM's alone."""
    ana = gate.login("ana", ("Admins",)).user.id
    with world.store.read() as unit:
        (group,) = unit.directory(world.id).group_by_name("Admins")
    version = group.version
    assert "".join(world.provisioning.group(gate.caller, group.id).members or ()) == ""
    world.change(group.id, add(ana))
    assert gate.groups_of(ana) == {"Admins": "scim"}
    gate.login("ana", ())
    assert gate.groups_of(ana) == {"Admins": "scim"}
    gate.login("ana", ("Admins",))
    world.change(group.id, remove(ana))
    assert gate.groups_of(ana) == {"Admins": "login"}
    assert world.roles(ana) == {("workspace_role", "", "admin")}
    with world.store.read() as unit:
        assert unit.directory(world.id).group_version(group.id) == version + 2
    assert world.differing() == []


def test_a_group_that_scim_deletes_goes_and_one_that_it_renames_is_another(gate: Gate, world: World) -> None:
    """Deletion ends what logins said of it at once; after a rename the next login means the group of that name."""
    ana = gate.login("ana", ("Admins", "lbx-retail-labelers")).user.id
    with world.store.read() as unit:
        (admins,) = unit.directory(world.id).group_by_name("Admins")
        (labelers,) = unit.directory(world.id).group_by_name("lbx-retail-labelers")
    world.provisioning.delete_group(gate.caller, admins.id)
    assert world.roles(ana) == {("project_role", "retail", "labeler")}
    world.change(labelers.id, rename("lbx-retail-reviewers"))
    assert world.roles(ana) == {("project_role", "retail", "reviewer")}
    gate.login("ana", ("lbx-retail-labelers",))
    assert world.roles(ana) == {("project_role", "retail", "labeler")}
    assert gate.groups_of(ana) == {"lbx-retail-labelers": "login"}
    assert world.differing() == []


def test_groups_by_id_mean_the_group_with_that_external_id(gate: Gate, world: World) -> None:
    """The displayName of a group that SCIM provisioned decides about roles; one that nobody has is named by its id."""
    gate.set(groups=GroupsClaim("groups", key=GroupKey.ID))
    draft = GroupDraft("Admins", "g-1", {"displayName": "Admins", "externalId": "g-1"})
    world.provisioning.create_group(gate.caller, draft, (), refuse_unknown=False)
    ana = gate.login("ana", ("g-1", "G-1")).user.id
    assert gate.groups_of(ana) == {"Admins": "login", "G-1": "login"}
    assert world.roles(ana) == {("workspace_role", "", "admin")}


def test_groups_of_another_connection_are_not_meant(gate: Gate, world: World) -> None:
    """A login's groups are groups of its connection."""
    foreign = world.group("Admins", caller=world.entra)
    ana = gate.login("ana", ("Admins",)).user.id
    with world.store.read() as unit:
        held = unit.directory(world.id).memberships([ana])[ana]
    assert [one.group.connection for one in held] == ["okta"]
    assert foreign not in {one.group.id for one in held}


def test_a_login_that_changes_nothing_writes_no_membership_and_resolves_nobody(
    gate: Gate, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the identity, the assertion and the log: no audit row, no grant is even read."""
    ana = gate.login("ana", ("Admins", "Extra")).user.id
    before, grants = world.audit(), world.grants(ana)

    def never(*_: object) -> None:
        raise AssertionError("somebody is resolved")

    monkeypatch.setattr("rolebridge.bridge.provisioning.recompute", never)
    gate.login("ana", ("extra", "ADMINS"))
    gate.login("ana", ("Admins", "Extra", "Unmapped"))
    assert (world.grants(ana), [entry.kind for entry in world.audit()][: len(world.audit()) - len(before)]) == (
        grants,
        ["user.login-groups", "group.created"],
    )


def test_a_group_in_other_letters_is_not_the_group_that_it_looks_like(gate: Gate, world: World) -> None:
    """Neither one that is there nor, where there is none yet, one that a rule would take for it."""
    disguised = f"Admin{LONG_S}"
    first = gate.login("first", (disguised,))
    assert first.moves.unmade == (disguised,)
    assert world.roles(first.user.id) == set()
    gate.login("root", ("Admins",))
    eve = gate.login("eve", (disguised, "Straße")).user.id
    assert gate.groups_of(eve) == {"Straße": "login"}
    assert world.roles(eve) == set()
    again = gate.login("eve", (disguised, "ADMINS", "STRAßE"))
    assert gate.groups_of(again.user.id) == {"Admins": "login", "Straße": "login"}


def test_no_more_groups_are_made_than_a_connection_may_have(
    gate: Gate, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that makes up names fills nothing; groups that there are still count."""
    monkeypatch.setattr("rolebridge.bridge.login_groups.MOST_GROUPS_OF_CONNECTION", 2)
    accepted = gate.login("ana", ("Admins", "b", "c", "d"))
    assert len(accepted.moves.made) == 2
    assert accepted.moves.unmade == ("c", "d")
    assert world.roles(gate.login("bo", ("Admins", "z")).user.id) == {("workspace_role", "", "admin")}


# --- attributes ------------------------------------------------------------------------------------------------


def test_a_login_fills_in_what_the_rules_say(gate: Gate, world: World) -> None:
    """Attributes of a new user come from the claims; e-mail addresses of a verified domain only."""
    gate.set(attributes=(("displayName", "dn"), ("emails", "mails"), ("name.givenName", "gn"), ("title", "t")))
    accepted = gate.login("ana", dn="Ana", mails=(gate.name("ana"), "ana@private.example"), gn="Ana", t=("a", "b"))
    resource = accepted.user.resource()
    assert resource["displayName"] == "Ana"
    assert resource["name"] == {"givenName": "Ana"}
    assert resource["emails"] == [{"value": gate.name("ana"), "primary": True}]
    assert "title" not in resource


def test_update_changes_users_whom_a_login_made_and_no_others(gate: Gate, world: World) -> None:
    """What SCIM provisioned is SCIM's; a new name must be of a verified domain, and nobody else's."""
    gate.set(attributes=(("displayName", "dn"),), update=True, user_name="name")
    made = gate.login("ana", subject="s-1", dn="Ana").user.id
    changed = gate.login("ana.new", subject="s-1", dn="Ana N.")
    assert changed.updated
    assert changed.user.user_name == gate.name("ana.new")
    assert gate.user(made).resource()["displayName"] == "Ana N."
    kept = gate.login("ana@evil.example", subject="s-1", dn="Ana N.")
    assert (kept.updated, kept.user.user_name) == (False, gate.name("ana.new"))
    provision(gate, "bo", world)
    taken = gate.login("bo", subject="s-1", dn="Ana O.")
    assert (taken.user.user_name, taken.user.resource()["displayName"]) == (gate.name("ana.new"), "Ana O.")
    linked = gate.login("bo", subject="s-2", dn="Bo")
    assert gate.login("bo", subject="s-2", dn="Bo").updated is False
    assert "displayName" not in gate.user(linked.user.id).resource()


# --- once ------------------------------------------------------------------------------------------------------


def test_an_assertion_logs_somebody_in_once_whichever_process_takes_it(gate: Gate, world: World) -> None:
    """The database remembers: another process, or the same after a restart, refuses it too."""
    identity = gate.identity("ana")
    gate.enter(identity)
    other = Gate.__new__(Gate)
    other.__dict__.update(gate.__dict__)
    other.world = World.of(world)
    with pytest.raises(LoginRefused) as refused:
        other.enter(identity)
    assert refused.value.code == "login-assertion-used"


def test_a_refused_login_uses_nothing_up(gate: Gate, world: World) -> None:
    """The transaction of a refused login is undone: the same assertion counts once the reason is gone."""
    identity = gate.identity("ana")
    gate.set(create=False)
    with pytest.raises(LoginRefused):
        gate.enter(identity)
    gate.set(create=True)
    assert gate.enter(identity).found == "made"


def test_a_first_login_that_another_one_overtook_finds_whom_that_made(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked for its identity before the other was committed, and for the name after: the user is its own."""
    first = gate.login("ana")
    looks_up = LoginRows.identity
    seen: list[str] = []

    def too_early(rows: LoginRows, connection_id: str, key: str, *, lock: bool = False) -> StoredIdentity | None:
        seen.append(key)
        return looks_up(rows, connection_id, key, lock=lock) if len(seen) > 1 else None

    monkeypatch.setattr(LoginRows, "identity", too_early)
    second = gate.login("ana")
    assert (second.found, second.user.id) == ("known", first.user.id)


def test_two_first_logins_at_once_make_one_user(gate: Gate, world: World) -> None:
    """The second finds whom the first made, and of one assertion only one counts."""
    outcomes: list[str] = []
    same = gate.identity("ana", ("Admins", "B", "C"))
    again = [replace(same, assertion_id=f"a-{number}") for number in range(4)]
    connection = gate.settings
    barrier = threading.Barrier(6)

    def enter(identity: AssertedIdentity) -> None:
        barrier.wait()
        try:
            accepted = world.store.transact(
                lambda unit: gate.logins.accept(
                    unit,
                    connection,
                    identity,
                    Trail(),
                    now=world.now,
                    request_id=str(id(identity)),
                )
            )
            outcomes.append(accepted.user.id)
        except LoginRefused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=enter, args=(one,)) for one in (*again, same, same)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 6
    assert outcomes.count("login-assertion-used") == 1
    assert len(set(outcomes) - {"login-assertion-used"}) == 1
    assert world.differing() == []


# --- the log ---------------------------------------------------------------------------------------------------


def test_the_log_tells_each_login_with_its_checks_and_no_values(gate: Gate, world: World) -> None:
    """Accepted and refused, newest first; what a claim holds stands nowhere."""
    gate.login("ana", ("Secret Group",))
    gate.refusal("eve@evil.example", ("Secret Group",))
    refused, accepted = gate.log.newest(gate.connection)
    assert (refused.outcome, refused.code) == ("refused", "login-domain")
    assert [check.code for check in refused.checks if check.verdict == "failed"] == ["login-domain"]
    assert accepted.outcome == "accepted"
    assert "login-groups-shape" in {check.code for check in accepted.checks}
    assert not any(word in repr([refused, accepted]) for word in ("Secret", "evil", ISSUER))


def test_each_outcome_keeps_its_last_logins(gate: Gate, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of refusals does not wash away the logins that worked."""
    monkeypatch.setattr("rolebridge.bridge.login_log.KEPT", 2)
    gate.login("ana")
    for _ in range(5):
        gate.refusal("eve@evil.example")
    assert gate.log.retain(world.id, lambda: True) == 3
    assert [row.outcome for row in gate.log.newest(gate.connection)] == ["refused", "refused", "accepted"]


def test_membership_days_bound_what_a_login_states(gate: Gate, world: World) -> None:
    """What was stated ends so many days after the login."""
    gate.set(membership_days=3)
    gate.login("ana", ("Admins",))
    identity = gate.stored(gate.name("ana"))
    assert identity
    assert identity.stated_until
    assert identity.stated_at
    assert identity.stated_until - identity.stated_at == timedelta(days=3)
