"""The audit as JSON, the same from command line and API; and in one line what a row tells."""

from __future__ import annotations

import json
from typing import Any

from rolebridge.bridge.auditing import Erased
from rolebridge.bridge.sealing import Verified
from rolebridge.core.chain import field_salts, is_tombstone
from rolebridge.core.moments import stamp_ms
from rolebridge.store.audit_listing import AuditRow

_KEPT_APART = frozenset({"id", "meta", "schemas"})


def audit_document(row: AuditRow) -> dict[str, Any]:
    """Return a row of the audit as JSON has it.

    `before` and `after` are what they say; an erased one is `{"erased": …}`. `chain` is its place in the chain, None
    while it waits to be sealed.
    """
    entry, sealed = row.entry, row.sealed
    return {
        "number": entry.sequence,
        "at": stamp_ms(entry.at),
        "kind": entry.kind,
        "actor": entry.actor,
        "request_id": entry.request_id,
        "subject": {"kind": entry.subject_kind, "id": entry.subject_id},
        "before": _read(entry.before),
        "after": _read(entry.after),
        "reason": entry.reason,
        "chain": {"position": sealed.position, "link": sealed.link.hex()} if sealed else None,
    }


def export_document(row: AuditRow) -> dict[str, Any]:
    """Return a row as an export has it: texts as they were committed to, and all that it takes to verify them."""
    entry, sealed = row.entry, row.sealed
    chain = None
    if sealed:
        before, after, reason = (salt.hex() for salt in field_salts(sealed.salts))
        chain = {
            "position": sealed.position,
            "salts": {"before": before, "after": after, "reason": reason},
            "digest": sealed.digest.hex(),
            "link": sealed.link.hex(),
            "erased": sealed.erased,
        }
    return {**audit_document(row), "before": entry.before, "after": entry.after, "chain": chain}


def audit_summary(row: AuditRow) -> str:
    """Return in one line what happened, as far as the row tells."""
    entry = row.entry
    before, after = _read(entry.before), _read(entry.after)
    if entry.kind == "grants.changed" and isinstance(before, list) and isinstance(after, list):
        told = _grants(before, after)
    elif isinstance(before, dict) and isinstance(after, dict):
        told = _changes(before, after.get("group", after)) + _moves(after)
    elif isinstance(after, dict):
        told = _named(after.get("group", after)) + _moves(after)
    else:
        told = _named(before) if isinstance(before, dict) else ""
    return "; ".join(part for part in (told, _reason(entry.reason)) if part)


def verified_document(found: Verified) -> dict[str, Any]:
    """Return what verifying found as JSON has it."""
    broken = found.broken
    return {
        "whole": found.whole,
        "broken": broken
        and {
            "flaw": broken.flaw,
            "position": broken.position,
            "number": broken.sequence,
            "detail": broken.detail,
        },
        "rows": found.rows,
        "erased": found.erased,
        "pruned": found.pruned,
        "seals": {"checked": found.seals, "unsigned": found.unsigned, "of_unknown_keys": found.unknown},
        "unsealed": {"rows": found.tail.rows, "oldest": stamp_ms(found.tail.oldest) if found.tail.oldest else None},
        "late": list(found.late),
        "anchor": str(found.head) if found.head else None,
    }


def erased_document(erased: Erased) -> dict[str, Any]:
    """Return what was erased as JSON has it."""
    return {
        "user_id": erased.user_id,
        "rows": erased.rows,
        "changes_told": erased.told,
        "still_named": {"rows": list(erased.mentioned), "files": list(erased.files)},
    }


def _read(text: str | None) -> Any:
    if text is None:
        return None
    if is_tombstone(text):
        return {"erased": text.removeprefix("erased:")}
    return json.loads(text)


def _reason(text: str) -> str:
    return "(erased)" if is_tombstone(text) else text


def _grants(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    def told(grant: dict[str, Any]) -> str:
        state = "" if grant.get("state") == "effective" else f" ({grant.get('state')})"
        return f"{grant.get('workspace')}/{grant.get('project') or '*'} {grant.get('role')}{state}"

    old, new = [told(grant) for grant in before], [told(grant) for grant in after]
    lost = [f"-{text}" for text in old if text not in new]
    won = [f"+{text}" for text in new if text not in old]
    return ", ".join(lost + won) or "provenance"


def _changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    if "erased" in before or "erased" in after:
        return "(erased)"
    names = [name for name in {**before, **after} if before.get(name) != after.get(name) and name not in _KEPT_APART]
    return ", ".join(name.rpartition(":")[2] for name in names)


def _moves(after: dict[str, Any]) -> str:
    words = {"added": "added", "removed": "removed", "groups_added": "groups added", "groups_removed": "groups removed"}
    told = [f"{len(after[name])} {word}" for name, word in words.items() if isinstance(after.get(name), list)]
    return (" " if told else "") + ", ".join(told)


def _named(body: dict[str, Any]) -> str:
    if "erased" in body:
        return "(erased)"
    return str(body.get("userName") or body.get("displayName") or body.get("connection") or "")
