"""The demo's identity provider as one WSGI application: whom it lets pick, and where the answers go."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from flask import Flask, Response, abort, g, jsonify, redirect, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from rolebridge.core.errors import RolebridgeError
from rolebridge.demo.idp import saml
from rolebridge.demo.idp.keys import SigningKey
from rolebridge.demo.idp.oidc import OidcFace, OidcRequest, Refused, error_document
from rolebridge.demo.idp.parties import OidcParty, SamlParty
from rolebridge.demo.idp.pending import Pending
from rolebridge.demo.idp.people import Person, people_of
from rolebridge.demo.traffic import Traffic

_PICK_LIFE: Final = timedelta(minutes=30)
_MOST_BYTES: Final = 256 * 1024
_METADATA_TYPE: Final = "application/samlmetadata+xml"

Waiting: TypeAlias = saml.SamlRequest | OidcRequest
Tell: TypeAlias = Callable[[Traffic, str, bool], None]
"""Tells the bridge over SCIM that somebody (a key) has left (False) or is back (True). Raises RolebridgeError."""
Answer: TypeAlias = str | BaseResponse | tuple[str, int]


class NotLocal(RolebridgeError):
    """That the demo's identity provider was to start where others could reach it."""

    def __init__(self, base_url: str) -> None:
        super().__init__(f"the demo's identity provider lets anybody be anybody: `{base_url}` is not on this machine")


@dataclass(slots=True)
class Tenant:
    """The provider of one connection. Who is registered can change while it runs; `left` are keys of people."""

    traffic: Traffic
    people: Mapping[str, Person]
    key: SigningKey
    issuer: str
    oidc: OidcFace
    left: set[str]
    saml_party: SamlParty | None = None
    oidc_party: OidcParty | None = None
    waiting: Pending[Waiting] = field(kw_only=True)

    @property
    def entity_id(self) -> str:
        """Its name in SAML, where its metadata is as well."""
        return f"{self.issuer}/saml/metadata"

    @property
    def sso_url(self) -> str:
        """Where SAML requests go."""
        return f"{self.issuer}/saml/sso"

    def metadata(self) -> bytes:
        """Its SAML metadata."""
        return saml.metadata(self.entity_id, self.sso_url, self.key)


class DemoIdp:
    """The providers of a demo at one address, `http://127.0.0.1:8090`. Serve `app`; register who may use them."""

    def __init__(
        self,
        base_url: str,
        providers: Mapping[str, tuple[Traffic, SigningKey]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tell: Tell | None = None,
    ) -> None:
        """Prepare a provider for each connection by name. Raises NotLocal for any address of another machine."""
        if not _is_local(base_url):
            raise NotLocal(base_url)
        self.base_url = base_url.rstrip("/")
        self.tenants = {name: self._tenant(name, *provider, clock) for name, provider in providers.items()}
        self.app = _application(self, tell)
        self.clock = clock

    def _tenant(self, name: str, traffic: Traffic, key: SigningKey, clock: Callable[[], datetime]) -> Tenant:
        issuer = f"{self.base_url}/{name}"
        people = people_of(traffic)
        left = {person.key for person in people.values() if person.left}
        face = OidcFace(issuer, key, traffic.sign_in.groups, clock)
        return Tenant(traffic, people, key, issuer, face, left, waiting=Pending(clock, _PICK_LIFE))

    def register(self, name: str, party: SamlParty | OidcParty) -> None:
        """Let a party use the provider of a connection, in place of any before. Raises KeyError."""
        tenant = self.tenants[name]
        if isinstance(party, SamlParty):
            tenant.saml_party = party
        else:
            tenant.oidc_party = party


def _is_local(base_url: str) -> bool:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme != "http" or parts.username is not None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _application(idp: DemoIdp, tell: Tell | None) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MOST_BYTES
    app.before_request(lambda: _begin(idp))
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _problem)
    app.context_processor(lambda: {"nonce": g.nonce})
    pages = _Pages(idp, tell)
    for rule, methods, view in (
        ("/", ("GET",), pages.index),
        ("/<name>/", ("GET",), pages.staff),
        ("/<name>/people", ("POST",), pages.employ),
        ("/<name>/pick", ("POST",), pages.pick),
        ("/<name>/saml/metadata", ("GET",), pages.metadata),
        ("/<name>/saml/sso", ("GET", "POST"), pages.sso),
        ("/<name>/.well-known/openid-configuration", ("GET",), pages.discovery),
        ("/<name>/jwks", ("GET",), pages.jwks),
        ("/<name>/authorize", ("GET",), pages.authorize),
        ("/<name>/token", ("POST",), pages.token),
        ("/<name>/userinfo", ("GET", "POST"), pages.userinfo),
        ("/<name>/logout", ("GET",), pages.logout),
    ):
        app.add_url_rule(rule, view.__name__, view, methods=methods)
    return app


def _begin(idp: DemoIdp) -> None:
    """Refuse a name that only points here: a page of somebody's own could be reached under it otherwise."""
    g.nonce = secrets.token_urlsafe(16)
    if request.host != urlsplit(idp.base_url).netloc:
        abort(421, "this identity provider is for this machine only, under its own address")
    if request.endpoint in {"pick", "employ"} and request.headers.get("Origin") != idp.base_url:
        abort(403, "this form was sent from another page")


