"""Use cases: what can be done to an organization's directory, mappings and access, one module each.

Every write is one transaction from the request to the grants: the directory row, the effective roles of exactly the
users it affects, the audit rows that say why, and the outbox rows that tell the world. A use case knows neither HTTP
nor SCIM nor a terminal; it raises `core.errors` and returns values.
"""
