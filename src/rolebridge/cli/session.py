"""One run of the command line: its settings, who runs it, and what it opens."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from rolebridge.cli.terminal import say
from rolebridge.cli.views.csv import print_documents
from rolebridge.core.moments import stamp
from rolebridge.settings import Settings, load

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.bridge.callers import Operator
    from rolebridge.store.records import Connection, Organization


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class Session:
    """What a command works with: its `--json`, `--csv` and `--vars`, and the program's `--config`, are kept here."""

    def __init__(self, *, environ: Mapping[str, str] | None = None, clock: Callable[[], datetime] = utc_now) -> None:
        self.environ = os.environ if environ is None else environ
        self.clock = clock
        self.config: Path | None = None
        self.json = False
        self.csv = False
        self.variables: Path | None = None
        self.traceback = False
        self.request_id = uuid4().hex

    @cached_property
    def settings(self) -> Settings:
        """Return the settings. Raises SettingsError."""
        return load(self.environ, self.config)

    @cached_property
    def operator(self) -> Operator:
        """Return who runs the command, as audit rows name them."""
        from rolebridge.bridge.callers import Operator

        return Operator(f"os:{login_name()}", self.request_id)

    @contextmanager
    def installation(self) -> Iterator[Installation]:
        """Open what the settings describe, for the time of a `with`. Raises StoreProblem and Unavailable."""
        # Database and use cases take most of a second to import: `--help` and an offline `check` go without.
        from rolebridge.app import open_installation

        installation = open_installation(self.settings, clock=self.clock)
        try:
            installation.store.check_schema()
            yield installation
        finally:
            installation.close()

    def answer(self, document: Mapping[str, Any], text: str) -> None:
        """Print the document when JSON is wanted, else the text."""
        say(as_json(document) if self.json else text)

    def answer_list(self, document: Mapping[str, Any], member: str, head: Sequence[str], text: str) -> None:
        """Print a list: the document as JSON, of its `member` the columns `head` as CSV, or the text."""
        if self.csv:
            print_documents(head, document[member])
        else:
            self.answer(document, text)


def as_json(document: Mapping[str, Any]) -> str:
    """Return a document as JSON for people and programs alike."""
    return json.dumps(document, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return stamp(value)
    return str(value)


def login_name() -> str:
    """Return the name of the user that the process runs as; a number when the machine has no name for it."""
    user_id = os.getuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def the_connection(installation: Installation, organization: Organization, name: str | None) -> Connection:
    """Return the connection of that name, or the organization's only one when no name is given."""
    if name is not None:
        return installation.administration.connection(organization, name)
    from rolebridge.core.errors import Invalid, NotFound

    known = installation.administration.connections(organization)
    if len(known) == 1:
        return known[0]
    if not known:
        raise NotFound("connection", "(none yet)")
    names = ", ".join(f"`{connection.name}`" for connection in known)
    raise Invalid(f"there are several connections ({names}); say which one: --connection NAME", "connection")


@contextmanager
def hinting(installation: Installation, organization: Organization) -> Iterator[None]:
    """Tell, when a user, workspace or project is not found, which one may have been meant."""
    from rolebridge.cli.failures import Refused
    from rolebridge.core.errors import NotFound

    try:
        yield
    except NotFound as missing:
        raise Refused(missing, installation.access.hint(organization.id, missing)) from missing


pass_session = click.make_pass_decorator(Session)
