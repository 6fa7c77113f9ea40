"""`explain` and `access`: word for word what people read, and what programs get."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from tests.cli.machine import MAPPING, Machine, person

# --- explain ---------------------------------------------------------------------------------------------------


def test_explains_a_project(acme: Machine) -> None:
    """In a project: the role, why, the lock, everything that lost and by what, and what each way out leads to."""
    assert acme.out("explain", "ana.ruiz", "--project", "cityscapes") == (
        "Ana Ruiz is Project-based reviewer in Cityscapes 2026 (acme-vision, Labelbox).\n"
        "  why       rule project-teams (mappings/acme-vision.yaml:15:5) through group lbx-cityscapes-reviewers,\n"
        "            member since 2026-11-20 09:14 UTC, sent by okta\n"
        "  lock      group: it cannot be changed in this project alone\n"
        "  lost      access (Default role), rule street, group Street Contractors            "
        '   condition false: userType is "Employee"\n'
        "            Project-based labeler, by hand (mia, 2026-10-02)                        "
        "   shadowed: a rule decides here; it returns when the rule no longer does\n"
        "            Project-based labeler, rule project-teams, group lbx-cityscapes-labelers"
        "   outranked: Project-based reviewer ranks higher\n"
        "  to change it\n"
        "            1. remove Ana Ruiz from lbx-cityscapes-reviewers in okta   "
        "   → Project-based labeler\n"
        "            2. edit rule project-teams (mappings/acme-vision.yaml:15:5)"
        "   → without it Project-based labeler; also changes 1 other person\n"
    )


def test_explains_a_role_from_above(acme: Machine) -> None:
    """In a project that a workspace role reaches: that role, and why nothing in the project can change it."""
    assert acme.out("explain", "ben.okafor@acme.example", "--project", "retail") == (
        "Ben Okafor is Admin in Retail shelves (acme-vision, Labelbox), as in every project.\n"
        "  why       rule admins (mappings/acme-vision.yaml:9:5) through group LBX Admins,\n"
        "            member since 2026-11-20 09:14 UTC, sent by okta\n"
        "  lock      workspace-wide: Admin applies in every project and cannot be overridden in one\n"
        "  to change it\n"
        "            1. remove Ben Okafor from LBX Admins in okta          → no Project role\n"
        "            2. edit rule admins (mappings/acme-vision.yaml:9:5)"
        "   → without it no Project role; nobody else holds a role through it\n"
    )


def test_explains_access_without_a_role(acme: Machine) -> None:
    """Mere access is told as the role that it becomes, with where that comes from, the note and the last day."""
    assert acme.out("explain", "cleo", "--project", "cityscapes") == (
        "Cleo Hart is Labeler in Cityscapes 2026 (acme-vision, Labelbox).\n"
        "  why       rule street (mappings/acme-vision.yaml:21:5) through group Street Contractors,\n"
        "            member since 2026-11-20 09:14 UTC, sent by okta\n"
        "            note: SEC-88\n"
        "            until 2027-03-31, the last day included\n"
        "            no role of its own is given: it comes from the Default role\n"
        "  lock      group: it cannot be changed in this project alone\n"
        "  to change it\n"
        "            1. remove Cleo Hart from Street Contractors in okta    → no Project role\n"
        "            2. edit rule street (mappings/acme-vision.yaml:21:5)"
        "   → without it no Project role; nobody else holds a role through it\n"
    )


def test_explains_a_role_given_by_hand(acme: Machine) -> None:
    """A role given by hand is told with who gave it, why, and that a hand can change it."""
    assert acme.out("explain", "nora", "--project", "retail") == (
        "Nora None is Project-based labeler in Retail shelves (acme-vision, Labelbox).\n"
        "  why       by hand (mia, 2026-10-02)\n"
        "            reason: trial\n"
        "            until 2026-12-01, the last day included\n"
        "  lock      none: it can be changed by hand\n"
    )


def test_explains_a_conflict(acme: Machine) -> None:
    """Rules that disagree give nothing, and every claim is told."""
    assert acme.out("explain", "zoe", "--project", "retail") == (
        "Zoe Both has no role in Retail shelves (acme-vision, Labelbox): rules are in conflict.\n"
        "  conflict  Admin in the workspace, rule admins, group LBX Admins\n"
        "            Read-only Admin in the workspace, rule auditors, group LBX Auditors\n"
        "            nothing says which one wins: the slot stays empty until a rule does\n"
    )


def test_explains_a_whole_workspace(acme: Machine) -> None:
    """Without a project: every role in the workspace in a table, and everything that lost."""
    assert acme.out("explain", "cleo", "--workspace", "acme-vision") == (
        "Cleo Hart in acme-vision (Labelbox), by revision 1:\n"
        "  PROJECT     ROLE                    LOCK   BECAUSE\n"
        "  -           Labeler (Default role)  -      the mapping's default\n"
        "  cityscapes  Labeler                 group  rule street, group Street Contractors"
        " (no role given: Default role)\n"
    )


def test_explains_nothing(acme: Machine) -> None:
    """Somebody who holds nothing is told so, without a reason that is none."""
    assert acme.out("explain", "max.adler", "--project", "retail") == (
        "Max Adler has no role in Retail shelves (acme-vision, Labelbox).\n"
    )


def test_explains_the_inactive(ready: Machine) -> None:
    """An inactive user holds nothing, and that is the reason for everything they lost."""
    ready.provision([{**person("ida@acme.example", "Ida"), "active": False}], {"LBX Admins": ["ida@acme.example"]})
    ready.out("apply", "mappings")
    assert ready.out("explain", "ida") == (
        "Ida holds nothing in acme-vision (Labelbox): the user is inactive.\n"
        "  lost      Admin, rule admins, group LBX Admins   inactive: the user is inactive\n"
    )


def test_explains_as_data(acme: Machine) -> None:
    """--json has ids, the winner's provenance, and each way out with what follows."""
    document = acme.json("explain", "ana.ruiz", "--project", "cityscapes")
    assert document["organization"] == "default"
    [explained] = document["explanations"]
    assert explained["user"]["user_name"] == "ana.ruiz@acme.example"
    assert (explained["workspace"], explained["platform"], explained["project"]) == (
        "acme-vision", "labelbox", "cityscapes",
    )  # fmt: skip
    [role] = explained["roles"]
    assert (role["slot"], role["role"], role["lock"]) == ("project_role", "reviewer", "group")
    [winner] = role["winners"]
    assert winner["group"]["display"] == "lbx-cityscapes-reviewers"
    assert (winner["rule"], winner["place"], winner["since"]) == (
        "project-teams", "mappings/acme-vision.yaml:15:5", "2026-11-20T09:14:30Z",
    )  # fmt: skip
    [lock] = explained["locks"]
    assert [(way["do"], way["then"]) for way in lock["release"]] == [
        ("leave_group", ["labeler"]), ("change_rule", ["labeler"]),
    ]  # fmt: skip
    assert lock["release"][1]["affects_others"] == 1
    assert [one["reason_lost"] for one in explained["lost"]] == ["condition false", "shadowed", "outranked"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ana.ruis"], "error: there is no user `ana.ruis`\n  help: did you mean `ana.ruiz`?"),
        (["okafor"], "help: did you mean `ben.okafor@acme.example`?"),
        (["qqqqq"], "error: there is no user `qqqqq`\n"),
        (["ana.ruiz", "--project", "cityscape"], "help: did you mean `cityscapes`?"),
        (["ana.ruiz", "--workspace", "vision"], "help: did you mean `acme-vision`?"),
        (["ana.ruiz", "--workspace", "x"], "help: known here: `acme-vision`"),
    ],
)
def test_names_what_may_be_meant(acme: Machine, arguments: list[str], said: str) -> None:
    """A user, project or workspace that is not there is refused with the nearest that is."""
    assert said in acme.refused("explain", *arguments)


