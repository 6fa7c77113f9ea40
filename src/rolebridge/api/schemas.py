"""What answers look like, as JSON Schemas by name; tests hold every answer against them."""

from __future__ import annotations

from typing import Final

from rolebridge.api.shapes import (
    COUNT,
    FLAG,
    MAYBE_MOMENT,
    MAYBE_TEXT,
    MOMENT,
    OBJECT,
    TEXT,
    Schema,
    list_of,
    maybe,
    record,
    ref,
)
from rolebridge.bridge.login_log import LoginOutcome
from rolebridge.bridge.logout_documents import STATES
from rolebridge.bridge.permissions import KeyRole, Permission
from rolebridge.bridge.reviewing import COLUMNS
from rolebridge.bridge.status import Concern
from rolebridge.core.applications import AppKind, GroupsForm, RolesForm, Scope
from rolebridge.core.catalogue import Sees
from rolebridge.core.diagnostics import Severity
from rolebridge.core.grants import GrantState
from rolebridge.core.login import Protocol, Verdict
from rolebridge.core.permissions import Answer as DecisionAnswer
from rolebridge.core.permissions import CellValue
from rolebridge.core.plan import ChangeKind
from rolebridge.core.registry import Mode
from rolebridge.store.holds import HoldKind

_REVIEW: Final = frozenset({"active", "revision", "roles_changed", "person_changed", "moved_at"})
_TRAFFIC: Final = record({"requests": COUNT, "refused": COUNT, "failed": COUNT, "not_logged": COUNT})

_GRANT: Final[Schema] = {
    "workspace": TEXT,
    "project": MAYBE_TEXT,
    "slot": TEXT,
    "role": TEXT,
    "acts_as": maybe(record({"slot": TEXT, "role": TEXT})),
    "state": {"enum": [state.value for state in GrantState]},
    "lock": MAYBE_TEXT,
    "reach": MAYBE_TEXT,
    "source": TEXT,
    "rule": MAYBE_TEXT,
    "revision": COUNT,
    "valid_from": MAYBE_TEXT,
    "valid_until": MAYBE_TEXT,
    "because": OBJECT,
    "held_since": {**MAYBE_MOMENT, "description": "Since when a guard rail keeps it from going."},
}

_KEY: Final[Schema] = {
    "id": TEXT,
    "name": TEXT,
    "hint": TEXT,
    "created": MOMENT,
    "expires_at": MAYBE_MOMENT,
    "revoked_at": MAYBE_MOMENT,
    "last_used_at": MAYBE_MOMENT,
    "usable": FLAG,
    "role": {"enum": [role.value for role in KeyRole]},
    "workspace": MAYBE_TEXT,
}

_APP_CREDENTIAL: Final[Schema] = {
    **{name: shape for name, shape in _KEY.items() if name not in {"role", "workspace"}},
    "kind": {"enum": ["secret", "key"]},
}

_APP_SETTINGS: Final[Schema] = {
    "redirect_uris": list_of(TEXT),
    "post_logout_redirect_uris": list_of(TEXT),
    "backchannel_logout_uri": MAYBE_TEXT,
    "scopes": list_of({"enum": [one.value for one in Scope]}),
    "audience": TEXT,
    "access_minutes": COUNT,
    "refresh_days": COUNT,
    "groups": record({"claim": TEXT, "form": {"enum": [one.value for one in GroupsForm]}, "only": list_of(TEXT)}),
    "roles": record({"claim": TEXT, "form": {"enum": [one.value for one in RolesForm]}, "workspaces": list_of(TEXT)}),
    "entry_workspaces": list_of(TEXT),
}

