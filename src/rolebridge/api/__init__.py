"""The API for administrators and products: JSON over HTTP, opened by API keys, described by an OpenAPI document.

`endpoints` has one row for everything that is offered (docs/reference/api.md has each): `routing` finds it, `face` does
what is the same for all of them, `openapi` describes it. Handlers call use cases and know neither HTTP nor Flask.

Invariant: a key sees its own organization and nothing else, and one for a workspace nothing but that workspace.
Refusals are problem documents (RFC 9457), lists are paged by opaque cursors, writes may carry an idempotency key.
"""
