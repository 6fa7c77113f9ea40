"""Authorization requests as values: what an application may ask at `/oauth/authorize`, and what refuses it.

RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, RFC 7636 §4.3, with what RFC 9700 asks on top: exact redirect URIs, PKCE
by S256 from everybody. As long as the redirect URI is not known to be the application's, a refusal is a page
(`NoWayBack`); from then on it is an answer to the application (`Refused`). Each check is a function of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlencode

from rolebridge.core.applications import Scope, redirects_to
from rolebridge.oauth.metadata import PROMPTS, RESPONSE_MODES
from rolebridge.oauth.server import plain
from rolebridge.store.provider_records import Application

MAX_BYTES: Final = 16 * 1024
_MOST_PARAMETERS: Final = 40
_LONGEST_NONCE: Final = 512
_LONGEST_HINT: Final = 320
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url
_NAME: Final = re.compile(r"[a-z_]{1,40}")
_MAX_AGE: Final = re.compile(r"[0-9]{1,9}")


class Refusal(StrEnum):
    """What an application is told: RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_SCOPE = "invalid_scope"
    ACCESS_DENIED = "access_denied"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"
    LOGIN_REQUIRED = "login_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    REGISTRATION_NOT_SUPPORTED = "registration_not_supported"


class NoWayBack(Exception):
    """That a request is refused on a page, as nobody knows yet where else; the text is its title."""

    def __init__(self, title: str, detail: str, status: int = 400) -> None:
        super().__init__(title)
        self.detail = detail
        self.status = status


