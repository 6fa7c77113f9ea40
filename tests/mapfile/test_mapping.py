"""Mapping files that are right: every part of the language becomes the value that the resolver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from rolebridge.core.catalogue import Merge
from rolebridge.core.diagnostics import Place
from rolebridge.core.directory import Group
from rolebridge.core.mapping import (
    DateFrom,
    DenyTerm,
    GroupRef,
    Guard,
    HoldLimit,
    MappingSet,
    MergeRule,
    NoMatch,
    Pattern,
    Project,
    ProjectSelector,
    RoleTerm,
    Rule,
    SelectorKind,
    WorkspaceMapping,
    selected,
)
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import files_digest, load_mapping_set, read_mapping_dir, shipped_catalogues

MAPPINGS = Path(__file__).parents[2] / "mappings"
HEAD = "workspace: w\nplatform: labelbox\n"


def _set(files: Mapping[str, str], connections: Sequence[str] | None = None) -> MappingSet:
    found, problems = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=connections)
    assert problems == ()
    assert found is not None
    return found


def _workspace(text: str, head: str = HEAD) -> WorkspaceMapping:
    return _set({"m.yaml": head + text}).mappings[0]


def _rule(body: str, before: str = "") -> Rule:
    return _workspace(f"{before}rules:\n  - {{id: r, {body}}}\n").rules[0]


def _match(pattern: str, values: str, name: str) -> dict[str, str] | NoMatch:
    """Match a group's name against a pattern that was read from a file with the projects `a` and `b`."""
    text = HEAD + "projects: {a: , b: }\nrules:\n  - id: r\n    grant: {workspace_role: admin}\n"
    text += f"    groups: {{match: '{pattern}'}}\n" + (f"    values: {{{values}}}\n" if values else "")
    # Unused captures are warned of, which is not the matter here.
    found, _ = load_mapping_set({"m.yaml": text}, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is not None
    compiled = found.mappings[0].rules[0].groups[0]
    assert isinstance(compiled, Pattern)
    match = compiled.match(name)
    return match if isinstance(match, NoMatch) else dict(match)


# --- the examples ----------------------------------------------------------------------------------------------------


def test_the_examples_have_neither_errors_nor_warnings() -> None:
    """The mapping files of the project are right in every respect."""
    found = _set(read_mapping_dir(MAPPINGS), ["okta-demo", "entra-demo"])
    trusted = {mapping.workspace: mapping.connections for mapping in found.mappings}
    assert trusted["acme-vision"] == frozenset({"okta-demo"})
    assert trusted["acme-text"] == frozenset({"entra-demo"})


def test_the_vision_example_is_read_as_it_reads() -> None:
    """Patterns, conditions, days and guard rails of the example, as values."""
    found = _set(read_mapping_dir(MAPPINGS), ["okta-demo", "entra-demo"]).workspace("acme-vision")
    assert found is not None
    rules = {rule.id: rule for rule in found.rules}
    teams, contractors = rules["project-teams"], rules["street-contractors"]
    assert isinstance(teams.groups[0], Pattern)
    assert teams.groups[0].match("LBX-Cityscapes-Reviewers") == (("project", "cityscapes"), ("team", "reviewer"))
    assert teams.groups[0].match("lbx-parking-lots-labelers") == (("project", "parking-lots"), ("team", "labeler"))
    assert teams.groups[0].match("lbx-unknown-labelers") is NoMatch.DIFFERENT
    assert (contractors.starts, contractors.ends) == (date(2026, 11, 1), date(2027, 3, 31))
    assert contractors.when is not None
    assert contractors.when.attributes == {"usertype", "department"}
    assert contractors.when.holds({"userType": "contractor"})
    assert contractors.when.why_false({"userType": "Employee"}) == 'userType is "Employee"'
    assert selected(contractors.projects, found.projects, {}) == ("cityscapes", "nightdrive", "parking-lots")
    assert rules["suspended"].deny_all
    assert found.guard == Guard(HoldLimit(0.25, 10), (("workspace_role", "admin", 1),))


# --- whom a rule speaks of -------------------------------------------------------------------------------------------


def test_groups_are_named_in_four_ways() -> None:
    """A name, an id, an external id or a name of one connection; one group needs no list."""
    rule = _rule(
        'groups: [G, {id: "7"}, {external_id: x, connection: okta}, {name: H, connection: okta}], '
        "grant: {workspace_role: admin}"
    )
    assert rule.groups == (
        GroupRef(name="G"),
        GroupRef(id="7"),
        GroupRef(external_id="x", connection="okta"),
        GroupRef(name="H", connection="okta"),
    )
    assert _rule("groups: G, grant: {workspace_role: admin}").groups == (GroupRef(name="G"),)


@pytest.mark.parametrize("name", ["No", "007", "2026-12-01", "true", "1.0", "null"])
def test_a_group_may_be_called_anything(name: str) -> None:
    """A group named `No` is the group named `No`, not false; only YAML's words for nothing need quotes."""
    written = f'"{name}"' if name == "null" else name
    rule = _rule(f"groups: [{written}], grant: {{workspace_role: admin}}")
    (ref,) = rule.groups
    assert isinstance(ref, GroupRef)
    assert ref.names(Group("1", name.upper(), "okta"))


def test_people_are_named_casefolded() -> None:
    """userName compares without regard to case, so rules keep it casefolded."""
    assert _rule("users: [Ana.Ruiz@ACME.example, STRASSE], grant: {workspace_role: admin}").users == frozenset(
        {"ana.ruiz@acme.example", "strasse"}
    )


@pytest.mark.parametrize(
    ("pattern", "name", "values", "expected"),
    [
        ("lbx-{project}-*", "lbx-a-x", "", {"project": "a"}),
        ("lbx-{project}-*", "LBX-A-", "", {"project": "a"}),
        ("lbx-{project}-*", "lbx-c-x", "", NoMatch.DIFFERENT),
        ("lbx-{project}-*", "lbx-a", "", NoMatch.DIFFERENT),
        ("*{project}", "anything a", "", {"project": "a"}),
        ("*{project}", "a", "", {"project": "a"}),
        ("{project}*", "abc", "", {"project": "a"}),
        ("*{project}*", "a-a", "", {"project": "a"}),
        ("*{project}*", "a-b", "", NoMatch.AMBIGUOUS),
        ("x*", "x", "", {}),
        ("x*", "yx", "", NoMatch.DIFFERENT),
        ("{team}-{project}", "QA-a", "team: {qa: q, ops: o}", {"team": "q", "project": "a"}),
        ("{team}-{project}", "dev-a", "team: {qa: q, ops: o}", NoMatch.DIFFERENT),
        ("{team}{project}", "xab", "team: {x: one, xa: two}", {"team": "two", "project": "b"}),
        ("{team}{mode}", "xab", "team: {x: one, xa: two}, mode: {ab: m, b: n}", NoMatch.AMBIGUOUS),
        ("{team}{mode}", "xb", "team: {x: one, xa: two}, mode: {ab: m, b: n}", {"team": "one", "mode": "n"}),
        ("{team}", "STRASSE", "team: {Straße: s}", {"team": "s"}),
        ("{project}", "city", "project: {city: a}", {"project": "a"}),
        ("a.*{project}", "axa", "", NoMatch.DIFFERENT),
        ("a.*{project}", "a.+a", "", {"project": "a"}),
        ("[x]{project}?", "[x]a?", "", {"project": "a"}),
    ],
)
def test_a_pattern_matches_closed_sets_only(
    pattern: str, name: str, values: str, expected: dict[str, str] | NoMatch
) -> None:
    """The truth table of patterns: captures are listed values, `*` any text, case never counts, no regex."""
    assert _match(pattern, values, name) == expected


# --- what, where, when -----------------------------------------------------------------------------------------------


def test_grants_and_denies_become_terms() -> None:
    """A role, a capture, all roles of a slot, some of them."""
    projects = "projects: {a: }\n"
    granting = _rule(
        'groups: {match: "{t}"}, values: {t: {l: labeler}}, projects: all, '
        'grant: {project_role: "{t}", default_role: labeler}',
        projects,
    )
    assert granting.grant == (RoleTerm("project_role", capture="t"), RoleTerm("default_role", "labeler"))
    denying = _rule("groups: g, projects: [a], deny: {project_role: all, default_role: [labeler, reviewer]}", projects)
    assert denying.deny == (DenyTerm("project_role"), DenyTerm("default_role", frozenset({"labeler", "reviewer"})))
    assert _rule("groups: g, deny: all").deny_all


def test_projects_are_selected_in_six_ways() -> None:
    """All, id, glob, tag, container and capture, one or several."""
    declared = "projects: {a: {tags: [t], in: c}, ab: {tags: t}, b: }\n"
    body = 'groups: {match: "{project}"}, grant: {project_role: labeler}, projects: '
    rule = _rule(body + '[a, a*, {tag: t}, {in: c}, "{project}"]', declared)
    assert rule.projects == (
        ProjectSelector(SelectorKind.ID, "a"),
        ProjectSelector(SelectorKind.GLOB, "a*"),
        ProjectSelector(SelectorKind.TAG, "t"),
        ProjectSelector(SelectorKind.CONTAINER, "c"),
        ProjectSelector(SelectorKind.CAPTURE, "project"),
    )
    every = _rule("groups: g, grant: {project_role: labeler}, projects: all", declared)
    assert every.projects == (ProjectSelector(SelectorKind.ALL),)


def test_a_project_has_a_name_tags_and_a_container() -> None:
    """What is left out has a sensible value: the id is the name."""
    found = _workspace("projects:\n  a: {name: Alpha, tags: [x, y], in: box}\n  007:\nrules: []\n").projects
    assert found == {
        "a": Project("a", "Alpha", frozenset({"x", "y"}), "box"),
        "007": Project("007", "007"),
    }
    assert found["007"].place == Place("m.yaml", 5, 3)


def test_a_day_may_come_from_an_attribute_of_any_schema() -> None:
    """`until` reads the user's attribute, also behind the URN of an organization's own extension."""
    urn = "urn:acme:params:scim:schemas:extension:hr:2.0:User"
    rule = _rule(f'groups: g, grant: {{workspace_role: admin}}, until: {{attribute: "{urn}:contractEnd"}}')
    assert isinstance(rule.ends, DateFrom)
    assert rule.ends.attribute == f"{urn}:contractEnd"
    assert rule.ends.read({urn: {"contractEnd": "2027-01-31"}}) == "2027-01-31"
    resources: list[dict[str, Any]] = [{}, {urn: {}}, {urn: {"contractEnd": 7}}, {urn: "x"}]
    assert [rule.ends.read(resource) for resource in resources] == [None] * 4


def test_a_condition_may_use_extensions() -> None:
    """Bare enterprise names, URN-prefixed ones, and attributes of schemas that nobody described here."""
    rule = _rule(
        'when: \'department eq "R" and urn:acme:x:2.0:User:badge.level eq "3"\', grant: {workspace_role: admin}'
    )
    assert rule.when is not None
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    assert rule.when.holds({enterprise: {"department": "r"}, "urn:acme:x:2.0:User": {"badge": {"level": "3"}}})
    assert not rule.when.holds({enterprise: {"department": "r"}})


def test_an_absent_attribute_makes_a_negation_true() -> None:
    """`not (department eq …)` holds for a user without department."""
    rule = _rule("when: 'not (department eq \"Finance\")', grant: {workspace_role: admin}")
    assert rule.when is not None
    assert rule.when.holds({})


# --- the rest of a file ----------------------------------------------------------------------------------------------


def test_the_sections_of_a_file_become_values() -> None:
    """Defaults, conflicts, by hand, outside, custom roles and guard rails."""
    found = _workspace(
        "custom_roles:\n"
        "  qa: {slot: project_role, name: Auditor, description: Reads, permissions: [annotate.view_project_details]}\n"
        "outside: {workspace_role: {tenant_admin: [Dana@acme.example]}}\n"
        "defaults: {default_role: labeler}\n"
        "conflicts: {project_role: [reviewer, qa], workspace_role: error}\n"
        "manual: {workspace_role: forbid, project_role: allow}\n"
        "guard: {hold_revocations: {over: 12.5%, and_at_least: 3}}\n"
        "rules:\n  - {id: r, groups: g, projects: all, grant: {project_role: qa}}\n"
    )
    assert [(role.id, role.name, role.slot, role.custom) for role in found.custom_roles] == [
        ("qa", "Auditor", "project_role", True)
    ]
    (outside,) = found.outside
    assert (outside.slot, outside.role) == ("workspace_role", "tenant_admin")
    assert outside.users == {"dana@acme.example"}
    assert found.defaults == (("default_role", "labeler"),)
    assert found.conflicts == {
        "project_role": MergeRule(Merge.HIGHEST, ("reviewer", "qa")),
        "workspace_role": MergeRule(Merge.ERROR),
    }
    assert found.manual_forbidden == {"workspace_role"}
    assert found.guard.hold_revocations == HoldLimit(0.125, 3)


def test_an_account_kind_has_a_condition() -> None:
    """Who is counted as an account of a kind that the platform tells apart."""
    found = _workspace("accounts: {workforce_provider: {when: 'userType eq \"Vendor\"'}}\nrules: []\n")
    (kind,) = found.accounts
    assert (kind.kind, kind.when.text, kind.attributes) == ("workforce_provider", 'userType eq "Vendor"', ())


def test_highest_takes_the_platform_s_rank() -> None:
    """Where the catalogue ranks, one word is enough."""
    found = _workspace("conflicts: {org_role: highest}\nrules: []\n", "workspace: w\nplatform: label_studio\n")
    rank = ("administrator", "manager", "reviewer", "annotator")
    assert found.conflicts == {"org_role": MergeRule(Merge.HIGHEST, rank)}


def test_a_rule_is_blamed_at_its_first_key() -> None:
    """The place of a rule is its `id`, as `explain` shows it."""
    found = _workspace("rules:\n  - id: a\n    groups: g\n    deny: all\n  - id: b\n    groups: g\n    deny: all\n")
    assert [rule.place for rule in found.rules] == [Place("m.yaml", 4, 5), Place("m.yaml", 7, 5)]


# --- the set ---------------------------------------------------------------------------------------------------------


def test_two_files_cannot_describe_one_workspace() -> None:
    """The second of the two is blamed, and names the first."""
    files = {"b.yaml": HEAD + "rules: []\n", "a.yaml": HEAD + "rules: []\n"}
    found, problems = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is None
    assert [(p.code, p.place, p.detail) for p in problems] == [
        ("duplicate-id", Place("b.yaml", 1, 12), "workspace `w` is described at a.yaml:1:12 already")
    ]


def test_one_error_in_one_file_refuses_the_set() -> None:
    """A set with an error changes nothing, and the problems of all files are told."""
    files = {"a.yaml": "workspace: v\n", "b.yaml": "x: [", "c.yaml": HEAD + "rules: []\n"}
    found, problems = load_mapping_set(files, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is None
    assert [(p.place.file if p.place else "", p.code) for p in problems] == [
        ("a.yaml", "missing-key"),
        ("a.yaml", "missing-key"),
        ("b.yaml", "yaml-syntax"),
    ]


def test_a_warning_does_not_refuse_the_set() -> None:
    """A set with warnings is a set."""
    text = HEAD + 'projects: {a: }\nrules:\n  - {id: r, groups: {match: "{project}"}, grant: {workspace_role: admin}}\n'
    found, problems = load_mapping_set({"a.yaml": text}, shipped_catalogues(), table=USER_TABLE, connections=None)
    assert found is not None
    assert [problem.code for problem in problems] == ["capture-unused"]


def test_the_organization_s_only_connection_needs_no_word() -> None:
    """With one connection `connections` may be left out; it is then meant by name, not whichever comes later."""
    assert _set({"a.yaml": HEAD + "rules: []\n"}, ["okta"]).mappings[0].connections == frozenset({"okta"})
    assert _set({"a.yaml": HEAD + "rules: []\n"}, []).mappings[0].connections == frozenset()


def test_no_files_are_an_empty_set() -> None:
    """A set without files has no workspaces, and a digest of its own."""
    assert _set({}) == MappingSet((), files_digest({}))


def test_the_digest_covers_names_and_contents_and_not_the_folder() -> None:
    """The same files give the same digest from wherever they are read, and no others do."""
    one = files_digest({"mappings/a.yaml": "x", "mappings/b.yaml": "y"})
    assert one == files_digest({"/srv/b.yaml": "y", "/srv/a.yaml": "x"})
    others = [{"a.yaml": "y", "b.yaml": "x"}, {"a.yaml": "xb.yaml", "y": ""}, {"a.yaml": "x"}, {}]
    assert len({one, *(files_digest(files) for files in others)}) == 5
    assert len(one) == 64
