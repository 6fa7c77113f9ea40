"""The endpoints by subject, and all of them: what the router routes and the OpenAPI document describes."""

from typing import Final

from rolebridge.api.endpoints import access, assignments, changes, keys, people, plans, projects, record, workspaces
from rolebridge.api.routing import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *people.ENDPOINTS,
    *workspaces.ENDPOINTS,
    *projects.ENDPOINTS,
    *assignments.ENDPOINTS,
    *access.ENDPOINTS,
    *changes.ENDPOINTS,
    *plans.ENDPOINTS,
    *record.ENDPOINTS,
    *keys.ENDPOINTS,
)
