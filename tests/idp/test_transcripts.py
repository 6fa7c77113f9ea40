"""What identity providers were recorded to send is understood: by the profile of its vendor, and by `generic`."""

from __future__ import annotations

import pytest
from tests.idp.player import Player, Transcript, transcripts
from tests.idp.served import Served

from rolebridge.scim.profile import DEFAULT_PROFILE, profiles

pytestmark = pytest.mark.loopback

ALL = transcripts()
AGAIN_ON_POSTGRESQL = {
    "okta-08-group-push-patch",
    "entra-34-membership-legacy-batch",
    "entra-36-large-group-three-batches",
    "entra-49-group-rename-and-collision",
    "entra-60-gallery-validate-credentials",
    "x-01-parallel-create-of-one-user",
}
"""What a database could make a difference to: batches, parallel changes, races for a name."""


def profile_of(transcript: Transcript) -> str:
    """Return the profile for a transcript's vendor; what is of no one vendor is for the profile of all."""
    return transcript.vendor if transcript.vendor in profiles() else DEFAULT_PROFILE


def cases(chosen: list[Transcript]) -> list[object]:
    """Return each transcript with the profiles that it is played under, named after both."""
    return [
        pytest.param(transcript, profile, id=f"{transcript.name}-{profile}")
        for transcript in chosen
        for profile in dict.fromkeys((profile_of(transcript), DEFAULT_PROFILE))
    ]


def player(bridge: Served, transcript: Transcript, profile: str) -> Player:
    """Return an identity provider with a connection of its own, and an OAuth client where the transcript needs one."""
    connection, token = bridge.connection(profile)
    return Player(bridge.base, token, bridge.client(connection) if transcript.requires else None)


@pytest.mark.parametrize(("transcript", "profile"), cases(ALL))
def test_a_transcript_is_answered_as_its_client_expects(bridge: Served, transcript: Transcript, profile: str) -> None:
    """Every step of the conversation gets the answer that the client needs."""
    assert player(bridge, transcript, profile).play(transcript) == []


@pytest.mark.parametrize(("transcript", "profile"), cases([one for one in ALL if one.name in AGAIN_ON_POSTGRESQL]))
def test_a_transcript_is_answered_alike_on_postgresql(
    postgres_bridge: Served, transcript: Transcript, profile: str
) -> None:
    """What depends on the database's ways gets the same answers on the other database."""
    assert player(postgres_bridge, transcript, profile).play(transcript) == []


def test_the_transcripts_are_all_there() -> None:
    """A folder that was not found, or a name that nobody has, would make this module pass without playing."""
    assert len(ALL) == len({one.name for one in ALL}) == 54
    assert {one.name for one in ALL} >= AGAIN_ON_POSTGRESQL
    assert {one.vendor for one in ALL} - set(profiles()) == {"cross"}
