"""Applications that people sign in to: for owners, with their settings and secrets."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.api.named import application_of
from rolebridge.api.parameters import PAGED, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import GIVEN_TEXT, MOMENT, Schema, list_of, read_moment_or_none, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.app_documents import app_credential_document, application_document
from rolebridge.bridge.permissions import Permission
from rolebridge.core.applications import ACCESS_MINUTES, REFRESH_DAYS, AppKind, GroupsForm, RolesForm, Scope
from rolebridge.core.errors import NotFound

_NAME: Final[Schema] = {**GIVEN_TEXT, "maxLength": 200}
_URI: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 2_000}
_CLAIM: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 200}


def _whole(values: range) -> Schema:
    return {"type": "integer", "minimum": values[0], "maximum": values[-1]}


def _names(of: Schema, most: int = 200) -> Schema:
    return {**list_of(of), "maxItems": most}


_GROUPS: Final[Schema] = {"claim": _CLAIM, "form": {"enum": [str(one) for one in GroupsForm]}, "only": _names(_NAME)}
_ROLES: Final[Schema] = {
    "claim": _CLAIM,
    "form": {"enum": [str(one) for one in RolesForm]},
    "workspaces": _names(_NAME),
}
SETTINGS: Final[Schema] = {
    "redirect_uris": _names(_URI, 50),
    "post_logout_redirect_uris": _names(_URI, 50),
    "backchannel_logout_uri": {"type": ["string", "null"], "maxLength": 2_000},
    "scopes": _names({"type": "string", "enum": [str(one) for one in Scope]}, 12),
    "audience": {"type": "string", "maxLength": 500},
    "access_minutes": _whole(ACCESS_MINUTES),
    "refresh_days": _whole(REFRESH_DAYS),
    "groups": record(_GROUPS, optional=tuple(_GROUPS)),
    "roles": record(_ROLES, optional=tuple(_ROLES)),
    "entry_workspaces": _names(_NAME),
}
"""The settings of an application, as `core.applications.read_settings` reads them."""


def _applications(use: UseCases, call: Call) -> Answer:
    (after,) = call.query.cursor(1) or ("",)
    limit = call.query.limit()
    organization = use.administration.organization_of(call.organization_id)
    known = sorted(use.applications.all(organization), key=lambda one: one.id)
    rows = [one for one in known if one.id > after][: limit + 1]
    place = [rows[limit - 1].id] if len(rows) > limit else None
    return Answer(
        {"applications": [application_document(one) for one in rows[:limit]], "next_cursor": next_cursor(place)}
    )


def _application(use: UseCases, call: Call) -> Answer:
    return Answer(application_document(application_of(use, call)))


def _add(use: UseCases, call: Call) -> Answer:
    organization = use.administration.organization_of(call.organization_id)
    settings = dict(call.body)
    name, kind = settings.pop("name"), AppKind(settings.pop("kind"))
    return Answer(application_document(use.applications.add(call.operator, organization, name, kind, settings)), 201)


def _change(use: UseCases, call: Call) -> Answer:
    found, changes = application_of(use, call), dict(call.body)
    name = changes.pop("name", None)
    before = found.settings.document()
    for part in ("groups", "roles"):
        if part in changes:
            changes[part] = {**before[part], **changes[part]}
    return Answer(application_document(use.applications.change(call.operator, found, changes, name)))


def _revoke(use: UseCases, call: Call) -> Answer:
    use.applications.revoke(call.operator, application_of(use, call))
    return Answer(None, 204)


def _credentials(use: UseCases, call: Call) -> Answer:
    held, now = use.applications.credentials(application_of(use, call)), use.clock()
    return Answer({"credentials": [app_credential_document(one, now) for one in held]})


def _add_secret(use: UseCases, call: Call) -> Answer:
    expires = read_moment_or_none(call.body.get("expires_at"))
    added, secret = use.applications.add_secret(call.operator, application_of(use, call), call.body["name"], expires)
    return Answer({**app_credential_document(added, use.clock()), "client_secret": secret.text}, 201)


def _revoke_credential(use: UseCases, call: Call) -> Answer:
    found, wanted = application_of(use, call), call.path["id"]
    if wanted not in {one.credential.id for one in use.applications.credentials(found)}:
        raise NotFound("credential", wanted)  # by its whole id: a program has it
    use.applications.revoke_credential(call.operator, found, wanted)
    return Answer(None, 204)


def _settings(required: tuple[str, ...], more: Schema) -> Schema:
    properties: dict[str, Any] = {**more, **SETTINGS}
    return record(properties, optional=tuple(name for name in properties if name not in required))


_MANAGE: Final = Permission.MANAGE_APPLICATIONS
_KIND: Final[Schema] = {"type": "string", "enum": [str(one) for one in AppKind]}
_ONE: Final = "/applications/{application}"

ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/applications",
        "The applications that people sign in to",
        Permission.READ_RECORD,
        "Applications",
        _applications,
        query=PAGED,
    ),
    Endpoint(
        "POST",
        "/applications",
        "Register an application; it has no secret yet",
        _MANAGE,
        "Application",
        _add,
        body=_settings(("name", "kind", "redirect_uris"), {"name": _NAME, "kind": _KIND}),
        status=201,
    ),
    Endpoint("GET", _ONE, "One application", Permission.READ_RECORD, "Application", _application),
    Endpoint(
        "PATCH",
        _ONE,
        "Change settings of an application",
        _MANAGE,
        "Application",
        _change,
        body=_settings((), {"name": _NAME}),
        description="What is not named stays; a list that is named is replaced.",
    ),
    Endpoint(
        "DELETE",
        _ONE,
        "Make an application worthless, at once, with all that sign-ins gave it",
        _MANAGE,
        None,
        _revoke,
        status=204,
    ),
    Endpoint(
        "GET",
        f"{_ONE}/credentials",
        "An application's secrets and keys, never the secrets themselves",
        Permission.READ_RECORD,
        "AppCredentials",
        _credentials,
    ),
    Endpoint(
        "POST",
        f"{_ONE}/secrets",
        "Add a secret to an application; it is in this answer and never again",
        _MANAGE,
        "NewAppSecret",
        _add_secret,
        body=record({"name": _NAME, "expires_at": MOMENT}, optional=("expires_at",)),
        status=201,
        secret=True,
        description="To replace a secret: add another, use that, revoke the first.",
    ),
    Endpoint(
        "DELETE",
        f"{_ONE}/credentials/{{id}}",
        "Make a secret or key of an application worthless, at once",
        _MANAGE,
        None,
        _revoke_credential,
        status=204,
    ),
)
