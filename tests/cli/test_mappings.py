"""`check` and `apply`: what they say of mapping files, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.machine import MAPPING, SOUND, Machine

BROKEN = SOUND.replace("reviewers: reviewer", "reviewers: reviwer").replace("admin: 1", "admim: 1")


# --- check -----------------------------------------------------------------------------------------------------


def test_check_shows_the_place(machine: Machine) -> None:
    """Each problem is shown with its place, the words underlined, and what to do; errors exit with 1."""
    machine.write("mappings/acme-vision.yaml", BROKEN)
    result = machine("check", "mappings")
    assert result.exit_code == 1
    assert result.stderr == ""
    assert result.stdout == (
        "error[unknown-role]: the slot has no such role\n"
        "  --> mappings/acme-vision.yaml:15:25\n"
        "   |\n"
        "15 |       team: {reviewers: reviwer, labelers: labeler}\n"
        "   |                         ^^^^^^^ `project_role` has no role `reviwer`\n"
        "   = help: did you mean `reviewer`?\n"
        "\n"
        "error[unknown-role]: the slot has no such role\n"
        "  --> mappings/acme-vision.yaml:28:27\n"
        "   |\n"
        "28 |   keep: {workspace_role: {admim: 1}}\n"
        "   |                           ^^^^^ `workspace_role` has no role `admim`\n"
        "   = help: did you mean `admin`?\n"
        "\n"
        "✗ mappings: 1 file, 2 errors, 0 warnings\n"
    )


def test_check_needs_no_installation(machine: Machine) -> None:
    """A sound folder passes on a machine where nothing is set up, and nothing is made there."""
    machine.write("mappings/acme-vision.yaml", SOUND)
    assert machine.out("check", "mappings") == "✓ mappings: 1 file, 0 errors, 0 warnings\n"
    assert sorted(path.name for path in machine.home.iterdir()) == ["mappings"]


def test_check_passes_with_warnings(machine: Machine) -> None:
    """Warnings are shown and counted, and exit with 0."""
    machine.write("mappings/acme-vision.yaml", MAPPING)
    said = machine.out("check", "mappings")
    assert said.startswith("warning[possible-conflict]:")
    assert said.endswith("✓ mappings: 1 file, 0 errors, 1 warning\n")


def test_check_one_file(machine: Machine) -> None:
    """A file of a folder can be checked by itself."""
    machine.write("mappings/good.yaml", MAPPING)
    machine.write("mappings/other.yaml", BROKEN)
    assert "mappings/good.yaml: 1 file, 0 errors" in machine.out("check", "mappings/good.yaml")


def test_check_json(machine: Machine) -> None:
    """--json gives every diagnostic as data, with its counts."""
    machine.write("mappings/acme-vision.yaml", BROKEN)
    result = machine("check", "mappings", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["ok"], document["errors"], document["warnings"]) == (False, 2, 0)
    assert document["files"] == ["mappings/acme-vision.yaml"]
    assert document["diagnostics"][0] == {
        "severity": "error",
        "code": "unknown-role",
        "summary": "the slot has no such role",
        "detail": "`project_role` has no role `reviwer`",
        "help": "did you mean `reviewer`?",
        "place": {"file": "mappings/acme-vision.yaml", "line": 15, "column": 25},
        "excerpt": "reviwer",
    }


def test_check_against_an_organization(ready: Machine) -> None:
    """With --org, connections that the organization does not have are errors; without, any may be named."""
    ready.write("mappings/acme-vision.yaml", MAPPING.replace("[okta]", "[keycloak]"))
    assert ready("check", "mappings").exit_code == 0
    result = ready("check", "mappings", "--org", "default")
    assert result.exit_code == 1
    assert "error[unknown-connection]" in result.stdout


def test_check_underlines_wide_letters(machine: Machine) -> None:
    """The marks stand under the words where letters before them take two columns, or none."""
    machine.write("m/a.yaml", MAPPING.replace("Cityscapes 2026, tags: [street]", "都市e\u0301, tagz: [street]"))
    shown = machine("check", "m").stdout.splitlines()
    assert shown[3] == "5 |   cityscapes: {name: 都市e\u0301, tagz: [street]}"
    assert shown[4].startswith("  | " + " " * (21 + 4 + 1 + 2) + "^^^^ ")


def test_check_shows_no_escape_sequences(machine: Machine) -> None:
    """What a file says cannot move the cursor, colour the screen or turn the reading direction."""
    machine.write("m/a.yaml", MAPPING.replace("platform: labelbox", 'platform: "l\u202ebx"'))
    shown = machine("check", "m").stdout
    assert "\u202e" not in shown
    assert "l\\u202ebx" in shown


def test_check_of_nothing(machine: Machine) -> None:
    """A path that is not there, a folder without mapping files and a file that is none are refused."""
    machine.write("empty/readme.txt", "")
    machine.write("empty/x.test.yaml", "workspace: w\ncases: []\n")
    assert "there is no file or folder `nowhere`" in machine.refused("check", "nowhere")
    assert "no mapping file (`*.yaml`) in `empty`" in machine.refused("check", "empty")
    assert "`empty/readme.txt` is no mapping file" in machine.refused("check", "empty/readme.txt")


def test_check_of_a_link_out_of_the_folder(machine: Machine) -> None:
    """A file that is a link to somewhere else is told as a diagnostic, and what it links to is not shown."""
    secret = machine.write("secret", "s3cret")
    machine.write("m/a.yaml", MAPPING)
    (machine.home / "m/b.yaml").symlink_to(secret)
    result = machine("check", "m")
    assert result.exit_code == 1
    assert "error[file-unreadable]" in result.stdout
    assert "s3cret" not in result.stdout


def test_check_of_a_file_that_is_no_text(machine: Machine) -> None:
    """A file that is not UTF-8 is told with its place."""
    (machine.home / "m").mkdir()
    (machine.home / "m/a.yaml").write_bytes(b"workspace: \xff\n")
    result = machine("check", "m")
    assert result.exit_code == 1
    assert "error[file-not-utf8]" in result.stdout
    assert "m/a.yaml:1:12" in result.stdout


# --- apply -----------------------------------------------------------------------------------------------------


def edit(machine: Machine, *replacements: tuple[str, str]) -> None:
    """Change the mapping file on disk."""
    text = MAPPING
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    machine.write("mappings/acme-vision.yaml", text)


def without_warnings(text: str) -> str:
    """Return an answer without the warnings on the files before it."""
    return text.rpartition("\n\n")[2]


def test_apply_says_who_gains_and_loses(acme: Machine) -> None:
    """An apply tells its changes by workspace, rule and person, and the revision that is in force."""
    edit(
        acme,
        ("reviewers: reviewer", "reviewers: team_manager"),
        ("[reviewer, labeler]", "[team_manager, labeler]"),
        ("Street Contractors", "Other Contractors"),
    )
    assert without_warnings(acme.out("apply", "mappings")) == (
        "acme-vision: 5 people hold something\n"
        "  -  (no rule)             1 lose Labeler\n"
        "  ~  project-teams  :15:5  1 change Project-based reviewer → Project-based team manager\n"
        "  -  street         :21:5  1 lose Default role\n"
        "  now: +0 ~1 -2, 2 people   seats 5 → 4\n"
        "    ~  ana.ruiz@acme.example  cityscapes   Project-based reviewer → Project-based team manager"
        "  rule project-teams, group lbx-cityscapes-reviewers\n"
        "    -  cleo@acme.example      (workspace)  Labeler                                             "
        " nothing else is held here, or another default\n"
        "    -  cleo@acme.example      cityscapes   Default role                                        "
        " rule street does not give it any more\n"
        "✓ revision 2 is in force (was 1): +0 ~1 -2, 2 people\n"
    )


def test_apply_again_does_nothing(acme: Machine) -> None:
    """The files in force applied again make no revision."""
    assert without_warnings(acme.out("apply", "mappings")) == (
        "nothing to do: revision 1 is in force and says the same\n"
    )


def test_apply_from_elsewhere_does_nothing(acme: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not matter from which directory the folder is named."""
    assert not acme.json("apply", str(acme.home / "mappings"))["new"]
    config = str(acme.home / "rolebridge.toml")
    acme.environ |= {
        "ROLEBRIDGE_DATABASE_URL": f"sqlite:///{acme.home}/var/rolebridge.db",
        "ROLEBRIDGE_SECRET_KEY_FILE": str(acme.home / "var/secret.key"),
    }
    monkeypatch.chdir(acme.home / "mappings")
    assert not acme.json("--config", config, "apply", ".")["new"]


def test_apply_of_broken_files(acme: Machine) -> None:
    """Files with errors change nothing; the errors are told as `check` tells them."""
    acme.write("mappings/acme-vision.yaml", BROKEN)
    said = acme.refused("apply", "mappings")
    assert "15 |       team: {reviewers: reviwer, labelers: labeler}" in said
    assert said.endswith("error: the mapping files have errors; nothing was changed\n")
    document = json.loads(acme("apply", "mappings", "--json").stderr)["error"]
    assert document["code"] == "mapping-refused"
    assert [one["code"] for one in document["diagnostics"]] == ["unknown-role", "unknown-role"]
    assert acme.json("explain", "ana.ruiz")["explanations"][0]["revision"] == 1


def test_apply_stops_at_a_guard_rail(acme: Machine) -> None:
    """A change that a guard rail forbids changes nothing, is told with its limit, and can be forced with a reason."""
    edit(acme, ("LBX Admins", "Nobody At All"))
    said = acme.refused("apply", "mappings")
    assert "acme-vision: 0 of 1 holders of admin in workspace_role remain; keep allows no fewer than 1" in said
    assert 'rolebridge apply mappings --force --reason "why"' in said
    trips = json.loads(acme("apply", "mappings", "--json").stderr)["error"]["trips"]
    assert (trips[0]["guard"], trips[0]["workspace"]) == ("keep", "acme-vision")
    assert "Admin" in acme.out("access", "--user", "ben.okafor")
    forced = acme.out("apply", "mappings", "--force", "--reason", "moving to the new tenant")
    assert "forced: acme-vision: 0 of 1 holders" in forced
    assert acme.json("access", "--user", "ben.okafor")["access"] == []


