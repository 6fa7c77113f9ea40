"""The API for administrators and products: JSON over HTTP, opened by API keys, described by an OpenAPI document.

Routes (docs/reference/api.md has each): `openapi.json`, `status`, `connections/{name}/requests`,
`connections/{name}/requests/{id}`, `access`, `explanations`. Everything is read; nothing here changes anything yet.

Invariant: a key sees its own organization and nothing else, and one for a workspace nothing but access in that
workspace. Refusals are problem documents (RFC 9457), lists are paged by opaque cursors.
"""
