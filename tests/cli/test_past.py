"""The past, the why-not and the graph at the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import jsonschema
from tests.cli.machine import Machine, person

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/explanation.schema.json").read_text(encoding="utf-8"))


def later(machine: Machine, days: int = 3) -> str:
    """Let some days pass, and return the day that it was."""
    day = machine.now.date().isoformat()
    machine.now += timedelta(days=days)
    return day


def test_who_held_what_on_a_day(acme: Machine) -> None:
    """An auditor's sample: everybody of that day, who was deleted since under their last name."""
    before = acme.out("access", "--csv")
    day = later(acme)
    acme.delete_user("ben.okafor@acme.example")
    head, _, *lines = acme.out("access", "--at", day).splitlines()
    assert head == "as of 2026-11-20 23:59 UTC, as recorded:"
    assert any(line.startswith("ben.okafor@acme.example (deleted since)") for line in lines)
    rows = list(csv.DictReader(io.StringIO(acme.out("access", "--at", day, "--csv"))))
    then = {(row["user_id"], row["project"], row["slot"], row["role"], row["state"], row["rule"]) for row in rows}
    known = csv.DictReader(io.StringIO(before))
    assert then == {
        (row["user_id"], row["project"], row["slot"], row["role"], row["state"], row["rule"]) for row in known
    }
    document = acme.json("access", "--at", day, "--user", "ben.okafor@acme.example")
    assert {row["role"] for row in document["access"]} >= {"admin"}
    assert acme.json("access", "--at", day, "--workspace", "elsewhere")["access"] == []
    assert "nobody held anything here" in acme.out("access", "--at", day, "--workspace", "elsewhere")
    assert "does not reach back" in acme.refused("access", "--at", "2020-01-01")
    assert "neither a day" in acme("access", "--at", "yesterday").stderr


def test_why_somebody_had_a_role(acme: Machine) -> None:
    """As it was then, with the groups of then, though person and group are another today."""
    day = later(acme)
    acme.delete_user("ana.ruiz@acme.example")
    text = acme.out("explain", "ana.ruiz@acme.example", "--project", "cityscapes", "--at", day)
    assert text.startswith(
        "as of 2026-11-20 23:59 UTC, by revision 1\nAna Ruiz is Project-based reviewer in Cityscapes 2026"
    )
    assert "lbx-cityscapes-reviewers" in text
    document = acme.json("explain", "ana.ruiz@acme.example", "--at", day)
    jsonschema.validate(document, SCHEMA)
    assert document["explanations"][0]["at"] == "2026-11-20T23:59:59Z"
    assert document["explanations"][0]["differs"] == []


def test_why_not(acme: Machine) -> None:
    """Ways that work, in words and as data."""
    text = acme.out("explain", "nora", "--project", "cityscapes", "--role", "reviewer")
    assert text.startswith("Nora None is not Project-based reviewer in cityscapes (acme-vision).")
    assert "add Nora None to lbx-cityscapes-reviewers in okta (rule project-teams, " in text
    document = acme.json("explain", "nora", "--project", "cityscapes", "--role", "reviewer")
    jsonschema.validate(document, SCHEMA)
    assert {"do": "assign", "slot": "project_role", "role": "reviewer", "project": "cityscapes"} in [
        way[0] for way in document["why_not"]["ways"] if len(way) == 1
    ]
    held = acme.out("explain", "ana.ruiz", "--project", "cityscapes", "--role", "reviewer")
    assert held == "Ana Ruiz is Project-based reviewer in cityscapes (acme-vision): rolebridge explain says why.\n"
    street = acme.out("explain", "ana.ruiz", "--project", "retail", "--role", "reviewer")
    assert "make a group lbx-retail-reviewers" in street
    assert "has no role" not in acme.refused("explain", "nora", "--project", "cityscapes", "--role", "kings")


def test_present_explanations_fit_their_schema(acme: Machine) -> None:
    """The published schema describes what is printed, whoever is asked for."""
    for user in ("ana.ruiz", "ben.okafor", "cleo", "max.adler", "zoe", "nora"):
        jsonschema.validate(acme.json("explain", user), SCHEMA)
        jsonschema.validate(acme.json("explain", user, "--project", "cityscapes"), SCHEMA)


def test_a_graph_for_those_who_would_rather_look(acme: Machine) -> None:
    """From the person through groups and rules to roles; what lost is dashed, with its reason."""
    lines = acme.out("explain", "ana.ruiz", "--project", "cityscapes", "--format", "mermaid").splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n0["Ana Ruiz"]' in lines
    assert any("lbx-cityscapes-reviewers #40;okta#41;" in line for line in lines)
    assert any('-.->|"shadowed' in line for line in lines)
    dot = acme.out("explain", "ana.ruiz", "--project", "cityscapes", "--format", "dot")
    assert dot.startswith("digraph explanation {")
    assert 'label="lock: group"' in dot
    assert dot.endswith("}\n")


def test_names_cannot_leave_their_quotes(ready: Machine) -> None:
    """Hostile display names are text in either language."""
    evil = 'x"]; click n0 "javascript:alert(1)"\\\n--> <img src=x onerror=1> `'
    ready.provision([person("eve@acme.example", evil)], {"LBX Admins": ["eve@acme.example"]})
    ready.out("apply", "mappings")
    for line in ready.out("explain", "eve", "--format", "mermaid").splitlines()[1:]:
        assert re.fullmatch(r'  n\d+(\(?\["[A-Za-z0-9 _.,:/@#;-]*"\]\)?| (-->|-\.->)(\|"[^"<>|]*"\|)? n\d+)', line), (
            line
        )
    for line in ready.out("explain", "eve", "--format", "dot").splitlines()[2:-1]:
        assert re.fullmatch(r'  n\d+( -> n\d+)? \[[a-z=, ]*label="(?:[^"\\]|\\.)*"(, style=dashed)?\];', line), line


def test_options_that_contradict_each_other(acme: Machine) -> None:
    """A question has one form."""
    for wrong in (["--role", "x", "--at", "2026-11-20"], ["--slot", "x"], ["--format", "dot", "--json"]):
        assert acme("explain", "nora", *wrong).exit_code == 64


def test_the_csv_of_a_review(acme: Machine) -> None:
    """A line for each role, with empty columns for the reviewer, and no cell that is a formula."""
    acme.provision([person("eve@acme.example", "=cmd|'x'!A0")], {"lbx-retail-labelers": ["eve@acme.example"]})
    rows = list(csv.DictReader(io.StringIO(acme.out("review", "acme-vision"))))
    assert len(rows) == len(acme.json("access")["access"])
    [eve] = [row for row in rows if row["user_name"] == "eve@acme.example" and row["project"]]
    assert eve["person"] == "'=cmd|'x'!A0"
    assert (eve["decision"], eve["reviewer"], eve["reviewed_at"], eve["comment"]) == ("", "", "", "")
    [ana] = [
        row
        for row in acme.json("review", "acme-vision")["review"]
        if row["user_name"].startswith("ana") and row["project"]
    ]
    assert (ana["role"], ana["group"], ana["rule"]) == ("reviewer", "lbx-cityscapes-reviewers", "project-teams")
    assert acme.out("review", "acme-vision", "--movers").startswith("person,user_name,")
    day = later(acme)
    assert len(list(csv.DictReader(io.StringIO(acme.out("review", "acme-vision", "--at", day))))) == len(rows)
    assert "did you mean" in acme.refused("review", "acme-visoin")
