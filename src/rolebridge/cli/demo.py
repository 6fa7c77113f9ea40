"""`rolebridge demo`: sample traffic of two identity providers through the real server, and what came of it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rolebridge.cli.demo_files import SERVED_AT, LoopbackAddress, settings_file
from rolebridge.cli.demo_server import DemoServer
from rolebridge.cli.exits import Exit
from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import say
from rolebridge.settings import CONFIG_VARIABLE, Bind, Settings, redacted_url

if TYPE_CHECKING:
    from rolebridge.cli.demo_sign_in import SignInDemo

PORTS: Final = 3
"""How many ports a demo that serves takes: the bridge's, the identity provider's, the application's."""
_PORTS: Final = 65_536


@click.command()
@click.option(
    "--serve", is_flag=True, help="Keep the data in var/demo.db and keep serving until interrupted; people can sign in."
)
@click.option(
    "--address",
    type=LoopbackAddress(),
    metavar="HOST:PORT",
    help="Listen here, on this machine only; --serve takes the two ports after it, too.  "
    "[default: 127.0.0.1:8080 with --serve, else a free port]",
)
@click.option("--database-url", metavar="URL", help="Use this database, and leave the sample in it.")
@click.option(
    "--mappings",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Apply the mapping files of this folder.  [default: the examples that come with the package]",
)
@json_option
@pass_session
def demo(session: Session, serve: bool, address: Bind | None, database_url: str | None, mappings: Path | None) -> Exit:
    """Watch two identity providers provision a sample organization: which roles that gives to whom, and why.

    Starts the server, sends it Okta- and Entra-shaped traffic over HTTP, applies mapping files and shows the outcome.
    Without --serve all of it happens in a temporary folder. Run again on the same data, it makes nothing twice.
    With it an identity provider and a sample application run beside the server, to sign in with a browser.
    """
    files = _mapping_files(mappings)
    if serve or address is not None:  # before the settings are written, which those of a demo that runs would be
        _check_free(address or SERVED_AT, PORTS if serve else 1)
    with _ended_by_signals(), settings_file(kept=serve, database_url=database_url, address=address) as config:
        inner = Session(environ={CONFIG_VARIABLE: str(config)}, clock=session.clock)
        inner.json = session.json
        if not session.json:
            say(_beginning(inner.settings, kept=serve or database_url is not None))
        _prepare(inner.settings.database_url)
        with ExitStack() as stack:
            server = stack.enter_context(DemoServer(config, config.with_suffix(".log"), session.environ))
            if not server.accepts():
                say(server.words(), err=True)
                return Exit(server.wait())
            try:
                sign_in = stack.enter_context(_sign_in(inner, config)) if serve else None
                _show(inner, files, config if serve else None, sign_in)
                return Exit(server.wait()) if serve else Exit.DONE
            except KeyboardInterrupt:
                if serve:  # whoever asked for a server ends it in this way, at any time
                    return Exit.DONE
                raise


def _mapping_files(folder: Path | None) -> Mapping[str, str]:
    """Return the mapping files to apply, checked as far as it goes without a database."""
    from rolebridge.bridge.rulebooks import read_mappings
    from rolebridge.cli.apply import read
    from rolebridge.cli.demo_story import mapping_refused
    from rolebridge.demo import shipped_mappings

    files = shipped_mappings() if folder is None else read(folder)
    mappings, diagnostics = read_mappings(files, None)
    if mappings is None:
        raise mapping_refused(diagnostics, files)
    return files


def _check_free(first: Bind, ports: int) -> None:
    """Refuse an address that somebody uses, before anything is made; so many `ports` are needed, one after another."""
    from rolebridge.core.errors import Invalid, Unavailable

    if first.port + ports > _PORTS:
        raise Invalid(f"the demo takes {ports} ports, and there are no {ports} from {first.port} on", "address")
    for bind in (Bind(first.host, first.port + at) for at in range(ports)):
        family, _, _, _, place = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM)[0]
        try:
            socket.create_server(place[:2], family=family).close()
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            elsewhere = Bind(first.host, first.port + (1 if ports == 1 else 100))
            words = "demo" if ports == 1 else "demo --serve"
            help_ = f"another demo may be running; `rolebridge {words} --address {elsewhere}` listens elsewhere"
            raise Refused(Unavailable(f"cannot listen on {bind}: {why}"), help_) from error


def _beginning(settings: Settings, *, kept: bool) -> str:
    """Return the line that is there while the server starts, which takes the longest."""
    data = redacted_url(settings.database_url).removeprefix("sqlite:///") if kept else "a temporary folder"
    return f"starting a server at {settings.base_url}, with its data in {data}"


def _prepare(database_url: str) -> None:
    """Give the database the schema of this version."""
    from rolebridge.store.engine import Store

    store = Store.open(database_url, create=True)
    try:
        store.upgrade()
    finally:
        store.close()


def _sign_in(session: Session, config: Path) -> SignInDemo:
    """Return the demo's identity provider and application, which are not begun."""
    from rolebridge.cli.demo_sign_in import SignInDemo

    return SignInDemo(session, config.parent, session.settings.bind)


def _show(session: Session, files: Mapping[str, str], config: Path | None, sign_in: SignInDemo | None) -> None:
    from rolebridge.cli.demo_story import live
    from rolebridge.cli.views import demo as view

    with session.installation() as installation:
        telling = view.Telling(say if not session.json else lambda _: None)
        story = live(installation, session.operator, files, telling)
        places = sign_in.begin(installation, session.operator) if sign_in else None
    if session.json:
        say(as_json(view.document(story, places)))
    else:
        say(view.text(story, config, places))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does: server stopped, temporary files removed."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