_PROJECT: Final[Schema] = {
    "workspace": TEXT,
    "project": TEXT,
    "name": TEXT,
    "tags": list_of(TEXT),
    "in": MAYBE_TEXT,
    "declared": {**FLAG, "description": "Whether a mapping file declares it; it is changed there then."},
    "place": {**MAYBE_TEXT, "description": "Where it is declared."},
    "archived_at": MAYBE_MOMENT,
}
_MANUAL: Final[Schema] = {
    "id": TEXT,
    "user_id": TEXT,
    "workspace": TEXT,
    "project": MAYBE_TEXT,
    "slot": TEXT,
    "role": TEXT,
    "until": MAYBE_TEXT,
    "by": TEXT,
    "at": MOMENT,
    "reason": TEXT,
    "imported": FLAG,
}
_STANDING: Final[Schema] = {
    "state": {**TEXT, "description": "`in force`, or why it is not: `shadowed`, `overruled`, `denied`, `ended`, …"},
    "detail": MAYBE_TEXT,
    "lock": maybe(OBJECT),
}
_LISTED: Final[Schema] = {
    **_MANUAL,
    **_STANDING,
    "ended_at": MAYBE_MOMENT,
    "ended_by": MAYBE_TEXT,
    "ended_reason": MAYBE_TEXT,
}
_FELT: Final[Schema] = record(
    {
        "kind": {"enum": [kind.value for kind in ChangeKind]},
        "workspace": TEXT,
        "project": MAYBE_TEXT,
        "slot": TEXT,
        "before": MAYBE_TEXT,
        "after": MAYBE_TEXT,
    }
)
_DIAGNOSTICS: Final[Schema] = {"errors": COUNT, "warnings": COUNT, "diagnostics": list_of(ref("Diagnostic"))}