@pytest.mark.parametrize("arguments", [["--force"], ["--force", "--reason", " "]])
def test_force_needs_a_reason(ready: Machine, arguments: list[str]) -> None:
    """--force without --reason is a usage error."""
    assert "--force needs --reason" in ready.refused("apply", "mappings", *arguments, code=64)


def test_apply_of_an_empty_folder(acme: Machine) -> None:
    """A folder without mapping files is refused: taking everything from everybody is no slip of the path."""
    (acme.home / "empty").mkdir()
    assert "no mapping file" in acme.refused("apply", "empty")


def test_apply_of_a_file_that_cannot_be_read(acme: Machine) -> None:
    """A file that cannot be read stops the apply of the whole folder."""
    (acme.home / "mappings/b.yaml").write_bytes(b"\xff")
    said = acme.refused("apply", "mappings")
    assert "error[file-not-utf8]" in said


def test_apply_lists_the_first_changes(ready: Machine) -> None:
    """Of very many changes the first are listed, and --all lists every one."""
    names = [f"user{number:02}@acme.example" for number in range(25)]
    ready.provision([{"userName": name} for name in names], {"lbx-retail-labelers": names})
    said = ready.out("apply", "mappings")
    assert said.count("    +  user") == 20
    assert "… and 30 more: --all lists them" in said
    edit(ready, ("lbx-{project}", "x-{project}"))
    assert ready.out("apply", "mappings", "--all").count("    -  user") == 50


def test_two_files_of_one_name(machine: Machine) -> None:
    """A revision keeps files by folder and name, so two of one name cannot be told apart."""
    from rolebridge.cli.mappings import named_from_folder
    from rolebridge.core.errors import Invalid

    with pytest.raises(Invalid, match=r"two files are called `m/a\.yaml`"):
        named_from_folder({"x/m/a.yaml": "", "y/m/a.yaml": ""})
    assert named_from_folder({"a.yaml": "text"}) == {f"{Path.cwd().name}/a.yaml": "text"}
