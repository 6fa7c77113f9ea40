"""Refreshing: each token once, a theft noticed, roles as they are now, an end that nothing puts off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.bridge.signed_in import Desk, told_roles
from tests.bridge.worlds import World, add, remove

from rolebridge.bridge.credentials import Hasher
from rolebridge.bridge.refreshing import GRACE, RefreshReason, RefreshRefused
from rolebridge.core.applications import Scope


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def wait(desk: Desk, **time: float) -> None:
    desk.world.now += timedelta(**time)


def refusal(desk: Desk, *arguments: object, **more: object) -> RefreshReason:
    with pytest.raises(RefreshRefused) as caught:
        desk.refresh(*arguments, **more)  # type: ignore[arg-type]
    return caught.value.reason


def test_a_stolen_refresh_token_ends_the_family(desk: Desk) -> None:
    """A refresh token that comes again after its grace ends everything of the authorization, and both are shut out."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    first = desk.enter(app, ana)
    second = desk.refresh(app, first.refresh)
    wait(desk, seconds=GRACE.total_seconds() + 1)
    assert refusal(desk, app, first.refresh) is RefreshReason.REUSED
    assert refusal(desk, app, second.refresh) is RefreshReason.ENDED
    assert not desk.stands(first)
    assert desk.why(first) == "refresh-reused"


def test_a_token_whose_next_one_was_used_is_a_theft_at_once(desk: Desk) -> None:
    """Within the grace, too, a token ends the family when somebody has gone on with the one after it."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    first = desk.enter(app, ana)
    desk.refresh(app, desk.refresh(app, first.refresh).refresh)
    assert refusal(desk, app, first.refresh) is RefreshReason.REUSED
    assert desk.why(first) == "refresh-reused"


def test_a_theft_is_told(desk: Desk) -> None:
    """Whoever administers finds the end of a stolen family in the audit, and the application is told of the logout."""
    app, user = desk.application(), desk.world.user("ana")
    first = desk.enter(app, desk.sign_in(user))
    desk.refresh(app, first.refresh)
    wait(desk, minutes=5)
    refusal(desk, app, first.refresh)
    (row,) = [row for row in desk.world.audit(user) if row.kind == "user.app-access-ended"]
    assert "used twice" in row.reason
    assert app.id in row.actor
    assert (first.refresh or "") not in (row.before or "")
    assert [one.user_id for one in desk.notices(app)] == [user]


def test_a_lost_answer_may_be_asked_for_again(desk: Desk) -> None:
    """The same request within 30 seconds gets the same next token, which then works; the family goes on."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    first = desk.enter(app, ana)
    lost = desk.refresh(app, first.refresh)
    wait(desk, seconds=25)
    again = desk.refresh(app, first.refresh)
    assert again.refresh == lost.refresh
    wait(desk, minutes=5)
    assert desk.refresh(app, again.refresh).refresh not in {first.refresh, again.refresh, None}
    assert desk.stands(first)


def test_a_lost_answer_survives_a_new_secret_key(desk: Desk) -> None:
    """The next token is found again, too, when the installation's secret key changed in between."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    first = desk.enter(app, ana)
    lost = desk.refresh(app, first.refresh)
    desk.use(Hasher(b"n" * 32, [b"k" * 32]))
    assert desk.refresh(app, first.refresh).refresh == lost.refresh
    assert desk.refresh(app, lost.refresh).refresh is not None


def test_nothing_puts_the_end_off(desk: Desk) -> None:
    """Refreshing daily does not make a sign-in last: after `refresh_days` the newest token has expired, too."""
    app, ana = desk.application(refresh_days=3), desk.sign_in(desk.world.user("ana"))
    text = desk.enter(app, ana).refresh
    for _ in range(2):
        wait(desk, days=1)
        text = desk.refresh(app, text).refresh
    wait(desk, days=1)
    assert refusal(desk, app, text) is RefreshReason.EXPIRED


def test_another_application_gets_nothing_for_a_token(desk: Desk) -> None:
    """A token of one application is nothing to another one, and stays good for its own."""
    app, other = desk.application(), desk.application("other")
    first = desk.enter(app, desk.sign_in(desk.world.user("ana")))
    assert refusal(desk, other, first.refresh) is RefreshReason.ANOTHER
    assert desk.refresh(app, first.refresh).refresh is not None


def test_an_application_of_another_organization_gets_nothing(desk: Desk) -> None:
    """Neither does one of another organization."""
    app, stranger = desk.application(), Desk(World(desk.world.store)).application()
    first = desk.enter(app, desk.sign_in(desk.world.user("ana")))
    assert refusal(desk, stranger, first.refresh) is RefreshReason.ANOTHER


@pytest.mark.parametrize("text", ["", "rbr_", "rbr_wrong", "rbcode_x", "rbr_" + "a" * 5_000, "rbr_\0", "rbr_\ud800"])
def test_what_is_no_token_is_unknown(desk: Desk, text: str) -> None:
    """Whatever is shown in place of a refresh token is unknown, and costs nothing."""
    assert refusal(desk, desk.application(), text) is RefreshReason.UNKNOWN


def test_scopes_may_be_fewer_and_never_more(desk: Desk) -> None:
    """A refresh may ask for fewer scopes, for this answer only; what was not granted is refused."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    first = desk.enter(app, ana, (Scope.OPENID, Scope.PROFILE, Scope.OFFLINE_ACCESS))
    assert refusal(desk, app, first.refresh, {"openid", "roles"}) is RefreshReason.SCOPE
    assert refusal(desk, app, first.refresh, set()) is RefreshReason.SCOPE
    narrow = desk.refresh(app, first.refresh, {"openid"})
    assert narrow.authorization.scope == "openid"
    assert "name" not in narrow.claims.person
    whole = desk.refresh(app, narrow.refresh)
    assert whole.authorization.scope == "openid profile offline_access"


def test_without_offline_access_there_is_no_refresh_token(desk: Desk) -> None:
    """An application that does not ask for offline use gets no refresh token."""
    app, ana = desk.application(), desk.sign_in(desk.world.user("ana"))
    assert desk.enter(app, ana, (Scope.OPENID,)).refresh is None


def test_roles_follow_at_the_next_refresh(desk: Desk) -> None:
    """What a person gains or loses since stands in the next answer, and in no later one."""
    world = desk.world
    world.apply()
    ana = world.user("ana")
    group = world.group("lbx-retail-reviewers", [ana])
    app = desk.application()
    first = desk.enter(app, desk.sign_in(ana))
    assert "retail:reviewer" in told_roles(first)
    world.change(group, remove(ana))
    second = desk.refresh(app, first.refresh)
    assert "retail:reviewer" not in told_roles(second)
    world.change(group, add(ana))
    assert "retail:reviewer" in told_roles(desk.refresh(app, second.refresh))


def test_who_holds_no_role_any_more_is_not_let_in(desk: Desk) -> None:
    """An application for people with a role refuses a refresh without one; with the role back the token is good."""
    world = desk.world
    world.apply(
        "workspace: vision\nplatform: labelbox\nconnections: [okta]\nrules:\n"
        "  - {id: all, groups: [Team], grant: {workspace_role: admin}}\n"
    )
    ana = world.user("ana")
    group = world.group("Team", [ana])
    app = desk.application(entry_workspaces=["vision"])
    first = desk.enter(app, desk.sign_in(ana))
    world.change(group, remove(ana))
    assert refusal(desk, app, first.refresh) is RefreshReason.ENTRY
    world.change(group, add(ana))
    assert desk.refresh(app, first.refresh).refresh is not None