class Refused(Exception):
    """That a request is refused in an answer to its application."""

    def __init__(self, error: Refusal, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = plain(description)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request: those that are there once with a value, and the names of those there twice."""

    once: Mapping[str, str]
    twice: frozenset[str] = frozenset()

    def get(self, name: str) -> str:
        """Return a parameter, "" when it is not there."""
        return self.once.get(name, "")


@dataclass(frozen=True, slots=True)
class WayBack:
    """Where an application is answered: its registered redirect URI, its `state`, and in which form."""

    redirect_uri: str
    state: str
    mode: str

    def url(self, answer: Mapping[str, str]) -> str:
        """Return the URL that carries an answer in its query; what the URI had there already stays (§3.1.2)."""
        joint = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{joint}{urlencode(answer)}"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that passed every check. `hint` is an ID token that was shown, not looked at yet."""

    scopes: tuple[Scope, ...]
    challenge: str
    nonce: str | None
    prompts: frozenset[str]
    max_age: int | None
    hint: str
    login_hint: str
    contexts: tuple[str, ...]


def read_parameters(query: bytes) -> Parameters:
    """Read a query, or the body of a form. Raises NoWayBack."""
    if len(query) > MAX_BYTES:
        raise NoWayBack("The application's request is too long", f"{len(query)} bytes", 414)
    try:
        text = query.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise NoWayBack("The application's request cannot be read", "no query of UTF-8 text, or too long") from None
    names = [name for name, _ in pairs]
    twice = frozenset(name for name in names if names.count(name) > 1)
    return Parameters({name: value for name, value in pairs if value and name not in twice}, twice)


def way_back(application: Application, asked: Parameters) -> WayBack:
    """Return where a request is answered. Raises NoWayBack: an unknown address is never gone to."""
    uri = asked.get("redirect_uri")
    if not uri:
        what = "twice" if "redirect_uri" in asked.twice else "missing"
        raise NoWayBack("The application does not say where to send you back to", f"redirect_uri is {what}")
    if not redirects_to(application.settings.redirect_uris, application.kind, uri):
        raise NoWayBack(
            "The application wants to send you to an address that is not registered",
            "redirect_uri is none of the application's",
        )
    mode = asked.get("response_mode")
    return WayBack(uri, asked.get("state"), mode if mode in RESPONSE_MODES else RESPONSE_MODES[0])


def read_request(application: Application, asked: Parameters) -> AuthorizationRequest:
    """Return what is asked. Raises Refused."""
    for check in CHECKS:
        check(asked)
    words = asked.get("scope").split()
    prompts = frozenset(asked.get("prompt").split())
    age = asked.get("max_age")
    return AuthorizationRequest(
        # Scopes that there are not, or that the application may not have, are left out and not refused (Core §3.1.2.1).
        scopes=tuple(one for one in application.settings.scopes if one in words),
        challenge=asked.get("code_challenge"),
        nonce=asked.once.get("nonce"),
        prompts=prompts,
        max_age=int(age) if age else None,
        hint=asked.get("id_token_hint"),
        login_hint=asked.get("login_hint"),
        contexts=tuple(dict.fromkeys(asked.get("acr_values").split())),
    )


# --- the checks ------------------------------------------------------------------------------------------------


def check_once(asked: Parameters) -> None:
    """No parameter is there twice (RFC 6749 §3.1): whoever reads the other one would be deceived."""
    if asked.twice:
        # Only what looks like a name: it is logged, and may be anything that somebody sent.
        named = sorted(name for name in asked.twice if _NAME.fullmatch(name))
        raise Refused(Refusal.INVALID_REQUEST, f"given twice: {', '.join(named)[:100] or 'a parameter'}")


def check_no_request_object(asked: Parameters) -> None:
    """Requests as objects are not supported, and said so by name (Core §6.1, §6.2, §7.2.1)."""
    for name, error in (
        ("request", Refusal.REQUEST_NOT_SUPPORTED),
        ("request_uri", Refusal.REQUEST_URI_NOT_SUPPORTED),
        ("registration", Refusal.REGISTRATION_NOT_SUPPORTED),
    ):
        if name in asked.once:
            raise Refused(error, f"the parameter `{name}` is not supported")


def check_response_type(asked: Parameters) -> None:
    """The one response type is `code`: no token ever travels in a URL (RFC 9700 §2.1.2)."""
    wanted = asked.get("response_type")
    if not wanted:
        raise Refused(Refusal.INVALID_REQUEST, "response_type is missing")
    if wanted != "code":
        raise Refused(Refusal.UNSUPPORTED_RESPONSE_TYPE, "the one response_type is code")


def check_response_mode(asked: Parameters) -> None:
    """Answers come in the query or as a form."""
    if asked.get("response_mode") not in {"", *RESPONSE_MODES}:
        raise Refused(Refusal.INVALID_REQUEST, f"response_mode is one of {', '.join(RESPONSE_MODES)}")


def check_scope(asked: Parameters) -> None:
    """The request is one of OpenID Connect."""
    if Scope.OPENID not in asked.get("scope").split():
        raise Refused(Refusal.INVALID_SCOPE, "scope must hold openid")


def check_challenge(asked: Parameters) -> None:
    """PKCE by S256 is for everybody, and asked for here: whoever could leave it out would not be stopped later."""
    method = asked.get("code_challenge_method")
    if not asked.get("code_challenge"):
        raise Refused(Refusal.INVALID_REQUEST, "code_challenge is missing: PKCE (RFC 7636) is required")
    if method != "S256":
        raise Refused(Refusal.INVALID_REQUEST, "code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(asked.get("code_challenge")):
        raise Refused(Refusal.INVALID_REQUEST, "code_challenge is no SHA-256 in base64url without padding")


def check_prompt(asked: Parameters) -> None:
    """`prompt` holds words that there are; `none` stands alone (Core §3.1.2.1)."""
    words = asked.get("prompt").split()
    unknown = [word for word in words if word not in PROMPTS]
    if unknown:
        raise Refused(Refusal.INVALID_REQUEST, f"prompt is of {', '.join(PROMPTS)}")
    if "none" in words and len(set(words)) > 1:
        raise Refused(Refusal.INVALID_REQUEST, "prompt=none stands alone")


def check_max_age(asked: Parameters) -> None:
    """`max_age` is a number of seconds."""
    age = asked.get("max_age")
    if age and not _MAX_AGE.fullmatch(age):
        raise Refused(Refusal.INVALID_REQUEST, "max_age is a whole number of seconds")


def check_lengths(asked: Parameters) -> None:
    """What is kept or passed on is short."""
    for name, most in (("nonce", _LONGEST_NONCE), ("login_hint", _LONGEST_HINT), ("acr_values", _LONGEST_NONCE)):
        if len(asked.get(name)) > most:
            raise Refused(Refusal.INVALID_REQUEST, f"{name} has more than {most} characters")


def check_text(asked: Parameters) -> None:
    """What is kept is text that the database can hold."""
    if any("\0" in value for value in asked.once.values()):
        raise Refused(Refusal.INVALID_REQUEST, "a parameter holds NUL")


CHECKS: Final[Sequence[Callable[[Parameters], None]]] = (
    check_once,
    check_no_request_object,
    check_response_type,
    check_response_mode,
    check_scope,
    check_challenge,
    check_prompt,
    check_max_age,
    check_lengths,
    check_text,
)
"""What a request must pass, in this order, once it is known where it is answered."""
