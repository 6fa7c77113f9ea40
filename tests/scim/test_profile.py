"""Profiles are data; what they say is checked when they are read."""

from __future__ import annotations

import re
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


DOCS = Path(__file__).parents[2] / "docs"
ANSWERED = {PatchAnswer.RESOURCE: "200 and the resource", PatchAnswer.NO_CONTENT: "204"}


def page(*names: str) -> str:
    return DOCS.joinpath(*names).read_text(encoding="utf-8")


def table(text: str, heading: str) -> dict[str, str]:
    """Return the first two columns of the table below a heading, without links and quotes."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {re.sub(r"\[?`([\w-]+)`\]?(\(\S+\))?", r"\1", cells[0]): cells[1] for cells in rows}


def test_the_overview_has_every_profile_as_it_is() -> None:
    """One row for each, with its summary, what it answers and how much it forgives."""
    rows = {line.split("`")[1]: line for line in page("reference", "scim-profiles.md").splitlines() if "| [`" in line}
    assert rows.keys() == profiles().keys()
    for name, one in profiles().items():
        forgiven = "all" if one.tolerances == set(Tolerance) else len(one.tolerances)
        assert f"| {one.summary} | {ANSWERED[one.patch_user]}; {ANSWERED[one.patch_group]} |" in rows[name]
        assert rows[name].endswith(f"| {', '.join(sorted(one.unannounced)) or '–'} | {forgiven} |")


@pytest.mark.parametrize("one", profiles().values(), ids=lambda one: one.name)
def test_every_profile_has_a_page_that_says_what_it_is(one: Profile) -> None:
    """What it is answered, what it is forgiven and why each, no more and no less than the data says."""
    text = page("profiles", f"{one.name}.md")
    assert f"`--profile {one.name}`: {one.summary}." in text
    answered = table(text, "What it is answered")
    assert answered["PATCH of a user"].startswith(ANSWERED[one.patch_user])
    assert answered["PATCH of a group"].startswith(ANSWERED[one.patch_group])
    refuses = one.unknown_members is UnknownMembers.REFUSE
    assert ("refused" in answered["members that are no users or groups of the connection"]) is refuses
    assert answered["what is announced"].startswith("everything") is not bool(one.unannounced)
    minutes = f"{one.silent_after.total_seconds() / 60:.0f} minutes" if one.silent_after else ""
    assert minutes in answered.get("silence that is normal", "")
    forgiven = table(text, "What it is forgiven")
    assert forgiven.keys() == one.tolerances
    assert all(forgiven.values())
    for heading in ("What it sends", "Setting it up", "Known issues"):
        assert text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].strip(), heading


def test_every_tolerance_is_explained() -> None:
    """A section each, in the order of the code: its meaning, what it departs from, an example, who has it."""
    sections = page("reference", "tolerances.md").split("\n## ")[1:]
    assert [section.partition("\n")[0] for section in sections] == list(Tolerance)
    for tolerance, section in zip(Tolerance, sections, strict=True):
        assert tolerance.meaning[1:] in section
        having = {name for name, one in profiles().items() if tolerance in one.tolerances}
        told = next(line for line in section.splitlines() if line.startswith("- Forgiven by"))
        assert set(re.findall(r"`([\w-]+)`", told)) == having, tolerance
        assert "- Departs from: " in section
        assert "Made of it: " in section


def test_profiles_are_read_without_scim2_models() -> None:
    """Commands that choose a profile do not wait for Pydantic to build models."""
    program = "import sys, rolebridge.scim.profile as p; p.profiles(); sys.exit('scim2_models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
