"""What of a request is HTTP rather than SCIM: its path, its parameters, the types of its body and of the answer.

Choices where RFC 7644 and RFC 9110 leave one:

- Slashes too many in a path mean nothing: a base URL that was typed with a slash at its end works.
- The answer is `application/scim+json`, or `application/json` for a client that prefers that (§3.8). Whatever else a
  client says it accepts, it gets the former: an answer it may read is better than a 406 that it cannot.
- `attributes` and `excludedAttributes` given several times are one list. Any other parameter given twice with two
  values is refused: one of them would be ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from rolebridge.core.filter_tree import shown
from rolebridge.scim.errors import ScimError, invalid_filter, invalid_syntax, invalid_value, not_found
from rolebridge.scim.tolerances import Reading, Tolerance

SCIM_TYPE: Final = "application/scim+json"
JSON_TYPE: Final = "application/json"

ENDPOINTS: Final = ("Users", "Groups", "Me", "Bulk", ".search", "Schemas", "ResourceTypes", "ServiceProviderConfig")

_BY_CASE: Final = {name.lower(): name for name in ENDPOINTS}
_LISTS: Final = ("attributes", "excludedattributes")
_SINGLE: Final = ("filter", "startindex", "count", "cursor", "sortby", "sortorder")
_CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_QUALITY: Final = re.compile(r";\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)
_LONGEST_ID: Final = 1000  # characters: a schema's URN is the longest, and no id of ours is half as long
_LONGEST_ACCEPT: Final = 2000


def resource_of(path: str, reading: Reading) -> tuple[str, str]:
    """Return the endpoint that a path names, and what follows it, "" for nothing. Raises `ScimError`."""
    endpoint, _, id_ = "/".join(filter(None, path.split("/"))).partition("/")
    if len(id_) > _LONGEST_ID:
        raise not_found(f"nothing has an id of {len(id_)} characters")
    known = _BY_CASE.get(endpoint.lower())
    if known is not None and known != endpoint:
        detail = f"the endpoint is `/{known}`, not {shown(f'/{endpoint}')}"
        reading.forgive(Tolerance.ENDPOINT_CASE, not_found, detail)
        return known, id_
    return endpoint, id_


def parameters_of(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the query parameters by lower-case name. Raises `ScimError` (invalidFilter, invalidValue)."""
    found: dict[str, str] = {}
    for name, value in query:
        key = name.lower()
        known = found.setdefault(key, value)
        if known == value:
            continue
        if key in _LISTS:
            found[key] = f"{known},{value}"
        elif key in _SINGLE:
            refusal = invalid_filter if key == "filter" else invalid_value
            raise refusal(f"the parameter {shown(name)} is given twice, with two values")
    return found


def check_body(body: bytes, headers: Mapping[str, str]) -> None:
    """Refuse a body that is not there (invalidSyntax) or not JSON in UTF-8 as it is (415)."""
    if not body.strip():
        raise invalid_syntax("the request has no body")
    coding = headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        detail = f"the body is encoded as {shown(coding)}; send it as it is"
        raise ScimError(415, None, detail, (("Accept-Encoding", "identity"),))
    given = headers.get("content-type", "").strip() or SCIM_TYPE
    if given.partition(";")[0].strip().lower() not in (SCIM_TYPE, JSON_TYPE):
        raise ScimError(415, None, f"the body is {shown(given)}, not `{SCIM_TYPE}` or `{JSON_TYPE}`")
    charset = _CHARSET.search(given)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        raise ScimError(415, None, f"the body is in {shown(charset[1])}; JSON is in UTF-8 (RFC 8259 §8.1)")


def answer_type(headers: Mapping[str, str]) -> str:
    """Return which of the two types the client prefers for the answer."""
    accept = headers.get("accept", "").lower()
    if JSON_TYPE not in accept or len(accept) > _LONGEST_ACCEPT:
        return SCIM_TYPE
    qualities = {SCIM_TYPE: 0.0, JSON_TYPE: 0.0, "application/*": 0.0, "*/*": 0.0}
    for item in accept.split(","):
        media = item.partition(";")[0].strip()
        if media in qualities:
            quality = _QUALITY.search(item)
            qualities[media] = float(quality[1]) if quality else 1.0
    named = SCIM_TYPE in (item.partition(";")[0].strip() for item in accept.split(","))
    wild = qualities["application/*"] or qualities["*/*"]
    return JSON_TYPE if qualities[JSON_TYPE] > (qualities[SCIM_TYPE] if named else wild) else SCIM_TYPE
