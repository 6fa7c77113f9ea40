"""How an organization fares, as people read it: first what needs attention, then each connection, then the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rolebridge.bridge.status import Concern, ConnectionStatus, OrganizationStatus, Secret, span_words
from rolebridge.cli.terminal import bad, counted, doubtful, faint, good, minute, one_line, strong, table
from rolebridge.cli.views import csv
from rolebridge.cli.views.requests import what
from rolebridge.scim.tolerances import Tolerance

_URGENT = frozenset({Concern.FAILING, Concern.EXPIRED, Concern.TRIED, Concern.SILENT})
CSV_HEAD = ("name", "profile", "users", "groups", "last_contact", "requests_last_hour", "refused_last_hour",
            "failed_last_hour", "requests_last_day", "refused_last_day", "failed_last_day", "attention")  # fmt: skip
TOLERANCES_PAGE = "docs/reference/tolerances.md"


def text(status: OrganizationStatus) -> str:
    """Return the whole status."""
    parts = [_attention(status), *(_connection(one, status) for one in status.connections)]
    parts += [_secrets(status)] if status.secrets else []
    return "\n\n".join([*parts, _rest(status)])


def print_csv(status: OrganizationStatus, connections: Sequence[Mapping[str, Any]]) -> None:
    """Print a row for each connection (as `status_document` has them), with what needs attention about it."""
    rows = []
    for one in connections:
        row = {name: one.get(name) for name in CSV_HEAD}
        for span in ("last_hour", "last_day"):
            row |= {f"{what}_{span}": one[span][what] for what in ("requests", "refused", "failed")}
        row["attention"] = [notice.text for notice in status.notices if notice.subject == one["name"]]
        rows.append(row)
    csv.print_documents(CSV_HEAD, rows)


def _attention(status: OrganizationStatus) -> str:
    head = f"{strong(status.organization.name)} at {minute(status.at)}"
    if not status.notices:
        return f"{head}: {good('nothing needs attention')}"
    lines = [f"{head}: {counted(len(status.notices), 'thing needs', 'things need')} attention"]
    for notice in status.notices:
        colour = bad if notice.concern in _URGENT else doubtful
        lines.append(f"  {colour('!')} {strong(one_line(notice.subject))}: {one_line(notice.text)}")
    return "\n".join(lines)


def _connection(one: ConnectionStatus, status: OrganizationStatus) -> str:
    name = f"{strong(one.connection.name)}, profile {one.connection.profile}"
    size = f"{counted(one.size.users, 'user')}, {counted(one.size.groups, 'group')}"
    return "\n".join([f"{name}: {size}", *(f"  {line}" for line in _lines(one, status))])


def _lines(one: ConnectionStatus, status: OrganizationStatus) -> Iterator[str]:
    if one.last_contact is None:
        yield "last contact  never"
    else:
        yield f"last contact  {minute(one.last_contact)}, silent for {span_words(status.at - one.last_contact)}"
    for label, traffic in (("last hour", one.hour), ("last day", one.day)):
        more = f", {traffic.failed} failed here" if traffic.failed else ""
        more += f", {traffic.lost} not logged" if traffic.lost else ""
        yield f"{label:<12}  {counted(traffic.requests, 'request')}, {traffic.refused:,} refused{more}"
    if one.last_refusal:
        row = one.last_refusal
        yield f"last refusal  {minute(row.at)} {row.status} {row.method} {row.path}: {what(row)}"
        yield faint(f"              rolebridge requests show {row.request_id}")
    if one.logins:
        last = minute(one.logins.last) if one.logins.last else "never"
        off = "" if one.logins.enabled else ", switched off"
        counts = f"{one.logins.accepted:,} in the last day, {one.logins.refused:,} refused"
        yield f"last login    {last}; {counts}; {counted(one.logins.people, 'person', 'people')} known{off}"
    if one.tolerances:
        yield f"forgiven in the last day ({TOLERANCES_PAGE}):"
        used = sorted(one.tolerances.items(), key=lambda item: (-item[1], item[0]))
        known = {tolerance.value: tolerance.meaning for tolerance in Tolerance}
        rows = table(("TIMES", "TOLERANCE", "MEANING"), [(f"{n:,}", name, known.get(name, "")) for name, n in used])
        yield from (f"  {line}" for line in rows.splitlines())


def _secrets(status: OrganizationStatus) -> str:
    names = {one.connection.id: one.connection.name for one in status.connections}
    rows = [
        (
            one.kind,
            names.get(one.connection_id, "-"),
            one.credential.name,
            f"…{one.credential.hint}",
            _end(one, status),
            f"{one.tried.times:,}, last {minute(one.tried.last)}" if one.tried else "-",
        )
        for one in status.secrets
    ]
    return "secrets to look at\n" + table(("KIND", "CONNECTION", "NAME", "ENDS IN", "STATE", "REFUSED IN A DAY"), rows)


def _end(secret: Secret, status: OrganizationStatus) -> str:
    credential = secret.credential
    if credential.revoked_at:
        return f"revoked {minute(credential.revoked_at)}"
    if credential.expires_at is None:
        return "works"
    if credential.expires_at <= status.at:
        return f"expired {minute(credential.expires_at)}"
    return f"expires {minute(credential.expires_at)}"


def _rest(status: OrganizationStatus) -> str:
    revision = status.revision
    lines = [
        f"mapping: revision {revision.number}, applied {minute(revision.created)}"
        if revision
        else "mapping: none in force yet"
    ]
    for name, counts in status.workspaces.items():
        held = f"{counted(counts.people, 'person holds', 'people hold')} {counted(counts.effective, 'grant')}"
        lines.append(f"  {strong(name)}: {held}, {counts.blocked:,} blocked, {counted(counts.conflicts, 'conflict')}")
    if status.chores:
        last = max(run.ended for run in status.chores)
        failing = [run.name for run in status.chores if run.failures]
        told = f", failing: {', '.join(failing)}" if failing else ", every chore succeeded last"
        lines.append(f"worker: last at {minute(last)}{told}")
    else:
        lines.append("worker: none has run yet (rolebridge serve keeps one)")
    if status.nobodys.requests or status.nobodys.lost:
        turned = counted(status.nobodys.requests + status.nobodys.lost, "request")
        lines.append(f"{turned} of the last day had no credential that is known: rolebridge requests --unknown")
    return "\n".join(lines)
