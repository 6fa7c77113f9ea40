"""Whoever must be out is out: sessions, codes and tokens end with their reason, at once, and applications are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.bridge.signed_in import Desk
from tests.bridge.worlds import OPERATOR, World
from tests.store.worlds import together
from tests.transfer.moving import Moving, user

from rolebridge.bridge.adopting import Adopting, Selection
from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.authorizing import CodeRefused, NoCode, NotSignedIn, Redeemed
from rolebridge.bridge.consistency import Consistency
from rolebridge.bridge.endings import Endings
from rolebridge.bridge.refreshing import RefreshReason, RefreshRefused
from rolebridge.bridge.sealing import SealKeys
from rolebridge.core.applications import EndedWhy, Scope
from rolebridge.core.login import LoginRefused
from rolebridge.store.engine import Store
from rolebridge.store.unit import Unit

ONLINE = (Scope.OPENID,)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def deactivate(desk: Desk, user_id: str) -> None:
    desk.world.activate(user_id, False)


def delete(desk: Desk, user_id: str) -> None:
    desk.world.provisioning.delete_user(desk.world.okta, user_id)


def adopt(desk: Desk, _: str) -> None:
    world = desk.world
    okta, entra = (world.administration.connection(world.organization, name) for name in ("okta", "entra"))
    adopting = Adopting(world.store, world.rulebooks, world.clock)
    adopting.adopt(OPERATOR, okta, entra, Selection(everything=True), reason="another provider")


def end_sessions(desk: Desk, user_id: str) -> None:
    desk.sessions.end_of_person(OPERATOR, desk.world.id, user_id)


WAYS = {"deactivated": deactivate, "deleted": delete, "adopted": adopt, "administrator": end_sessions}


@pytest.mark.parametrize("why", WAYS)
def test_everything_ends_at_once(desk: Desk, why: str) -> None:
    """Session, code, refresh token and access token are worth nothing from the commit on, and the application is told.

    That holds for what was given for offline use, too.
    """
    user = desk.world.user("ana")
    app, ana = desk.application(), desk.sign_in(user)
    entered, code = desk.enter(app, ana), desk.code(app, ana)
    assert desk.stands(entered)
    WAYS[why](desk, user)
    assert not desk.is_signed_in(ana)
    assert not desk.stands(entered)
    assert desk.why(entered) == why
    assert code_refusal(desk, app, code) is NoCode.ENDED
    assert refresh_refusal(desk, entered) is RefreshReason.ENDED
    assert [(one.user_id, one.session_id) for one in desk.notices(app)] == [(user, ana.session.id)]


def code_refusal(desk: Desk, app: object, code: str) -> NoCode:
    with pytest.raises(CodeRefused) as caught:
        desk.redeem(app, code)  # type: ignore[arg-type]
    return caught.value.reason


def refresh_refusal(desk: Desk, entered: Redeemed) -> RefreshReason:
    with pytest.raises(RefreshRefused) as caught:
        desk.refresh(entered.application, entered.refresh)
    return caught.value.reason


def test_an_import_that_deactivates_ends_everything(store: Store, tmp_path: Path) -> None:
    """A line of an import with `active: false` is a deactivation like any other."""
    moving = Moving(store, tmp_path)
    desk = Desk(moving.world)
    app, ana = desk.application(), desk.sign_in(moving.world.user("ana"))
    entered = desk.enter(app, ana)
    moving.take(moving.lines([user("ana@acme.example", active=False)]))
    assert not desk.is_signed_in(ana)
    assert not desk.stands(entered)
    assert desk.why(entered) == "deactivated"


def test_nothing_revives_what_has_ended(desk: Desk) -> None:
    """Who is activated again signs in again: neither the session nor a token of before works."""
    user = desk.world.user("ana")
    app, ana = desk.application(), desk.sign_in(user)
    entered = desk.enter(app, ana)
    desk.world.activate(user, False)
    desk.world.activate(user, True)
    assert not desk.is_signed_in(ana)
    assert not desk.stands(entered)
    assert refresh_refusal(desk, entered) is RefreshReason.ENDED


def test_what_is_undone_ends_nothing(desk: Desk) -> None:
    """A preview of an adoption, which is undone, leaves sessions and tokens as they are."""
    user = desk.world.user("ana")
    app, ana = desk.application(), desk.sign_in(user)
    entered, world = desk.enter(app, ana), desk.world
    okta, entra = (world.administration.connection(world.organization, name) for name in ("okta", "entra"))
    Adopting(world.store, world.rulebooks, world.clock).preview(OPERATOR, okta, entra, Selection(everything=True))
    assert desk.is_signed_in(ana)
    assert desk.stands(entered)
    assert desk.notices(app) == []


def test_other_people_stay(desk: Desk) -> None:
    """One person's end is nobody else's, also where the session ends of a person in another organization."""
    app, ben = desk.application(), desk.sign_in(desk.world.user("ben"))
    elsewhere = Desk(World(desk.world.store))
    eva = elsewhere.sign_in(elsewhere.world.user("eva"))
    stays, far = desk.enter(app, ben), elsewhere.enter(elsewhere.application(), eva)
    deactivate(desk, desk.world.user("ana"))
    user = desk.world.user("cleo")
    desk.enter(app, desk.sign_in(user))
    deactivate(desk, user)
    assert desk.stands(stays)
    assert desk.is_signed_in(ben)
    assert elsewhere.stands(far)
    assert elsewhere.is_signed_in(eva)


def test_signing_out_leaves_what_is_for_offline_use(desk: Desk) -> None:
    """Who signs out takes along what applications got for the session; what was given for offline use goes on.

    Both applications are told.
    """
    online, offline = desk.application("on"), desk.application("off")
    ana = desk.sign_in(desk.world.user("ana"))
    one, other = desk.enter(online, ana, ONLINE), desk.enter(offline, ana)
    desk.world.store.transact(lambda unit: desk.sessions.end(unit, desk.world.id, ana.session.id, EndedWhy.SIGNED_OUT))
    assert not desk.stands(one)
    assert desk.stands(other)
    assert desk.refresh(offline, other.refresh).refresh is not None
    assert [len(desk.notices(app)) for app in (online, offline)] == [1, 1]


def test_a_revoked_application_has_nothing(desk: Desk) -> None:
    """Revoking an application ends what everybody gave it; other applications keep theirs, people stay signed in."""
    app, other = desk.application(), desk.application("other")
    ana = desk.sign_in(desk.world.user("ana"))
    gone, stays = desk.enter(app, ana), desk.enter(other, ana)
    desk.applications.revoke(OPERATOR, app)
    assert not desk.stands(gone)
    assert desk.stands(stays)
    assert desk.is_signed_in(ana)
    assert len(desk.notices(app)) == 1
    assert desk.notices(other) == []


def test_an_application_that_does_not_listen_is_not_told(desk: Desk) -> None:
    """Without an address for logouts there is no notice that could never be delivered."""
    user = desk.world.user("ana")
    app = desk.application(backchannel_logout_uri=None)
    desk.enter(app, desk.sign_in(user))
    deactivate(desk, user)
    assert desk.notices(app) == []


def test_several_sign_ins_are_told_once_each(desk: Desk) -> None:
    """An application is told once of each session, however often somebody came to it by that session."""
    user = desk.world.user("ana")
    app, first, second = desk.application(), desk.sign_in(user), desk.sign_in(user)
    for session in (first, first, second):
        desk.enter(app, session)
    deactivate(desk, user)
    assert sorted(one.session_id for one in desk.notices(app)) == sorted([first.session.id, second.session.id])
    deactivate(desk, user)  # a no-op
    assert len(desk.notices(app)) == 2


def test_what_outlived_its_session_ends_with_the_person(desk: Desk) -> None:
    """Offline use ends by deactivation, also when the session that it came from is long gone."""
    user = desk.world.user("ana")
    app, ana = desk.application(), desk.sign_in(user)
    entered = desk.enter(app, ana)
    desk.world.now += timedelta(days=2)
    while desk.sessions.sweep(desk.world.id):
        pass
    assert not desk.is_signed_in(ana)
    assert desk.stands(entered)
    deactivate(desk, user)
    assert not desk.stands(entered)
    assert desk.why(entered) == "deactivated"


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE users SET active = FALSE WHERE organization_id = $org", "1 people are in at applications who may not"),
        ("DELETE FROM users WHERE organization_id = $org", "1 rows refer to users that are not there"),
        ("DELETE FROM authorizations WHERE organization_id = $org", "2 rows refer to authorizations that are not"),
    ],
)
def test_fsck_finds_who_is_in_and_must_not_be(desk: Desk, sql: str, problem: str) -> None:
    """Sound after sign-ins and endings of every kind; whatever no code of ours does is told."""
    ana, bo = (desk.world.user(name) for name in ("ana", "bo"))
    app = desk.application()
    for person in (ana, bo):
        desk.enter(app, desk.sign_in(person))
    deactivate(desk, bo)
    consistency = Consistency(desk.world.store, desk.world.rulebooks, desk.world.clock)
    assert list(consistency.row_problems(desk.world.id)) == []
    desk.world.store.transact(lambda unit: unit.link.execute(sql.replace("$org", f"'{desk.world.id}'"), ()))
    assert any(problem in one.problem for one in consistency.row_problems(desk.world.id))


def test_erasing_takes_what_is_left(desk: Desk) -> None:
    """Erasing a deleted person takes their ended authorizations and the notices about them, too."""
    user = desk.world.user("ana")
    app = desk.application()
    entered = desk.enter(app, desk.sign_in(user))
    delete(desk, user)
    assert len(desk.notices(app)) == 1
    auditing = Auditing(desk.world.store, desk.world.clock, SealKeys([b"k" * 32]), 0)
    auditing.erase(OPERATOR, desk.world.id, user, reason="asked for it")
    assert desk.notices(app) == []
    with desk.world.store.read() as unit:
        assert unit.authorizations.authorization(desk.world.id, entered.authorization.id) is None


def test_who_never_signed_in_costs_one_question(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deactivating somebody without sessions asks the database once more than before, and a change of a name never."""
    user = desk.world.user("ana")
    asked: list[str] = []

    def count(task: Callable[[], object]) -> int:
        def execute(self: object, sql: str, parameters: object, original: Callable[..., object]) -> object:
            asked.append(sql)
            return original(self, sql, parameters)

        asked.clear()
        with desk.world.store.read() as unit:
            kind = type(unit.link)
        original = kind.execute
        with monkeypatch.context() as patch:
            patch.setattr(kind, "execute", lambda self, sql, values: execute(self, sql, values, original))
            task()
        return sum("authorizations" in sql or "sessions" in sql for sql in asked)

    assert count(lambda: deactivate(desk, user)) == 1
    assert count(lambda: desk.world.activate(user, True)) == 0
    assert count(lambda: delete(desk, user)) == 1