SCHEMAS: Final[Schema] = {
    "Request": record(
        {
            "request_id": TEXT,
            "at": MOMENT,
            "connection": MAYBE_TEXT,
            "method": MAYBE_TEXT,
            "path": TEXT,
            "query": TEXT,
            "status": {"type": ["integer", "null"]},
            "scim_type": MAYBE_TEXT,
            "detail": TEXT,
            "duration_ms": {"type": "number", "minimum": 0},
            "resource_id": MAYBE_TEXT,
            "credential_id": MAYBE_TEXT,
            "peer": TEXT,
            "user_agent": TEXT,
            "tolerances": list_of(TEXT),
            "unknown_members": COUNT,
            "request_bytes": COUNT,
            "answer_bytes": {"type": ["integer", "null"]},
            "body_shape": {"description": "Names and types of a refused body, its values left out."},
            "lost": {**COUNT, "description": "Above 0: so many requests could not be logged, and this row is none."},
        }
    ),
    "Requests": record({"requests": list_of(ref("Request")), "next_cursor": MAYBE_TEXT}),
    "Connection": record(
        {
            "name": TEXT,
            "profile": TEXT,
            "users": COUNT,
            "groups": COUNT,
            "last_contact": MAYBE_MOMENT,
            "silent_after_seconds": {"type": ["integer", "null"]},
            "last_hour": _TRAFFIC,
            "last_day": _TRAFFIC,
            "last_refusal": maybe(ref("Request")),
            "logins": maybe(
                record(
                    {
                        "enabled": FLAG,
                        "people": COUNT,
                        "last": MAYBE_MOMENT,
                        "accepted_last_day": COUNT,
                        "refused_last_day": COUNT,
                        "overages": {**COUNT, "description": "People of whom the provider leaves groups out."},
                    }
                )
            ),
            "tolerances": {"type": "object", "additionalProperties": COUNT},
        }
    ),
    "Secret": record(
        {
            "kind": {"enum": ["token", "client", "key"]},
            "connection": MAYBE_TEXT,
            "id": TEXT,
            "name": TEXT,
            "hint": TEXT,
            "expires_at": MAYBE_MOMENT,
            "revoked_at": MAYBE_MOMENT,
            "usable": FLAG,
            "refused_in_last_day": COUNT,
            "last_refused": MAYBE_MOMENT,
        }
    ),
    "Notice": record({"concern": {"enum": [concern.value for concern in Concern]}, "subject": TEXT, "text": TEXT}),
    "Status": record(
        {
            "organization": TEXT,
            "at": MOMENT,
            "notices": list_of(ref("Notice")),
            "connections": list_of(ref("Connection")),
            "secrets": list_of(ref("Secret")),
            "mapping": maybe(record({"revision": COUNT, "applied": MOMENT})),
            "workspaces": {
                "type": "object",
                "additionalProperties": record(
                    {"people": COUNT, "grants": COUNT, "blocked": COUNT, "conflicts": COUNT}
                ),
            },
            "holds": list_of(
                record(
                    {
                        "workspace": TEXT,
                        "kind": {"enum": ["revocation", "delivery"]},
                        "count": COUNT,
                        "since": MOMENT,
                    }
                )
            ),
            "chores": list_of(
                record(
                    {
                        "name": TEXT,
                        "ended": MOMENT,
                        "succeeded": MAYBE_MOMENT,
                        "failures": COUNT,
                        "error": MAYBE_TEXT,
                    }
                )
            ),
        }
    ),
    "HeldGrant": record({"user": record({"id": TEXT, "user_name": TEXT, "name": MAYBE_TEXT}), **_GRANT}),
    "Grant": record(_GRANT),
    "Access": record(
        {
            "access": list_of(ref("HeldGrant")),
            "next_cursor": MAYBE_TEXT,
            "changes_cursor": {**TEXT, "description": "`since` of `/changes`: everything after this page was begun."},
        }
    ),
    "AccessThen": record(
        {
            "at": MOMENT,
            "access": list_of(
                record(
                    {
                        "user": record({"id": TEXT, "user_name": MAYBE_TEXT, "deleted": FLAG}),
                        **dict.fromkeys(("workspace", "slot", "role", "state", "source"), TEXT),
                        **dict.fromkeys(("project", "acts_as", "lock", "rule"), MAYBE_TEXT),
                        "revision": COUNT,
                        "valid_until": MAYBE_TEXT,
                        "held_since": MAYBE_TEXT,
                        "because": {**OBJECT, "description": "As it was recorded: the winners, and who lost to them."},
                    }
                )
            ),
            "next_cursor": MAYBE_TEXT,
        }
    ),
    "Claim": {
        "type": "object",
        "description": "An assignment and where it comes from; what does not apply is absent.",
        "properties": {"slot": TEXT, "project": MAYBE_TEXT, "role": TEXT, "source": TEXT},
        "required": ["slot", "project", "role", "source"],
    },
    "Role": record(
        {
            "slot": TEXT,
            "project": MAYBE_TEXT,
            "role": TEXT,
            "name": TEXT,
            "acts_as": maybe(record({"slot": TEXT, "role": TEXT})),
            "lock": MAYBE_TEXT,
            "source": TEXT,
            "needs_work": {**FLAG, "description": "The holder sees nothing until work is assigned."},
            "sees": {"enum": [value.value for value in Sees], "description": "Of the work of others."},
            "winners": list_of(ref("Claim")),
        }
    ),
    "Lock": record(
        {
            "kind": TEXT,
            "slot": TEXT,
            "project": MAYBE_TEXT,
            "role": TEXT,
            "by": list_of(ref("Claim")),
            "release": list_of(OBJECT),
        }
    ),
    "Explanation": record(
        {
            "user": record({"id": TEXT, "user_name": TEXT, "name": TEXT, "active": FLAG, "connection": TEXT}),
            "workspace": TEXT,
            "platform": TEXT,
            "project": MAYBE_TEXT,
            "revision": COUNT,
            "at": {**MOMENT, "description": "Of an explanation of the past: when."},
            "differs": {**list_of(OBJECT), "description": "Where the record of that moment says otherwise."},
            "roles": list_of(ref("Role")),
            "from_above": list_of(ref("Role")),
            "locks": list_of(ref("Lock")),
            "lost": list_of(ref("Claim")),
            "conflicts": list_of(record({"slot": TEXT, "project": MAYBE_TEXT, "claims": list_of(ref("Claim"))})),
            "findings": list_of(OBJECT),
            "logins": {**list_of(OBJECT), "description": "What their last logins stated of groups."},
        },
        optional=("at", "differs", "logins"),
    ),
    "Explanations": record({"organization": TEXT, "explanations": list_of(ref("Explanation"))}),
    "Cell": record(
        {"value": {"enum": [value.value for value in CellValue]}, "note": MAYBE_TEXT, "setting": MAYBE_TEXT}
    ),
    "Decision": record(
        {
            "user": TEXT,
            "workspace": TEXT,
            "project": MAYBE_TEXT,
            "permission": TEXT,
            "name": {**TEXT, "description": "The platform's words for the permission."},
            "answer": {"enum": [answer.value for answer in DecisionAnswer]},
            "cell": ref("Cell"),
            "reason": MAYBE_TEXT,
            "found": list_of(
                record(
                    {
                        "matrix": TEXT,
                        "column": TEXT,
                        "cell": ref("Cell"),
                        "through": list_of(record({"slot": TEXT, "role": TEXT, "grant": ref("Grant")})),
                    }
                )
            ),
        }
    ),
    "Decisions": record({"decisions": list_of(ref("Decision"))}),
    "DecisionAnswers": record({"answers": list_of(ref("Decisions"))}),
    "Verdict": record(
        {
            "actor": TEXT,
            "target": TEXT,
            "workspace": TEXT,
            "project": MAYBE_TEXT,
            "slot": TEXT,
            "role": TEXT,
            "answer": {"enum": ["allowed", "denied", "unknown"]},
            "why": TEXT,
            "rule": MAYBE_TEXT,
        }
    ),
    "User": record({"id": TEXT, "user_name": TEXT, "name": MAYBE_TEXT, "active": FLAG, "connection": TEXT}),
    "Users": record({"users": list_of(ref("User")), "next_cursor": MAYBE_TEXT}),
    "Member": record({"user": ref("User"), "roles": list_of(ref("Grant"))}),
    "Members": record({"members": list_of(ref("Member")), "next_cursor": MAYBE_TEXT}),
    "Workspace": record(
        {
            "workspace": TEXT,
            "mode": {"enum": [mode.value for mode in Mode]},
            "platform": MAYBE_TEXT,
            "people": COUNT,
            "imported": {**COUNT, "description": "Assignments that were imported when it was taken over."},
            "changed": MAYBE_MOMENT,
            "changed_by": MAYBE_TEXT,
            "reason": MAYBE_TEXT,
        }
    ),
    "Enforcement": record({"workspace": TEXT, "imported": ref("Counts"), "plan": ref("Plan")}),
    "ModeChanged": record(
        {
            "workspace": TEXT,
            "new": {**FLAG, "description": "False when it was so before; then nothing was written."},
            "retired": COUNT,
            "forced": list_of(OBJECT),
            "plan": maybe(ref("Plan")),
        }
    ),
    "Workspaces": record({"workspaces": list_of(ref("Workspace")), "next_cursor": MAYBE_TEXT}),
    "Project": record(_PROJECT),
    "Projects": record({"projects": list_of(ref("Project")), "next_cursor": MAYBE_TEXT}),
    "ProjectChanged": record(
        {
            **_PROJECT,
            "new": {**FLAG, "description": "False when it was so before; then nothing was written."},
            "changes": COUNT,
            "people": {**COUNT, "description": "Who holds something otherwise by it."},
            "forced": list_of(OBJECT),
        }
    ),
    "WhyNotAnswer": record(
        {
            "why_not": {
                "type": "object",
                "description": "As `rolebridge explain --role … --json` prints it: each way is a list of steps.",
                "properties": {
                    "workspace": TEXT,
                    "project": MAYBE_TEXT,
                    "slot": TEXT,
                    "role": TEXT,
                    "held": FLAG,
                    "ways": list_of(list_of(OBJECT)),
                    "obstacles": list_of(TEXT),
                },
                "required": ["workspace", "project", "slot", "role", "held", "ways", "obstacles"],
            }
        }
    ),
    "Assignment": record({"user": record({"id": TEXT, "user_name": MAYBE_TEXT, "name": MAYBE_TEXT}), **_LISTED}),
    "Assignments": record({"assignments": list_of(ref("Assignment")), "next_cursor": MAYBE_TEXT}),
    "AssignmentsThere": record({"assignments": list_of(ref("Assignment"))}),
    "Assigned": record(
        {
            "user": record({"id": TEXT, "user_name": TEXT}),
            "new": {**FLAG, "description": "False when exactly this was given before; then nothing was written."},
            "assignment": record({**_MANUAL, **_STANDING}),
            "ended": list_of(record(_MANUAL)),
            "changes": list_of(_FELT),
        }
    ),
    "Unassigned": record(
        {
            "user": record({"id": TEXT, "user_name": TEXT}),
            "ended": list_of(record({**_MANUAL, **_STANDING})),
            "changes": list_of(_FELT),
        }
    ),
    "Counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    "Diagnostic": record(
        {
            "severity": {"enum": [severity.value for severity in Severity]},
            "code": TEXT,
            "summary": TEXT,
            "detail": TEXT,
            "help": MAYBE_TEXT,
            "place": maybe(record({"file": TEXT, "line": COUNT, "column": COUNT})),
            "excerpt": MAYBE_TEXT,
        }
    ),
    "Plan": {
        "type": "object",
        "description": "As `rolebridge plan --json` prints it.",
        "properties": {
            "base_revision": COUNT,
            "digest": {**TEXT, "description": "What `POST /revisions` is bound to."},
            "day": {"type": "string", "format": "date"},
            "new": FLAG,
            "differs": FLAG,
            "counts": ref("Counts"),
            "workspaces": list_of(OBJECT),
            "guards": list_of(OBJECT),
            "changes": list_of(OBJECT),
            "changes_in_all": COUNT,
        },
        "required": ["base_revision", "digest", "day", "new", "counts", "workspaces", "guards", "changes"],
    },
    "Planned": record({"plan": ref("Plan"), **_DIAGNOSTICS}),
    "Applied": record(
        {
            "applied": record(
                {
                    "revision": COUNT,
                    "new": FLAG,
                    "restores": {"type": ["integer", "null"]},
                    "forced": list_of(TEXT),
                    "plan": ref("Plan"),
                }
            ),
            **_DIAGNOSTICS,
        }
    ),
    "Revision": record(
        {
            "revision": COUNT,
            "in_force": FLAG,
            "digest": TEXT,
            "connections": list_of(TEXT),
            "created": MOMENT,
            "actor": TEXT,
            "reason": TEXT,
            "plan": MAYBE_TEXT,
            "counts": ref("Counts"),
            "restores": {"type": ["integer", "null"]},
        }
    ),
    "Revisions": record({"revisions": list_of(ref("Revision")), "next_cursor": MAYBE_TEXT}),
    "RevisionFiles": record({"files": list_of(record({"name": TEXT, "content": TEXT}))}),
    "Hold": record(
        {
            "id": TEXT,
            "kind": {"enum": [kind.value for kind in HoldKind]},
            "workspace": TEXT,
            "user": record({"id": TEXT, "user_name": MAYBE_TEXT}),
            "since": MOMENT,
            "roles": list_of(record({"slot": TEXT, "project": MAYBE_TEXT, "role": TEXT})),
            "guard": TEXT,
            "limit": TEXT,
            "actual": TEXT,
            "cause": TEXT,
            "actor": TEXT,
            "request_id": TEXT,
        }
    ),
    "Holds": record({"holds": list_of(ref("Hold")), "next_cursor": MAYBE_TEXT}),
    "Settled": record({"holds": list_of(ref("Hold")), "changes": COUNT}),
    "Proposal": record(
        {
            "id": TEXT,
            "act": TEXT,
            "summary": TEXT,
            "proposed_by": TEXT,
            "reason": TEXT,
            "request_id": TEXT,
            "created": MOMENT,
            "expires_at": MOMENT,
            "approved_by": MAYBE_TEXT,
            "approved_at": MAYBE_MOMENT,
        }
    ),
    "Proposals": record({"proposals": list_of(ref("Proposal"))}),
    "Proposed": record({"proposal": ref("Proposal")}),
    "AuditRow": record(
        {
            "number": COUNT,
            "at": MOMENT,
            "kind": TEXT,
            "actor": TEXT,
            "request_id": TEXT,
            "subject": record({"kind": TEXT, "id": TEXT}),
            "before": {"description": "What was, as JSON; `{erased: …}` where it was erased."},
            "after": {"description": "What is."},
            "reason": TEXT,
            "chain": {
                **maybe(record({"position": COUNT, "link": TEXT})),
                "description": "Its place in the chain; null while it waits to be sealed.",
            },
        }
    ),
    "Audit": record({"audit": list_of(ref("AuditRow")), "next_cursor": MAYBE_TEXT}),
    "Review": record(
        {
            "review": list_of(
                record(
                    {name: TEXT for name in COLUMNS if name not in _REVIEW}
                    | {"active": FLAG, "revision": {"type": ["integer", "null"]}}
                    | dict.fromkeys(("roles_changed", "person_changed", "moved_at"), MAYBE_MOMENT)
                )
            ),
            "next_cursor": MAYBE_TEXT,
        }
    ),
    "AuditExport": record(
        {
            "audit": list_of({**OBJECT, "description": "A row; `before`, `after` and `reason` as they were sealed."}),
            "next_cursor": MAYBE_TEXT,
        }
    ),
    "Erased": record(
        {
            "user_id": TEXT,
            "rows": {**COUNT, "description": "Rows of the audit that lost what they told of the person."},
            "changes_told": {**COUNT, "description": "Rows of the feed that lost their cause."},
            "still_named": record({"rows": list_of(COUNT), "files": list_of(TEXT)}),
        }
    ),
    "Verified": record(
        {
            "whole": FLAG,
            "broken": maybe(OBJECT),
            "rows": COUNT,
            "erased": COUNT,
            "pruned": COUNT,
            "seals": record({"checked": COUNT, "unsigned": COUNT, "of_unknown_keys": COUNT}),
            "unsealed": record({"rows": COUNT, "oldest": MAYBE_MOMENT}),
            "late": list_of(COUNT),
            "anchor": MAYBE_TEXT,
        }
    ),
    "Change": record(
        {
            "at": MOMENT,
            "kind": {"enum": [kind.value for kind in ChangeKind if kind is not ChangeKind.PROVENANCE]},
            "user_id": TEXT,
            "workspace": TEXT,
            "project": MAYBE_TEXT,
            "slot": TEXT,
            "before": MAYBE_TEXT,
            "after": MAYBE_TEXT,
            "cause": TEXT,
            "delivery_held": {
                **FLAG,
                "description": "That a guard rail keeps platforms from being told, since too many lost theirs at once.",
            },
        }
    ),
    "Changes": record(
        {
            "changes": list_of(ref("Change")),
            "cursor": {**TEXT, "description": "`since` of the next request, also when there is nothing more yet."},
            "more": {**FLAG, "description": "Whether there are more changes already."},
        }
    ),
    "Session": record(
        {
            "id": {**TEXT, "description": "What applications know as `sid`; no secret."},
            "user_id": TEXT,
            "user_name": TEXT,
            "connection": TEXT,
            "protocol": {"enum": [one.value for one in Protocol]},
            "context": {**MAYBE_TEXT, "description": "How they proved themselves: `acr`, or a SAML context class."},
            "authenticated_at": {
                **MAYBE_MOMENT,
                "description": "When they proved themselves to the identity provider; null where it does not say.",
            },
            "begun_at": MOMENT,
            "seen_at": {**MOMENT, "description": "When the browser was last here, to the minute."},
            "agent": TEXT,
            "address": TEXT,
        }
    ),
    "LoginRules": record(
        {
            "connection": TEXT,
            "protocol": {"enum": [one.value for one in Protocol]},
            "enabled": FLAG,
            "changed": MOMENT,
            "domains": list_of(TEXT),
            "rules": OBJECT,
        }
    ),
    "SignOn": record(
        {
            "id": {**TEXT, "description": "The connection's id, as it stands in its addresses: /sso/{id}/login."},
            "connection": TEXT,
            "protocol": {"enum": [one.value for one in Protocol]},
            "enabled": FLAG,
            "changed": MOMENT,
            "domains": list_of(TEXT),
            "settings": {**OBJECT, "description": "The settings of the protocol."},
            "secrets": list_of(
                record(
                    {
                        "kind": {**TEXT, "description": "What it is for: `sp-key`, `client-secret`, `client-key`."},
                        "created": MOMENT,
                        "certificate": {**MAYBE_TEXT, "description": "The public half, in base64; null for a secret."},
                    }
                )
            ),
        }
    ),
    "Login": record(
        {
            "at": MOMENT,
            "request_id": TEXT,
            "outcome": {"enum": [one.value for one in LoginOutcome]},
            "code": {**MAYBE_TEXT, "description": "The check that refused."},
            "detail": MAYBE_TEXT,
            "user_id": MAYBE_TEXT,
            "checks": list_of(
                record({"code": TEXT, "verdict": {"enum": [one.value for one in Verdict]}, "detail": MAYBE_TEXT})
            ),
        }
    ),
    "Logins": record({"logins": list_of(ref("Login")), "next_cursor": MAYBE_TEXT}),
    "Sessions": record({"sessions": list_of(ref("Session")), "next_cursor": MAYBE_TEXT}),
    "SessionsEnded": record({"ended": COUNT}),
    "OwnKey": record(
        {
            "id": TEXT,
            "name": TEXT,
            "role": {"enum": [role.value for role in KeyRole]},
            "organization": TEXT,
            "workspace": MAYBE_TEXT,
            "permissions": list_of({"enum": [one.value for one in Permission]}),
        }
    ),
    "Key": record(_KEY),
    "NewKey": record({**_KEY, "key": {**TEXT, "description": "The secret. It is not shown again."}}),
    "Keys": record({"keys": list_of(ref("Key")), "next_cursor": MAYBE_TEXT}),
    "Logout": record(
        {
            "id": {**TEXT, "description": "The `jti` of each attempt's logout token."},
            "application": TEXT,
            "user": TEXT,
            "session": {**TEXT, "description": "What the application knows as `sid`."},
            "created": MOMENT,
            "state": {"enum": list(STATES)},
            "attempts": COUNT,
            "next_at": {**MAYBE_MOMENT, "description": "When it is tried again."},
            "delivered_at": MAYBE_MOMENT,
            "given_up_at": MAYBE_MOMENT,
            "problem": {**MAYBE_TEXT, "description": "Why the last attempt failed."},
        }
    ),
    "Logouts": record({"logouts": list_of(ref("Logout")), "next_cursor": MAYBE_TEXT}),
    "Application": record(
        {
            "client_id": TEXT,
            "name": TEXT,
            "kind": {"enum": [one.value for one in AppKind]},
            "created": MOMENT,
            "revoked_at": MAYBE_MOMENT,
            **_APP_SETTINGS,
        }
    ),
    "Applications": record({"applications": list_of(ref("Application")), "next_cursor": MAYBE_TEXT}),
    "AppCredential": record({**_APP_CREDENTIAL, "kid": {**MAYBE_TEXT, "description": "Of a key."}}, optional=("kid",)),
    "AppCredentials": record({"credentials": list_of(ref("AppCredential"))}),
    "NewAppSecret": record(
        {**_APP_CREDENTIAL, "client_secret": {**TEXT, "description": "The secret. It is not shown again."}}
    ),
    "Problem": {
        "type": "object",
        "description": "RFC 9457. Further members depend on the type.",
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "An address that explains the kind of problem."},
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "request_id": TEXT,
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    },
}
