"""Readings that the tests of the SCIM face share."""

from __future__ import annotations

import pytest

from rolebridge.scim.profile import profile
from rolebridge.scim.tolerances import Reading


@pytest.fixture
def strict() -> Reading:
    return profile("strict").reading()


@pytest.fixture
def generic() -> Reading:
    return profile("generic").reading()