# --- at the same time


def test_two_refreshes_at_once_agree(desk: Desk) -> None:
    """Of many requests with one refresh token at once each gets the same next one, and the family lives."""
    app = desk.application()
    entered = desk.enter(app, desk.sign_in(desk.world.user("ana")))
    got: list[str | None] = []
    assert together(lambda _: got.append(desk.refresh(app, entered.refresh).refresh), 6) == [None] * 6
    assert len(set(got)) == 1
    assert desk.refresh(app, got[0]).refresh is not None


def test_a_code_exchanged_twice_at_once_is_a_reuse(desk: Desk) -> None:
    """Of several exchanges of one code at once one succeeds at most, and nothing that it gave works."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    code = desk.code(app, ana)
    got: list[Redeemed] = []
    raised = together(lambda _: got.append(desk.redeem(app, code)), 5)
    assert len(got) == 1
    assert {error.reason for error in raised if isinstance(error, CodeRefused)} == {NoCode.REUSED}
    assert not desk.stands(got[0])
    assert refresh_refusal(desk, got[0]) is RefreshReason.ENDED


STEPS: dict[str, Callable[[Desk, str, Redeemed], object]] = {
    "sign in": lambda desk, user, _: desk.sign_in(user),
    "grant": lambda desk, _, entered: desk.code(entered.application, desk.by_session[entered.authorization.session_id]),
    "redeem": lambda desk, _, entered: desk.redeem(entered.application, desk.waiting.pop()),
    "refresh": lambda desk, _, entered: desk.refresh(entered.application, entered.refresh),
}


@pytest.mark.parametrize("step", STEPS)
def test_nobody_slips_through_while_they_are_deactivated(desk: Desk, step: str) -> None:
    """Whatever happens at the very moment of a deactivation: afterwards nothing of the person works.

    Not even once they are activated again.
    """
    app = desk.application()
    for number in range(4):
        user = desk.world.user(f"ana{number}")
        ana = desk.sign_in(user)
        entered = desk.enter(app, ana)
        desk.waiting.append(desk.code(app, ana))

        def act(thread: int, user: str = user, entered: Redeemed = entered) -> None:
            if thread:
                deactivate(desk, user)
            else:
                STEPS[step](desk, user, entered)

        for error in together(act, 2):
            assert error is None or isinstance(error, CodeRefused | RefreshRefused | NotSignedIn | LoginRefused)
        desk.world.activate(user, True)
        with desk.world.store.read() as unit:
            assert unit.sessions(desk.world.id).of_user(user) == []
            assert unit.endings(desk.world.id).holding([user], desk.world.now) == []


def test_a_connection_that_is_switched_off_takes_what_came_by_it(desk: Desk) -> None:
    """Sessions that began by a connection end with it, and so does what its people gave for offline use before."""
    world = desk.world
    app, old = desk.application(), desk.sign_in(world.user("ana"))
    offline = desk.enter(app, old)
    desk.world.store.transact(lambda unit: desk.sessions.end(unit, world.id, old.session.id, EndedWhy.SIGNED_OUT))
    ben = desk.sign_in(world.user("ben"))
    eva = desk.sign_in(world.user("eva", world.entra), world.entra)
    entered, stays = desk.enter(app, ben), desk.enter(app, eva)

    def switch_off(unit: Unit) -> int:
        desk.logs_in(unit, world.okta, False)
        return Endings(unit, world.id, world.clock()).connection(world.okta.connection_id)

    assert world.store.transact(switch_off) == 1
    assert not desk.stands(entered)
    assert not desk.stands(offline)
    assert desk.stands(stays)
    assert desk.is_signed_in(eva)
