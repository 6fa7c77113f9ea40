"""Decisions: may this person do that here, and may this one give that role to that one."""

from __future__ import annotations

from typing import Any, Final

from rolebridge.api.endpoints.access import USER, person_of
from rolebridge.api.parameters import choice, word
from rolebridge.api.routing import Answer, Call, Endpoint, limited
from rolebridge.api.shapes import GIVEN_TEXT, record
from rolebridge.api.usecases import UseCases
from rolebridge.bridge.deciding import MOST, Question
from rolebridge.bridge.decision_documents import decision_document, verdict_document
from rolebridge.bridge.delegating import Wish
from rolebridge.bridge.permissions import Permission
from rolebridge.core.delegation import Act
from rolebridge.web.problems import Kind

_PERMISSION: Final = "A permission's id in the platform's catalogue: `review_labels`."


def _decide(use: UseCases, call: Call) -> Answer:
    said = call.query
    question = _question(
        use, call, {"user": said.required("user"), "permission": said.required("permission")}, said.text("project")
    )
    found = use.deciding.decide(call.organization_id, question)
    return Answer({"decisions": [decision_document(one) for one in found]})


def _decide_many(use: UseCases, call: Call) -> Answer:
    questions = [_question(use, call, one, one.get("project")) for one in call.body["questions"]]
    found = use.deciding.decide_many(call.organization_id, questions)
    return Answer({"answers": [{"decisions": [decision_document(one) for one in answers]} for answers in found]})


def _question(use: UseCases, call: Call, said: dict[str, Any], project: str | None) -> Question:
    workspace = limited(call.holder, said["workspace"]) if "workspace" in said else call.workspace
    return Question(person_of(use, call, said["user"]) or "", said["permission"], workspace, project)


def _may(use: UseCases, call: Call) -> Answer:
    said = call.query
    wish = Wish(
        person_of(use, call, said.required("actor")) or "",
        Act(said.required("act")),
        said.required("role"),
        person_of(use, call, said.required("target")) or "",
        call.workspace,
        said.text("project"),
        said.text("slot"),
        said.text("phase") or "",
    )
    return Answer(verdict_document(use.delegating.may(call.organization_id, wish)))


ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/decisions",
        "Whether a person may do something, by the platform's own tables",
        Permission.READ_ACCESS,
        "Decisions",
        _decide,
        query=(
            word("user", USER, required=True),
            word("permission", _PERMISSION, required=True),
            word("workspace", "In this workspace; otherwise in each whose platform knows the permission."),
            word("project", "In this project; otherwise in the workspace itself."),
        ),
        description="`answer` is `allowed`, `qualified` (as the cell says), `denied`, or `unknown` for a lost cell.",
    ),
    Endpoint(
        "POST",
        "/decisions",
        "Many such questions at once, as of one moment",
        Permission.READ_ACCESS,
        "DecisionAnswers",
        _decide_many,
        body=record(
            {
                "questions": {
                    "type": "array",
                    "maxItems": MOST,
                    "items": record(
                        {
                            "user": GIVEN_TEXT,
                            "permission": {**GIVEN_TEXT, "description": _PERMISSION},
                            "workspace": GIVEN_TEXT,
                            "project": GIVEN_TEXT,
                        },
                        optional=("workspace", "project"),
                    ),
                }
            }
        ),
        safe=True,
        problems=(Kind.NOT_FOUND,),
        description="Answered in their order. One that cannot be asked (an unknown user) refuses them all.",
    ),
    Endpoint(
        "GET",
        "/delegations",
        "Whether the platform lets a person give or take a role",
        Permission.READ_ACCESS,
        "Verdict",
        _may,
        query=(
            word("actor", f"Who would. {USER}", required=True),
            choice("act", "What.", [act.value for act in Act], required=True),
            word("role", "Which role; for `assign_work` and `manage_members` the target's own.", required=True),
            word("target", f"To or from whom. {USER}", required=True),
            word("workspace", "The workspace; may be left out where only one can be meant."),
            word("project", "The project, for a role of one."),
            word("slot", "The kind of role, where several have a role of that name."),
            word("phase", "The phase of the work, where the platform tells phases apart."),
        ),
        description="By the delegation rules of the platform's catalogue: `allowed`, `denied` or `unknown`.",
    ),
)
