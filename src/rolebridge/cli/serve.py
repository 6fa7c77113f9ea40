"""`rolebridge serve`: the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import say, strong
from rolebridge.settings import Bind, ServingSettings

if TYPE_CHECKING:
    from rolebridge.web.metrics import Shared


@click.command()
@click.option("--no-worker", is_flag=True, help="Keep no background worker: `rolebridge worker` runs elsewhere.")
@json_option
@pass_session
def serve(session: Session, no_worker: bool) -> None:
    """Serve identity providers until interrupted, and do in the background what has to be done.

    Refuses to start when the settings are not safe, or when the database has another schema.
    """
    settings = session.settings.for_serving()
    with session.installation():
        pass  # a wrong schema or an unreachable database is told now, not by every worker
    from rolebridge.app import logs
    from rolebridge.app.worker import KeptWorker
    from rolebridge.app.wsgi import error_body, serving_application
    from rolebridge.cli.serving import Address, Processes, run
    from rolebridge.web.asgi import Limits
    from rolebridge.web.rates import Memory

    limits = Limits(
        body=settings.max_body_bytes,
        buffered=max(Limits().buffered, settings.max_body_bytes),
        body_seconds=settings.request_timeout,
        write_seconds=settings.request_timeout,
    )
    logs.set_up(settings.log_format, settings.log_level)
    with _monitoring(settings) as counted, nullcontext() if no_worker else KeptWorker(settings):
        try:
            run(
                partial(serving_application, settings, Memory(), counted),
                Address(settings.bind.host, settings.bind.port),
                Processes(workers=settings.workers),
                limits,
                partial(error_body, base_url=settings.base_url),
                announce=partial(_announce, session, settings),
            )
        except OSError as error:
            help_ = "ROLEBRIDGE_BIND (`bind` in the file) chooses another address"
            raise Refused(_unavailable(settings.bind, error), help_) from error


@contextmanager
def _monitoring(settings: ServingSettings) -> Iterator[Shared | None]:
    """Answer metrics for the time of a `with`, where that is wanted; give the memory that they are counted in."""
    if settings.metrics_bind is None:
        yield None
        return
    from rolebridge.app.metrics import shared_memory
    from rolebridge.app.monitor import Monitor
    from rolebridge.store.engine import Store

    counted = shared_memory(settings.workers)
    store = Store.open(settings.database_url)
    try:
        monitor = Monitor(settings.metrics_bind, counted, store)
    except OSError as error:
        store.close()
        help_ = "ROLEBRIDGE_METRICS_BIND (`metrics_bind` in the file) chooses another address"
        raise Refused(_unavailable(settings.metrics_bind, error), help_) from error
    try:
        yield counted
    finally:
        monitor.close()
        store.close()


def _announce(session: Session, settings: ServingSettings, url: str) -> None:
    from rolebridge.app.installation import scim_base_url

    scim = scim_base_url(settings)
    if session.json:
        say(as_json({"listening": url, "base_url": settings.base_url, "scim_base_url": scim}))
    else:
        say(f"SCIM {strong(scim)}   listening on {url}, {settings.workers} workers (Ctrl-C stops)")


def _unavailable(bind: Bind, error: OSError) -> Exception:
    from rolebridge.core.errors import Unavailable

    # The error's own text repeats the address; a host name that is unknown has a negative number and only that text.
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    return Unavailable(f"cannot listen on {bind}: {why.lower()}")
