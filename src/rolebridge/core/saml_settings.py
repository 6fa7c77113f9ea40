"""What a connection that logs people in by SAML is told to do, as a value and as the document it is kept as.

Nothing secret stands here: our own private keys are sealed beside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from enum import StrEnum
from typing import Any, Final

from rolebridge.core.errors import Invalid

MOST_PINNED: Final = 2
"""Certificates that a connection trusts at a time: the present one, and the one that follows or precedes it."""
MOST_CERTIFICATES: Final = 8
"""Certificates that an identity provider may announce."""
MOST_TARGETS: Final = 50

CLASSES: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
NAME_ID_FORMATS: Final[Mapping[str, str]] = {
    "unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
}
"""Formats of a subject's name that may be asked for, by short name (SAML Core §8.3).

`transient` is not among them: who is named anew at every login cannot be known again.
"""

_LONGEST_ENTITY: Final = 1_024  # SAML Core §8.3.6
_LONGEST_URL: Final = 2_048
_LONGEST_CERTIFICATE: Final = 16_384
_MOST_CONTEXTS: Final = 20
_SKEWS: Final = range(301)
_LIFETIMES: Final = range(60, 86_401)
_MAX_AGES: Final = range(30 * 86_400 + 1)

_URI: Final = re.compile(r"[!-~]+")
_HTTPS: Final = re.compile(r"https://[^/?#@\\]+(?:[/?][^#\\]*)?")
_LOCAL: Final = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?:[/?][^#\\]*)?")
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,79}")


class Binding(StrEnum):
    """How a request travels to the identity provider: in the URL, or as a form that the browser posts."""

    REDIRECT = "redirect"
    POST = "post"


@dataclass(frozen=True, slots=True)
class IdpDescription:
    """What an identity provider says of itself: its entity id, where it is asked to log somebody in, its certificates.

    `certificates` are those it signs with, DER as base64 in one line.
    """

    entity_id: str
    endpoints: Mapping[Binding, str]
    certificates: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        _check_uri(self.entity_id, _LONGEST_ENTITY, "an entity id", "entity_id")
        if not self.endpoints:
            raise Invalid("an identity provider has at least one sign-on URL", "sso_url")
        for url in self.endpoints.values():
            check_url(url, "sso_url")
        if not 1 <= len(self.certificates) <= MOST_CERTIFICATES:
            raise Invalid(f"an identity provider has 1 to {MOST_CERTIFICATES} certificates", "certificates")
        for one in self.certificates:
            _check_base64(one)

    def document(self) -> dict[str, Any]:
        """Return the description as JSON values."""
        return {
            "entity_id": self.entity_id,
            "endpoints": {binding.value: url for binding, url in self.endpoints.items()},
            "certificates": list(self.certificates),
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """What the identity provider's metadata says by now, which nobody has agreed to yet; `since` is a day and time."""

    idp: IdpDescription
    since: str

    def document(self) -> dict[str, Any]:
        """Return the offer as JSON values."""
        return {"idp": self.idp.document(), "since": self.since}


