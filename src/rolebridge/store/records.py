"""Rows as values: what the store gives back. Moments are aware and in UTC."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from rolebridge.core.assignment import ManualAssignment
from rolebridge.core.directory import GroupDraft, UserDraft
from rolebridge.core.grants import Grant
from rolebridge.core.registry import Mode
from rolebridge.store import documents


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant."""

    id: str
    name: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured identity provider of an organization; `profile` names its tolerance profile.

    `rate_limit` is its own (`core.limits.RateLimit` as text), None for the installation's. `allowed` are the networks
    from which its clients may come, in CIDR notation; none means every address. `schemas_version` counts the changes of
    the schemas that its organization defines.
    """

    organization_id: str
    id: str
    name: str
    profile: str
    created: datetime
    rate_limit: str | None = None
    allowed: tuple[str, ...] = ()
    schemas_version: int = 0


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret as it is kept: an HMAC of it under the key `key_id`, and its last four characters for people."""

    id: str
    name: str
    hash: bytes
    key_id: str
    hint: str
    created: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Return whether it may be used at `now`: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Token:
    """The SCIM token of a connection; `user_id` is the user of the connection whom `/Me` means, None for nobody."""

    organization_id: str
    connection_id: str
    credential: Credential
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: `role` says what it may do; without an organization it is the owner's of the installation.

    `made_by` is the actor who made it, None where that is not known.
    """

    organization_id: str | None
    credential: Credential
    role: str
    workspace: str | None = None
    made_by: str | None = None


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """Whom a token speaks for, and what decides whether it does so still.

    `key_id` is the key under which it is stored, `user_id` the user whom `/Me` means.
    """

    credential_id: str
    key_id: str
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: str | None
    connection: Connection

    def usable(self, now: datetime) -> bool:
        """Return whether the token may be used at `now`: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth 2.0 client of a connection; its access tokens live for `token_minutes`."""

    organization_id: str
    connection_id: str
    id: str
    name: str
    token_minutes: int
    created: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClientCredential:
    """What a client proves itself with: a secret, or with a `jwk` (JSON text) the public key of a key pair.

    A key's `credential.hash` is its thumbprint (RFC 7638), and `credential.key_id` the `kid` it came with, or "".
    """

    organization_id: str
    client_id: str
    credential: Credential
    jwk: str | None = None


@dataclass(frozen=True, slots=True)
class StoredUnder:
    """How many credentials that work are stored under one secret key."""

    tokens: int
    keys: int
    client_secrets: int
    refresh_tokens: int = 0

    @property
    def all(self) -> int:
        """Return how many there are of every kind."""
        return self.tokens + self.keys + self.client_secrets + self.refresh_tokens


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that a client was given for a proof by the credential `credential_id`; `hash` is an HMAC of it."""

    organization_id: str
    client_id: str
    credential_id: str
    hash: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessTokenHolder:
    """Whom an access token speaks for, and what it hangs on: its own end, its client and the proof behind it."""

    token: AccessToken
    client_revoked_at: datetime | None
    credential_revoked_at: datetime | None
    connection: Connection

    def usable(self, now: datetime) -> bool:
        """Return whether it may be used at `now`."""
        return self.client_revoked_at is None and self.credential_revoked_at is None and now < self.token.expires_at


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user's row. `body` is the canonical answer without `groups` and `meta.location` (see `documents`)."""

    organization_id: str
    id: str
    connection_id: str
    user_name: str
    external_id: str | None
    active: bool
    version: int
    created: datetime
    last_modified: datetime
    body: str

    def draft(self) -> UserDraft:
        """Return what the user is, as a draft to make another one from."""
        attributes = documents.attributes(self.body)
        attributes.setdefault("active", None)
        return UserDraft(self.user_name, self.external_id, self.active, attributes)

    def resource(self) -> dict[str, Any]:
        """Return the canonical resource, as rules read it."""
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A group's row. `body` is the canonical answer without `members` and `meta.location` (see `documents`).

    `nested` says that groups are in it, or that it is in a group.
    """

    organization_id: str
    id: str
    connection_id: str
    display: str
    external_id: str | None
    version: int
    created: datetime
    last_modified: datetime
    body: str
    nested: bool = False

    def draft(self) -> GroupDraft:
        """Return what the group is, as a draft to make another one from."""
        return GroupDraft(self.display, self.external_id, documents.attributes(self.body))


class UserAnswer(NamedTuple):
    """A user as answered: the body, made when it was written, and the elements of `groups`.

    `groups` is JSON text without its brackets, "" for none, None when it was not asked for. (A tuple: a page makes a
    hundred of them, at a quarter of a dataclass's cost.)
    """

    id: str
    body: str
    version: int
    groups: str | None = None


class GroupAnswer(NamedTuple):
    """A group as answered: the body, made when it was written, and the elements of `members`.

    `members` is JSON text without its brackets, in blocks to be joined by commas, which may be made as they are taken:
    none for no member, None when they were not asked for.
    """

    id: str
    body: str
    version: int
    members: Sequence[str] | None = None


Answer = TypeVar("Answer", UserAnswer, GroupAnswer)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the key of its last resource in the order that was asked for, and in that of creation."""

    key: str | float | None
    sequence: int


@dataclass(frozen=True, slots=True)
class Page(Generic[Answer]):
    """Some of the resources that a question finds, in order, and how many it finds in all.

    `next` is where a further page begins, where that was asked for and there is one.
    """

    total: int
    answers: tuple[Answer, ...]
    next: Position | None = None


@dataclass(frozen=True, slots=True)
class MemberDelta:
    """What a membership change did, each in the order of ids but `unknown`.

    `unknown` are the ids that are not users of the connection, in the order in which they came.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Departed:
    """What is left of a deleted user or group; `name` is its userName or displayName."""

    id: str
    kind: str
    connection_id: str
    name: str
    external_id: str | None
    deleted: datetime


@dataclass(frozen=True, slots=True)
class HeldGrant:
    """A grant beside the names of its holder, for views."""

    grant: Grant
    user_name: str
    display_name: str
    active: bool


@dataclass(frozen=True, slots=True)
class ListedManual:
    """An assignment by hand beside the names of its holder, "" once they were deleted, and how it was ended."""

    assignment: ManualAssignment
    user_name: str
    display_name: str
    ended_at: datetime | None = None
    ended_by: str = ""
    ended_reason: str = ""


@dataclass(frozen=True, slots=True)
class WorkspaceMode:
    """How a workspace is run, since when and who said so."""

    workspace: str
    mode: Mode
    changed: datetime
    changed_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Person:
    """A user as lists name them; `display_name` is "" for none, `connection` the name of the one that owns them."""

    id: str
    user_name: str
    display_name: str
    active: bool
    connection: str


@dataclass(frozen=True, slots=True)
class GrantCounts:
    """How many people hold something, and how many grants are in force, blocked and in conflict."""

    people: int
    effective: int
    blocked: int
    conflicts: int


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What putting a revision in force did: the digest of the plan and how many changes of each kind, where known.

    `restores` is the number of the revision whose files it repeats.
    """

    plan: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    restores: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A set of mapping files that was or is in force; the highest number is.

    `connections` are the names of the organization's connections when it was put in force: a file that names none
    means the only one that there was then, not whichever came later.
    """

    number: int
    digest: str
    connections: tuple[str, ...]
    created: datetime
    actor: str
    reason: str
    carried_out: CarriedOut


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What happened to a subject, by whom and why. `before` and `after` are JSON text."""

    sequence: int
    at: datetime
    kind: str
    actor: str
    request_id: str
    subject_kind: str
    subject_id: str
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something that is to be told to others; `payload` is JSON text."""

    sequence: int
    at: datetime
    kind: str
    payload: str


@dataclass(frozen=True, slots=True)
class FeedState:
    """How far the feed of changes goes: the last position that was given, and the last one that was taken away."""

    last: int
    purged: int


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A row of the feed of changes; `payload` is JSON text. `held`: a guard rail keeps it from being delivered."""

    position: int
    at: datetime
    kind: str
    payload: str
    held: bool = False
