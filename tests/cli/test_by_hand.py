"""`assign`, `unassign`, `assignments`, `project`, `workspace`: what they print, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.machine import SOUND, Machine

ROLES = """\
user,project,slot,role
ana.ruiz@acme.example,cityscapes,,labeler
max.adler@acme.example,retail,,reviewer
ben.okafor@acme.example,,workspace_role,admin
"""


# --- assign ----------------------------------------------------------------------------------------------------


def test_gives_a_role_until_a_day(acme: Machine) -> None:
    """The role, where, and its last day; again it is nothing to do."""
    command = ("assign", "nora", "--project", "cityscapes", "--role", "labeler", "--until", "2026-12-31")
    assert acme.out(*command, "--reason", "trial") == (
        "✓ Nora None is Project-based labeler in cityscapes (acme-vision), by hand until 2026-12-31, "
        "the last day included\n"
    )
    assert acme.out(*command, "--reason", "trial").startswith("nothing to do: Nora None has Project-based labeler")
    assert "by hand" in acme.out("explain", "nora", "--project", "cityscapes")
    assert acme.out("fsck").startswith("✓")


def test_a_lock_refuses_with_the_ways_out(acme: Machine) -> None:
    """Exit code 4, what holds the lock, what each way out would make of the person, and which command explains it."""
    said = acme.refused(
        "assign", "ana.ruiz", "--project", "cityscapes", "--role", "labeler", "--reason", "trial", code=4
    )
    assert said == (
        "error: locked by group `lbx-cityscapes-reviewers` (rule project-teams, mappings/acme-vision.yaml:15:5)\n"
        "  to change it\n"
        "    1. remove Ana Ruiz from lbx-cityscapes-reviewers in okta      → Project-based labeler\n"
        "    2. edit rule project-teams (mappings/acme-vision.yaml:15:5)   → without it Project-based labeler; "
        "also changes 1 other person\n"
        "  nothing was written\n"
        "  help: rolebridge explain ana.ruiz@acme.example --workspace acme-vision --project cityscapes\n"
    )


def test_a_refusal_as_data(acme: Machine) -> None:
    """Programs get the lock, who is to blame with place and revision, and the ways out with whom they touch."""
    result = acme("assign", "ana.ruiz", "--project", "cityscapes", "--role", "labeler", "--reason", "trial", "--json")
    assert result.exit_code == 4
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit"], error["reason"]) == ("assignment-refused", 4, "group")
    lock = error["lock"]
    assert (lock["kind"], lock["slot"], lock["role"]) == ("group", "project_role", "reviewer")
    (by,) = lock["by"]
    assert (by["rule"], by["place"], by["revision"]) == ("project-teams", "mappings/acme-vision.yaml:15:5", 1)
    assert by["group"]["display"] == "lbx-cityscapes-reviewers"
    leave, change = error["release"]
    assert (leave["do"], leave["group"], leave["then"]) == ("leave_group", by["group"]["id"], ["labeler"])
    assert (change["do"], change["rule"], change["affects"]) == ("change_rule", "project-teams", 1)


@pytest.mark.parametrize(
    ("arguments", "error", "help_"),
    [
        (
            ("nora", "--project", "cityscape", "--role", "labeler"),
            "no project `cityscape`",
            "did you mean `cityscapes`",
        ),
        (("norra", "--project", "retail", "--role", "labeler"), "there is no user `norra`", "did you mean `nora"),
        (("nora", "--project", "retail", "--role", "labeller"), "no role `labeller`; did you mean `labeler`?", ""),
        (("nora", "--project", "retail", "--role", "labeler", "--slot", "x"), "Labelbox has no slot `x`", ""),
        (("nora", "--workspace", "acme", "--role", "admin"), "there is no workspace `acme`", "known here"),
    ],
)
def test_a_name_that_means_nothing(acme: Machine, arguments: tuple[str, ...], error: str, help_: str) -> None:
    """Refused with what may have been meant."""
    said = acme.refused("assign", *arguments, "--reason", "x")
    assert error in said
    assert help_ in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("assign", "nora", "--role", "labeler"),
        ("assign", "nora", "--role", "labeler", "--reason", " "),
        ("assign", "nora", "--role", "labeler", "--reason", "x", "--until", "tomorrow"),
        ("unassign", "nora"),
        ("project", "add", "x", "--force"),
        ("project", "set", "x", "--tag", "a", "--no-tags"),
        ("workspace", "enforce", "acme-vision", "--force", "--reason", "x"),
        ("workspace", "enforce", "acme-vision", "--digest", "x", "--force"),
    ],
)
def test_wrong_usage(acme: Machine, arguments: tuple[str, ...]) -> None:
    """Every act has its reason, days are days, options do not contradict each other."""
    assert acme(*arguments).exit_code == 64


# --- unassign and the listing ----------------------------------------------------------------------------------


def test_ends_what_a_lock_shadows_and_says_that_nothing_changes(acme: Machine) -> None:
    """The record ends; the lock is named."""
    assert acme.out("unassign", "ana.ruiz", "--project", "cityscapes", "--reason", "over") == (
        "✓ Ana Ruiz is no longer Project-based labeler in cityscapes (acme-vision) by hand; "
        "it was shadowed by group lbx-cityscapes-reviewers, so nothing changes now\n"
    )
    again = acme.out("unassign", "ana.ruiz", "--project", "cityscapes", "--reason", "over")
    assert again == "nothing to do: Ana Ruiz has nothing by hand there\n"


def test_what_a_rule_gives_cannot_be_taken_by_hand(acme: Machine) -> None:
    """Exit code 4, as for an assignment."""
    said = acme.refused("unassign", "max.adler", "--project", "cityscapes", "--reason", "over", code=4)
    assert "locked by group `lbx-cityscapes-labelers`" in said


def test_lists_what_was_given_and_what_became_of_it(acme: Machine) -> None:
    """Shadowed ones name what holds their place; ended ones come with who ended them."""
    assert acme.out("assignments") == (
        "PERSON                 WORKSPACE    PROJECT     ROLE                   STATE"
        "                                       UNTIL       BY              REASON\n"
        "ana.ruiz               acme-vision  cityscapes  Project-based labeler  "
        "shadowed by group lbx-cityscapes-reviewers  -           mia 2026-10-02  trial\n"
        "nora                   acme-vision  retail      Project-based labeler  in force"
        "                                    2026-12-01  mia 2026-10-02  trial\n"
        "2 assignments, 1 not in force\n"
    ).replace("PERSON                 ", "PERSON    ").replace("ana.ruiz               ", "ana.ruiz  ").replace(
        "nora                   ", "nora      "
    )
    acme.out("unassign", "nora", "--project", "retail", "--reason", "=over")
    rows = acme.out("assignments", "--ended", "--csv").splitlines()
    assert rows[0].startswith("user,user_name,workspace,project,slot,role,state,lock,lock_role,until,by,at,reason")
    assert "nora@acme.example,acme-vision,retail,project_role,labeler,ended" in rows[2]
    assert ",'=over," in rows[2]
    document = acme.json("assignments", "--user", "ana.ruiz")
    (one,) = document["assignments"]
    assert (one["state"], one["lock"]["kind"], one["lock"]["groups"][0]["display"]) == (
        "shadowed",
        "group",
        "lbx-cityscapes-reviewers",
    )
    assert "there is no workspace `nowhere`" in acme.refused("assignments", "--workspace", "nowhere")


def test_nothing_by_hand(ready: Machine) -> None:
    """An empty list says so."""
    assert ready.out("assignments") == "nothing is given by hand\n"


# --- projects --------------------------------------------------------------------------------------------------


def test_a_project_from_registering_to_archiving(acme: Machine) -> None:
    """Registered, listed, tagged, archived and taken back; who is in the group has the role each time."""
    acme.provision([], {"lbx-oslo-labelers": []})
    assert acme.out("project", "add", "oslo", "--name", "Oslo 2027", "--tag", "street") == (
        "✓ project oslo of acme-vision registered: 1 person holds something else now\n"
    )
    assert acme.out("project", "add", "oslo", "--name", "Oslo 2027", "--tag", "street").startswith("nothing to do")
    assert "Oslo 2027 (acme-vision, Labelbox)" in acme.out("explain", "cleo", "--project", "oslo")
    listed = acme.out("project", "list")
    assert "acme-vision  cityscapes  Cityscapes 2026  street  -   mappings/acme-vision.yaml:5:3\n" in listed
    assert "acme-vision  oslo        Oslo 2027        street  -   registered\n" in listed
    assert acme.out("project", "set", "oslo", "--no-tags").startswith("✓ project oslo of acme-vision changed: 1 person")
    assert acme.out("project", "archive", "oslo", "--reason", "over") == "✓ project oslo of acme-vision archived\n"
    assert "oslo" not in acme.out("project", "list")
    assert acme.json("project", "list", "--archived")["projects"][1]["archived_at"] is not None
    assert acme.out("project", "restore", "oslo") == "✓ project oslo of acme-vision in use again\n"
    assert "archived" in acme.out("project", "list", "--csv").splitlines()[0]
    assert "is declared in its mapping file" in acme.refused("project", "archive", "retail")


def test_a_guard_rail_refuses_an_archive(acme: Machine) -> None:
    """With limit and count, and how to pass it."""
    guarded = SOUND.replace("guard:\n", "guard:\n  hold_revocations: {over: 10%, and_at_least: 1}\n")
    acme.write("mappings/acme-vision.yaml", guarded)
    acme.out("apply", "mappings")
    acme.out("project", "add", "oslo", "--tag", "street")
    said = acme.refused("project", "archive", "oslo")
    assert "1 of 6 people (16.7%) lose a role" in said
    assert 'help: if that is meant: the same command with --force --reason "why"' in said
    assert "forced" in acme.out("project", "archive", "oslo", "--force", "--reason", "over")


def rows(machine: Machine) -> list[dict[str, Any]]:
    """Return what is listed of who holds what."""
    found: list[dict[str, Any]] = machine.json("access")["access"]
    return found


# --- workspaces in use -----------------------------------------------------------------------------------------


@pytest.fixture
def in_use(ready: Machine) -> Machine:
    """A machine with people and groups, a mapping on disk that was never applied, and a table of today's roles."""
    ready.provision(
        [
            {"userName": f"{name}@acme.example", "displayName": shown}
            for name, shown in (("ana.ruiz", "Ana Ruiz"), ("max.adler", "Max Adler"), ("ben.okafor", "Ben Okafor"))
        ],
        {"lbx-cityscapes-reviewers": ["ana.ruiz@acme.example"], "LBX Admins": ["ben.okafor@acme.example"]},
    )
    ready.write("mappings/acme-vision.yaml", SOUND.replace("defaults: {default_role: labeler}\n", ""))
    ready.write("roles.csv", ROLES)
    return ready