@dataclass(frozen=True, slots=True)
class SamlSettings:
    """How a connection logs people in by SAML.

    `pinned` are the one or two certificates of `idp` by which its responses are verified. `metadata_url` is where it
    describes itself; what that says differently is an `offer`, until somebody agrees to it, and `trouble` says since
    when and why it cannot be read.

    Requests go by `binding`, signed if `sign_requests`; they ask for `name_id_format`, for one of `contexts`, and with
    `force_authn` that people prove themselves again. A response must then name one of `contexts`, and no longer than
    `max_age` seconds ago. `idp_initiated` takes logins that nobody here asked for; `targets` are where these may lead:
    the key stands in RelayState, never the URL.

    `allow_cbc` takes assertions encrypted by AES-CBC, `sha1_until` signatures by SHA-1 up to that day (UTC). `skew` is
    how far, in seconds, clocks may differ; `longest_lifetime` how many seconds an assertion is good at most.
    """

    idp: IdpDescription
    pinned: tuple[str, ...]
    metadata_url: str = ""
    offer: Offer | None = None
    trouble: str = ""
    binding: Binding = Binding.REDIRECT
    sign_requests: bool = False
    name_id_format: str = ""
    contexts: tuple[str, ...] = ()
    force_authn: bool = False
    max_age: int | None = None
    idp_initiated: bool = False
    targets: Mapping[str, str] = field(default_factory=dict)
    allow_cbc: bool = False
    sha1_until: date | None = None
    skew: int = 120
    longest_lifetime: int = 3_600

    def __post_init__(self) -> None:
        """Refuse what cannot be. Raises Invalid."""
        if not 1 <= len(self.pinned) <= MOST_PINNED:
            raise Invalid(f"a connection trusts one or {MOST_PINNED} certificates, not {len(self.pinned)}", "pinned")
        for one in self.pinned:
            _check_base64(one)
        if self.binding not in self.idp.endpoints:
            known = ", ".join(self.idp.endpoints)
            raise Invalid(f"the identity provider takes no requests by {self.binding}, but by {known}", "binding")
        if self.metadata_url:
            check_url(self.metadata_url, "metadata_url")
        if self.name_id_format and self.name_id_format not in NAME_ID_FORMATS.values():
            raise Invalid(f"the format of a name is one of {', '.join(NAME_ID_FORMATS)}", "name_id_format")
        self._check_contexts()
        self._check_targets()
        self._check_numbers()

    @property
    def sso_url(self) -> str:
        """Return where requests go."""
        return self.idp.endpoints[self.binding]

    def document(self) -> dict[str, Any]:
        """Return the settings as JSON values; `read_saml_settings` reads them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return values | {
            "idp": self.idp.document(),
            "offer": self.offer.document() if self.offer else None,
            "pinned": list(self.pinned),
            "binding": self.binding.value,
            "contexts": list(self.contexts),
            "targets": dict(self.targets),
            "sha1_until": self.sha1_until.isoformat() if self.sha1_until else None,
        }

    def _check_contexts(self) -> None:
        if len(self.contexts) > _MOST_CONTEXTS:
            raise Invalid(f"at most {_MOST_CONTEXTS} authentication contexts", "contexts")
        for one in self.contexts:
            _check_uri(one, _LONGEST_ENTITY, "an authentication context", "contexts")

    def _check_targets(self) -> None:
        if len(self.targets) > MOST_TARGETS:
            raise Invalid(f"at most {MOST_TARGETS} targets", "targets")
        for key, url in self.targets.items():
            if not _KEY.fullmatch(key):
                raise Invalid("the key of a target is 1 to 80 letters, digits, `.` and `-`", "targets")
            if not is_page(url):
                check_url(url, "targets")

    def _check_numbers(self) -> None:
        for name, span in (("skew", _SKEWS), ("longest_lifetime", _LIFETIMES), ("max_age", _MAX_AGES)):
            value = getattr(self, name)
            if value is not None and value not in span:
                raise Invalid(f"`{name}` is {span[0]} to {span[-1]} seconds", name)


# --- reading -----------------------------------------------------------------------------------------------------


def read_saml_settings(document: Mapping[str, Any]) -> SamlSettings:
    """Return the settings that a document holds. Raises Invalid, also for what they do not know."""
    known = {one.name for one in fields(SamlSettings)}
    unknown = sorted(set(document) - known)
    if unknown:
        raise Invalid(f"SAML has no setting `{unknown[0][:60]}`", unknown[0][:60])
    if "idp" not in document or "pinned" not in document:
        raise Invalid("`idp` and `pinned` must be there", "idp")
    return SamlSettings(**{name: _READERS[name](name, value) for name, value in document.items()})


def _description(name: str, value: Any) -> IdpDescription:
    given = _object(name, value)
    endpoints = _object("endpoints", given.get("endpoints"))
    if set(given) != {"entity_id", "endpoints", "certificates"} or not set(endpoints) <= set(Binding):
        raise Invalid(f"`{name}` holds `entity_id`, `endpoints` by binding, and `certificates`", name)
    urls = {Binding(binding): _text(binding, url) for binding, url in endpoints.items()}
    return IdpDescription(_text("entity_id", given["entity_id"]), urls, _texts("certificates", given["certificates"]))


def _offer(name: str, value: Any) -> Offer | None:
    if value is None:
        return None
    given = _object(name, value)
    return Offer(_description("idp", given.get("idp")), _text("since", given.get("since")))


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid(f"`{name}` must be an object", name)
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"`{name}` must be a text", name)
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise Invalid(f"`{name}` must be a list of texts", name)
    return tuple(value)


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"`{name}` must be true or false", name)
    return value


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"`{name}` must be a whole number", name)
    return value


def _number_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _number(name, value)


def _binding(name: str, value: Any) -> Binding:
    if not isinstance(value, str) or value not in set(Binding):
        raise Invalid(f"`{name}` is one of {', '.join(Binding)}", name)
    return Binding(value)


def _date(name: str, value: Any) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(_text(name, value))
    except ValueError:
        raise Invalid(f"`{name}` must be a day such as 2027-01-31", name) from None


def _targets(name: str, value: Any) -> Mapping[str, str]:
    return {key: _text(name, url) for key, url in _object(name, value).items()}


_READERS: Final[Mapping[str, Any]] = {
    "idp": _description,
    "pinned": _texts,
    "metadata_url": _text,
    "offer": _offer,
    "trouble": _text,
    "binding": _binding,
    "sign_requests": _yes_or_no,
    "name_id_format": _text,
    "contexts": _texts,
    "force_authn": _yes_or_no,
    "max_age": _number_or_none,
    "idp_initiated": _yes_or_no,
    "targets": _targets,
    "allow_cbc": _yes_or_no,
    "sha1_until": _date,
    "skew": _number,
    "longest_lifetime": _number,
}


# --- parts -------------------------------------------------------------------------------------------------------


def fingerprint(certificate: str) -> str:
    """Return the SHA-256 of a certificate (base64) in hexadecimal digits, as other programs show it without colons."""
    return hashlib.sha256(base64.b64decode(certificate)).hexdigest()


def check_url(url: str, name: str) -> None:
    """Refuse what a browser should not be sent to: only https, or http on this machine. Raises Invalid."""
    _check_uri(url, _LONGEST_URL, "a URL", name)
    if not _HTTPS.fullmatch(url) and not _LOCAL.fullmatch(url):
        raise Invalid("a URL begins with `https://` and a host, and has neither user nor fragment", name)


def is_page(target: str) -> bool:
    """Return whether a target is a page of ours: a path from the root, which no browser reads as another host."""
    return (
        len(target) <= _LONGEST_URL
        and target.startswith("/")
        and not target.startswith("//")
        and "\\" not in target
        and _URI.fullmatch(target) is not None
    )


def _check_uri(text: str, most: int, what: str, name: str) -> None:
    if len(text) > most or not _URI.fullmatch(text):
        raise Invalid(f"{what} is 1 to {most:,} printable ASCII characters without blanks", name)


def _check_base64(text: str) -> None:
    try:
        if len(text) > _LONGEST_CERTIFICATE:
            raise ValueError
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("a certificate is base64 text", "certificates") from None
