"""The API of an installation: which of its use cases are open to API keys, and where its problems are explained."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import NotFound

from rolebridge.api.face import ApiFace
from rolebridge.api.usecases import UseCases
from rolebridge.app.installation import API_PATH, Installation
from rolebridge.web.problems import PROBLEMS_PATH, Kind, explanation_of


def api_face(installation: Installation) -> ApiFace:
    """Return the API of an installation, at its base URL."""
    return ApiFace(_use_cases(installation), installation.settings.base_url, API_PATH)


def explain_problems(app: Flask) -> None:
    """Have the `type` of every problem lead to an explanation."""
    app.add_url_rule(f"{PROBLEMS_PATH}/<kind>", "problems", _explained)


def _use_cases(installation: Installation) -> UseCases:
    return UseCases(
        store=installation.store,
        clock=installation.clock,
        administration=installation.administration,
        access=installation.access,
        access_then=installation.access_then,
        membership=installation.membership,
        explaining=installation.explaining,
        deciding=installation.deciding,
        delegating=installation.delegating,
        assigning=installation.assigning,
        projects=installation.projects,
        reviewing=installation.reviewing,
        observing=installation.observing,
        planning=installation.planning,
        holds=installation.holds,
        approvals=installation.approvals,
        auditing=installation.auditing,
        request_log=installation.request_log,
        sessions=installation.sessions,
        sso=installation.sso,
        login_log=installation.login_log,
        applications=installation.applications,
        logouts=installation.logouts,
        status=installation.status,
        feed=installation.feed,
        idempotency=installation.idempotency,
    )


def _explained(kind: str) -> Response:
    if kind not in set(Kind):
        raise NotFound(f"there is no kind of problem `{kind[:60]}`")
    return Response(explanation_of(Kind(kind)), content_type="text/plain; charset=utf-8")