def test_ambiguous_user(ready: Machine) -> None:
    """The part before the @ that several userNames share is refused with all of them."""
    ready.provision([person("ana@acme.example", "A"), person("ana@other.example", "B")], {})
    said = ready.refused("explain", "ana")
    assert "`ana@acme.example`, `ana@other.example`" in said
    assert "may be any of" in ready.refused("access", "--user", "ana")


def test_explains_before_any_mapping(ready: Machine) -> None:
    """Before the first apply there is nothing to explain, and the command says what to do."""
    ready.provision([person("ana@acme.example", "A")], {})
    assert ready.out("explain", "ana") == "no mapping is in force yet: rolebridge apply mappings/\n"


def test_names_cannot_pass_for_our_lines(ready: Machine) -> None:
    """A displayName with line breaks and escape sequences stays on its line and moves nothing."""
    ready.provision(
        [person("eve@acme.example", "Eve\n  lock      none\x1b[2J\u202e")], {"LBX Admins": ["eve@acme.example"]}
    )
    ready.out("apply", "mappings")
    first, *rest = ready.out("explain", "eve").splitlines()
    assert first == "Eve lock none\\u001b[2J\\u202e in acme-vision (Labelbox), by revision 1:"
    assert len(rest) == 3


# --- access ----------------------------------------------------------------------------------------------------


