"""What an update answers and writes: the same as reading everything again, and writing everything anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.store.worlds import BASE, NOW, World, user_draft

from rolebridge.core.directory import MembershipSource, UserDraft
from rolebridge.core.errors import Unavailable
from rolebridge.core.schemas import ENTERPRISE_USER
from rolebridge.store.documents import folded, folded_key, indexed_values
from rolebridge.store.records import StoredUser
from rolebridge.store.statements import Statement
from rolebridge.store.statements import given as value_of
from rolebridge.store.tables.directory import user_values, users
from rolebridge.store.unit import Unit

LATER = NOW + timedelta(minutes=1)
COLUMNS = ("user_key", "external_key", "display_name", "display_key", "folded")
ROW = Statement(
    lambda _: select(*(users.c[name] for name in COLUMNS)).where(
        users.c.organization_id == value_of("organization_id"), users.c.id == value_of("id")
    )
)
VALUES = Statement(
    lambda _: select(user_values.c.attribute, user_values.c.value).where(
        user_values.c.organization_id == value_of("organization_id"), user_values.c.user_id == value_of("id")
    )
)

WORDS = st.sampled_from(["ana", "Ana", "straße", "Ölüdeniz", "x", "y" * 300])
DRAFTS = st.builds(
    user_draft,
    st.sampled_from(["ana", "Ana", "bo"]),
    st.sampled_from([None, "1", "2"]),
    active=st.sampled_from([None, True, False]),
    more=st.fixed_dictionaries(
        {},
        optional={
            "displayName": WORDS,
            "title": WORDS,
            "emails": st.lists(
                st.builds(lambda word: {"value": f"{word}@acme.example"}, WORDS), min_size=1, max_size=3
            ),
            "roles": st.lists(st.builds(lambda word: {"value": word}, WORDS), min_size=1, max_size=2),
            ENTERPRISE_USER: st.fixed_dictionaries({}, optional={"employeeNumber": WORDS, "department": WORDS}),
        },
    ),
)


def place(world: World, made: StoredUser, direct: bool, nested: bool) -> None:
    """Put a user into a group, which may be in another one."""

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        if direct:
            directory.add_members(inner.id, [made.id], source=MembershipSource.SCIM, connection_id=world.okta, now=NOW)
        if nested:
            directory.add_children(outer.id, [inner.id], NOW)

    inner, outer = world.add_group(f'in "{made.id}"'), world.add_group(f"out {made.id}")
    world.store.transact(work)


def expected(draft: UserDraft, body: str) -> Mapping[str, Any]:
    display = draft.attributes.get("displayName")
    return {
        "user_key": folded_key(draft.user_name),
        "external_key": draft.external_id,
        "display_name": display,
        "display_key": None if display is None else folded_key(display),
        "folded": folded(body),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DRAFTS, DRAFTS, st.booleans(), st.booleans())
def test_an_update_answers_what_a_read_would(
    world: World, first: UserDraft, second: UserDraft, direct: bool, nested: bool
) -> None:
    """The answer built from what was written is the one read again, groups included; columns and values follow."""
    fresh = World(world.store).begin()
    made = fresh.add_user(first)
    place(fresh, made, direct, nested)

    def work(unit: Unit) -> None:
        directory, scope = unit.directory(fresh.organization), {"organization_id": fresh.organization, "id": made.id}
        stored = directory.user(fresh.okta, made.id, lock=True)
        assert stored is not None
        new, answer = directory.update_and_answer(stored, second, LATER, was=stored.draft(), prefix=BASE)
        assert answer == directory.user_answer(fresh.okta, made.id, prefix=BASE)
        assert new == directory.user(fresh.okta, made.id)
        (row,) = unit.link.all(ROW, **scope)
        assert dict(zip(COLUMNS, row, strict=True)) == expected(second, new.body)
        assert set(unit.link.all(VALUES, **scope)) == indexed_values(second.attributes)

    world.store.transact(work)


@pytest.mark.parametrize("draft", [user_draft("ana", active=False), user_draft("ana", displayName="Ana")])
def test_an_update_of_what_has_changed_since_is_refused(world: World, draft: UserDraft) -> None:
    """Whoever read a user without a lock does not write over what another one has written meanwhile."""
    stale = world.add_user("ana")

    def work(unit: Unit) -> None:
        unit.directory(world.organization).update_user(stale, user_draft("ana", title="x"), LATER)

    world.store.transact(work)
    with pytest.raises(Unavailable, match=f"the user `{stale.id}` was changed at the same time"):
        world.store.transact(
            lambda unit: unit.directory(world.organization).update_and_answer(
                stale, draft, LATER, was=stale.draft(), prefix=BASE
            )
        )


def test_members_are_added_whatever_else_is_named(world: World) -> None:
    """Of users, members, strangers and nobody's ids in one step the first are added and the last two are told."""
    ana, bo = world.add_users(2)
    stranger = world.add_user("eve", world.entra).id
    group = world.add_group("reviewers", [ana])
    asked = ["nobody", bo, ana, "\0", stranger, bo]
    delta = world.store.transact(
        lambda unit: unit.directory(world.organization).add_members(
            group.id, asked, source=MembershipSource.SCIM, connection_id=world.okta, now=LATER
        )
    )
    assert (delta.added, delta.removed, delta.unknown) == ((bo,), (), ("nobody", "\0", stranger))
    assert world.members(group.id) == sorted([ana, bo])
