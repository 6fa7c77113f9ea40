"""`rolebridge worker`: what is done in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.exits import Exit
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import bad, good, one_line, say, table

if TYPE_CHECKING:
    from rolebridge.store.chores import ChoreRun


@click.command()
@click.option("--once", is_flag=True, help="Do every chore once and end.")
@json_option
@pass_session
def worker(session: Session, once: bool) -> Exit:
    """Do what is done in the background, until interrupted: rules that begin or end, seals, counters, retention.

    `serve` keeps one running; this is for installations that serve with --no-worker, or as a job (--once). Of several
    workers of an installation one works, and another takes over when it ends.
    """
    from rolebridge.app import logs
    from rolebridge.app.worker import make_worker, work_until_told

    if not once:
        logs.set_up(session.settings.log_format, session.settings.log_level)
    with session.installation() as installation:
        working = make_worker(installation)
        if not once:
            say("the worker works (Ctrl-C stops)" if not session.json else '{"working": true}')
            work_until_told(working)
            return Exit.DONE
        runs = working.once()
    if runs is None:
        session.answer({"leads": False, "chores": []}, "another worker is at it; nothing was done here")
        return Exit.DONE
    session.answer({"leads": True, "chores": [chore_document(run) for run in runs]}, _text(runs))
    return Exit.REFUSED if any(run.failures for run in runs) else Exit.DONE


def chore_document(run: ChoreRun) -> dict[str, Any]:
    """Return how a chore went as JSON has it."""
    return {
        "name": run.name,
        "began": run.began,
        "ended": run.ended,
        "succeeded": run.succeeded,
        "done": run.done,
        "failures": run.failures,
        "error": run.error or None,
        "worker": run.worker,
    }


def _text(runs: tuple[ChoreRun, ...]) -> str:
    rows = [
        (bad("✗") if run.failures else good("✓"), run.name, f"{run.done:,}", one_line(run.error) or "-") for run in runs
    ]
    return table(("", "CHORE", "DONE", "ERROR"), rows)
