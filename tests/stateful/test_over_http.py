"""The same machine over real HTTP: two worker processes answer in turn, so nothing may be remembered in one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, run_state_machine_as_test
from tests.durability.running import OPERATOR, Bridge, Talker, bridge
from tests.scim.talking import Client, Said
from tests.stateful.model import Model, ModelConnection
from tests.stateful.test_directory import DirectoryMachine

pytestmark = [pytest.mark.loopback, pytest.mark.slow]


class HttpClient(Client):
    """A client that sends what the other says, each request on the next of two connections."""

    def __init__(self, talkers: list[Talker]) -> None:
        self.talkers = talkers

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **query: str
    ) -> Said:
        self.talkers.append(self.talkers.pop(0))
        sent = json.loads(body) if isinstance(body, bytes) else body
        said = self.talkers[0].send(method, f"{path}?{urlencode(query)}" if query else path, sent, headers)
        named = {name: said.headers[name.lower()] for name in ("ETag", "Location") if name.lower() in said.headers}
        return Said(said.status, named, said.body)


class OverHttp(DirectoryMachine):
    """The machine, whose clients talk to a running bridge."""

    bridge: Bridge

    @initialize()
    def begin(self) -> None:
        running, administration = self.bridge, self.bridge.installation.administration
        running.hang_up()
        running.begin()
        self.names = [running.organization]
        organization = administration.organization(running.organization)
        _, entra = administration.add_connection(OPERATOR, organization, "entra", "generic")
        tokens = [running.token, entra.text]
        running.begin()
        self.names.append(running.organization)
        tokens.append(running.token)
        self.clients = [HttpClient([running.talker(token), running.talker(token)]) for token in tokens]
        self.model = Model(
            [ModelConnection(name, org) for name, org in (("okta", "one"), ("entra", "one"), ("okta", "two"))]
        )

    def check_record(self) -> None:
        for name in self.names:
            self.bridge.organization = name
            self.bridge.assert_no_problems()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge of two processes on SQLite."""
    folder = tmp_path_factory.mktemp("bridge")
    with bridge(folder, f"sqlite:///{folder}/rolebridge.db") as running:
        yield running


def test_the_running_server_is_what_the_model_says(served: Bridge) -> None:
    """A few random histories over HTTP agree with the model at every step."""
    machine = type("Machine", (OverHttp,), {"bridge": served})
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=25, max_examples=6, deadline=None))
