"""API keys: who one is oneself, and for owners the organization's others."""

from __future__ import annotations

from typing import Final

from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import GIVEN_TEXT, MOMENT, read_moment_or_none, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.key_documents import key_document
from rolebridge.bridge.permissions import PERMISSIONS, KeyRole, Permission
from rolebridge.core.errors import NotFound
from rolebridge.store.records import Key


def _self(use: UseCases, call: Call) -> Answer:
    holder = call.holder
    organization = use.administration.organization_of(call.organization_id)
    return Answer(
        {
            "id": holder.key_id,
            "name": holder.name,
            "role": holder.role,
            "organization": organization.name,
            "workspace": holder.workspace,
            "permissions": sorted(one for one in PERMISSIONS[holder.role] if holder.may(one)),
        }
    )


def _keys(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    limit = call.query.limit()
    organization = use.administration.organization_of(call.organization_id)
    known = sorted(use.administration.keys(organization), key=lambda key: key.credential.id)
    rows = [key for key in known if key.credential.id > after][: limit + 1]
    place = [rows[limit - 1].credential.id] if len(rows) > limit else None
    return Answer({"keys": [_document(use, key) for key in rows[:limit]], "next_cursor": next_cursor(place)})


def _add(use: UseCases, call: Call) -> Answer:
    organization = use.administration.organization_of(call.organization_id)
    body = call.body
    key, secret = use.administration.add_key(
        call.operator,
        organization,
        body["name"],
        KeyRole(body["role"]),
        workspace=body.get("workspace"),
        expires_at=read_moment_or_none(body.get("expires_at")),
    )
    return Answer({**_document(use, key), "key": secret.text}, 201)


def _revoke(use: UseCases, call: Call) -> Answer:
    organization = use.administration.organization_of(call.organization_id)
    wanted = call.path["id"]
    if wanted not in {key.credential.id for key in use.administration.keys(organization)}:
        raise NotFound("key", wanted)  # by its whole id: a program has it
    use.administration.revoke_key(call.operator, organization, wanted)
    return Answer(None, 204)


def _document(use: UseCases, key: Key) -> dict[str, object]:
    return key_document(key, use.clock())


ENDPOINTS: Final = (
    Endpoint("GET", "/key", "Which key this is, and what it may do", None, "OwnKey", _self),
    Endpoint("GET", "/keys", "The API keys of the organization", Permission.MANAGE_KEYS, "Keys", _keys, query=PAGED),
    Endpoint(
        "POST",
        "/keys",
        "Add an API key; its secret is in this answer and never again",
        Permission.MANAGE_KEYS,
        "NewKey",
        _add,
        body=record(
            {
                "name": {**GIVEN_TEXT, "maxLength": 200},
                "role": {"type": "string", "enum": [role.value for role in KeyRole]},
                "workspace": {**GIVEN_TEXT, "description": "The only workspace that it is for."},
                "expires_at": {**MOMENT, "description": "After which it does not work."},
            },
            optional=("workspace", "expires_at"),
        ),
        status=201,
        secret=True,
        description="To replace a key: add another, use that, revoke the first.",
    ),
    Endpoint(
        "DELETE", "/keys/{id}", "Make a key worthless, at once", Permission.MANAGE_KEYS, None, _revoke, status=204
    ),
)
