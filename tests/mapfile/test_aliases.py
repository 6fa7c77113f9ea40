"""Roles by other names: what files call them makes no difference, everything after reading knows the id alone."""

from __future__ import annotations

from rolebridge.bridge.testing import read_and_run
from rolebridge.core.by_hand import find_roles
from rolebridge.core.catalogue import Level, Sees
from rolebridge.core.mapping import WorkspaceMapping
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_mapping_set, shipped_catalogues

MAPPING = """workspace: w
platform: itag
projects: {annotate: }
outside: {itag_role: {ADMIN: [ana@acme.example]}}
conflicts: {itag_role: [ADMIN, LEADER, WORKER]}
guard: {keep: {itag_role: {ADMIN: 1}}}
rules:
  - {id: guests, groups: [PAI], grant: {pai_role: guest}}
  - {id: leaders, groups: [Leaders], grant: {itag_role: LEADER}}
  - {id: teams, groups: {match: "itag-{team}"}, values: {team: {labelers: WORKER}}, grant: {itag_role: "{team}"}}
  - {id: suspended, groups: [Suspended], deny: {itag_role: [WORKER]}}
"""
SHORT = {"ADMIN": "admin", "LEADER": "team_leader", "WORKER": "worker"}
LONG = {"ADMIN": "administrator", "LEADER": "labeling_team_leader", "WORKER": "labeling_worker"}
CASES = """workspace: w
cases:
  - {name: a labeler, groups: [PAI, itag-labelers], expect: [{pai_role: guest}, {itag_role: worker, lock: group}]}
  - {name: both, groups: [PAI, Leaders, itag-labelers], expect: [{pai_role: guest}, {itag_role: labeling_team_leader}],
     lost: [{itag_role: worker, reason: outranked}]}
  - {name: suspended, groups: [PAI, itag-labelers, Suspended], expect: [{pai_role: guest}],
     lost: [{itag_role: worker, reason: denied}]}
"""


def _spelt(words: dict[str, str]) -> str:
    text = MAPPING
    for word, name in words.items():
        text = text.replace(word, name)
    return text


def _read(words: dict[str, str]) -> WorkspaceMapping:
    files = {"w.yaml": _spelt(words)}
    found, problems = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is not None, problems
    return found.mappings[0]


def test_a_mapping_says_the_same_by_any_name_of_a_role() -> None:
    """Grants, values of captures, orders, denies, outside and keep are read to ids."""
    short, long = _read(SHORT), _read(LONG)
    assert [rule.grant for rule in short.rules] == [rule.grant for rule in long.rules]
    assert [rule.deny for rule in short.rules] == [rule.deny for rule in long.rules]
    assert [str(rule.groups) for rule in short.rules] == [str(rule.groups) for rule in long.rules]
    assert (short.conflicts, short.guard) == (long.conflicts, long.guard)
    assert [(one.slot, one.role) for one in short.outside] == [(one.slot, one.role) for one in long.outside]


def test_cases_may_use_any_name_too() -> None:
    """What is expected of a person is compared by id."""
    run = read_and_run({"w.yaml": _spelt(SHORT), "w.test.yaml": CASES})
    assert [found.detail for found in run.diagnostics if found.code == "unknown-role"] == []
    assert (len(run.results), run.failed) == (3, ())


def test_a_role_is_found_by_its_alias_as_people_write_it() -> None:
    """By hand too, apart from case, with blanks for underscores; an id comes first."""
    itag = shipped_catalogues()["itag"]
    for text in ("team_leader", "Team Leader", "TEAM-LEADER", "labeling_team_leader", "Labeling team leader"):
        assert [role.id for _, role in find_roles(itag, Level.WORKSPACE, text)] == ["labeling_team_leader"], text


def test_no_alias_hides_a_role_of_its_slot() -> None:
    """In every catalogue of the package, a word means one role of a slot at most."""
    for catalogue in shipped_catalogues().values():
        for slot in catalogue.slots.values():
            words = [word for role in slot.roles.values() for word in (role.id, *role.aliases)]
            assert len(words) == len(set(words)), (catalogue.id, slot.id)


def test_people_of_a_labeling_service_see_their_own_team_only() -> None:
    """'They can only see the labels created by their own team, ensuring your internal work remains private.'"""
    labelbox = shipped_catalogues()["labelbox"]
    for slot in labelbox.slots.values():
        expected = Sees.OWN_TEAM if slot.id == "workforce_role" else Sees.EVERYTHING
        assert {role.sees for role in slot.roles.values()} == {expected}, slot.id
