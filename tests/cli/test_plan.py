"""`plan`, `apply --digest`, `rollback`, `revisions`, and what `check` says of the revision in force."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.cli.machine import MAPPING, Machine

from rolebridge.cli.views.plan_markdown import code, plain

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/plan.schema.json").read_text())
SWAPPED = (
    MAPPING.replace("reviewers: reviewer", "reviewers: team_manager")
    .replace("[reviewer, labeler]", "[team_manager, labeler]")
    .replace("Street Contractors", "Other Contractors")
)


@pytest.fixture
def changed(acme: Machine) -> Machine:
    """A machine whose files differ from the revision in force."""
    acme.write("mappings/acme-vision.yaml", SWAPPED)
    return acme


def planned(machine: Machine, *arguments: str) -> dict[str, Any]:
    result = machine("plan", *arguments, "--json")
    assert result.exit_code == 2, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    Draft202012Validator(SCHEMA).validate(document)
    return document


def test_plan_shows_rules_seats_and_the_way_on(changed: Machine) -> None:
    """What happens in each workspace by rule, now and later, how many seats it takes, and how to apply it: exit 2."""
    result = changed("plan")
    assert result.exit_code == 2
    digest = planned(changed)["digest"]
    assert result.stdout.rpartition("\n\n")[2] == (
        "acme-vision: 5 people hold something\n"
        "  -  (no rule)             1 lose Labeler\n"
        "  ~  project-teams  :15:5  1 change Project-based reviewer → Project-based team manager\n"
        "  -  street         :21:5  1 lose Default role\n"
        "  now: +0 ~1 -2, 2 people   seats 5 → 4\n"
        f"revision 1 → files: +0 ~1 -2, 2 people, digest {digest}\n"
        f"apply: rolebridge apply mappings --digest {digest}\n"
    )
    assert changed.json("explain", "ana.ruiz")["explanations"][0]["revision"] == 1


def test_plan_of_the_files_in_force_is_nothing(acme: Machine) -> None:
    """Exit 0, in every form."""
    assert "nothing to do: revision 1 is in force" in acme.out("plan")
    assert "Nothing to do" in acme.out("plan", "--markdown")
    document = acme.json("plan")
    Draft202012Validator(SCHEMA).validate(document)
    assert (document["differs"], document["changes"]) == (False, [])
    assert len(acme.out("plan", "--csv").splitlines()) == 1


def test_plan_of_files_with_errors_exits_with_1(changed: Machine) -> None:
    """Errors are told as `check` tells them, also where CSV is wanted."""
    changed.write("mappings/acme-vision.yaml", MAPPING.replace("reviewers: reviewer", "reviewers: reviwer"))
    assert "error[unknown-role]" in changed.refused("plan")
    assert changed("plan", "--csv").stdout == ""


def test_the_same_inputs_give_the_same_bytes(changed: Machine) -> None:
    """Every form is the same again an hour later."""
    forms = [[], ["--changes"], ["--json"], ["--json", "--changes"], ["--csv"], ["--markdown", "--changes"]]
    first = [changed("plan", *form).stdout for form in forms]
    changed.now = changed.now.replace(hour=changed.now.hour + 1)
    assert [changed("plan", *form).stdout for form in forms] == first


def test_plan_json_has_every_change_on_demand(changed: Machine) -> None:
    """The document is the same with every change as with the first ones, where these are all."""
    short, whole = planned(changed), planned(changed, "--changes")
    assert {key: short[key] for key in short if key != "changes"} == {
        key: whole[key] for key in whole if key != "changes"
    }
    assert short["changes_in_all"] == len(whole["changes"]) == len(short["changes"]) == 5

    def by_key(one: dict[str, Any]) -> tuple[str, ...]:
        return (one["user"]["id"], str(one["day"]), str(one["project"]), one["slot"])

    assert sorted(short["changes"], key=by_key) == sorted(whole["changes"], key=by_key)


def test_plan_csv_has_a_row_for_each_change(changed: Machine) -> None:
    """Who, where, from what to what, by which rule and why; no day for now."""
    rows = list(csv.DictReader(io.StringIO(changed("plan", "--csv").stdout)))
    assert len(rows) == 5
    (ana,) = (row for row in rows if row["user_name"] == "ana.ruiz@acme.example")
    assert ana | {"user_id": ""} == {
        "day": "",
        "kind": "change",
        "known": "false",
        "user_id": "",
        "user_name": "ana.ruiz@acme.example",
        "workspace": "acme-vision",
        "project": "cityscapes",
        "slot": "project_role",
        "before": "reviewer",
        "after": "team_manager",
        "rule": "project-teams",
        "place": "mappings/acme-vision.yaml:15:5",
        "cause": "rule project-teams, group lbx-cityscapes-reviewers",
    }
    assert {row["day"] for row in rows} == {"", "2026-12-02"}


def test_plan_markdown_is_short(changed: Machine) -> None:
    """A summary, a table of rules, the command; people only on demand."""
    text = changed("plan", "--markdown").stdout
    assert text.startswith(
        "### Rolebridge plan\n\n**+0 ~1 -2**, 2 people now, compared with revision 1 on 2026-11-20.\n"
    )
    assert "| `street` | `mappings/acme-vision.yaml:21:5` | +0 ~0 -1 | 1 | 1 lose Default role |  |\n" in text
    assert text.rstrip().endswith("`")
    assert "ana.ruiz" not in text
    assert "| ~ | now | `ana.ruiz@acme.example` |" in changed("plan", "--markdown", "--changes").stdout


def test_names_cannot_act_in_markdown() -> None:
    """A group or user may be called anything: no mention, link, image, HTML or table cell comes of it."""
    assert code("x` @acme/all | ![](http://x)") == "`x' @acme/all \\| ![](http://x)`"
    assert plain("![x](y) <img> | @all ~z~") == "\\!\\[x\\](y) \\<img\\> \\| \\@all \\~z\\~"


def test_plan_of_one_workspace(changed: Machine) -> None:
    """The sums and changes of one workspace; the digest is of the whole."""
    changed.write("mappings/other.yaml", MAPPING.replace("acme-vision", "acme-audio"))
    whole, part = planned(changed), planned(changed, "--workspace", "acme-audio")
    assert whole["digest"] == part["digest"]
    assert [one["workspace"] for one in part["workspaces"]] == ["acme-audio"]
    assert {one["workspace"] for one in part["changes"]} == {"acme-audio"}
    assert len(list(csv.reader(io.StringIO(changed("plan", "--workspace", "acme-audio", "--csv").stdout)))) == 1 + len(
        part["changes"]
    )


def test_apply_with_a_digest_does_what_was_planned(changed: Machine) -> None:
    """The digest of the plan applies it; without a folder the files are those of `mappings`."""
    digest = planned(changed)["digest"]
    applied = changed.json("apply", "--digest", digest)
    assert (applied["revision"], applied["plan"]["digest"]) == (2, digest)


def test_apply_with_a_stale_digest_says_what_moved(changed: Machine) -> None:
    """Files that were edited since the plan are not applied."""
    digest = planned(changed)["digest"]
    changed.write("mappings/acme-vision.yaml", SWAPPED + "# another word\n")
    said = changed.refused("apply", "--digest", digest)
    assert "the mapping files are not those that were planned" in said
    error = json.loads(changed("apply", "--digest", digest, "--json").stderr)["error"]
    assert (error["code"], error["moved"], error["base_revision"]) == ("plan-moved", ["files"], 1)
    assert "64 hexadecimal digits" in changed.refused("apply", "--digest", "abc")


def test_an_installation_may_apply_only_plans(changed: Machine) -> None:
    """With the setting, an apply or rollback without a digest is refused."""
    changed.environ["ROLEBRIDGE_APPLY_NEEDS_DIGEST"] = "yes"
    assert "only a reviewed plan is applied here" in changed.refused("apply")
    assert "only a reviewed plan is applied here" in changed.refused("rollback", "--to", "1")
    assert changed.json("apply", "--digest", planned(changed)["digest"])["new"]


def test_rollback_goes_back(changed: Machine) -> None:
    """A rollback is planned, applied under its digest, and shows in the list of revisions."""
    changed.out("apply")
    document = planned(changed, "--revision", "1")
    assert document["counts"]["change"] == 1
    result = changed("plan", "--revision", "1")
    assert f"apply: rolebridge rollback --to 1 --digest {document['digest']}\n" in result.stdout
    said = changed.out("rollback", "--to", "1", "--digest", document["digest"], "--reason", "a slip")
    assert "✓ revision 3 is in force (was 2, the files of 1 again)" in said
    listed = changed.out("revisions", "list").splitlines()
    assert listed[1].startswith("3 in force")
    assert listed[1].endswith("rollback to 1: a slip")
    rows = changed.json("revisions", "list")["revisions"]
    assert [(row["revision"], row["in_force"], row["restores"]) for row in rows] == [
        (3, True, 1),
        (2, False, None),
        (1, False, None),
    ]
    assert changed.out("revisions", "list", "--csv").splitlines()[0].startswith("revision,in_force,created,actor,gain")


def test_rollback_to_nothing_is_refused(acme: Machine) -> None:
    """There is no revision before the first."""
    assert "there is no revision `0`" in acme.refused("rollback")
    assert "there is no revision `9`" in acme.refused("plan", "--revision", "9")


def test_revisions_are_shown_and_compared(changed: Machine) -> None:
    """A revision with its files; the difference between two as patches have it."""
    changed.out("apply")
    assert MAPPING.splitlines()[0] in changed.out("revisions", "show", "1")
    assert changed.json("revisions", "show", "1")["files"] == [
        {"name": "mappings/acme-vision.yaml", "content": MAPPING}
    ]
    said = changed.out("revisions", "diff", "1", "2")
    assert "--- a/mappings/acme-vision.yaml" in said
    assert "+    groups: [Other Contractors]" in said
    assert changed.json("revisions", "diff", "1", "1")["files"] == []


def test_check_tells_how_files_differ_from_the_revision_in_force(changed: Machine) -> None:
    """With --org: changed, added and removed files; of a single file nothing is said of the others."""
    changed.write("mappings/new.yaml", MAPPING.replace("acme-vision", "acme-audio"))
    said = changed.out("check", "mappings", "--org", "default")
    assert "  revision 1 is in force; the files differ from it:\n" in said
    assert "    changed  mappings/acme-vision.yaml\n    added    mappings/new.yaml\n" in said
    (changed.home / "mappings/acme-vision.yaml").rename(changed.home / "mappings/x.yaml")
    assert "removed  mappings/acme-vision.yaml" in changed.out("check", "mappings", "--org", "default")
    assert "removed" not in changed.out("check", "mappings/x.yaml", "--org", "default")
    changed.write("mappings/acme-vision.yaml", MAPPING)
    assert changed.json("check", "mappings/acme-vision.yaml", "--org", "default")["in_force"] == {
        "revision": 1,
        "differing": [],
    }


def test_what_if_asks_the_mapping_in_force(acme: Machine) -> None:
    """A supposition in text and as JSON of the same schema; several come true together; nothing is changed."""
    said = acme("plan", "--what-if", "group LBX Admins is deleted")
    assert said.exit_code == 2
    assert said.stdout.startswith("if group LBX Admins is deleted\nacme-vision: 5 people hold something\n")
    assert "  ! would hold: acme-vision: 0 of 1 holders of admin in workspace_role remain" in said.stdout
    assert said.stdout.endswith("; nothing was changed\n")
    gone = acme("plan", "--what-if", "user ben.okafor is deactivated").stdout
    assert "  ! takes effect, past a guard rail: acme-vision: 0 of 1 holders of admin in workspace_role remain" in gone
    sentences = ("user ana.ruiz leaves group lbx-cityscapes-reviewers", "user ana.ruiz joins group LBX Admins")
    options = [option for sentence in sentences for option in ("--what-if", sentence)]
    document = planned(acme, *options)
    assert document["what_if"] == list(sentences)
    assert {one["after"]["role"] for one in document["changes"] if one["after"]} == {"admin"}
    assert acme.out("plan", "--what-if", "user ana.ruiz is active").startswith("if user ana.ruiz is active\nnobody")
    assert "is nothing that can be supposed" in acme.refused("plan", "--what-if", "ana flies away")


@pytest.mark.parametrize(
    "arguments",
    [
        ["mappings", "--revision", "1"],
        ["mappings", "--what-if", "x"],
        ["--markdown", "--json"],
        ["--markdown", "--csv"],
        ["--json", "--csv"],
    ],
)
def test_contradictions_are_usage_errors(acme: Machine, arguments: list[str]) -> None:
    """Two sources or two forms at a time are none."""
    assert "choose one" in acme.refused("plan", *arguments, code=64)