def _finish(response: Response) -> Response:
    # No form-action: browsers apply it to every redirect that follows a form, and these lead to applications.
    style = f"default-src 'none'; style-src 'nonce-{g.nonce}'; script-src 'nonce-{g.nonce}'"
    response.headers["Content-Security-Policy"] = f"{style}; base-uri 'none'; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _problem(error: HTTPException) -> tuple[str, int]:
    return render_template("problem.html", title="That did not work", detail=error.description), error.code or 500


class _Pages:
    """What is answered at each path; `name` is the connection's."""

    def __init__(self, idp: DemoIdp, tell: Tell | None) -> None:
        self._idp = idp
        self._tell = tell

    def _tenant(self, name: str) -> Tenant:
        return self._idp.tenants.get(name) or abort(404, "there is no such identity provider here")

    def index(self) -> Answer:
        return render_template("index.html", title="The demo's identity providers", tenants=self._idp.tenants)

    def staff(self, name: str) -> Answer:
        tenant = self._tenant(name)
        title = f"Everybody in {tenant.traffic.sign_in.title}"
        return render_template("staff.html", title=title, name=name, tenant=tenant, can_tell=self._tell is not None)

    def employ(self, name: str) -> Answer:
        tenant, form = self._tenant(name), request.form
        person, returning = tenant.people.get(form.get("person", "")), form.get("to") == "return"
        if person is None or self._tell is None:
            abort(400, "there is no such person here")
        try:
            self._tell(tenant.traffic, person.key, returning)
        except RolebridgeError as error:
            abort(502, f"the bridge did not take it: {error}")
        (tenant.left.discard if returning else tenant.left.add)(person.key)
        return redirect(f"{tenant.issuer}/", 303)

    def metadata(self, name: str) -> Answer:
        return Response(self._tenant(name).metadata(), content_type=_METADATA_TYPE)

    def sso(self, name: str) -> Answer:
        tenant, sent = self._tenant(name), request.form if request.method == "POST" else request.args
        try:
            asked = saml.read_request(
                sent.get("SAMLRequest", ""), sent.get("RelayState", ""), deflated=request.method == "GET"
            )
        except saml.Unreadable as error:
            abort(400, str(error))
        if tenant.saml_party is None or asked.issuer != tenant.saml_party.entity_id:
            abort(400, f"the service provider `{asked.issuer[:200]}` is not registered here")
        return self._picker(tenant, name, asked)

    def discovery(self, name: str) -> Answer:
        return jsonify(self._tenant(name).oidc.discovery())

    def jwks(self, name: str) -> Answer:
        return jsonify(self._tenant(name).oidc.jwks())

    def authorize(self, name: str) -> Answer:
        tenant = self._tenant(name)
        try:
            asked = tenant.oidc.request(request.args, tenant.oidc_party)
        except Refused as error:  # where the answer would go is not known to be right
            abort(400, str(error))
        problem = tenant.oidc.problem(request.args, asked)
        if problem is not None:
            return redirect(tenant.oidc.answer(asked, problem), 303)
        return self._picker(tenant, name, asked)

    def token(self, name: str) -> Answer:
        tenant = self._tenant(name)
        try:
            return jsonify(tenant.oidc.token(request.form, request.headers.get("Authorization", ""), tenant.oidc_party))
        except Refused as error:
            status = 401 if error.code == "invalid_client" else 400
            return Response(error_document(error), status, content_type="application/json")

    def userinfo(self, name: str) -> Answer:
        claims = self._tenant(name).oidc.userinfo(request.headers.get("Authorization", ""))
        if claims is None:
            return Response("", 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return jsonify(claims)

    def logout(self, name: str) -> Answer:
        tenant, back = self._tenant(name), request.args.get("post_logout_redirect_uri", "")
        if tenant.oidc_party is not None and back and back == tenant.oidc_party.after_logout:
            state = request.args.get("state", "")
            return redirect(back + (f"?state={state}" if state.isalnum() else ""), 303)
        return render_template("signed_out.html", title=f"Signed out of {tenant.traffic.sign_in.title}")

    def _picker(self, tenant: Tenant, name: str, asked: Waiting) -> Answer:
        return render_template(
            "pick.html",
            title=f"Sign in with {tenant.traffic.sign_in.title}",
            name=name,
            tenant=tenant,
            waiting=tenant.waiting.keep(asked),
        )

    def pick(self, name: str) -> Answer:
        tenant, form = self._tenant(name), request.form
        person = tenant.people.get(form.get("person", "")) or abort(400, "there is no such person here")
        asked = tenant.waiting.take(form.get("waiting", ""))
        if isinstance(asked, OidcRequest):
            return redirect(tenant.oidc.answer(asked, person), 303)
        party = tenant.saml_party
        if asked is None or party is None:
            abort(400, "this sign-in was finished before, or is too old: begin again at the application")
        groups, now = tenant.traffic.sign_in.groups, self._idp.clock()
        response = saml.response(saml.Told(tenant.entity_id, party, asked.id, person, groups, now), tenant.key)
        return render_template(
            "post.html", title="Signing in", to=party.acs_url, response=response, relay_state=asked.relay_state
        )
