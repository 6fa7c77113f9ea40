"""Profiles are data; what they say is checked when they are read."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from rolebridge.scim.profile import (
    DEFAULT_PROFILE,
    Feature,
    PatchAnswer,
    Profile,
    ProfileError,
    UnknownMembers,
    profile,
    profiles,
    read_profile,
)
from rolebridge.scim.tolerances import Tolerance

TEXT = """
summary = "s"
patch_user = "resource"
patch_group = "no-content"
unknown_members = "skip"
unannounced = ["etag"]
tolerances = ["capital-op"]
"""


def test_a_profile_is_read_from_toml() -> None:
    """Every key is a field."""
    assert read_profile("one", TEXT) == Profile(
        "one",
        "s",
        PatchAnswer.RESOURCE,
        PatchAnswer.NO_CONTENT,
        UnknownMembers.SKIP,
        frozenset({Feature.ETAG}),
        frozenset({Tolerance.CAPITAL_OP}),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patch_user = ", "profile `one`: "),
        ('summary = "s"', "unknown: `patch_group`, `patch_user`, `tolerances`, `unannounced`, `unknown_members`"),
        (TEXT + "extra = 1\n", "missing or unknown: `extra`"),
        (TEXT.replace("capital-op", "capital-letters"), "'capital-letters' is not a valid Tolerance"),
        (TEXT.replace("etag", "sort"), "'sort' is not a valid Feature"),
        (TEXT.replace("no-content", "empty"), "'empty' is not a valid PatchAnswer"),
    ],
)
def test_a_profile_that_says_something_else_is_refused(text: str, message: str) -> None:
    """A misspelt tolerance must not silently be none."""
    with pytest.raises(ProfileError) as refused:
        read_profile("one", text)
    assert message in str(refused.value)


def test_a_provider_with_a_schedule_says_so() -> None:
    """Only where silence means something has it a limit: Entra comes every 40 minutes, the others when they must."""
    assert read_profile("one", TEXT + "silent_after_minutes = 90\n").silent_after == timedelta(minutes=90)
    assert [name for name, one in profiles().items() if one.silent_after] == ["entra"]


def test_the_profiles_there_are() -> None:
    """strict forgives nothing, the default everything, and nobody but strict fails a batch for one member."""
    found = profiles()
    assert {"strict", "okta", "entra", "google", "onelogin", "jumpcloud", "ping", "authentik", "keycloak"} < set(found)
    assert not found["strict"].tolerances
    assert found[DEFAULT_PROFILE].tolerances == found["generic-200"].tolerances == set(Tolerance)
    refusing = {name for name, one in found.items() if one.unknown_members is UnknownMembers.REFUSE}
    assert refusing == {"strict"}


def test_an_unknown_profile_is_refused_with_those_there_are() -> None:
    """The message helps to choose."""
    with pytest.raises(ProfileError, match="there is no profile `oktaa`; there are authentik, canaille, "):
        profile("oktaa")


def test_every_profile_and_tolerance_is_documented_as_it_is() -> None:
    """The reference page has one row for each, and says which profiles forgive what."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "scim-profiles.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert rows.keys() == {*profiles(), *Tolerance}
    for name, one in profiles().items():
        assert one.summary in rows[name]
    for tolerance in Tolerance:
        having = [name for name, one in profiles().items() if tolerance in one.tolerances and name != DEFAULT_PROFILE]
        assert rows[tolerance].endswith(f"| {tolerance.meaning} | {', '.join(having) or '–'} |"), tolerance


def test_profiles_are_read_without_scim2_models() -> None:
    """Commands that choose a profile do not wait for Pydantic to build models."""
    program = "import sys, rolebridge.scim.profile as p; p.profiles(); sys.exit('scim2_models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
