"""All attacks by name: what is sent, which check is to refuse it, and what the connection expected.

The tests run them as they are, once with each check taken away, and beside another library.
"""

from __future__ import annotations

from tests.sso.saml import (  # noqa: F401 - each fills the table
    attacks_claims,
    attacks_encryption,
    attacks_signatures,
    attacks_trees,
    attacks_wrapping,
)
from tests.sso.saml.attacking import ATTACKS, Attack, expectations

__all__ = ["ATTACKS", "Attack", "expectations"]
