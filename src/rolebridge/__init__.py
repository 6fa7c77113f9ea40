"""Rolebridge: a SCIM 2.0 and SSO identity-provisioning bridge.

Identity providers push users and groups; mapping files turn groups into workspace and project roles on
data-labelling platforms; a pure resolver computes every effective role with its lock and its provenance, so
that "why is Ana a reviewer here, and why can't I change it?" always has an answer.

The floors, top to bottom (a module imports only downwards):
`__main__ → cli → app → scim | sso | oauth | api | console | demo → web → bridge →
store | mapfile | connectors → core → catalogues | settings`.
"""

from importlib.metadata import version

__version__ = version("rolebridge")
