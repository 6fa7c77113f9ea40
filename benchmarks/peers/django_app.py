"""django-scim2 over its mixins, on Django's SQLite: write-ahead log, one connection kept, as durable as ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="of a benchmark",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_scim", "people"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["PEER_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"},
        }
    },
    MIDDLEWARE=["django_app.admit", "django_scim.middleware.SCIMAuthCheckMiddleware"],
    ROOT_URLCONF=__name__,
    AUTH_USER_MODEL="people.Person",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SCIM_SERVICE_PROVIDER={
        "NETLOC": "127.0.0.1",
        "AUTHENTICATION_SCHEMES": [{"type": "oauth2", "name": "OAuth 2", "description": "a token"}],
        "GROUP_MODEL": "people.models.Team",
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402 - Django must be set up before
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402
from people.models import Person  # noqa: E402

urlpatterns = [path("scim/v2/", include("django_scim.urls"))]


def admit(answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Let everybody in, without a look-up: the peer is asked for SCIM, not for tokens."""
    somebody = Person(username="client")

    def admitted(request: Any) -> Any:
        request.user = somebody
        return answer(request)

    return admitted


call_command("migrate", run_syncdb=True, verbosity=0)
app = get_wsgi_application()
