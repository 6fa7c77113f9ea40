"""`suggest` and `lint`: a starter mapping from the directory, and what a mapping's rules do in it."""

from __future__ import annotations

from tests.cli.machine import MAPPING, Machine, person


def test_suggest_prints_a_mapping_that_can_be_applied(ready: Machine) -> None:
    """The file that it prints gives what the groups' names say; what is left is listed in it."""
    (ready.home / "mappings/acme-vision.yaml").unlink()
    names = ["ana@acme.example", "ben@acme.example"]
    ready.provision(
        [person(name, name) for name in names],
        {"lbx-maps-reviewers": names[:1], "lbx-maps-labelers": names, "LBX Admins": names[1:], "Lunch": names},
    )
    said = ready.out("suggest", "labelbox", "--workspace", "acme-vision")
    assert "#   Lunch\n" in said
    ready.write("mappings/acme-vision.yaml", said)
    assert ready.out("check", "mappings").endswith("0 errors, 0 warnings\n")
    ready.out("apply", "mappings")
    access = ready.out("access")
    assert "ana@acme.example  acme-vision  maps     Project-based reviewer" in access
    assert "ben@acme.example  acme-vision  (all)    Admin" in access
    again = ready.json("suggest", "labelbox")
    assert (again["conventions"], again["named"], again["unmapped"]) == ([], [], ["Lunch"])


def test_suggest_refuses_what_there_is_not(ready: Machine) -> None:
    """A platform and a connection, each by its name."""
    assert "did you mean `labelbox`" in ready.refused("suggest", "labelbx")
    assert "there is no connection `entra`" in ready.refused("suggest", "labelbox", "--connection", "entra")


def test_lint_names_rules_that_do_nothing_never_win_or_give_too_much(acme: Machine) -> None:
    """Each with its place; a mapping about which nothing is to be said exits with 0."""
    rules = """  - id: nobody
    groups: [No Such Group]
    grant: {workspace_role: admin}
  - id: everyone
    when: userName pr
    projects: retail
    grant: {project_role: labeler}
  - id: too-much
    groups: [LBX Labelers, LBX Admins]
    grant: {workspace_role: admin}
conflicts:
"""
    acme.write("mappings/acme-vision.yaml", MAPPING.replace("conflicts:\n", rules))
    result = acme("lint", "mappings", "--csv")
    assert result.exit_code == 1
    found = {tuple(line.split(",")[1:3]) for line in result.stdout.splitlines()[1:]}
    assert {
        ("nobody", "no-group"), ("everyone", "most-people"), ("too-much", "no-group"), ("too-much", "more-than-named"),
    } <= found  # fmt: skip
    assert not {kind for rule, kind in found if rule == "project-teams"}
    assert "the directory has no group `No Such Group`" in result.stdout


def test_lint_says_who_never_wins(acme: Machine) -> None:
    """A rule that speaks of people and gives none of them anything loses to another."""
    rule = "  - id: weaker\n    groups: [lbx-cityscapes-reviewers]\n    projects: cityscapes\n"
    rule += "    grant: {project_role: labeler}\n"
    acme.write("mappings/acme-vision.yaml", MAPPING.replace("conflicts:\n", rule + "conflicts:\n"))
    found = acme("lint", "mappings", "--json").stdout
    assert '"rule": "weaker"' in found
    assert "wins for none of 1 people: 1 outranked" in found


def test_lint_refuses_files_with_errors(acme: Machine) -> None:
    """As `check` tells them."""
    acme.write("mappings/acme-vision.yaml", MAPPING.replace("reviewers: reviewer", "reviewers: reviwer"))
    assert "did you mean `reviewer`?" in acme.refused("lint", "mappings")
