"""Requests made up from the OpenAPI document, by a tool of other authors: what is answered is what is described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from tests.api.talking import Tenant

from rolebridge.api.endpoints import ENDPOINTS
from rolebridge.api.routing import Endpoint

EXAMPLES = 15
"""Requests of each endpoint, valid ones and others."""


# What is held against the description here does not depend on the database.
@pytest.mark.parametrize("url", ["sqlite"], indirect=True, scope="module")
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
def test_answers_are_as_described(acme: Tenant, endpoint: Endpoint) -> None:
    """Statuses, media types and bodies; no request makes the server fail, and what is invalid is refused."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", acme.client.application)
    operation = schema[endpoint.path][endpoint.method]
    headers = {"Authorization": f"Bearer {acme.key('owner')}"}
    checks: Any = [CHECKS.get_one(name) for name in NAMES]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    def ask(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=checks)

    ask()


NAMES = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
