"""The endpoints by subject, and all of them: what the router routes and the OpenAPI document describes."""

from typing import Final

from rolebridge.api.endpoints import (
    access,
    applications,
    assignments,
    audit,
    changes,
    decisions,
    holds,
    keys,
    logins,
    logouts,
    people,
    plans,
    projects,
    record,
    reviews,
    sessions,
    workspaces,
)
from rolebridge.api.routing import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *people.ENDPOINTS,
    *workspaces.ENDPOINTS,
    *projects.ENDPOINTS,
    *assignments.ENDPOINTS,
    *access.ENDPOINTS,
    *decisions.ENDPOINTS,
    *reviews.ENDPOINTS,
    *changes.ENDPOINTS,
    *holds.ENDPOINTS,
    *plans.ENDPOINTS,
    *audit.ENDPOINTS,
    *record.ENDPOINTS,
    *logins.ENDPOINTS,
    *sessions.ENDPOINTS,
    *applications.ENDPOINTS,
    *keys.ENDPOINTS,
    *logouts.ENDPOINTS,
)
