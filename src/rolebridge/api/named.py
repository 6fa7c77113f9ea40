"""What the path of a request names, looked up within the organization of its key."""

from __future__ import annotations

from rolebridge.api.routing import Call
from rolebridge.api.usecases import UseCases
from rolebridge.core.errors import NotFound
from rolebridge.store.provider_records import Application
from rolebridge.store.records import Connection


def connection_of(use: UseCases, call: Call) -> Connection:
    """Return the connection of the path. Raises NotFound."""
    organization = use.administration.organization_of(call.organization_id)
    return use.administration.connection(organization, call.path["connection"])


def application_of(use: UseCases, call: Call) -> Application:
    """Return the application of the path, by its whole id: a program has it. Raises NotFound."""
    organization, wanted = use.administration.organization_of(call.organization_id), call.path["application"]
    found = next((one for one in use.applications.all(organization) if one.id == wanted), None)
    if found is None:
        raise NotFound("application", wanted)
    return found
