"""What an import writes in sets."""

from __future__ import annotations

from uuid import uuid4

from tests.store.worlds import NOW, World, user_draft

from rolebridge.store.bulk import NewUser, new_user
from rolebridge.store.unit import Unit


def newcomers(*names: str) -> list[NewUser]:
    return [new_user(user_draft(name), str(uuid4()), NOW) for name in names]


def test_who_is_refused_stops_nobody_else(world: World) -> None:
    """Users whose name is taken, which no look-up had seen, are left out; all others are made, whatever they hold."""
    there = newcomers("ana", "bea")
    again = newcomers("cleo", "ANA", "dora")
    text = 'tab\t, back\\slash, "quotes", line\nbreak, \\N, ü😀'
    odd = newcomers(text)

    def work(unit: Unit) -> list[set[str]]:
        bulk = unit.bulk(world.organization)
        return [bulk.insert_users(world.okta, new, NOW) for new in (there, again, odd, [])]

    made = world.store.transact(work)
    assert made == [{one.id for one in there}, {again[0].id, again[2].id}, {odd[0].id}, set()]
    with world.store.read() as unit:
        bulk = unit.bulk(world.organization)
        assert bulk.totals(world.okta) == (5, 0)
        found = bulk.stored_users(world.okta, [one.id for one in (*there, *again, *odd)])
    assert sorted(user.user_name for user in found.values()) == sorted(["ana", "bea", "cleo", "dora", text])
    assert all(found[one.id].body == one.body for one in (*there, again[0], again[2], *odd))
