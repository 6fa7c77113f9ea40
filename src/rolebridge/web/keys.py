"""From an API key to what its holder may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rolebridge.bridge.callers import CredentialOwner, key_actor
from rolebridge.bridge.credentials import KEY_PREFIX, Hasher
from rolebridge.bridge.permissions import OF_ONE_WORKSPACE, PERMISSIONS, KeyRole, Permission
from rolebridge.store.engine import Store
from rolebridge.store.request_log import NOBODY
from rolebridge.web.admission import Admission
from rolebridge.web.authentication import CredentialKind, TokenUses, Unauthenticated

_LONGEST: Final = 512  # characters: as for tokens


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who holds an API key that works, and the request they made. `workspace` is the only one that it is for."""

    organization_id: str
    key_id: str
    name: str
    role: KeyRole
    workspace: str | None
    request_id: str

    @property
    def actor(self) -> str:
        """Return how audit rows name the holder."""
        return key_actor(self.name, self.key_id)

    def may(self, permission: Permission) -> bool:
        """Return whether the holder may do this, for their workspace or for the whole organization."""
        return permission in PERMISSIONS[self.role] and (self.workspace is None or permission in OF_ONE_WORKSPACE)


class KeyAuthenticator:
    """Proves holders of API keys. A key is looked up at every request: one revoked a moment ago does not work."""

    def __init__(
        self, store: Store, hasher: Hasher, clock: Callable[[], datetime], uses: TokenUses, admission: Admission
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._uses = uses
        self._admission = admission

    def holder(self, authorization: str | None, request_id: str) -> KeyHolder:
        """Return who sent the `Authorization` header. Raises Unauthenticated and TooManyRequests."""
        text = _key(authorization)
        with self._store.read() as unit:
            found = self._hasher.find(text, unit.accounts.key_by_hash)
        if found is None or found.organization_id is None:
            raise Unauthenticated("the API key is not known")
        now, credential = self._clock(), found.credential
        owner = CredentialOwner(found.organization_id, NOBODY, credential.id)
        if not credential.usable(now):
            raise Unauthenticated(
                "the API key was revoked" if credential.revoked_at else "the API key has expired", owner
            )
        self._admission.admit_key(owner)
        moved = self._hasher.moved(text, credential.key_id)
        self._uses.note(CredentialKind.KEY, (found.organization_id, credential.id), now, moved)
        role = KeyRole(found.role)
        return KeyHolder(found.organization_id, credential.id, credential.name, role, found.workspace, request_id)


def _key(authorization: str | None) -> str:
    if not authorization:
        raise Unauthenticated("there is no Authorization header")
    scheme, _, text = authorization[: _LONGEST + 1].strip().partition(" ")
    if scheme.casefold() != "bearer" or not text.strip().startswith(KEY_PREFIX) or len(authorization) > _LONGEST:
        raise Unauthenticated(f"the Authorization header is not `Bearer` and an API key ({KEY_PREFIX}…)")
    return text.strip()
