"""The pure heart of Rolebridge: values and functions, and nothing that touches the world.

Standard library only; no input or output, no clock, no module state. What is decided here is decided
the same way by `apply`, by `explain`, by a SCIM request and by a test, because all of them call it.

`catalogue` and `mapping` say what a platform allows and what an administrator wants; `directory` says who
is there; `resolver` turns the three into effective roles with provenance; `plan` compares two outcomes;
`guardrails` says when an outcome is too drastic to let pass; `filters` is the one RFC 7644 grammar.
"""
