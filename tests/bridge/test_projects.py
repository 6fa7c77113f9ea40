"""Projects registered at run time: rules speak of them without an apply, and only the people concerned are resolved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.bridge.worlds import MAPPING, OPERATOR, World

from rolebridge.bridge.approvals import ApprovalNeeded, Approvals
from rolebridge.bridge.assigning import Assigning, Wanted
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.planning import GuardTripped
from rolebridge.bridge.projects import ProjectChanged, ProjectDraft, Projects
from rolebridge.core import holds
from rolebridge.core.assignment import Resolution
from rolebridge.core.directory import User
from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.core.program import Program
from rolebridge.core.resolver import resolve
from rolebridge.store.unit import Unit

TAGGED = """\
workspace: vision
platform: labelbox
connections: [okta]
projects: {cityscapes: {name: Cityscapes, tags: [street]}, retail: {name: Retail, in: shops}}
conflicts: {project_role: [reviewer, labeler]}
rules:
  - id: teams
    groups: {match: "lbx-{project}-{team}"}
    values: {team: {reviewers: reviewer, labelers: labeler}}
    projects: "{project}"
    grant: {project_role: "{team}"}
  - {id: street, groups: [Street], projects: {tag: street}, grant: {project_role: labeler}}
  - {id: shops, groups: [Shops], projects: {in: shops}, grant: {project_role: labeler}}
  - {id: nights, groups: [Nights], projects: "r*", grant: {project_role: labeler}}
  - {id: everywhere, groups: [Everywhere], projects: all, grant: {project_role: labeler}}
  - {id: named, users: [nora@acme.example], projects: {tag: street}, grant: {project_role: reviewer}}
guard: {hold_revocations: {over: 25%, and_at_least: 4}}
"""


@pytest.fixture
def projects(world: World) -> Projects:
    """The use case, on a world whose mapping chooses projects in every way."""
    world.apply(TAGGED)
    return Projects(world.store, world.rulebooks, world.clock)


@pytest.fixture
def register(world: World, projects: Projects) -> Callable[..., ProjectChanged]:
    """Register a project in the workspace `vision`."""

    def work(id_: str, **draft: object) -> ProjectChanged:
        return projects.register(OPERATOR, world.id, "vision", id_, ProjectDraft(**draft))  # type: ignore[arg-type]

    return work


@pytest.fixture
def change(world: World, projects: Projects) -> Callable[..., ProjectChanged]:
    """Change a project of the workspace `vision`."""

    def work(id_: str, force: str = "", **draft: object) -> ProjectChanged:
        wanted = ProjectDraft(**draft)  # type: ignore[arg-type]
        return projects.change(OPERATOR, world.id, "vision", id_, wanted, force_reason=force)

    return work


Register = Callable[..., ProjectChanged]


def in_project(world: World, user_id: str, project: str) -> set[str]:
    return {role for _, where, role in world.roles(user_id) if where == project}


def test_every_selector_chooses_a_registered_project(world: World, register: Register, change: Register) -> None:
    """A capture, a tag, a container, a glob, `all`, and a rule that names its people: at once, without an apply."""
    people = {name: world.user(name) for name in ("ana", "bo", "cy", "di", "ed", "nora", "zoe")}
    world.group("lbx-rome-reviewers", [people["ana"]])
    world.group("Street", [people["bo"]])
    world.group("Shops", [people["cy"]])
    world.group("Nights", [people["di"]])
    world.group("Everywhere", [people["ed"]])
    done = register("rome", name="Rome 2027", tags=["street"], container="shops")
    assert done.new
    held = {name: in_project(world, id_, "rome") for name, id_ in people.items()}
    assert held == {
        "ana": {"reviewer"},
        "bo": {"labeler"},
        "cy": {"labeler"},
        "di": {"labeler"},
        "ed": {"labeler"},
        "nora": {"reviewer"},
        "zoe": set(),
    }
    assert {one.cause for one in done.changes} == {"project `rome` registered"}
    assert world.differing() == []
    change("rome", tags=[], container="")
    held = {name: in_project(world, id_, "rome") for name, id_ in people.items()}
    assert [name for name, roles in held.items() if roles] == ["ana", "di", "ed"]
    assert world.differing() == []


def test_only_whom_the_rules_reach_is_resolved(
    world: World, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost follows the people concerned: members of groups whose rules say something else, and nobody more."""
    people = world.users(12)
    world.group("lbx-rome-labelers", people[:2])
    world.group("lbx-cityscapes-labelers", people[2:6])
    world.group("Shops", people[6:9])
    asked: list[str] = []

    def watched(program: Program, user: User, *rest: Any) -> Resolution:
        asked.append(user.id)
        return resolve(program, user, *rest)

    monkeypatch.setattr(holds, "resolve", watched)
    register("rome")
    assert sorted(asked) == sorted(people[:2])


