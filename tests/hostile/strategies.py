"""What attackers and broken clients send: filters, paths, JSON, queries, near enough to the real to go deep."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
NAMES = [
    *(
        "userName",
        "USERNAME",
        "id",
        "externalId",
        "active",
        "meta",
        "meta.created",
        "meta.version",
        "schemas",
        "groups",
    ),
    *("members", "members.value", "emails", "emails.value", "emails.type", "emails.primary", "name", "name.familyName"),
    *("roles", "roles.value", "displayName", "password", "addresses.formatted", "x509Certificates", "photos.value"),
    *(ENTERPRISE, f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value", "manager"),
    *("nothing", "urn:x:y", "urn:ietf:params:scim:schemas:core:2.0:User:userName", "$ref", "a.b.c", "", ".", ":", "[]"),
]
WORDS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "EQ", "xx", "and", "or", "not", "AND"]
SIGNS = [
    "(",
    ")",
    "[",
    "]",
    " ",
    "  ",
    '"',
    "\\",
    ".",
    ":",
    ",",
    "'",
    ";",
    "--",
    "%",
    "_",
    "*",
    "\x00",
    "\n",
    "\u200b",
    "🦊",
]

odd_text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "True", "false", "null", "2011-05-13T04:42:34Z", "9" * 400, "%", "_", "\\", "İ", "ß", "\x7f"]),
    st.sampled_from(["x" * 5_000, "\u0000", "a\u0000b", "'; DROP TABLE users; --", "{{7*7}}", "${jndi:x}", "../../x"]),
)
literals = st.one_of(
    st.sampled_from(["true", "false", "null", "1", "-1", "1.5", "1e400", "-0", "1e-400", "9" * 5_000, "True", "NaN"]),
    odd_text.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    st.sampled_from(['"\\ud800"', '"\\u0000"', '"\\x"', '"', '"unclosed', '""', "bare", '"2011-13-45T99:99:99Z"']),
)
comparisons = st.builds(
    lambda name, word, literal: f"{name} {word} {literal}", st.sampled_from(NAMES), st.sampled_from(WORDS), literals
)
_nested = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(lambda left, word, right: f"{left} {word} {right}", inner, st.sampled_from(["and", "or"]), inner),
        inner.map(lambda term: f"not ({term})"),
        inner.map(lambda term: f"({term})"),
        st.builds(lambda name, term: f"{name}[{term}]", st.sampled_from(NAMES), inner),
    ),
    max_leaves=6,
)
soup = st.lists(st.one_of(st.sampled_from([*NAMES, *WORDS, *SIGNS]), literals), max_size=12).map(" ".join)
filters = st.one_of(_nested, soup, odd_text)

paths = st.one_of(
    st.sampled_from(NAMES),
    st.builds(
        lambda name, term, sub: f"{name}[{term}]{sub}",
        st.sampled_from(NAMES),
        _nested,
        st.sampled_from(["", ".value", ".type", ".x", ".a.b", "[", "."]),
    ),
    soup,
    odd_text,
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 10**400, 0, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    odd_text,
)
_keys = st.one_of(
    st.sampled_from([*NAMES, "value", "type", "primary", "display", "op", "path", "Operations", "formatted"]), odd_text
)
json_values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)),
    max_leaves=12,
)
elements = st.fixed_dictionaries(
    {}, optional={"value": json_values, "type": scalars, "primary": scalars, "$ref": scalars}
)
ATTRIBUTES = [
    *(
        "userName",
        "displayName",
        "active",
        "emails",
        "phoneNumbers",
        "name",
        "externalId",
        "roles",
        "entitlements",
        "members",
    ),
    *(
        "addresses",
        "photos",
        "x509Certificates",
        "ims",
        "groups",
        "meta",
        "id",
        "password",
        "schemas",
        "locale",
        ENTERPRISE,
    ),
]
resources = st.dictionaries(
    st.sampled_from(ATTRIBUTES), st.one_of(json_values, elements, st.lists(elements, max_size=3)), max_size=6
)
operations = st.fixed_dictionaries(
    {"op": st.one_of(st.sampled_from(["add", "remove", "replace", "Add", "REPLACE", "move"]), json_values)},
    optional={"path": st.one_of(paths, json_values), "value": st.one_of(resources, elements, json_values)},
)
query_names = st.sampled_from(
    [
        "filter",
        "startIndex",
        "count",
        "attributes",
        "excludedAttributes",
        "sortBy",
        "sortOrder",
        "cursor",
        "FILTER",
        "x",
    ]
)
query_values = st.one_of(
    filters,
    odd_text,
    st.sampled_from(["0", "-1", "1", "200", "9" * 30, "9" * 5_000, "1_0", " 1", "٣", "1.0", "0x1", "userName,"]),
    st.lists(st.sampled_from(NAMES), max_size=5).map(",".join),
)
