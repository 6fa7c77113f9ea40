"""A demo as people watch it: each step in a line, some rows that show something, one explanation, what to do next."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rolebridge.bridge.access import Totals
from rolebridge.bridge.explanation_documents import explanation_document
from rolebridge.bridge.grant_documents import grant_document
from rolebridge.bridge.planning import Applied
from rolebridge.bridge.testing import read_and_run
from rolebridge.cli.demo_sign_in import Places
from rolebridge.cli.demo_story import Story
from rolebridge.cli.terminal import aligned, bad, counted, doubtful, faint, good, strong, table, width
from rolebridge.cli.views import diagnostics, explanation
from rolebridge.cli.views.access import HEAD
from rolebridge.cli.views.roles import because_words, held_words, lock_words, role_name, scope_words
from rolebridge.core.assignment import Source
from rolebridge.core.grants import GrantState
from rolebridge.core.plan import Change, ChangeKind
from rolebridge.demo import ASKED_ABOUT, Played, shipped_traffic
from rolebridge.mapfile import holds_mapping
from rolebridge.settings import CONFIG_VARIABLE
from rolebridge.store.records import HeldGrant

PROTOCOLS = {"saml": "SAML", "oidc": "OpenID Connect"}
_COLUMNS = (6, 10, 41)
_SIGNS = {ChangeKind.GAIN: good("+"), ChangeKind.CHANGE: doubtful("~"), ChangeKind.LOSE: bad("-")}


class Telling:
    """Tells each step of a demo in a line as soon as it is done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def played(self, played: Played) -> None:
        """Tell what a provider sent, and whom it made or found."""
        what = f"{counted(played.requests, 'request')}, all answered as recorded"
        self._say(_step("replay", played.connection, what, _known(played)))

    def applied(self, applied: Applied, files: Mapping[str, str]) -> None:
        """Tell what is doubtful about the files, which revision is in force, and what it gave."""
        if applied.diagnostics:
            self._say(diagnostics.text(applied.diagnostics, files).rstrip())
        folders = " ".join(sorted({f"{name.rpartition('/')[0]}/" for name in files}))
        done = applied.plan.counts
        people = counted(done.people, "person", "people")
        outcome = f"{counted(done.gain, 'grant')} to {people}" if applied.new else "nothing to do: it was in force"
        cases = len(read_and_run(files).results)
        what = f"revision {applied.revision}, {counted(sum(map(holds_mapping, files)), 'file')}"
        what += f", {counted(cases, 'case')} pass" if cases else ""
        self._say(_step("apply", folders, what, outcome))


def _step(verb: str, subject: str, what: str, outcome: str) -> str:
    return f"{good('✓')} {aligned((verb, subject, what, outcome), _COLUMNS)}"


def _known(played: Played) -> str:
    kinds = sorted(played.made.keys() | played.found.keys(), reverse=True)
    counts = [f"{played.made.get(kind, 0) + played.found.get(kind, 0):2} {kind}" for kind in kinds]
    found = sum(played.found.values())
    there = [] if not found else ["there already"] if not any(played.made.values()) else [f"{found} there already"]
    return "   ".join([*counts, *there])


def text(story: Story, config: Path | None, places: Places | None) -> str:
    """Return all that follows the steps. `config` is the settings file of a demo that goes on serving.

    `places` is where people can sign in then.
    """
    parts = [
        "\n".join(_later(story)),
        "\n".join(_held(story)),
        "\n".join(_empty_handed(story)),
        "\n".join(_asked(story)),
        "\n".join(_sign_in(places)),
        "\n".join(_next(story, config)),
    ]
    return "\n\n".join(part for part in parts if part)


# --- what happened after the mappings were applied -------------------------------------------------------------


def _later(story: Story) -> Iterator[str]:
    for played in story.later:
        if played.requests:
            what = f"{counted(played.requests, 'request')}, all answered as recorded"
            yield _step("later", played.connection, what, ", ".join(played.news))
    if any(played.requests for played in story.later) and not story.changes:
        yield faint("    nothing changes: all of it was known")
    names = {row.grant.user_id: row.user_name for row in story.rows}
    names |= {one.explanation.user.id: one.explanation.user.user_name for one in story.empty_handed}
    # What only a default gave goes with the rest, and says nothing by itself.
    told = [change for change in story.changes if _source(change) is not Source.DEFAULT]
    lines = sorted((_change(story, change, names) for change in told), key=lambda line: line[1:])
    columns = [max(width(line[at]) for line in lines) for at in range(5)] if lines else []
    yield from (f"    {aligned(line, columns)}" for line in lines)


def _source(change: Change) -> Source | None:
    grant = change.after or change.before
    return grant.source if grant else None


def _change(story: Story, change: Change, names: Mapping[str, str]) -> tuple[str, ...]:
    catalogue = story.catalogues.get(change.workspace)
    roles = [role_name(catalogue, grant.slot, grant.role) for grant in (change.before, change.after) if grant]
    why = because_words(catalogue, change.after) if change.after else _why_lost(story, change)
    return (
        _SIGNS[change.kind],
        _short(names.get(change.user_id, change.user_id)),
        change.workspace,
        change.project or "(workspace)",
        " → ".join(roles),
        why,
    )


def _why_lost(story: Story, change: Change) -> str:
    for explained in story.empty_handed:
        found = explained.explanation
        if (found.user.id, found.workspace) == (change.user_id, change.workspace):
            for lost in found.lost:
                if (lost.assignment.slot, lost.assignment.project or "") == (change.slot, change.project):
                    return lost.detail or lost.reason
    return ""


# --- who holds what --------------------------------------------------------------------------------------------