def test_lists_who_holds_what(acme: Machine) -> None:
    """The table has a row for each role, blocked and conflicting claims included, and totals."""
    default = "Labeler (Default role)  -               the mapping's default\n"
    assert acme.out("access") == (
        "PERSON                   WORKSPACE    PROJECT     ROLE                    LOCK            BECAUSE\n"
        f"ana.ruiz@acme.example    acme-vision  -           {default}"
        "ana.ruiz@acme.example    acme-vision  cityscapes  Project-based reviewer  group           "
        "rule project-teams, group lbx-cityscapes-reviewers\n"
        f"ben.okafor@acme.example  acme-vision  -           {default}"
        "ben.okafor@acme.example  acme-vision  (all)       Admin                   workspace-wide  "
        "rule admins, group LBX Admins\n"
        f"cleo@acme.example        acme-vision  -           {default}"
        "cleo@acme.example        acme-vision  cityscapes  Labeler                 group           "
        "rule street, group Street Contractors (no role given: Default role), until 2027-03-31\n"
        f"max.adler@acme.example   acme-vision  -           {default}"
        "max.adler@acme.example   acme-vision  cityscapes  Project-based labeler   group           "
        "rule project-teams, group lbx-cityscapes-labelers\n"
        f"nora@acme.example        acme-vision  -           {default}"
        "nora@acme.example        acme-vision  retail      Project-based labeler   -               "
        "by hand (mia, 2026-10-02), until 2026-12-01\n"
        "zoe@acme.example         acme-vision  -           -                       conflict        "
        "Admin: rule admins, group LBX Admins, against rule auditors, group LBX Auditors\n"
        "zoe@acme.example         acme-vision  -           -                       conflict        "
        "Read-only Admin: rule admins, group LBX Admins, against rule auditors, group LBX Auditors\n"
        "5 people, 10 grants, 0 blocked, 1 conflict\n"
    )


def people(machine: Machine, *arguments: str) -> list[tuple[str, str]]:
    """Return who is listed, with the role, in order of names."""
    rows = machine.json("access", *arguments)["access"]
    return sorted((row["user"]["user_name"].partition("@")[0], row["role"]) for row in rows)


def test_lists_who_is_in_a_project(acme: Machine) -> None:
    """--project lists those whose workspace role reaches it too, and nobody else."""
    assert people(acme, "--project", "retail") == [("ben.okafor", "admin"), ("nora", "labeler")]


def test_lists_one_person(acme: Machine) -> None:
    """--user lists one person; together with --project only there."""
    assert people(acme, "--user", "ana.ruiz", "--project", "cityscapes") == [("ana.ruiz", "reviewer")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workspace", "acme"], "there is no workspace `acme`"),
        (["--project", "retial"], "did you mean `retail`?"),
        (["--user", "nobody"], "there is no user `nobody`"),
    ],
)
def test_lists_nothing_of_what_is_not_there(acme: Machine, arguments: list[str], said: str) -> None:
    """A filter by what does not exist is refused, and never an empty answer."""
    assert said in acme.refused("access", *arguments)