def test_a_new_name_moves_nobody(world: World, register: Register, change: Register) -> None:
    """Renaming touches no grant; saying the same again writes nothing."""
    ana = world.user("ana")
    world.group("lbx-rome-labelers", [ana])
    register("rome")
    before, recorded = world.grants(ana), len(world.audit(ana))
    assert change("rome", name="Roma").changes == ()
    assert (world.grants(ana), len(world.audit(ana))) == (before, recorded)
    assert not change("rome", name="Roma").new
    (entry, _) = world.audit("vision/rome")
    assert (entry.kind, json.loads(entry.after or "")["name"]) == ("project.changed", "Roma")


def test_a_project_that_makes_a_name_ambiguous_takes_what_it_gave(world: World, register: Register) -> None:
    """With `a` and `a-b` registered a group may fit in two ways; then it gives nothing, to nobody."""
    mapping = TAGGED.replace('{match: "lbx-{project}-{team}"}', '{match: "x-{project}-{team}"}').replace(
        "values: {team: {reviewers: reviewer, labelers: labeler}}",
        "values: {team: {reviewers: reviewer, labelers: labeler, b-labelers: labeler}}",
    )
    world.apply(mapping)
    ana = world.user("ana")
    register("a")
    world.group("x-a-b-labelers", [ana])
    assert in_project(world, ana, "a") == {"labeler"}
    register("a-b")
    assert world.roles(ana) == set()
    assert world.differing() == []


def test_an_archived_project_carries_no_roles(world: World, projects: Projects, register: Register) -> None:
    """Rules and hands give nothing there; what a hand gave stays on record and comes back with the project."""
    ana, bo = world.user("ana"), world.user("bo")
    world.group("lbx-rome-labelers", [ana])
    register("rome")
    hands = Assigning(world.store, world.rulebooks, world.clock)
    hands.assign(OPERATOR, world.id, Wanted("bo", "reviewer", project="rome"), "x")
    projects.archive(OPERATOR, world.id, "vision", "rome", reason="over")
    assert (world.roles(ana), world.roles(bo)) == (set(), set())
    assert [row.standing.state for row in hands.rows(world.id)] == ["unknown-scope"]
    assert world.differing() == []
    with pytest.raises(Invalid, match="project `rome` of `vision` is archived"):
        hands.assign(OPERATOR, world.id, Wanted("ana", "reviewer", project="rome"), "x")
    projects.change(OPERATOR, world.id, "vision", "rome", ProjectDraft(archived=False))
    assert (in_project(world, ana, "rome"), in_project(world, bo, "rome")) == ({"labeler"}, {"reviewer"})


def test_guard_rails_stop_an_archive_that_takes_too_much(
    world: World, projects: Projects, register: Register, change: Register
) -> None:
    """Past the limit nothing is changed, not even the project; with a reason it goes through and is recorded."""
    people = world.users(4)
    world.group("lbx-rome-labelers", people)
    register("rome")
    with pytest.raises(GuardTripped, match=r"4 of 4 people \(100.0%\) lose a role"):
        projects.archive(OPERATOR, world.id, "vision", "rome")
    assert in_project(world, people[0], "rome") == {"labeler"}
    assert [one.archived_at for one in projects.listing(world.id).rows if one.project.id == "rome"] == [None]
    done = change("rome", force="season over", archived=True)
    assert [trip.count for trip in done.forced] == [4]
    (entry, _) = world.audit("vision/rome")
    assert (entry.kind, entry.reason) == ("project.archived", "season over")
    assert world.differing() == []


def test_a_refused_change_leaves_no_trace_in_the_process(world: World, projects: Projects, register: Register) -> None:
    """What a guard rail undid is not remembered: the next change goes by the projects that there are."""
    people = world.users(4)
    world.group("lbx-rome-labelers", people)
    register("rome")
    with pytest.raises(GuardTripped):
        projects.archive(OPERATOR, world.id, "vision", "rome")
    register("oslo")
    newcomer = world.user("newcomer")
    world.group("Everywhere", [newcomer])
    assert in_project(world, newcomer, "rome") == {"labeler"}
    assert world.differing() == []


def test_another_process_sees_a_registered_project_at_once(world: World, register: Register) -> None:
    """Its next change is decided by the registry of its own transaction."""
    other = World.of(world)
    ana = other.user("ana")
    register("rome")
    other.group("lbx-rome-labelers", [ana])
    assert in_project(other, ana, "rome") == {"labeler"}


def test_what_the_file_declares_is_the_files(
    world: World, projects: Projects, register: Register, change: Register
) -> None:
    """A declared project is neither registered nor changed here, and a later declaration goes before the registry."""
    with pytest.raises(Taken, match="id `cityscapes` belongs to another project"):
        register("Cityscapes")
    with pytest.raises(Invalid, match="is declared in its mapping file"):
        change("cityscapes", name="x")
    ana = world.user("ana")
    world.group("Street", [ana])
    register("rome", tags=["street"])
    assert in_project(world, ana, "rome") == {"labeler"}
    world.apply(TAGGED.replace("projects: {", "projects: {rome: {name: Declared}, ", 1))
    assert in_project(world, ana, "rome") == set()
    names = {one.project.id: (one.project.name, one.declared) for one in projects.listing(world.id).rows}
    assert names["rome"] == ("Declared", True)
    world.apply(TAGGED)
    assert in_project(world, ana, "rome") == {"labeler"}


