"""The pages of signing in and out: which identity provider, and what somebody who is signed in sees of themselves.

The sign-in page says nothing about who is known: an address is only looked at for its domain, and a domain that nobody
speaks for gives the same page as one that was mistyped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from rolebridge.bridge.login_flows import Demands, LoginFlows, SignInRequest
from rolebridge.bridge.sessions import Sessions, SignedIn
from rolebridge.bridge.sso_connections import SsoConnection
from rolebridge.core.login import LoginRefused
from rolebridge.core.login import Protocol as LoginProtocol
from rolebridge.sso.door import LoginDoor, Starter
from rolebridge.store.sessions import Session
from rolebridge.web.browser import (
    ACCOUNT_PATH,
    BROWSER_COOKIE,
    SESSION_COOKIE,
    Browsers,
    browser_cookie,
    cookie,
    form_token,
    is_form_token,
    new_browser,
    without,
)
from rolebridge.web.requests import Request, Response

TEMPLATES: Final = Path(__file__).parent / "templates"

_LONGEST_EMAIL: Final = 254  # RFC 5321 §4.5.3.1.3
_MOST_CHOICES: Final = 20
_MOST_FIELDS: Final = 10
_LONGEST_FORM: Final = 32 * 1024
_FORM: Final = "application/x-www-form-urlencoded"

MOST_ROLES: Final = 200
"""Roles that the account page shows."""


class Discovery(Protocol):
    """What finds the connections that log people in."""

    def find(self, connection_id: str) -> SsoConnection | None:
        """Return the connection with an id, None unless it logs people in."""

    def by_domain(self, domain: str) -> SsoConnection | None:
        """Return the connection that speaks for a domain, None unless it logs people in."""

    def all(self, organization_id: str) -> Sequence[SsoConnection]:
        """Return the connections of an organization that are set up, enabled or not."""


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role of somebody as the account page shows it; `project` is "" for the workspace itself."""

    workspace: str
    project: str
    role: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What the account page shows beside sessions; `more` says that there are roles which are not among `roles`."""

    organization: str
    name: str
    roles: Sequence[HeldRole]
    more: bool = False


class SignInPages:
    """Signing in and out, and the account page."""

    def __init__(
        self,
        door: LoginDoor,
        browsers: Browsers,
        flows: LoginFlows,
        sessions: Sessions,
        discovery: Discovery,
        *,
        starters: Mapping[LoginProtocol, Starter],
        account: Callable[[SignedIn], Account],
    ) -> None:
        """`account` returns what there is to show of somebody who is signed in."""
        self._door = door
        self._browsers = browsers
        self._flows = flows
        self._sessions = sessions
        self._discovery = discovery
        self._starters = starters
        self._account = account
        self._pages = door.pages

    # --- signing in

    def sign_in(self, request: Request) -> Response:
        """Show the sign-in page, or go on to the identity provider where there is no choice to make."""
        return self._answer(request, self._sign_in)

    def _sign_in(self, request: Request) -> Response:
        asked = dict(request.query)
        wanted = self._wanted(asked)
        if "ask" not in asked and wanted == SignInRequest() and self._browsers.signed_in(request) is not None:
            return self._browsers.redirect(ACCOUNT_PATH)
        chosen = self._chosen(wanted)
        if chosen is not None:
            return self._on_to(chosen, wanted)
        return self._ask(request, wanted)

    def discover(self, request: Request) -> Response:
        """Go on to the identity provider of an address's domain, or show the page again."""
        return self._answer(request, self._discover)

    def _discover(self, request: Request) -> Response:
        form = _form_of(request)
        self._check_form(request, form, BROWSER_COOKIE, "sign-in")
        wanted = self._flows.unseal(form["ask"]) if form.get("ask") else SignInRequest()
        email = form.get("email", "").strip()
        chosen = self._of_address(email, wanted.organization_id)
        if chosen is None:
            return self._ask(request, wanted, email=email)
        return self._on_to(chosen, replace(wanted, demands=replace(wanted.demands, hint=email)))

    def login(self, request: Request, connection_id: str) -> Response:
        """Send the browser to the identity provider of a connection."""

        def leave(request: Request) -> Response:
            asked = dict(request.query)
            connection = self._door.connection(connection_id)
            wanted = self._wanted({name: value for name, value in asked.items() if name in {"ask", "login_hint"}})
            return self._door.leave(request, connection, wanted, self._starters[connection.protocol])

        return self._answer(request, leave)

    def _wanted(self, asked: Mapping[str, str]) -> SignInRequest:
        """Return what a URL asks for: sealed by us, or else by hints that anybody may write. Raises LoginRefused."""
        if asked.get("ask"):
            return self._flows.unseal(asked["ask"])
        hint = asked.get("login_hint", "")
        demands = Demands(hint=hint) if len(hint) <= _LONGEST_EMAIL else Demands()
        return SignInRequest(asked.get("organization", ""), connection_id=asked.get("idp", ""), demands=demands)

    def _chosen(self, wanted: SignInRequest) -> SsoConnection | None:
        """Return the connection by which somebody logs in without being asked, if that is clear."""
        if wanted.connection_id:
            named = self._discovery.find(wanted.connection_id)
            if named is not None and wanted.organization_id in {"", named.organization_id}:
                return named
        choices = self._choices(wanted.organization_id)
        if len(choices) == 1:
            return choices[0]
        return self._of_address(wanted.demands.hint, wanted.organization_id)

    def _of_address(self, email: str, organization_id: str) -> SsoConnection | None:
        """Return the connection that speaks for an address's domain, in the organization if one is said."""
        local, at, domain = email.rpartition("@")
        if not (local and at and domain) or len(email) > _LONGEST_EMAIL:
            return None
        found = self._discovery.by_domain(domain)
        return found if found is not None and organization_id in {"", found.organization_id} else None

    def _choices(self, organization_id: str) -> list[SsoConnection]:
        if not organization_id:
            return []
        return [one for one in self._discovery.all(organization_id) if one.enabled]

    def _on_to(self, connection: SsoConnection, wanted: SignInRequest) -> Response:
        """Return the way to a connection's login: a URL of its own, so that a page that is reloaded begins anew."""
        sealed = self._flows.seal(replace(wanted, organization_id=connection.organization_id))
        return self._browsers.redirect(f"/sso/{connection.id}/login?ask={sealed}")

    def _ask(self, request: Request, wanted: SignInRequest, *, email: str | None = None) -> Response:
        """Return the sign-in page; `email` is an address whose domain nobody speaks for."""
        known = cookie(request, BROWSER_COOKIE)
        browser = known or new_browser()
        choices = self._choices(wanted.organization_id)
        shown = [(one.name, f"/sso/{one.id}/login") for one in choices[:_MOST_CHOICES]]
        return self._pages.page(
            "sign_in.html",
            200 if email is None else 422,
            headers=() if known else [("Set-Cookie", browser_cookie(browser))],
            # What answers the form leads to an identity provider; a browser holds that against the policy, too.
            form_action="'self' https:" if self._browsers.is_secure else "'self' https: http:",
            application=wanted.application,
            ask=self._flows.seal(wanted),
            choices=shown,
            email=email if email is not None else wanted.demands.hint,
            unknown=email is not None,
            token=form_token(browser, "sign-in"),
        )

    # --- signing out

    def sign_out_page(self, request: Request) -> Response:
        """Ask whether somebody wants to sign out, or say that they are."""
        secret = cookie(request, SESSION_COOKIE)
        signed_in = self._browsers.signed_in(request)
        if signed_in is None or secret is None:
            return self._pages.page("signed_out.html", idp=None, connection="")
        return self._pages.page("sign_out.html", who=signed_in, token=form_token(secret, "sign-out"))

    def sign_out(self, request: Request) -> Response:
        """End the browser's session, and offer to sign out at the identity provider."""
        return self._answer(request, self._sign_out)

    def _sign_out(self, request: Request) -> Response:
        form = _form_of(request)
        signed_in = self._browsers.signed_in(request)
        self._check_own(request)
        if signed_in is None:
            # No cookie is taken away: a form that another site sends does not bring it, however well it works.
            return self._pages.page("signed_out.html", idp=None, connection="")
        self._check_form(request, form, SESSION_COOKIE, "sign-out")
        self._sessions.sign_out(cookie(request, SESSION_COOKIE))
        gone = [("Set-Cookie", without(SESSION_COOKIE))]
        idp = self._sign_out_url(signed_in.session)
        return self._pages.page("signed_out.html", headers=gone, idp=idp, connection=signed_in.connection)

    def _sign_out_url(self, session: Session) -> str | None:
        """Return where the browser signs out at the identity provider, too; None when that cannot be known now."""
        connection = self._discovery.find(session.connection_id)
        hint = self._sessions.logout_hint(session)
        if connection is None or hint is None or connection.protocol is not session.protocol:
            return None
        try:
            return self._starters[connection.protocol].sign_out_url(connection, hint)
        except LoginRefused:  # they are signed out here in any case, and the page says what remains
            return None

    # --- the account

    def account(self, request: Request) -> Response:
        """Show somebody who is signed in who they are, their roles, and their sessions."""
        secret = cookie(request, SESSION_COOKIE)
        signed_in = self._browsers.signed_in(request)
        if signed_in is None or secret is None:
            return self._browsers.to_sign_in(SignInRequest())
        session = signed_in.session
        sessions = self._sessions.of_user(session.organization_id, session.user_id)
        return self._pages.page(
            "account.html",
            who=signed_in,
            account=self._account(signed_in),
            sessions=[_shown(one, session.id) for one in sessions],
            out_token=form_token(secret, "sign-out"),
            token=form_token(secret, "sessions"),
        )

    def end_sessions(self, request: Request) -> Response:
        """End one of the sessions of somebody who is signed in, or all but this one."""
        return self._answer(request, self._end_sessions)

    def _end_sessions(self, request: Request) -> Response:
        form = _form_of(request)
        signed_in = self._browsers.signed_in(request)
        if signed_in is None:
            return self._browsers.to_sign_in(SignInRequest())
        self._check_form(request, form, SESSION_COOKIE, "sessions")
        self._sessions.end_own(signed_in, form.get("session") or None)
        return self._browsers.redirect(ACCOUNT_PATH)

    # --- shared

    def _answer(self, request: Request, handle: Callable[[Request], Response]) -> Response:
        try:
            self._door.admit(request)
            return handle(request)
        except LoginRefused as refused:
            return self._door.refused(request, refused)

    def _check_own(self, request: Request) -> None:
        """Raise LoginRefused for a form that another site sent, as far as the browser says."""
        if not self._browsers.is_own(request):
            raise LoginRefused("flow-form", "the form was sent from another site")

    def _check_form(self, request: Request, form: Mapping[str, str], of: str, purpose: str) -> None:
        """Raise LoginRefused unless a form was filled in on a page that we showed to this browser."""
        self._check_own(request)
        if not is_form_token(form.get("token", ""), cookie(request, of), purpose):
            raise LoginRefused("flow-form", "the form does not carry what its page was given")


def _form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises LoginRefused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM or len(request.body) > _LONGEST_FORM:
        raise LoginRefused("flow-form", f"the body is no form of at most {_LONGEST_FORM} bytes")
    try:
        pairs = parse_qsl(request.body.decode(), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise LoginRefused("flow-form", "the form cannot be read") from None
    return dict(pairs)


def _shown(session: Session, current: str) -> dict[str, Any]:
    return {
        "id": session.id,
        "agent": session.agent,
        "address": session.address,
        "begun": _minute(session.begun_at),
        "seen": _minute(session.seen_at),
        "current": session.id == current,
    }


def _minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
