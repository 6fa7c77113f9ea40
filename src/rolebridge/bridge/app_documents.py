"""Applications and signing keys as JSON, the same from command line and API."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rolebridge.bridge.key_documents import credential_document
from rolebridge.core.moments import stamp, stamp_or_none

if TYPE_CHECKING:
    from rolebridge.store.provider_records import Application, SigningKey
    from rolebridge.store.records import ClientCredential


def application_document(one: Application) -> dict[str, Any]:
    """Return an application with its settings."""
    return {
        "client_id": one.id,
        "name": one.name,
        "kind": str(one.kind),
        "created": stamp(one.created),
        "revoked_at": stamp_or_none(one.revoked_at),
        **one.settings.document(),
    }


def app_credential_document(held: ClientCredential, now: datetime) -> dict[str, Any]:
    """Return a secret or key of an application: never the secret, only what tells it apart."""
    kind = "secret" if held.jwk is None else "key"
    document = {**credential_document(held.credential, now), "kind": kind}
    return document if held.jwk is None else {**document, "kid": held.credential.key_id or None}


def signing_key_document(key: SigningKey) -> dict[str, Any]:
    """Return a signing key: its public side alone."""
    return {
        "kid": key.id,
        "state": key.state,
        "algorithm": key.algorithm,
        "created": stamp(key.created),
        "active_at": stamp_or_none(key.active_at),
        "retired_at": stamp_or_none(key.retired_at),
        "published_until": stamp_or_none(key.gone_at),
    }
