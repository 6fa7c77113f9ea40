"""What an identity provider says of itself, read from its metadata (SAML Metadata §2.3, §2.4.3).

Metadata comes from a file that somebody was sent, or from a URL. A signature in it is not looked at: what it says is
trusted because an administrator gave it, and what a URL says differently later waits until one agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree

from rolebridge.bridge.certificates import facts
from rolebridge.core.errors import Invalid
from rolebridge.core.login import LoginRefused, Trail
from rolebridge.core.saml_settings import MOST_CERTIFICATES, MOST_PINNED, Binding, IdpDescription, fingerprint
from rolebridge.sso.saml.names import DS, SAMLP
from rolebridge.sso.saml.parsing import MAX_BYTES, apart, read_document
from rolebridge.sso.saml.provider import BINDINGS, MD
from rolebridge.sso.wording import shown

_FIELD: Final = "metadata"
_SHORTEST_PIN: Final = 16
"""Hexadecimal digits: somebody who may choose makes a certificate whose fingerprint begins with eight in minutes."""
_SOME: Final = 5
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?")


@dataclass(frozen=True, slots=True)
class Described:
    """What metadata says. `notes` are what an administrator should know of it, one sentence each."""

    idp: IdpDescription
    wants_signed: bool
    notes: tuple[str, ...]


def read_metadata(document: bytes, now: datetime, entity_id: str | None = None) -> Described:
    """Return the identity provider that metadata describes; `entity_id` names one of several. Raises Invalid."""
    return apart(lambda: _read(document, now, entity_id))


def chosen(certificates: Sequence[str], pins: Iterable[str], now: datetime) -> tuple[str, ...]:
    """Return the certificates to trust: those whose fingerprints begin with `pins`, else those that are good now.

    Raises Invalid where a pin matches none or several, and where there are too many to choose from.
    """
    wanted = [pin.replace(":", "").lower() for pin in pins]
    if wanted:
        return tuple(dict.fromkeys(_pinned(certificates, pin) for pin in wanted))
    good = [one for one in certificates if facts(one).ends > now] or list(certificates)
    if len(good) > MOST_PINNED:
        listed = "; ".join(_told(one) for one in good)
        raise Invalid(f"there are {len(good)} certificates; name the one or two to trust with --pin: {listed}", "pin")
    return tuple(good)


def _pinned(certificates: Sequence[str], pin: str) -> str:
    if len(pin) < _SHORTEST_PIN or not re.fullmatch(r"[0-9a-f]{1,64}", pin):
        raise Invalid(f"a pin is at least {_SHORTEST_PIN} hexadecimal digits of a SHA-256 fingerprint", "pin")
    found = [one for one in certificates if fingerprint(one).startswith(pin)]
    if len(found) != 1:
        listed = "; ".join(_told(one) for one in certificates)
        raise Invalid(f"{'no' if not found else 'more than one'} certificate begins with `{pin}`: {listed}", "pin")
    return found[0]


def _told(certificate: str) -> str:
    known = facts(certificate)
    return f"{known.fingerprint[:16]}… (until {known.ends:%Y-%m-%d})"


# --- reading -----------------------------------------------------------------------------------------------------


def _read(document: bytes, now: datetime, entity_id: str | None) -> Described:
    root = _root(document)
    _still_valid(root, now)
    entity = _entity(root, now, entity_id)
    role = _role(entity, now)
    certificates, notes = _certificates(role, now)
    endpoints = _endpoints(role)
    idp = IdpDescription(entity.get("entityID", ""), endpoints, certificates)
    if root.find(f"{{{DS}}}Signature") is None and entity.find(f"{{{DS}}}Signature") is None:
        notes.append("the metadata is not signed: it is as trustworthy as the way it came")
    else:
        notes.append("the signature of the metadata was not looked at: it is as trustworthy as the way it came")
    wants_signed = role.get("WantAuthnRequestsSigned", "").strip() in {"true", "1"}
    return Described(idp, wants_signed, tuple(notes))


def _root(document: bytes) -> etree._Element:
    start = document[:1_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        raise Invalid("the metadata is empty", _FIELD)
    if start.startswith((b"<html", b"<!doctype html")):
        raise Invalid("this is a web page, not metadata: perhaps one that asks to sign in", _FIELD)
    if start.startswith(b"{"):
        raise Invalid("this is JSON, not SAML metadata: perhaps the discovery document of OpenID Connect", _FIELD)
    if len(document) > MAX_BYTES:
        raise Invalid(
            f"the metadata has {len(document):,} bytes, more than {MAX_BYTES:,}: take that of the one provider", _FIELD
        )
    try:
        root = read_document(document, Trail())
    except LoginRefused as refused:
        raise Invalid(refused.detail.replace("the message", "the metadata"), _FIELD) from None
    if root.tag not in {f"{{{MD}}}EntityDescriptor", f"{{{MD}}}EntitiesDescriptor"}:
        name = etree.QName(root)
        told = f"{shown(name.localname)} in the namespace {shown(name.namespace)}"
        raise Invalid(f"the document is not SAML 2.0 metadata: it begins with {told}", _FIELD)
    return root


def _still_valid(element: etree._Element, now: datetime) -> None:
    until = element.get("validUntil")
    if until is None:
        return
    moment = _instant(until)
    if moment is None:
        raise Invalid(f"`validUntil` is no time: {shown(until)}", _FIELD)
    if moment <= now:
        raise Invalid(f"the metadata was good until {moment:%Y-%m-%d %H:%M} UTC; fetch it anew", _FIELD)


def _instant(text: str) -> datetime | None:
    if not _INSTANT.fullmatch(text.strip()):
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _entity(root: etree._Element, now: datetime, entity_id: str | None) -> etree._Element:
    entities = list(root.iter(f"{{{MD}}}EntityDescriptor"))
    providers = [one for one in entities if one.find(f"{{{MD}}}IDPSSODescriptor") is not None]
    if not providers:
        raise _no_provider(entities)
    found = [one for one in providers if entity_id in {None, one.get("entityID")}]
    if not found:
        raise Invalid(f"the metadata does not describe {shown(entity_id)}, but {_names(providers)}", "entity_id")
    if len(found) > 1:
        what = f"describes {shown(entity_id)} more than once" if entity_id else f"describes {_names(found)}"
        raise Invalid(f"the metadata {what}; name one with --entity-id", "entity_id")
    for element in (found[0], *found[0].iterancestors(f"{{{MD}}}EntitiesDescriptor")):
        _still_valid(element, now)
    return found[0]


def _no_provider(entities: Sequence[etree._Element]) -> Invalid:
    if any(one.find(f"{{{MD}}}SPSSODescriptor") is not None for one in entities):
        return Invalid("this is the metadata of a service provider; what is wanted is the identity provider's", _FIELD)
    return Invalid("the metadata describes no identity provider (IDPSSODescriptor)", _FIELD)


def _names(entities: Sequence[etree._Element]) -> str:
    told = ", ".join(shown(one.get("entityID")) for one in entities[:_SOME])
    return f"{told} and {len(entities) - _SOME} others" if len(entities) > _SOME else told


def _role(entity: etree._Element, now: datetime) -> etree._Element:
    roles = entity.findall(f"{{{MD}}}IDPSSODescriptor")
    able = [one for one in roles if SAMLP in one.get("protocolSupportEnumeration", "").split()]
    if not able:
        spoken = roles[0].get("protocolSupportEnumeration")
        raise Invalid(f"the identity provider does not speak SAML 2.0, but {shown(spoken)}", _FIELD)
    if len(able) > 1:
        raise Invalid("the identity provider describes itself twice (two IDPSSODescriptors)", _FIELD)
    _still_valid(able[0], now)
    return able[0]


def _endpoints(role: etree._Element) -> dict[Binding, str]:
    services = role.findall(f"{{{MD}}}SingleSignOnService")
    found: dict[Binding, str] = {}
    for binding, uri in BINDINGS.items():
        first = next((one for one in services if one.get("Binding") == uri), None)
        if first is not None:
            found[binding] = first.get("Location", "").strip()
    if not found:
        others = ", ".join(shown(one.get("Binding")) for one in services[:_SOME]) or "none"
        raise Invalid(
            f"the identity provider takes no requests by HTTP-Redirect or HTTP-POST; it takes {others}", _FIELD
        )
    return found


def _certificates(role: etree._Element, now: datetime) -> tuple[tuple[str, ...], list[str]]:
    found: dict[str, None] = {}
    bare = 0
    for descriptor in role.findall(f"{{{MD}}}KeyDescriptor"):
        if descriptor.get("use", "signing") != "signing":
            continue
        # Behind the first one there may be those who vouch for it, which do not sign.
        first = next(descriptor.iter(f"{{{DS}}}X509Certificate"), None)
        if first is None:
            bare += 1
        else:
            found["".join((first.text or "").split())] = None
    if not found:
        what = "only bare keys to sign with, no certificate" if bare else "no certificate to sign with"
        raise Invalid(f"the identity provider names {what}", "certificate")
    if len(found) > MOST_CERTIFICATES:
        raise Invalid(f"the metadata names {len(found)} certificates, more than {MOST_CERTIFICATES}", "certificate")
    return tuple(found), list(_notes(found, now))


def _notes(certificates: Iterable[str], now: datetime) -> Iterator[str]:
    for one in certificates:
        known = facts(one)
        if known.ends <= now:
            yield f"the certificate {known.fingerprint[:16]}… expired on {known.ends:%Y-%m-%d}"
        elif known.begins > now:
            yield f"the certificate {known.fingerprint[:16]}… is good only from {known.begins:%Y-%m-%d} on"
