"""A world of its own for each test of the store, and drafts to fill it with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from rolebridge.core.directory import GroupDraft, MembershipSource, UserDraft
from rolebridge.store.engine import Store
from rolebridge.store.records import StoredGroup, StoredUser
from rolebridge.store.unit import Unit

CROWD = 20
NOW = datetime(2026, 11, 30, 9, 0, 0, 123_000, tzinfo=UTC)
BASE = "https://bridge.test/scim/v2"


def new_id() -> str:
    return str(uuid4())


def user_draft(
    user_name: str,
    external_id: str | None = None,
    *,
    active: bool | None = None,
    more: Mapping[str, Any] | None = None,
    **attributes: Any,
) -> UserDraft:
    """Return a draft; `more` holds attributes whose names are no Python names."""
    return UserDraft(user_name, external_id, active, {"userName": user_name, **attributes, **(more or {})})


def group_draft(display: str, external_id: str | None = None, **more: Any) -> GroupDraft:
    return GroupDraft(display, external_id, {"displayName": display, **more})


@dataclass
class World:
    """An organization of its own for one test, with two connections, in a store that tests share."""

    store: Store
    organization: str = field(default_factory=new_id)
    okta: str = field(default_factory=new_id)
    entra: str = field(default_factory=new_id)

    def begin(self) -> World:
        def work(unit: Unit) -> None:
            unit.accounts.add_organization(self.organization, f"org {self.organization}", NOW)
            unit.accounts.add_connection(self.organization, self.okta, "okta", "okta", NOW)
            unit.accounts.add_connection(self.organization, self.entra, "entra", "entra", NOW)

        self.store.transact(work)
        return self

    def add_user(self, draft: UserDraft | str, connection: str | None = None) -> StoredUser:
        made = user_draft(draft) if isinstance(draft, str) else draft
        return self.store.transact(
            lambda unit: unit.directory(self.organization).insert_user(connection or self.okta, made, new_id(), NOW)
        )

    def add_users(self, count: int, prefix: str = "user") -> list[str]:
        def work(unit: Unit) -> list[str]:
            directory = unit.directory(self.organization)
            return [
                directory.insert_user(self.okta, user_draft(f"{prefix}{number}"), new_id(), NOW).id
                for number in range(count)
            ]

        return self.store.transact(work)

    def add_group(self, draft: GroupDraft | str, members: list[str] | None = None) -> StoredGroup:
        made = group_draft(draft) if isinstance(draft, str) else draft

        def work(unit: Unit) -> StoredGroup:
            group = unit.directory(self.organization).insert_group(self.okta, made, new_id(), NOW)
            if members:
                unit.directory(self.organization).add_members(
                    group.id, members, source=MembershipSource.SCIM, connection_id=self.okta, now=NOW
                )
            return group

        return self.store.transact(work)

    def members(self, group_id: str) -> list[str]:
        with self.store.read() as unit:
            return list(unit.directory(self.organization).member_ids(group_id))


def together(task: Callable[[int], object], count: int = CROWD) -> list[BaseException | None]:
    """Run a task in threads that start as one; return what each raised, None for nothing."""
    barrier = threading.Barrier(count)
    raised: list[BaseException | None] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            task(number)
        except Exception as error:  # noqa: BLE001 - handed to the test
            raised[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised
