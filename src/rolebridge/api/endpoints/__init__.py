"""The endpoints by subject, and all of them: what the router routes and the OpenAPI document describes."""

from typing import Final

from rolebridge.api.endpoints import access, changes, keys, people, record, workspaces
from rolebridge.api.routing import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *people.ENDPOINTS,
    *workspaces.ENDPOINTS,
    *access.ENDPOINTS,
    *changes.ENDPOINTS,
    *record.ENDPOINTS,
    *keys.ENDPOINTS,
)
