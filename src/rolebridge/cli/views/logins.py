"""Logins as people read them: the rules of a connection, its log, and what a login would do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rolebridge.cli.terminal import bad, doubtful, faint, good, minute, one_line, padded, strong, table
from rolebridge.cli.views.roles import because_words, held_words, scope_words
from rolebridge.core.grants import Grant, GrantState
from rolebridge.core.login import Check, Verdict
from rolebridge.core.login_claims import Stating
from rolebridge.core.login_rules import Authority, GroupKey

if TYPE_CHECKING:
    from rolebridge.bridge.login_preview import Preview
    from rolebridge.bridge.sso_connections import SsoConnection
    from rolebridge.core.catalogue import Catalogue
    from rolebridge.store.login_log import LoggedLogin

_LABEL = 16
_FOUND = {
    "known": "known by this identity",
    "linked": "there already, linked by this login",
    "made": "made by this login",
}


def rules_text(connection: SsoConnection) -> str:
    """Return what a connection makes of logins."""
    return "\n".join(_rules_lines(connection))


def _rules_lines(connection: SsoConnection) -> Iterator[str]:
    rules, groups = connection.rules, connection.rules.groups
    state = "" if connection.enabled else f", {doubtful('switched off')}"
    yield f"logins by {strong(connection.name)} ({connection.protocol}{state})"
    yield _labelled("userName", rules.user_name or "the subject")
    if rules.external_id:
        yield _labelled("externalId", rules.external_id)
    for path, name in rules.attributes:
        yield _labelled(path.rpartition(":")[2], name)
    if groups is None:
        yield _labelled("groups", "none are stated")
    else:
        by = "by id" if groups.key is GroupKey.ID else "by name"
        between = f" with `{groups.delimiter}` between them" if groups.delimiter else ""
        yield _labelled("groups", f"{groups.name}, {groups.shape}{between}, {by}")
        if groups.overage:
            yield _labelled("left out, if", " or ".join(groups.overage))
    if rules.authority is Authority.SCIM:
        yield _labelled("authority", "SCIM: groups of logins are recorded and give nothing")
    else:
        yield _labelled("authority", f"login: groups count for {rules.membership_days} days after the last login")
    first = [
        word for word, on in (("take up the user of that name", rules.link), ("make the user", rules.create)) if on
    ]
    yield _labelled("first logins", " or ".join(first) or "are refused")
    yield _labelled("later logins", "change users whom a login made" if rules.update else "change no attributes")
    yield _labelled("domains", ", ".join(sorted(connection.domains)) or doubtful("none: no first login is let in"))
    if rules.plain_names:
        yield _labelled("", "userNames without a domain are let in")


# --- the log ---------------------------------------------------------------------------------------------------


def log_text(rows: Sequence[LoggedLogin], names: Mapping[str, str], *, whole: bool) -> str:
    """Return logins, with `whole` every check that was made."""
    if not rows:
        return "no login is logged"
    if whole:
        return "\n".join(line for row in rows for line in _whole(row, names))
    cells = [
        (
            minute(row.at),
            good(row.outcome) if not row.code else bad(row.outcome),
            row.code or "-",
            one_line(names.get(row.user_id or "", row.user_id or "-")),
            row.request_id,
            one_line(row.detail),
        )
        for row in rows
    ]
    return table(("WHEN", "OUTCOME", "CHECK", "PERSON", "REQUEST", "WHY"), cells)


def _whole(row: LoggedLogin, names: Mapping[str, str]) -> Iterator[str]:
    outcome = bad(f"refused: {row.code}") if row.code else good("accepted")
    yield f"login of {minute(row.at)}, {outcome}"
    yield _labelled("request", row.request_id)
    if row.user_id:
        yield _labelled("person", one_line(names.get(row.user_id, row.user_id)))
    if row.detail:
        yield _labelled("why", one_line(row.detail))
    if row.code:
        yield _labelled("what to do", _page(row.code))
    yield from _checks(row.checks)


def _page(code: str) -> str:
    return f"docs/login-errors/{code}.md"


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    marks = {Verdict.PASSED: good("passed"), Verdict.FAILED: bad("refused"), Verdict.NOT_NEEDED: faint("not needed")}
    cells = [(marks[check.verdict], check.code, one_line(check.detail)) for check in checks]
    yield from (f"  {line}" for line in table(("VERDICT", "CHECK", ""), cells).splitlines())


# --- previews --------------------------------------------------------------------------------------------------


def preview_text(preview: Preview, catalogues: Mapping[str, Catalogue]) -> str:
    """Return what a login would do."""
    return "\n".join([*_outcome(preview), *_claimed(preview), *_groups(preview), *_roles(preview, catalogues)])


def _outcome(preview: Preview) -> Iterator[str]:
    name = strong(preview.connection.name)
    if preview.refused is not None:
        yield f"a login by {name} would be {bad('refused')}: {preview.refused.code}"
        yield _labelled("why", one_line(preview.refused.detail))
        yield _labelled("what to do", _page(preview.refused.code))
        yield from _checks(preview.trail.checks)
        return
    yield f"a login by {name} would be {good('accepted')}; nobody was logged in, nothing is written"
    yield _labelled("person", f"{one_line(preview.user_name)}, {_FOUND[str(preview.found)]}")


def _claimed(preview: Preview) -> Iterator[str]:
    if preview.identity is not None:
        yield _labelled("identity", f"{one_line(preview.identity.subject)} at {one_line(preview.identity.issuer)}")
        if preview.claimed is None or preview.refused is not None:
            yield _labelled("it states", ", ".join(map(one_line, sorted(preview.identity.attributes))) or "nothing")
    if preview.claimed is not None:
        if preview.refused is not None:
            yield _labelled("userName", one_line(preview.claimed.user_name))
        for left in preview.claimed.left_out:
            yield _labelled("left out", left)


def _groups(preview: Preview) -> Iterator[str]:
    if preview.stated is None or preview.refused is not None:
        return
    if preview.stated.stating is not Stating.STATED:
        what = "too many to be stated" if preview.stated.stating is Stating.OVERAGE else "not stated"
        yield _labelled("groups", f"{what}; what the last login stated goes on")
        return
    rows = [(one_line(one.name), *_group_words(preview, one.known, one.mapped, one.counts)) for one in preview.groups]
    yield from table(("GROUP", "RULES", "DIRECTORY"), rows).splitlines() if rows else ["the login states no groups"]
    for name in preview.left:
        yield _labelled("leaves", one_line(name))


def _group_words(preview: Preview, known: bool, mapped: bool, counts: bool) -> tuple[str, str]:
    if not counts:
        ignored = preview.connection.rules.authority is Authority.SCIM
        return ("ignored" if ignored else "cannot be made", "SCIM has the authority" if ignored else "-")
    return ("mapped" if mapped else faint("unmapped: gives nothing"), "there" if known else "new")


def _roles(preview: Preview, catalogues: Mapping[str, Catalogue]) -> Iterator[str]:
    if preview.refused is not None:
        return
    before, after = _by_place(preview.before), _by_place(preview.after)
    rows = []
    for place in sorted(before.keys() | after.keys()):
        now, then = before.get(place), after.get(place)
        catalogue = catalogues.get(place[0])
        shown = then or now
        assert shown is not None  # a place of one of the two
        rows.append(
            (
                place[0],
                scope_words(shown),
                held_words(catalogue, now) if now else "-",
                held_words(catalogue, then) if then else "-",
                because_words(catalogue, shown) if then else "no longer: " + because_words(catalogue, shown),
            )
        )
    yield from (
        table(("WORKSPACE", "PROJECT", "NOW", "AFTER", "BECAUSE"), rows).splitlines()
        if rows
        else ["no role, now or after"]
    )


def _by_place(grants: Sequence[Grant]) -> dict[tuple[str, str, str, str], Grant]:
    """Return grants in force, a slot that holds many by each value."""
    held = [grant for grant in grants if grant.state is GrantState.EFFECTIVE]
    many: dict[tuple[str, str, str], int] = {}
    for grant in held:
        place = (grant.workspace, grant.project, grant.slot)
        many[place] = many.get(place, 0) + 1
    found = {}
    for grant in held:
        place = (grant.workspace, grant.project, grant.slot)
        found[(*place, grant.role if many[place] > 1 else "")] = grant
    return found


def _labelled(label: str, text: str) -> str:
    return f"  {padded(label, _LABEL)}{text}"
