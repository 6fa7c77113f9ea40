"""Reading requests and joining answers, against scim2-models doing the same in the same run.

Prints microseconds (median of interleaved rounds) and how many times cheaper ours is.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from scim2_models import URI, Context, ListResponse, PatchOp, Reference, ResourceType, SchemaExtension, ScimProvider

from rolebridge.core.directory import UserDraft
from rolebridge.scim import answers, schemas
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.canonical import read_group, read_user
from rolebridge.scim.membership import read_group_change
from rolebridge.scim.patch import read_user_change
from rolebridge.scim.profile import profile
from rolebridge.scim.tolerances import Reading

ROUNDS = 15
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

FULL = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "00u1",
    "userName": "ana.lopez@contoso.example",
    "active": True,
    "displayName": "Ana López",
    "title": "Lead annotator",
    "preferredLanguage": "es",
    "name": {"formatted": "Ana López", "familyName": "López", "givenName": "Ana"},
    "emails": [{"primary": True, "type": "work", "value": "ana.lopez@contoso.example"}],
    "phoneNumbers": [{"type": "work", "value": "1"}, {"type": "mobile", "value": "2"}],
    "addresses": [{"type": "work", "streetAddress": "S 1", "locality": "Sevilla", "country": "ES"}],
    "roles": [{"value": "annotator", "type": "app", "primary": True}],
    ENTERPRISE: {"employeeNumber": "701984", "department": "Vision", "manager": {"value": "26118915"}},
}
OKTA = {
    "schemas": [USER],
    "userName": "ana@okta.example",
    "name": {"givenName": "Ana", "familyName": "López"},
    "emails": [{"primary": True, "value": "ana@okta.example", "type": "work"}],
    "displayName": "Ana López",
    "locale": "en-US",
    "externalId": "00u1",
    "groups": [],
    "active": True,
}


def operation(op: str, path: str, value: Any) -> bytes:
    return json.dumps({"schemas": [PATCH], "Operations": [{"op": op, "path": path, "value": value}]}).encode()


def reading() -> Reading:
    return profile("generic").reading()


def models() -> tuple[Any, Any]:
    """Return the models of a user and a group, composed from the schemas as they are published here."""

    def kind(name: str, urn: str, extensions: tuple[str, ...] = ()) -> ResourceType:
        listed = [SchemaExtension(schema=Reference[URI](uri), required=False) for uri in extensions]
        endpoint = Reference[URI](f"/{name}s")
        return ResourceType(id=name, name=name, endpoint=endpoint, schema=Reference[URI](urn), schema_extensions=listed)

    provider = ScimProvider.from_discovery(
        schemas.published(), [kind("User", USER, (ENTERPRISE,)), kind("Group", GROUP)]
    )
    return provider.model_for("User"), provider.model_for("Group")


def measured(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
    """Return the medians of both, in microseconds, from rounds that alternate."""
    times: tuple[list[float], list[float]] = ([], [])
    counts = [max(1, int(0.02 / timed(call, 1))) for call in (ours, theirs)]
    for _ in range(ROUNDS):
        for call, count, found in zip((ours, theirs), counts, times, strict=True):
            found.append(timed(call, count))
    return statistics.median(times[0]) * 1e6, statistics.median(times[1]) * 1e6


def timed(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def report(name: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    mine, other = measured(ours, theirs)
    print(f"{name:<44} {mine:>10.1f} {other:>12.1f} {other / mine:>8.1f}x")


def creations(user: Any) -> None:
    for name, attributes in (("POST full user", FULL), ("POST Okta's user", OKTA)):
        raw = json.dumps(attributes).encode()
        oracle = partial(user.model_validate_json, raw, scim_ctx=Context.RESOURCE_CREATION_REQUEST)
        report(f"{name}: bytes to canonical", partial(created, raw), oracle)


def created(raw: bytes) -> UserDraft:
    return read_user(parse_body(raw), reading())


def patches(user: Any) -> None:
    attributes = {name: value for name, value in FULL.items() if name != "schemas"}
    draft = UserDraft("ana", "00u1", True, attributes)
    stored = user.model_validate(FULL)
    model = PatchOp.__class_getitem__(user)

    def oracle(raw: bytes) -> None:
        patch = model.model_validate_json(raw, scim_ctx=Context.RESOURCE_PATCH_REQUEST)
        patch.patch(stored.model_copy(deep=True))

    for name, raw in (
        ("PATCH active", operation("replace", "active", False)),
        ("PATCH emails[type eq work].value", operation("replace", 'emails[type eq "work"].value', "x@contoso.example")),
        ("PATCH urn:…:User:department", operation("replace", f"{ENTERPRISE}:department", "Audio")),
    ):
        report(f"{name}: bytes to new draft", partial(changed, raw, draft), partial(oracle, raw))


def changed(raw: bytes, draft: UserDraft) -> UserDraft:
    return read_user_change(parse_body(raw), reading())(draft)


def groups(group: Any) -> None:
    members = [{"value": f"{number:032x}"} for number in range(1000)]
    whole = json.dumps({"schemas": [GROUP], "displayName": "g", "members": members}).encode()
    report(
        "PUT group of 1,000: bytes to ids",
        lambda: read_group(parse_body(whole), reading()),
        lambda: group.model_validate_json(whole, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST),
    )
    raw = operation("add", "members", [{"value": "f" * 32}])
    stored = group.model_validate({"schemas": [GROUP], "displayName": "g", "members": members})
    model = PatchOp.__class_getitem__(group)

    def oracle() -> None:
        model.model_validate_json(raw, scim_ctx=Context.RESOURCE_PATCH_REQUEST).patch(stored.model_copy(deep=True))

    report("PATCH one member of 1,000: bytes to delta", lambda: read_group_change(parse_body(raw), reading()), oracle)


def lists(user: Any) -> None:
    meta = {"resourceType": "User", "created": "2026-11-01T00:00:00Z", "lastModified": "2026-11-01T00:00:00Z"}
    body = json.dumps({**FULL, "id": "1", "meta": meta}, separators=(",", ":"))
    whole = answers.read_projection(schemas.user(), None, None, reading())
    some = answers.read_projection(schemas.user(), "userName,emails", None, reading())
    location = "https://bridge.example/scim/v2/Users/1"

    def joined(projection: answers.Projection) -> bytes:
        texts = [answers.resource_text(body, location, projection) for _ in range(100)]
        return answers.list_response(100, 1, texts)

    resources = [user.model_validate(json.loads(body)) for _ in range(100)]
    model = ListResponse.__class_getitem__(user)

    def dumped() -> str:
        response = model(total_results=100, start_index=1, items_per_page=100, resources=resources)
        found: str = response.model_dump_json(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
        return found

    report("list of 100 users", lambda: joined(whole), dumped)
    report("list of 100 users, two attributes", lambda: joined(some), dumped)


def main() -> None:
    user, group = models()
    print(f"{'':<44} {'ours µs':>10} {'scim2-models':>12} {'ratio':>9}")
    creations(user)
    patches(user)
    groups(group)
    lists(user)


if __name__ == "__main__":
    main()
