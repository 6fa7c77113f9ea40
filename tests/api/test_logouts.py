"""Notices of logout over the API: by page, for those who read the record, of the own organization alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.api.talking import Tenant, holds, problem
from tests.bridge.worlds import OPERATOR

from rolebridge.core.applications import AppKind
from rolebridge.store.logout_notices import LogoutNotice
from rolebridge.web.problems import Kind


def application(tenant: Tenant) -> str:
    """Return an application to which five sessions' ends were told."""
    settings = {"redirect_uris": ["https://app.example/callback"]}
    made = tenant.installation.applications.add(OPERATOR, tenant.organization, "labels", AppKind.PUBLIC, settings)
    begin = datetime(2026, 11, 20, tzinfo=UTC)
    told = [LogoutNotice(f"{made.id} {n}", made.id, "ana", "s", begin + timedelta(minutes=n // 2)) for n in range(5)]
    tenant.installation.store.transact(lambda unit: unit.logout_notices(tenant.organization.id).add(told))
    return made.id


def test_notices_come_page_by_page(acme: Tenant) -> None:
    """Newest first, each once, also where several are of one moment."""
    path = f"/applications/{application(acme)}/logouts"
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = holds(acme.get(path, limit="2", **({"cursor": cursor} if cursor else {})), "Logouts")
        seen += [one["id"] for one in page["logouts"]]
        cursor = page["next_cursor"]
    assert [one.rpartition(" ")[2] for one in seen] == ["4", "3", "2", "1", "0"]


def test_who_may_not_read_the_record_is_refused(acme: Tenant) -> None:
    """An auditor may, a reader may not; a cursor of another list is refused."""
    path = f"/applications/{application(acme)}/logouts"
    assert acme.get(path, key=acme.key("auditor")).status == 200
    problem(acme.get(path, key=acme.key("reader")), Kind.FORBIDDEN)
    problem(acme.get(path, cursor="WyJ4Il0"), Kind.INVALID)
    problem(acme.get(path, cursor="WyJ4IiwieSJd"), Kind.INVALID)


def test_another_organization_has_no_such_application(acme: Tenant, other: Tenant) -> None:
    """Whoever knows the id of another organization's application learns that they have none of that id."""
    path = f"/applications/{application(acme)}/logouts"
    problem(other.get(path), Kind.NOT_FOUND)
