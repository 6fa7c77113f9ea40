"""A sixth platform by data alone: an organization's own catalogue, whole or laid over one of the package."""

from __future__ import annotations

from rolebridge.bridge.testing import read_and_run
from rolebridge.core.catalogue import Assignable
from rolebridge.core.diagnostics import Diagnostic
from rolebridge.core.mapping import MappingSet
from rolebridge.core.permissions import CellValue
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_mapping_set, shipped_catalogues

OWN = """platform: acme_label
name: Acme Label
project_word: folder
slots:
  site_role:
    name: Site role
    level: workspace
    holds: one
    merge: highest
    rank: [chief, member]
    governs: [folder_role]
    roles:
      chief: {name: Chief, reach: all, project_override: never, least: 1}
      member: {name: Member, reach: own}
  folder_role:
    name: Folder role
    level: project
    holds: optional
    merge: error
    roles:
      editor: {name: Editor}
      viewer: {name: Viewer}
permissions:
  - id: folders
    name: Folders
    columns:
      editor: {name: Editor, holds: {folder_role: editor}}
      viewer: {name: Viewer, holds: {folder_role: viewer}}
    rows:
      edit: {name: Edit, cells: {editor: allow, viewer: deny}}
"""
MAPPING = """workspace: hq
platform: acme_label
projects: {maps: }
rules:
  - {id: chiefs, groups: [Chiefs], grant: {site_role: chief}}
  - {id: editors, groups: [Editors], projects: maps, grant: {folder_role: editor}}
"""
CASES = """workspace: hq
cases:
  - {name: chief, groups: [Chiefs, Editors], expect: [{site_role: chief}],
     lost: [{project: maps, folder_role: editor, reason: overruled}]}
  - {name: editor, groups: [Editors], expect: [{project: maps, folder_role: editor, lock: group}]}
"""
EXTENDING = """extends: labelbox
platform: our_labelbox
name: Labelbox as we have it
slots:
  workspace_role:
    roles:
      team_manager:
      auditor: {name: Auditor, reach: all, project_override: never}
permissions:
  - id: workspace_roles
    columns:
      auditor: {name: Auditor, holds: {workspace_role: auditor}}
      team_manager:
    rows:
      view_models: {cells: {auditor: allow, labeler: deny}}
      review_labels: {cells: {team_manager: }}
      view_own_teams_performance_metrics: {cells: {team_manager: }}
"""


def _load(**files: str) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    named = {f"{name.replace('_', '.')}.yaml": text for name, text in files.items()}
    return load_mapping_set(named, shipped_catalogues(), table=USER_TABLE, connections=None)


def test_a_mapping_can_name_a_platform_of_its_own() -> None:
    """Resolved, locked and overruled as its catalogue says, without a line of Python."""
    run = read_and_run({"acme.catalogue.yaml": OWN, "hq.yaml": MAPPING, "hq.test.yaml": CASES})
    assert [one.detail for one in run.diagnostics] == []
    assert [one for result in run.failed for one in result.mismatches] == []
    assert len(run.results) == 2


def test_a_catalogue_can_extend_one_of_the_package() -> None:
    """What it does not say is as below; an empty key takes away; rows and columns are added cell by cell."""
    found, problems = _load(x_catalogue=EXTENDING)
    assert problems == ()
    assert found is not None
    ours, theirs = found.catalogues["our_labelbox"], shipped_catalogues()["labelbox"]
    roles = ours.slots["workspace_role"].roles
    assert set(roles) == {*theirs.slots["workspace_role"].roles, "auditor"} - {"team_manager"}
    assert roles["tenant_admin"].assignable is Assignable.SUPPORT_TICKET
    matrix = next(one for one in ours.matrices if one.id == "workspace_roles")
    assert matrix.rows["view_models"].cell("auditor").value is CellValue.ALLOW
    assert matrix.rows["review_labels"].cell("reviewer").value is CellValue.ALLOW
    assert set(matrix.rows) == set(theirs.matrices[0].rows)
    assert ours.custom_roles == theirs.custom_roles
    assert ours.digest != theirs.digest


def test_an_own_catalogue_is_checked_like_those_of_the_package() -> None:
    """All problems with their places, in the file that said them."""
    _, problems = _load(x_catalogue=OWN.replace("governs: [folder_role]", "governs: [folder_roles]"), w=MAPPING)
    assert [(str(one.place), one.code) for one in problems] == [
        ("x.catalogue.yaml:11:15", "unknown-slot"),
    ]


def test_an_own_catalogue_has_an_id_of_its_own() -> None:
    """Nobody changes what a shipped platform means by naming a file like it, and no two files say one platform."""
    _, problems = _load(x_catalogue=OWN.replace("platform: acme_label", "platform: labelbox"))
    assert [(one.code, one.help) for one in problems] == [
        ("duplicate-id", "choose another id; `extends: labelbox` keeps what that one says")
    ]
    _, problems = _load(x_catalogue=OWN, y_catalogue=OWN)
    assert [(str(one.place), one.code) for one in problems] == [("y.catalogue.yaml:1:1", "duplicate-id")]


def test_what_is_extended_must_be_there() -> None:
    """An organization's catalogue extends one of the package, by its id."""
    _, problems = _load(x_catalogue=EXTENDING.replace("extends: labelbox", "extends: lablebox"))
    assert [(one.code, one.help) for one in problems] == [("unknown-platform", "did you mean `labelbox`?")]