def _held(story: Story) -> Iterator[str]:
    totals = Totals()
    for row in story.rows:
        totals.count(row.grant)
    shown = _instructive(story)
    if shown:
        yield table(HEAD, [_cells(story, row) for row in shown])
    counts = f"{counted(totals.people, 'person', 'people')}, {counted(totals.grants, 'grant')}"
    more = "… " if len(shown) < len(story.rows) else ""
    yield f"{more}{counts}, {totals.blocked:,} blocked, {counted(totals.conflicts, 'conflict')}"


def _instructive(story: Story) -> list[HeldGrant]:
    """Return one row of each kind, in the order of the traffic's people, so that one person's rows stand together.

    Kinds differ by the rule, by what locks the role, and by whether it is a role of its own; what is not in force is
    one kind in each workspace.
    """
    names = [name for traffic in shipped_traffic() for name in traffic.users]
    place = {name: at for at, name in enumerate(names)}
    kinds: dict[tuple[object, ...], HeldGrant] = {}
    rows = sorted(story.rows, key=lambda row: (place.get(row.user_name, len(names)), row.user_name, _scope(row)))
    for row in rows:
        grant = row.grant
        if grant.source is Source.DEFAULT:
            continue
        kind: tuple[object, ...] = (grant.workspace, grant.state)
        if grant.state is GrantState.EFFECTIVE:
            kind = (*kind, grant.rule, lock_words(grant), bool(grant.acts_as_role))
        kinds.setdefault(kind, row)
    return list(kinds.values())


def _scope(row: HeldGrant) -> tuple[str, str]:
    return (row.grant.workspace, row.grant.project)


def _cells(story: Story, row: HeldGrant) -> tuple[str, ...]:
    grant = row.grant
    catalogue = story.catalogues.get(grant.workspace)
    return (
        _short(row.user_name),
        grant.workspace,
        scope_words(grant),
        held_words(catalogue, grant),
        lock_words(grant),
        because_words(catalogue, grant),
    )


def _empty_handed(story: Story) -> Iterator[str]:
    rows = []
    for explained in story.empty_handed:
        found = explained.explanation
        lost = found.lost[0]
        name = role_name(story.catalogues.get(found.workspace), lost.assignment.slot, lost.assignment.role)
        where = lost.assignment.project or "(workspace)"
        rows.append((_short(found.user.user_name), found.workspace, where, name, lost.reason, lost.detail))
    if rows:
        yield table(("NOT HELD BY", "WORKSPACE", "PROJECT", "ROLE", "REASON", "BECAUSE"), rows)


# --- one question, and what to ask next ------------------------------------------------------------------------


def _asked(story: Story) -> Iterator[str]:
    if story.example is not None:
        user, project = ASKED_ABOUT
        yield faint(f"$ {_command()} explain {user} --project {project}")
        yield explanation.text(story.example)


def _sign_in(places: Places | None) -> Iterator[str]:
    if places is None:
        return
    providers = " or ".join(
        f"{traffic.sign_in.title} ({PROTOCOLS[traffic.sign_in.protocol]})" for traffic in shipped_traffic()
    )
    yield f"Sign in {strong(places.app_url)}   as anybody, through {providers}"
    yield f"People  {places.idp_url}   {faint('who left, who is back: told to the bridge over SCIM')}"


def _next(story: Story, config: Path | None) -> Iterator[str]:
    if config is None:
        yield f"SCIM was at {story.scim_base_url}, and is gone with all its data. Next: {_command()} demo --serve"
        return
    log = config.with_suffix(".log")
    workspace = story.example.explanation.workspace if story.example else "WORKSPACE"
    yield f"SCIM {strong(story.scim_base_url)}   {faint(f'server log: {log}   (Ctrl-C stops)')}"
    yield "Next, in another terminal:"
    yield f"  export {CONFIG_VARIABLE}={config}"
    yield f"  {_command()} explain cara.lind"
    yield f"  {_command()} access --workspace {workspace}"
    yield f"  {_command()} connection add my-idp --profile generic"


def _command() -> str:
    """Return how to call this program from here: by name where the shell finds it."""
    return "rolebridge" if shutil.which("rolebridge") else os.path.relpath(sys.argv[0])


def _short(user_name: str) -> str:
    """Return what stands before the @: commands take it for the userName when one person has it."""
    return user_name.partition("@")[0]


# --- for programs ----------------------------------------------------------------------------------------------


def document(story: Story, places: Places | None) -> dict[str, Any]:
    """Return the demo as JSON has it; `sign_in` is null unless it goes on serving."""
    totals = Totals()
    for row in story.rows:
        totals.count(row.grant)
    return {
        "organization": story.organization,
        "scim_base_url": story.scim_base_url,
        "sign_in": {"app_url": places.app_url, "idp_url": places.idp_url} if places else None,
        "replays": [_replay(played) for played in (*story.first, *story.later) if played.requests],
        "revision": story.applied.revision,
        "new_revision": story.applied.new,
        "changes_later": [
            {
                "kind": change.kind,
                "user": change.user_id,
                "before": grant_document(change.before) if change.before else None,
                "after": grant_document(change.after) if change.after else None,
            }
            for change in story.changes
        ],
        "access": [{"user_name": row.user_name, **grant_document(row.grant)} for row in story.rows],
        "totals": {
            "people": totals.people,
            "grants": totals.grants,
            "blocked": totals.blocked,
            "conflicts": totals.conflicts,
        },
        "example": explanation_document(story.example) if story.example else None,
    }


def _replay(played: Played) -> dict[str, Any]:
    return {
        "connection": played.connection,
        "requests": played.requests,
        "made": dict(played.made),
        "found": dict(played.found),
        "news": list(played.news),
    }
