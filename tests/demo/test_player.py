"""Playing the shipped traffic against a server in memory."""

from __future__ import annotations

import copy
import socket
from typing import TYPE_CHECKING

import pytest

from rolebridge.demo import Played, Player, ReplayFailed, shipped_traffic

if TYPE_CHECKING:
    from tests.demo.conftest import FakeSCIM

pytestmark = pytest.mark.loopback

OKTA, ENTRA = shipped_traffic()


def play_all(scim: FakeSCIM) -> list[Played]:
    played = []
    for traffic in (OKTA, ENTRA):
        with Player(scim.url, "secret", traffic) as player:
            played += [player.play("first"), player.play("later")]
    return played


def test_a_first_run_makes_everybody_and_every_group(scim: FakeSCIM) -> None:
    """All people and groups are created, members are who they should be, and the counts are right."""
    first, later, entra, nothing = play_all(scim)
    assert (first.made, first.found) == ({"users": 12, "groups": 17}, {})
    assert (entra.made, entra.found) == ({"users": 24, "groups": 29}, {})
    assert first.requests + later.requests + entra.requests == len(scim.requests)
    assert nothing == Played("entra-demo", 0, {}, {})
    assert scim.members("lbx-cityscapes-reviewers") == {"ana.ruiz@acme.example", "max.adler@acme.example"}
    assert len(scim.members("LS Annotators")) == 15
    assert scim.named("tom.becker@acme.example")["active"] is False
    assert scim.named("peter.novak@acme.example")["active"] is False


def test_the_later_cycle_tells_its_news(scim: FakeSCIM) -> None:
    """What happens after the first synchronisation is told in sentences."""
    _, later, _, _ = play_all(scim)
    assert later.news == ("Max joined lbx-cityscapes-reviewers", "Tom left the company")


def test_a_second_run_finds_all_and_changes_nothing(scim: FakeSCIM) -> None:
    """Played again by players that know no ids, the traffic makes nothing and leaves the same directory."""
    play_all(scim)
    before = copy.deepcopy(scim.resources)
    first, _, entra, _ = play_all(scim)
    assert (first.made, first.found) == ({}, {"users": 12, "groups": 17})
    assert (entra.made, entra.found) == ({}, {"users": 24, "groups": 29})
    assert scim.resources == before


def test_requests_are_sent_as_providers_write_them(scim: FakeSCIM) -> None:
    """Blanks, quotes and at signs of a filter are percent-encoded; the path stays readable."""
    with Player(scim.url, "secret", OKTA) as player:
        player.play("first")
    assert scim.requests[0] == "GET /scim/v2/Users?startIndex=1&count=2 200"
    assert scim.requests[1] == (
        "GET /scim/v2/Users?filter=userName%20eq%20%22ben.okafor%40acme.example%22&startIndex=1&count=100 200"
    )


def test_an_unexpected_answer_stops_the_replay(scim: FakeSCIM) -> None:
    """The message names connection, exchange, request, both statuses and what the server said."""
    scim.refuse["POST Groups"] = 500
    with Player(scim.url, "secret", OKTA) as player, pytest.raises(ReplayFailed) as caught:
        player.play("first")
    assert str(caught.value) == (
        'okta-demo, push a group: POST /scim/v2/Groups: recorded 201, answered 500: {"detail": "refused on purpose"}'
    )
    assert len(scim.writes) == 13


def test_a_duplicate_stops_the_replay(scim: FakeSCIM) -> None:
    """A search by a unique name that finds two is never taken for one of them."""
    twin = {"userName": "ben.okafor@acme.example", "id": "1"}
    scim.resources["Users"] = {"1": twin, "2": {**twin, "id": "2"}}
    with Player(scim.url, "secret", OKTA) as player, pytest.raises(ReplayFailed, match="found 2 resources, 2 listed"):
        player.play("first")


def test_a_server_that_is_not_there_is_said_so() -> None:
    """No answer at all is a failed replay as well, with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    player = Player(f"http://127.0.0.1:{port}/scim/v2", "secret", OKTA)
    with pytest.raises(ReplayFailed, match=r"okta-demo, test the credentials: GET .*: no answer \(ConnectionRefused"):
        player.play("first")


def test_the_token_is_in_the_header_and_in_no_message(scim: FakeSCIM) -> None:
    """A refused token's text appears in no error."""
    scim.refuse["GET Users"] = 401
    with Player(scim.url, "rbt_very_secret", OKTA) as player, pytest.raises(ReplayFailed) as caught:
        player.play("first")
    assert "rbt_very_secret" not in str(caught.value)