def test_from_a_table_to_an_enforced_workspace(in_use: Machine) -> None:
    """Import, apply, compare, enforce: nothing changes until the last step, and then what was shown."""
    start = ("workspace", "import-roles", "acme-vision", "roles.csv", "--platform", "labelbox")
    tried = in_use.out(*start, "--register-projects", "--dry-run")
    assert tried.endswith("nothing was written: --dry-run\n")
    assert in_use.out(*start, "--register-projects") == (
        "acme-vision: 3 people, 3 roles imported, 0 there already, 0 replaced\n"
        "  registered 2 projects: cityscapes, retail\n"
        "✓ observed from now on: rules give and take nothing there until it is enforced\n"
    )
    in_use.out("apply", "mappings")
    before = rows(in_use)
    assert {(one["user"]["user_name"], one["role"]) for one in before} == {
        ("ana.ruiz@acme.example", "labeler"),
        ("max.adler@acme.example", "reviewer"),
        ("ben.okafor@acme.example", "admin"),
    }
    assert "acme-vision  observe  labelbox  3       3         2026-11-20 (os:" in in_use.out("workspace", "list")
    shown = in_use("workspace", "enforce", "acme-vision", "--changes")
    assert shown.exit_code == 2
    assert "1 change Project-based labeler → Project-based reviewer" in shown.stdout
    assert "     1  rules give the same role\n" in shown.stdout
    found = in_use("workspace", "enforce", "acme-vision", "--json")
    digest = json.loads(found.stdout)["plan"]["digest"]
    assert f"--digest {digest}\n" in shown.stdout
    assert rows(in_use) == before
    assert "nothing was changed" in in_use.refused("workspace", "enforce", "acme-vision", "--digest", "0" * 64)
    done = in_use.out("workspace", "enforce", "acme-vision", "--digest", digest, "--retire-imported")
    assert done == "✓ acme-vision is enforced, 2 imported roles ended\n"
    after = {(one["user"]["user_name"], one["role"]) for one in rows(in_use)}
    assert after == {
        ("ana.ruiz@acme.example", "reviewer"),
        ("max.adler@acme.example", "reviewer"),
        ("ben.okafor@acme.example", "admin"),
    }
    assert in_use.out("fsck").startswith("✓")


