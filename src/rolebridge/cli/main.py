"""The command `rolebridge`: its commands, and what becomes of every way in which one can end."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rolebridge import __version__
from rolebridge.cli import (
    access,
    apply,
    approvals,
    apps,
    assign,
    audit,
    backups,
    can,
    catalogues,
    check,
    clients,
    connections,
    database,
    demo,
    explain,
    exports,
    fsck,
    holds,
    imports,
    init,
    keys,
    login,
    logins,
    may,
    oidc,
    organizations,
    plan,
    projects,
    requests,
    review,
    revisions,
    saml,
    schemas,
    secret_keys,
    serve,
    sessions,
    signing_keys,
    status,
    suggest,
    test,
    tokens,
    worker,
    workspaces,
)
from rolebridge.cli.exits import Exit
from rolebridge.cli.failures import defect, failure_of, tell
from rolebridge.cli.session import Session


class _PipeClosed(Exception):
    """That whoever read the output stopped reading. Not an OSError: click would exit with 1 for that."""


class Program(click.Group):
    """The outermost group: the one place where an error becomes an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was chosen."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _PipeClosed from error
        return result

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one needs them."""
        return list(self.commands)

    def main(  # type: ignore[override]  # click's own signature lets every part of it be left out, as here
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> int:
        """Run a command line and leave with its exit code, or without `standalone_mode` return it."""
        arguments = list(sys.argv[1:] if args is None else args)
        code = self._run(arguments, prog_name or "rolebridge", complete_var, extra)
        if standalone_mode:
            sys.exit(code)
        return code

    def _run(self, arguments: list[str], name: str, complete_var: str | None, extra: dict[str, Any]) -> int:
        session: Session = extra.setdefault("obj", None) or Session()
        extra["obj"] = session
        try:
            code = super().main(list(arguments), name, complete_var, standalone_mode=False, **extra)
            return int(code or Exit.DONE)
        except click.Abort:
            return Exit.INTERRUPTED
        except _PipeClosed:
            # What is still buffered has no reader either; flushing it at exit would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return Exit.PIPE_CLOSED
        except Exception as error:  # noqa: BLE001 - the last place that can tell it in one line instead of a traceback
            return _told(error, session, json="--json" in arguments)


def _told(error: Exception, session: Session, *, json: bool) -> int:
    failure = failure_of(error)
    if failure is None:
        failure = defect(error)
        if session.traceback:
            traceback.print_exception(error, file=sys.stderr)
    tell(failure, session.request_id, json=json)
    return failure.exit


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file with settings; otherwise $ROLEBRIDGE_CONFIG, otherwise rolebridge.toml if it is there.",
)
@click.option("--traceback", is_flag=True, help="Show where an unexpected error happened.")
@click.version_option(__version__, prog_name="rolebridge", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, config: Path | None, traceback: bool) -> None:
    """Turn the groups of identity providers into workspace and project roles, and say why.

    Exit codes: 0 done, 1 refused, 2 there are changes, 3 no database or server, 4 locked, 64 wrong usage, 70 defect.
    """
    session = context.ensure_object(Session)
    session.config = config
    session.traceback = traceback


for _command in (
    init.init,
    database.db,
    backups.backup,
    backups.restore,
    serve.serve,
    worker.worker,
    organizations.org,
    connections.connection,
    tokens.token,
    schemas.schema,
    clients.client,
    apps.app,
    signing_keys.keys,
    saml.saml,
    oidc.oidc,
    login.login,
    logins.login_preview,
    logins.logins,
    sessions.session_,
    suggest.suggest,
    check.check,
    suggest.lint,
    test.test,
    plan.plan,
    apply.apply,
    apply.rollback,
    revisions.revisions,
    explain.explain,
    can.can,
    may.may,
    catalogues.catalogue,
    access.access,
    assign.assign,
    assign.unassign,
    assign.assignments,
    projects.project,
    workspaces.workspace,
    status.status,
    requests.requests,
    audit.audit,
    review.review,
    holds.hold,
    approvals.approve,
    approvals.proposal,
    fsck.fsck,
    keys.key,
    secret_keys.secret_key,
    imports.import_,
    exports.export,
    demo.demo,
):
    cli.add_command(_command)
