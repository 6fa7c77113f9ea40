"""The SCIM 2.0 face (RFC 7643, RFC 7644): what an identity provider talks to, and the only home of scim2-models.

A request is read in one direction, and every step is a pure function until the use case is called:

    bytes ── bodies ──▶ JSON ── canonical ─▶ UserDraft, GroupDraft     (POST, PUT)
                             └─ patch ─────▶ UserChange, GroupChange   (PATCH)
    stored text ── answers ──▶ the bytes that go out

A bulk request (`bulk`, `bulk_plan`) is a series of such requests. `preconditions` turns entity tags into versions.

`schemas` turns scim2-models' schemas into the attribute tables that drive both readers and into the discovery
answers. A `profiles.Profile` says which departures from the RFCs a connection's identity provider is forgiven; a
`tolerances.Reading` asks it and remembers what was used. Every refusal is an `errors.ScimError`.

Invariant: whatever the client sent, what leaves here has the schema's names and JSON types, or is refused whole.
"""