def test_a_mapping_may_name_registered_projects_and_still_reads_when_they_go(
    world: World, projects: Projects, register: Register, change: Register
) -> None:
    """A file is checked against what is registered; a kept revision outlives its projects."""
    ana = world.user("ana")
    world.group("Romans", [ana])
    register("rome", tags=["lazio"])
    rules = "  - {id: romans, groups: [Romans], projects: [rome], grant: {project_role: reviewer}}\n"
    rules += "  - {id: lazio, groups: [Romans], projects: {tag: lazio}, grant: {project_role: reviewer}}\n"
    head, rest = TAGGED.split("guard:")
    world.apply(f"{head}{rules}guard:{rest}")
    assert in_project(world, ana, "rome") == {"reviewer"}
    change("rome", tags=[])
    projects.archive(OPERATOR, world.id, "vision", "rome", force_reason="x")
    assert World.of(world).differing() == []
    assert world.roles(ana) == set()


@pytest.mark.parametrize("id_", ["all", "", "a b", "-a", "a" * 101, "ü"])
def test_an_id_is_one_that_a_file_could_declare(register: Register, id_: str) -> None:
    """Nothing else can be named by rules and URLs."""
    with pytest.raises(Invalid) as refused:
        register(id_)
    assert refused.value.field == "id"


@pytest.mark.parametrize(
    ("draft", "field"),
    [({"name": "a\nb"}, "name"), ({"tags": ["x" * 201]}, "tags"), ({"tags": list(map(str, range(51)))}, "tags")],
)
def test_what_is_registered_has_bounds(register: Register, draft: dict[str, object], field: str) -> None:
    """Text on one line, not too long, and not too many tags."""
    with pytest.raises(Invalid) as refused:
        register("rome", **draft)
    assert refused.value.field == field


def test_registering_again(world: World, projects: Projects, register: Register) -> None:
    """The same is no change; something else under the same id, in whatever case, is refused."""
    register("rome", name="Rome")
    assert not register("rome", name="Rome").new
    with pytest.raises(Taken):
        register("rome", name="Roma")
    with pytest.raises(Taken):
        register("ROME")
    with pytest.raises(NotFound):
        projects.register(OPERATOR, world.id, "nowhere", "x", ProjectDraft())
    with pytest.raises(NotFound):
        projects.change(OPERATOR, world.id, "vision", "oslo", ProjectDraft(name="x"))


def test_a_listing_goes_on_where_it_ended(world: World, projects: Projects, register: Register) -> None:
    """Declared and registered ones together, in pages; archived ones on demand."""
    for number in range(5):
        register(f"p{number}")
    projects.archive(OPERATOR, world.id, "vision", "p0")
    seen, after = [], None
    while True:
        page = projects.listing(world.id, workspace="vision", after=after, limit=2)
        seen += [one.project.id for one in page.rows]
        after = page.after
        if after is None:
            break
    assert seen == ["cityscapes", "p1", "p2", "p3", "p4", "retail"]
    assert len(projects.listing(world.id, archived=True).rows) == 7
    with pytest.raises(NotFound):
        projects.listing(world.id, workspace="nowhere")


def test_a_rule_for_everyone_reaches_everyone(world: World, register: Register) -> None:
    """Where a rule names nobody, a new project is everybody's."""
    head, rest = TAGGED.split("guard:")
    rule = "  - {id: all, when: 'userType eq \"Contractor\"', projects: all, grant: {project_role: labeler}}\n"
    world.apply(f"{head}{rule}guard:{rest}")
    ana, bo = world.user("ana", userType="Contractor"), world.user("bo")
    register("rome")
    assert (in_project(world, ana, "rome"), in_project(world, bo, "rome")) == ({"labeler"}, set())


def test_other_organizations_have_their_own_projects(world: World, register: Register) -> None:
    """The same id there is another project, and theirs alone."""
    register("rome")
    other = World(world.store)
    other.apply(MAPPING)
    theirs = Projects(other.store, other.rulebooks, other.clock)
    assert [one.project.id for one in theirs.listing(other.id).rows] == ["cityscapes", "retail"]

    def version(unit: Unit) -> int:
        return unit.workspaces(other.id).registry().version

    with other.store.read() as unit:
        assert version(unit) == 0


def test_passing_a_guard_rail_may_take_two_people(world: World, register: Register) -> None:
    """Where the installation asks for it, an archive past the limit waits for a second person."""
    approvals = Approvals(world.store, world.clock, needed=True)
    both = Projects(world.store, world.rulebooks, world.clock, approvals)
    people = world.users(4)
    world.group("lbx-rome-labelers", people)
    register("rome")
    with pytest.raises(ApprovalNeeded, match="pass guard rails: project vision/rome"):
        both.archive(OPERATOR, world.id, "vision", "rome", force_reason="over")
    assert in_project(world, people[0], "rome") == {"labeler"}
    both.archive(Operator("os:ben", "c2"), world.id, "vision", "rome", force_reason="over")
    assert in_project(world, people[0], "rome") == set()
