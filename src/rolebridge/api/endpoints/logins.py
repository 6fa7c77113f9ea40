"""What connections make of logins, and how logins went."""

from __future__ import annotations

from typing import Final

from rolebridge.api.named import connection_of
from rolebridge.api.parameters import PAGED, choice, next_cursor
from rolebridge.api.routing import Answer, Call, Endpoint
from rolebridge.api.shapes import FLAG, Schema, maybe
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.login_documents import login_document, rules_document, sso_document
from rolebridge.bridge.login_log import LoginOutcome
from rolebridge.bridge.permissions import Permission
from rolebridge.core.login_rules import Authority, GroupKey, GroupShape, read_login_rules

_CLAIM: Final[Schema] = {"type": "string", "maxLength": 500}
_GROUPS: Final[Schema] = {
    "type": "object",
    "properties": {
        "name": _CLAIM,
        "shape": {"enum": [one.value for one in GroupShape]},
        "key": {"enum": [one.value for one in GroupKey]},
        "delimiter": {"type": "string", "maxLength": 5},
        "overage": {"type": "array", "items": _CLAIM, "maxItems": 20},
    },
    "required": ["name"],
    "additionalProperties": False,
}
RULES: Final[Schema] = {
    "type": "object",
    "properties": {
        "user_name": _CLAIM,
        "external_id": _CLAIM,
        "attributes": {"type": "object", "additionalProperties": _CLAIM},
        "groups": maybe(_GROUPS),
        "authority": {"enum": [one.value for one in Authority]},
        "link": FLAG,
        "create": FLAG,
        "update": FLAG,
        "plain_names": FLAG,
        "membership_days": {"type": "integer", "minimum": 1, "maximum": 400},
    },
    "additionalProperties": False,
}


def _rules(use: UseCases, call: Call) -> Answer:
    return Answer(rules_document(use.sso.needed(connection_of(use, call))))


def _sso(use: UseCases, call: Call) -> Answer:
    found = use.sso.needed(connection_of(use, call))
    return Answer(sso_document(found, use.sso.every_secret(found.connection)))


def _set_rules(use: UseCases, call: Call) -> Answer:
    rules = read_login_rules(call.body)
    return Answer(rules_document(use.sso.set_rules(call.operator, connection_of(use, call), rules)))


def _logins(use: UseCases, call: Call) -> Answer:
    connection, said = connection_of(use, call), call.query
    limit, outcome = said.limit(), said.text("outcome")
    rows = use.login_log.newest(
        connection, outcome=LoginOutcome(outcome) if outcome else None, before=said.cursor_moment(), limit=limit + 1
    )
    shown = rows[:limit]
    place = (shown[-1].at.isoformat(), shown[-1].request_id) if len(rows) > limit else None
    return Answer({"logins": [login_document(row) for row in shown], "next_cursor": next_cursor(place)})


def _login(use: UseCases, call: Call) -> Answer:
    return Answer(login_document(use.login_log.of_request(connection_of(use, call), call.path["id"])))


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/connections/{connection}/sso",
        "How a connection logs people in, without secrets",
        Permission.READ_RECORD,
        "SignOn",
        _sso,
    ),
    Endpoint(
        "GET",
        "/connections/{connection}/login-rules",
        "What a connection makes of logins, and the domains it speaks for",
        Permission.READ_RECORD,
        "LoginRules",
        _rules,
    ),
    Endpoint(
        "PUT",
        "/connections/{connection}/login-rules",
        "Set what a connection makes of logins",
        Permission.MANAGE_LOGINS,
        "LoginRules",
        _set_rules,
        body=RULES,
        description="What is not said is as usual. Domains are declared on the machine, and by no key.",
    ),
    Endpoint(
        "GET",
        "/connections/{connection}/logins",
        "The last logins of a connection, newest first, with each check",
        Permission.READ_RECORD,
        "Logins",
        _logins,
        query=(choice("outcome", "Only logins that ended so.", [one.value for one in LoginOutcome]), *PAGED),
    ),
    Endpoint(
        "GET",
        "/connections/{connection}/logins/{id}",
        "The login of a request, whose id its page showed",
        Permission.READ_RECORD,
        "Login",
        _login,
    ),
)