def test_every_problem_of_a_table_with_its_line(in_use: Machine) -> None:
    """Nothing is half imported, and each line says what to do about it."""
    in_use.write("roles.csv", ROLES + "nobody@acme.example,retail,,labeler\nmax.adler@acme.example,,,tenant_admin\n")
    command = ("workspace", "import-roles", "acme-vision", "roles.csv", "--platform", "labelbox", "--register-projects")
    said = in_use.refused(*command)
    assert said == (
        "✗ roles.csv:5  there is no user `nobody@acme.example`\n"
        "    help: provision them first, or leave the line out\n"
        "✗ roles.csv:6  `tenant_admin` cannot be given by hand (support_ticket)\n"
        "    help: name its holders in the mapping file: "
        "`outside: {workspace_role: {tenant_admin: [max.adler@acme.example]}}`\n"
        "error: 2 problems in the table; nothing was imported\n"
    )
    assert in_use.out("assignments") == "nothing is given by hand\n"
    problems = json.loads(in_use(*command, "--json").stderr)["error"]["problems"]
    assert [one["line"] for one in problems] == [5, 6]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("person,what\n", "roles.csv:1  no column `role`"),
        ("", "roles.csv:1  no column `user`"),
        ("user,email,role\n", "roles.csv:1  two columns name the user"),
        ('user,role\n"ana,labeler\n', "not CSV"),
        ("user,role\nana.ruiz@acme.example\n", "roles.csv:2  no role"),
    ],
)
def test_a_table_that_is_none(in_use: Machine, table: str, said: str) -> None:
    """What the header or a line lacks is told at its place."""
    in_use.write("roles.csv", table)
    assert said in in_use.refused("workspace", "import-roles", "acme-vision", "roles.csv", "--platform", "labelbox")


def test_a_table_in_another_encoding(in_use: Machine) -> None:
    """Refused as a whole, not guessed at."""
    Path("roles.csv").write_bytes("user,role\nmüller,x\n".encode("latin-1"))
    said = in_use.refused("workspace", "import-roles", "acme-vision", "roles.csv", "--platform", "labelbox")
    assert "is not UTF-8" in said


def test_observing_what_is_enforced_is_refused(acme: Machine) -> None:
    """It would take roles away; a workspace that nobody knows can be observed beforehand."""
    said = acme.refused("workspace", "observe", "acme-vision")
    assert "people hold roles in `acme-vision` through rules or defaults" in said
    assert acme.out("workspace", "observe", "acme-text", "--reason", "SEC-9") == "✓ acme-text is observed\n"
    assert acme.out("workspace", "observe", "acme-text") == "nothing to do: acme-text is observed already\n"
    assert acme.out("workspace", "list", "--csv").splitlines()[1].startswith("acme-text,observe,,0,0,")