def test_what_has_ended_is_not_listed(acme: Machine) -> None:
    """A role whose last day is over is not listed, even if nobody has resolved its holder since."""
    assert ("nora", "labeler") in people(acme, "--project", "retail")
    acme.now += timedelta(days=11)
    assert ("nora", "labeler") in people(acme, "--project", "retail")
    acme.now += timedelta(days=1)
    assert people(acme, "--project", "retail") == [("ben.okafor", "admin")]


def test_lists_blocked_claims(ready: Machine) -> None:
    """A claim that lacks a prerequisite gives no role, and is listed with what it needs."""
    ready.write(
        "mappings/acme-text.yaml",
        "workspace: acme-text\nplatform: label_studio\nprojects: {support: {name: Support}}\nrules:\n"
        "  - id: support\n    groups: [Support]\n    projects: [support]\n    grant: {project_role: annotator}\n",
    )
    (ready.home / "mappings/acme-vision.yaml").unlink()
    ready.provision([person("cara@acme.example", "Cara")], {"Support": ["cara@acme.example"]})
    ready.out("apply", "mappings")
    _, row, totals = ready.out("access").splitlines()
    assert row.split()[:5] == ["cara@acme.example", "acme-text", "support", "-", "blocked"]
    assert row.endswith("; rule support, group Support")
    assert " needs " in row
    assert totals == "0 people, 0 grants, 1 blocked, 0 conflicts"


def test_lists_as_csv(acme: Machine) -> None:
    """--csv prints a head and a row of ids for each role, which any CSV reader reads back."""
    rows = list(csv.DictReader(io.StringIO(acme.out("access", "--csv"))))
    assert len(rows) == 12
    [ana] = [row for row in rows if row["user_name"].startswith("ana") and row["project"]]
    assert (ana["slot"], ana["role"], ana["state"], ana["lock"]) == ("project_role", "reviewer", "effective", "group")
    assert ana["because"] == "rule project-teams, group lbx-cityscapes-reviewers"
    then = acme.out("access", "--csv", "--at", acme.now.isoformat())
    [ana] = [row for row in csv.DictReader(io.StringIO(then)) if row["user_name"].startswith("ana") and row["project"]]
    assert ana["because"] == "rule project-teams, group lbx-cityscapes-reviewers"


def test_csv_holds_no_formulas(ready: Machine) -> None:
    """A userName that a spreadsheet would take for a formula is made text."""
    ready.provision([person("=cmd|' /C calc'!A0", "Eve")], {"LBX Admins": ["=cmd|' /C calc'!A0"]})
    ready.out("apply", "mappings")
    rows = list(csv.DictReader(io.StringIO(ready.out("access", "--csv"))))
    assert {row["user_name"] for row in rows} == {"'=cmd|' /C calc'!A0"}


def test_lists_as_data(acme: Machine) -> None:
    """--json has ids, provenance and totals; what a role that is mere access becomes stands beside it."""
    document = acme.json("access", "--user", "cleo", "--project", "cityscapes")
    [row] = document["access"]
    assert row["user"]["name"] == "Cleo Hart"
    assert (row["role"], row["acts_as"]) == ("inherit", {"slot": "default_role", "role": "labeler"})
    assert (row["lock"], row["valid_until"], row["rule"]) == ("group", "2027-03-31", "street")
    assert document["totals"] == {"people": 1, "grants": 1, "blocked": 0, "conflicts": 0}


def test_lists_nobody(ready: Machine) -> None:
    """Where nobody holds anything the table says so, and JSON is an empty list."""
    ready.out("apply", "mappings")
    assert ready.out("access") == "nobody holds anything here\n"
    assert ready.json("access")["access"] == []


def test_csv_or_json(acme: Machine) -> None:
    """--csv and --json together are a usage error."""
    assert "choose one" in json.loads(acme("access", "--csv", "--json").stderr)["error"]["message"]


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_lists_more_than_one_page(ready: Machine, form: list[str]) -> None:
    """A listing longer than a page is whole, in every form."""
    names = [f"user{number:03}@acme.example" for number in range(270)]
    ready.provision([person(name, "U") for name in names], {"lbx-retail-labelers": names})
    ready.write("mappings/acme-vision.yaml", MAPPING)
    ready.out("apply", "mappings")
    said = ready.out("access", *form)
    assert all(said.count(f'"{name}"' if form == ["--json"] else name) == 2 for name in names)
