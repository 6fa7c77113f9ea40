"""scim2-server's own WSGI application, and scim2-flask over the same storage: everything in memory."""

from __future__ import annotations

from flask import Flask
from scim2_flask import ScimServer
from scim2_server.applications.wsgi import WSGIApplication
from scim2_server.memory import InMemoryStorage
from scim2_server.utils import load_default_provider
from werkzeug.middleware.dispatcher import DispatcherMiddleware


def nothing(_: object, start_response: object) -> list[bytes]:
    raise SystemExit("only /scim/v2 is asked")


plain = DispatcherMiddleware(nothing, {"/scim/v2": WSGIApplication(InMemoryStorage(), load_default_provider())})

flask = Flask("peer")
ScimServer(InMemoryStorage(), load_default_provider(), app=flask, url_prefix="/scim/v2")
