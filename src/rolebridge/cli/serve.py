"""`rolebridge serve`: the server."""

from __future__ import annotations

import os
from functools import partial

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.options import json_option
from rolebridge.cli.session import Session, as_json, pass_session
from rolebridge.cli.terminal import say, strong
from rolebridge.settings import ServingSettings


@click.command()
@json_option
@pass_session
def serve(session: Session) -> None:
    """Serve identity providers until interrupted.

    Refuses to start when the settings are not safe, or when the database has another schema.
    """
    settings = session.settings.for_serving()
    with session.installation():
        pass  # a wrong schema or an unreachable database is told now, not by every worker
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
    try:
        run(
            partial(serving_application, settings, Memory()),
            Address(settings.bind.host, settings.bind.port),
            Processes(workers=settings.workers),
            limits,
            error_body,
            announce=partial(_announce, session, settings),
        )
    except OSError as error:
        help_ = "ROLEBRIDGE_BIND (`bind` in the file) chooses another address"
        raise Refused(_unavailable(settings, error), help_) from error


def _announce(session: Session, settings: ServingSettings, url: str) -> None:
    from rolebridge.app.installation import scim_base_url

    scim = scim_base_url(settings)
    if session.json:
        say(as_json({"listening": url, "base_url": settings.base_url, "scim_base_url": scim}))
    else:
        say(f"SCIM {strong(scim)}   listening on {url}, {settings.workers} workers (Ctrl-C stops)")


def _unavailable(settings: ServingSettings, error: OSError) -> Exception:
    from rolebridge.core.errors import Unavailable

    # The error's own text repeats the address; a host name that is unknown has a negative number and only that text.
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
    return Unavailable(f"cannot listen on {settings.bind}: {why.lower()}")
