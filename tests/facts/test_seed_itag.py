# ruff: noqa: E501  (a sentence of the page stands on one line)
"""Alibaba Cloud PAI iTAG, sentence by sentence: "Assign user roles", each row with the words that it proves."""

from __future__ import annotations

import pytest
from tests.facts.seed import assert_refused, assert_so

from rolebridge.core.program import Program
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_mapping_set, shipped_catalogues

MAPPING = """workspace: w
platform: itag
projects: {annotate: , check: }
accounts:
  external_account: {when: userType eq "Guest", uid: employeeNumber, alias: displayName}
conflicts: {itag_role: [administrator, labeling_team_leader, labeling_worker]}
rules:
  - {id: pai-admins, groups: [PAI Admins], grant: {pai_role: administrator}}
  - {id: pai-labeling, groups: [PAI Labeling], grant: {pai_role: labeling_administrator}}
  - {id: pai-guests, groups: [PAI Guests], grant: {pai_role: guest}}
  - {id: admins, groups: [Admins], grant: {itag_role: administrator}}
  - {id: leaders, groups: [Leaders], grant: {itag_role: labeling_team_leader}}
  - {id: workers, groups: [Workers], grant: {itag_role: labeling_worker}}
  - {id: annotate, groups: [Annotate], projects: annotate, grant: {stage_assignment: assigned}}
"""
ROWS = [
    (
        "Administrator, Labeling team leader, or Labeling worker | Administrator or Labeling administrator",
        """groups: [PAI Admins, Admins], expect: [{pai_role: administrator}, {itag_role: administrator, lock: group}]""",
    ),
    (
        "Administrator … | … or Labeling administrator",
        """groups: [PAI Labeling, Admins], expect: [{pai_role: labeling_administrator}, {itag_role: administrator}]""",
    ),
    (
        "Administrator needs one of these two: a guest cannot be one",
        """groups: [PAI Guests, Admins], expect: [{pai_role: guest}], lost: [{itag_role: administrator, reason: blocked}]""",
    ),
    (
        "Labeling team leader or Labeling worker | Any role",
        """groups: [PAI Guests, Leaders], expect: [{pai_role: guest}, {itag_role: labeling_team_leader}]""",
    ),
    (
        "Labeling worker | Any role",
        """groups: [PAI Guests, Workers], expect: [{pai_role: guest}, {itag_role: labeling_worker}]""",
    ),
    (
        "A blocked administrator is what else a rule makes of them",
        """groups: [PAI Guests, Admins, Workers], expect: [{pai_role: guest}, {itag_role: labeling_worker}],
      lost: [{itag_role: administrator, reason: blocked}]""",
    ),
    (
        "The RAM user must be a member of the current PAI workspace.",
        """groups: [Workers], expect: nothing, lost: [{itag_role: labeling_worker, reason: blocked}]""",
    ),
    (
        "External accounts support only the Labeling team leader and Labeling worker roles: no administrator,",
        """user: {userType: Guest, employeeNumber: "1234", displayName: Max}, groups: [Admins],
      expect: nothing, lost: [{itag_role: administrator, reason: blocked}]""",
    ),
    (
        "… and they need no role in the PAI workspace.",
        """user: {userType: Guest, employeeNumber: "1234", displayName: Max}, groups: [Leaders],
      expect: [{itag_role: labeling_team_leader, lock: group}]""",
    ),
    (
        "Specify a Alias and the user's UID.",
        """user: {userType: Guest, displayName: Max}, groups: [Workers],
      expect: nothing, lost: [{itag_role: labeling_worker, reason: blocked}]""",
    ),
    (
        "Specify a Alias …",
        """user: {userType: Guest, employeeNumber: "1234"}, groups: [Workers],
      expect: nothing, lost: [{itag_role: labeling_worker, reason: blocked}]""",
    ),
    (
        "Participate in all labeling stages: those that one is assigned to, beside the role.",
        """groups: [PAI Guests, Workers, Annotate],
      expect: [{pai_role: guest}, {itag_role: labeling_worker}, {project: annotate, stage_assignment: assigned, lock: group}]""",
    ),
    (
        "They assign personnel to labeling jobs: nobody without a role in iTAG.",
        """groups: [PAI Guests, Annotate], expect: [{pai_role: guest}],
      lost: [{project: annotate, stage_assignment: assigned, reason: blocked}]""",
    ),
]


@pytest.mark.parametrize(("quote", "case"), ROWS, ids=[quote[:60] for quote, _ in ROWS])
def test_the_page_says(quote: str, case: str) -> None:
    """What the page says of a person is what becomes of them."""
    assert_so(MAPPING, quote, case)


@pytest.mark.parametrize(
    ("rest", "code", "quote"),
    [
        (
            'accounts: {external_account: {when: userType eq "Guest", alias: displayName}}\nrules: []',
            "missing-key",
            "specify a Alias and the user's UID",
        ),
        (
            "rules: [{id: a, groups: [A], grant: {pai_role: owner}}]",
            "role-not-assignable",
            "the owner of the workspace is no member role",
        ),
        ("rules: [{id: a, groups: [A], grant: {itag_role: [labeling_worker]}}]", "role-needs-list", "select an Role"),
    ],
)
def test_the_page_forbids(rest: str, code: str, quote: str) -> None:
    """What the platform does not let anybody do is refused before it is tried."""
    assert_refused(f"workspace: w\nplatform: itag\nprojects: {{p: }}\n{rest}\n", code, quote)


def test_what_an_account_needs_is_looked_at_again_when_it_changes() -> None:
    """The attributes that give UID and alias are among those of which a change is resolved anew, and one names what lacks."""
    found, _ = load_mapping_set({"w.yaml": MAPPING}, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is not None
    program = Program(shipped_catalogues()["itag"], found.mappings[0])
    assert {"employeenumber", "displayname"} <= program.condition_attributes
    account = program.account({"userType": "Guest", "displayName": "Max"})
    assert account is not None
    assert account.lacks({"userType": "Guest", "displayName": "Max"}) == "uid (`employeeNumber`)"
