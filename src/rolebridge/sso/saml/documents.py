"""How a connection logs people in by SAML, as JSON: the same from the command line and the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rolebridge.bridge.certificates import facts
from rolebridge.core.moments import stamp
from rolebridge.core.saml_settings import IdpDescription, SamlSettings
from rolebridge.sso.saml.provider import ServiceProvider
from rolebridge.store.sso import SsoSecret


def provider_document(provider: ServiceProvider) -> dict[str, Any]:
    """Return what the identity provider is told."""
    return {
        "acs_url": provider.acs_url,
        "entity_id": provider.entity_id,
        "metadata_url": provider.metadata_url,
    }


def settings_document(settings: SamlSettings, now: datetime) -> dict[str, Any]:
    """Return the settings, with what people know certificates by in place of the certificates."""
    said = settings.document()
    del said["idp"], said["pinned"], said["offer"], said["trouble"]
    since, _, problem = settings.trouble.partition(" ")
    return {
        "identity_provider": _idp_document(settings.idp, now),
        "trusted_certificates": [certificate_document(one, now) for one in settings.pinned],
        **said,
        "held": {"since": settings.offer.since, **_idp_document(settings.offer.idp, now)} if settings.offer else None,
        "metadata_trouble": {"since": since, "problem": problem} if problem else None,
    }


def _idp_document(idp: IdpDescription, now: datetime) -> dict[str, Any]:
    return {
        "entity_id": idp.entity_id,
        "sign_on": {binding.value: url for binding, url in idp.endpoints.items()},
        "certificates": [certificate_document(one, now) for one in idp.certificates],
    }


def certificate_document(certificate: str, now: datetime) -> dict[str, Any]:
    """Return what people want to know of a certificate."""
    known = facts(certificate)
    return {
        "fingerprint": known.fingerprint,
        "subject": known.subject,
        "key": known.key,
        "not_before": stamp(known.begins),
        "not_after": stamp(known.ends),
        "expired": known.ends <= now,
    }


def key_documents(keys: Sequence[SsoSecret], now: datetime) -> list[dict[str, Any]]:
    """Return our keys, the oldest first: that one signs, both decrypt."""
    return [
        {"id": one.id, "created": stamp(one.created), "signs": at == 0, **certificate_document(one.public, now)}
        for at, one in enumerate(keys)
    ]
