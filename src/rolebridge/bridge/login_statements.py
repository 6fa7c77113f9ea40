"""What the last logins of a person stated of groups, and whether it counts: for explanations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rolebridge.core.login_rules import read_login_rules
from rolebridge.core.moments import stamp, stamp_or_none
from rolebridge.store.unit import Unit


@dataclass(frozen=True, slots=True)
class LoginStatement:
    """What the last login by a connection that stated groups stated, at `at`, and until when it holds.

    `until` is None where it gives nothing: SCIM has the authority there (`ignored`), or it has ended. `overage_at` is
    set while the provider leaves groups out because there are too many.
    """

    connection: str
    at: datetime | None
    groups: tuple[str, ...]
    until: datetime | None
    ignored: bool
    overage_at: datetime | None


def statements_of(unit: Unit, organization_id: str, user_id: str) -> tuple[LoginStatement, ...]:
    """Return what a person's last logins stated, by connection; nothing for who has stated nothing."""
    identities = unit.logins(organization_id).identities_of([user_id]).get(user_id, ())
    found = []
    for identity in identities:
        row = unit.sso.of(organization_id, identity.connection_id)
        if row is None or (identity.stated is None and identity.overage_at is None):
            continue
        ignored = not read_login_rules(row.rules).asserts_groups
        found.append(
            LoginStatement(
                row.connection.name,
                identity.stated_at,
                identity.stated or (),
                None if ignored else identity.stated_until,
                ignored,
                identity.overage_at,
            )
        )
    return tuple(found)


def statement_document(statement: LoginStatement) -> dict[str, Any]:
    """Return what a login stated as JSON has it."""
    return {
        "connection": statement.connection,
        "at": stamp_or_none(statement.at),
        "groups": list(statement.groups),
        "until": stamp_or_none(statement.until),
        "ignored": statement.ignored,
        "overage_at": stamp(statement.overage_at) if statement.overage_at else None,
    }
