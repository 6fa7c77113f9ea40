"""Canaille as an identity provider that pushes to a SCIM service: `python canaille_push.py BASE_URL TOKEN`.

Runs in the environment that canaille.lock describes. Reads the names of steps from its standard input, one a line, and
says `done` after each; its log, warnings about pushes that failed included, goes to its standard error.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from typing import Any

from canaille import create_app  # type: ignore[import-not-found]
from canaille.app import models  # type: ignore[import-not-found]
from canaille.backends import Backend  # type: ignore[import-not-found]

_CONFIG: dict[str, Any] = {
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "TESTING": True,  # pushes happen at once instead of in a queue
    "SERVER_NAME": "canaille.example",
    "CANAILLE": {"DATABASE": "memory", "JAVASCRIPT": False},
    "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["127.0.0.1"]},
    "CANAILLE_SCIM": {"ENABLE_CLIENT": True},
}


class Story:
    """What happens in the directory of the identity provider."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.people: dict[str, Any] = {}
        self.group: Any = None

    def hire(self) -> None:
        for name, given, number in (("ana", "Ana", "7"), ("ben", "Ben", "8")):
            person = models.User(
                user_name=name,
                formatted_name=f"{given} Diaz",
                given_name=given,
                family_name="Diaz",
                emails=[f"{name}@example.com"],
                employee_number=number,
                department="Imaging",
            )
            self.backend.save(person)
            self.people[name] = person

    def form_a_group(self) -> None:
        self.group = models.Group(display_name="Street", members=list(self.people.values()))
        self.backend.save(self.group)

    def promote(self) -> None:
        self.people["ana"].title = "Lead"
        self.backend.save(self.people["ana"])

    def lock(self) -> None:
        self.people["ana"].lock_date = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
        self.backend.save(self.people["ana"])

    def leave_the_group(self) -> None:
        self.group.members = [self.people["ana"]]
        self.backend.save(self.group)

    def fire(self) -> None:
        self.backend.delete(self.people.pop("ben"))

    def disband(self) -> None:
        self.backend.delete(self.group)


def main(base: str, token: str) -> None:
    """Tell the story as far as it is asked for."""
    app = create_app(_CONFIG)
    with app.app_context(), app.backend.session():
        backend = Backend.instance
        now = dt.datetime.now(dt.UTC)
        bridge = models.Client(client_id="bridge", client_name="Bridge", client_uri=base, client_id_issued_at=now)
        backend.save(bridge)
        backend.save(
            models.Token(
                token_id="first", access_token=token, client=bridge, audience=[bridge], scope=[], issue_date=now,
                lifetime=3600,
            )
        )  # fmt: skip
        story = Story(backend)
        for line in sys.stdin:
            step: Callable[[], None] = getattr(story, line.strip())
            step()
            print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
