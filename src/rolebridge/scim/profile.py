"""A connection's profile: how its identity provider speaks SCIM, as data (`profiles/*.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from rolebridge.scim.tolerances import Reading, Tolerance

if TYPE_CHECKING:
    # Commands that only list profiles do not pay for scim2-models.
    from rolebridge.scim.schemas import SchemaSet

DEFAULT_PROFILE: Final = "generic"


class PatchAnswer(StrEnum):
    """What a PATCH that worked answers: 200 with the resource, or 204 (RFC 7644 §3.5.2 allows both)."""

    RESOURCE = "resource"
    NO_CONTENT = "no-content"


class UnknownMembers(StrEnum):
    """What becomes of member ids that name no user of the connection: passed over and reported, or all refused."""

    SKIP = "skip"
    REFUSE = "refuse"


class Feature(StrEnum):
    """A feature by the name of its attribute in `/ServiceProviderConfig` (RFC 7643 §5, RFC 9865 §4)."""

    PAGINATION = "pagination"
    ETAG = "etag"


class ProfileError(ValueError):
    """A profile's file says something that no profile can say; `str()` names file and key."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How one kind of identity provider is served. `name` is what a connection's configuration says.

    `unannounced` is what `/ServiceProviderConfig` says nothing of, because the client would stumble over it; it works.
    `silent_after` is how long a provider that comes on a schedule stays away at most when all is well; None for one
    that comes only when something changes.
    """

    name: str
    summary: str
    patch_user: PatchAnswer
    patch_group: PatchAnswer
    unknown_members: UnknownMembers
    unannounced: frozenset[Feature]
    tolerances: frozenset[Tolerance]
    silent_after: timedelta | None = None

    def reading(self, schemas: SchemaSet | None = None) -> Reading:
        """Return a reading for one request, by an organization's schemas or by those that all have."""
        return Reading(self.name, self.tolerances, schemas)


def profile(name: str) -> Profile:
    """Return a profile by name. Raises `ProfileError` that lists the names there are."""
    found = profiles().get(name)
    if found is None:
        raise ProfileError(f"there is no profile `{name}`; there are {', '.join(profiles())}")
    return found


@cache
def profiles() -> Mapping[str, Profile]:
    """Return every profile by name, in the order of their names."""
    read = {}
    for file in sorted(files("rolebridge.scim").joinpath("profiles").iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            read[name] = read_profile(name, file.read_text(encoding="utf-8"))
    return MappingProxyType(read)


_FIELDS: Final = frozenset({"summary", "patch_user", "patch_group", "unknown_members", "unannounced", "tolerances"})
_OPTIONAL: Final = frozenset({"silent_after_minutes"})


def read_profile(name: str, text: str) -> Profile:
    """Read the TOML text of a profile. Raises `ProfileError`."""
    try:
        said: dict[str, Any] = tomllib.loads(text)
        odd_keys = (said.keys() ^ _FIELDS) - _OPTIONAL
        if odd_keys:
            odd = ", ".join(f"`{key}`" for key in sorted(odd_keys))
            raise ProfileError(f"profile `{name}`: missing or unknown: {odd}")
        return Profile(
            name=name,
            summary=said["summary"],
            patch_user=PatchAnswer(said["patch_user"]),
            patch_group=PatchAnswer(said["patch_group"]),
            unknown_members=UnknownMembers(said["unknown_members"]),
            unannounced=frozenset(Feature(feature) for feature in said["unannounced"]),
            tolerances=frozenset(Tolerance(tolerance) for tolerance in said["tolerances"]),
            silent_after=timedelta(minutes=minutes) if (minutes := said.get("silent_after_minutes")) else None,
        )
    except ProfileError:
        raise
    except ValueError as error:  # not TOML, or a word that its enumeration does not have
        raise ProfileError(f"profile `{name}`: {error}") from error
