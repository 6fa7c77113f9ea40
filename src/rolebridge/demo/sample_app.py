"""A web application that signs people in through Rolebridge, and knows what each of them may do.

It needs Flask, Authlib and requests, and of Rolebridge nothing but four facts, as environment variables:

    BRIDGE          the bridge's URL, which is its OpenID issuer: https://bridge.example
    CLIENT_ID       what `rolebridge app add` has printed
    CLIENT_SECRET   likewise
    APP_URL         this application's own URL; APP_URL/callback is its redirect URI
"""

import os
import secrets
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, abort, current_app, redirect, render_template_string, request, session, url_for
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from requests import RequestException

SCOPES = "openid profile email groups roles offline_access"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
pages = Blueprint("pages", __name__)


def create_app(issuer: str, client_id: str, client_secret: str, app_url: str) -> Flask:
    """Return the application, for the bridge whose URL is `issuer`."""
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME="sample_app",  # cookies know no ports: other programs on this machine have theirs
        SESSION_COOKIE_SAMESITE="Lax",  # forms of other sites are sent without it, so that ours need no token
        SESSION_COOKIE_SECURE=app_url.startswith("https://"),
        MAX_CONTENT_LENGTH=64 * 1024,
        ISSUER=issuer,
        APP_URL=app_url,
    )
    clients: Any = OAuth(app)
    clients.register(
        "bridge",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPES, "code_challenge_method": "S256"},
    )
    app.extensions["signed_in"] = SignedIn()
    app.register_blueprint(pages)
    return app


class SignedIn:
    """Who is signed in: tokens and claims by session id.

    The browser gets the id alone: whoever reads its cookie must not get tokens, and the bridge can end a session that
    is kept here. A real application has a table for this.
    """

    def __init__(self) -> None:
        self._people: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def me(self) -> Any:
        """Return the tokens and claims of whoever asks, None of somebody who is not signed in."""
        return self._people.get(session.get("id", ""))

    def keep(self, tokens: Any, claims: Any) -> None:
        """Remember what the bridge has told; tokens that it has not sent anew stay."""
        with self._lock:
            known = self._people.setdefault(session.setdefault("id", secrets.token_urlsafe(32)), {})
            known["tokens"] = {**known.get("tokens", {}), **tokens}
            known["claims"] = {**known.get("claims", {}), **claims}

    def forget(self) -> Any:
        """Sign whoever asks out here, and return what was known of them."""
        with self._lock:
            return self._people.pop(session.pop("id", ""), None)

    def forget_all(self, claim: str, value: str) -> None:
        """Sign everybody out of whom a claim says this."""
        with self._lock:
            self._people = {id_: one for id_, one in self._people.items() if one["claims"].get(claim) != value}


def bridge() -> Any:
    """Return Authlib's client of the bridge."""
    return current_app.extensions["authlib.integrations.flask_client"].bridge


def signed_in() -> SignedIn:
    """Return who is signed in here."""
    found: SignedIn = current_app.extensions["signed_in"]
    return found


@pages.get("/")
def home() -> str:
    """Show who is there and what they hold."""
    return render_template_string(PAGE, me=signed_in().me(), said=request.args.get("said", ""))


@pages.post("/login")
def login() -> Any:
    """Send the browser to the bridge, which asks the right identity provider."""
    return bridge().authorize_redirect(current_app.config["APP_URL"] + "/callback")


@pages.get("/callback")
def callback() -> Any:
    """Take the bridge's answer: who it is, and what they hold."""
    if request.args.get("iss") != current_app.config["ISSUER"]:  # RFC 9207: another provider's answer is not ours
        abort(400, "this answer comes from somebody else")
    try:
        # In here state, code verifier and nonce are compared, and the ID token's signature is verified.
        tokens = bridge().authorize_access_token()
        claims = bridge().userinfo(token=tokens)  # an ID token has room for some roles, this has for all
    except (OAuthError, JoseError) as error:
        return redirect(url_for("pages.home", said=f"You were not signed in: {error}"))
    if claims["sub"] != tokens["userinfo"]["sub"]:
        abort(400, "the bridge speaks of two people")
    session.clear()
    signed_in().keep(tokens, {**tokens["userinfo"], **claims})
    return redirect(url_for("pages.home"))


@pages.post("/refresh")
def refresh() -> Any:
    """Ask what the person holds now; an application does so whenever an access token has ended."""
    me = signed_in().me()
    if me is None:
        return redirect(url_for("pages.home", said="You are not signed in any more."))
    held = me["tokens"]
    asked = {"grant_type": "refresh_token", "refresh_token": held["refresh_token"], "scope": held.get("scope", SCOPES)}
    try:
        tokens = bridge().fetch_access_token(**asked)
        claims = bridge().userinfo(token=tokens)
    except OAuthError as error:
        current_app.logger.info("no tokens any more: %s", error)
        signed_in().forget()
        return redirect(url_for("pages.home", said="The bridge has ended your session."))
    except RequestException:
        return redirect(url_for("pages.home", said="The bridge cannot be asked now: this is what was known."))
    signed_in().keep(tokens, claims)
    return redirect(url_for("pages.home", said="This is what you hold now."))


@pages.post("/logout")
def logout() -> Any:
    """Sign out here, then at the bridge, which comes back here."""
    me = signed_in().forget()
    if me is None:
        return redirect(url_for("pages.home"))
    back = current_app.config["APP_URL"] + "/"
    return bridge().logout_redirect(post_logout_redirect_uri=back, id_token_hint=me["tokens"]["id_token"])


@pages.post("/backchannel-logout")
def backchannel_logout() -> Any:
    """Hear from the bridge that a session has ended (OpenID Connect Back-Channel Logout 1.0 §2.6)."""
    try:
        keys = KeySet.import_key_set(bridge().fetch_jwk_set(force=True))
        claims = jwt.decode(request.form.get("logout_token", ""), keys, algorithms=["RS256", "ES256"]).claims
        jwt.JWTClaimsRegistry(iss={"value": current_app.config["ISSUER"]}, aud={"value": bridge().client_id}).validate(
            claims
        )
    except (JoseError, ValueError):
        abort(400, "this is no logout token of the bridge")
    if LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims:
        abort(400, "this token is for something else")
    claim = "sid" if "sid" in claims else "sub"
    signed_in().forget_all(claim, claims[claim])
    return "", 200, {"Cache-Control": "no-store"}


def needs_role(workspace: str, project: str, *roles: str) -> Callable[..., Any]:
    """Let only those see a page who hold one of these roles in a project, or in its whole workspace."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            me = signed_in().me() or abort(401)
            for held in me["claims"].get("roles", ()):
                here = held["workspace"] == workspace and held["project"] in (None, project)
                if here and held["role"] in roles:
                    return view(*args, **kwargs)
            return abort(403)

        return guarded

    return decorate


@pages.get("/cityscapes/review")
@needs_role("acme-vision", "cityscapes", "reviewer", "admin")
def review() -> str:
    """Be a page that not everybody sees."""
    return render_template_string(REVIEW)


PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sample app</title>
<style>
  :root { color-scheme: light dark }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
  table { border-collapse: collapse } caption { text-align: left }
  th, td { text-align: left; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid #8885 }
  form { display: inline } button { font: inherit; padding: .4rem 1rem; cursor: pointer }
  .said { border-left: .3rem solid #2563eb; padding-left: 1rem }
</style>
<h1>Sample app</h1>
{% if said %}<p class="said" role="status">{{ said }}</p>{% endif %}
{% if not me %}
<p>An application behind the bridge. It knows neither passwords nor identity providers.</p>
<form method="post" action="/login"><button id="sign-in">Sign in</button></form>
{% else %}
{% set claims = me.claims %}
<p>You are <strong id="name">{{ claims.name or claims.sub }}</strong>, {{ claims.email or "without e-mail" }}.</p>
<table id="roles"><caption>What you hold</caption>
<tr><th>Workspace</th><th>Project</th><th>Role</th><th>Lock</th></tr>
{% for one in claims.roles or [] %}
<tr><td>{{ one.workspace }}</td><td>{{ one.project or "(workspace)" }}</td>
<td>{{ one.role }}</td><td>{{ one.lock or "-" }}</td></tr>
{% else %}<tr><td colspan="4">nothing</td></tr>{% endfor %}
</table>
<p>Your groups: <span id="groups">{{ (claims.groups or []) | join(", ") or "none" }}</span></p>
<p><a href="/cityscapes/review">Review cityscapes</a> (for its reviewers, and for admins)</p>
<form method="post" action="/refresh"><button id="refresh">Refresh</button></form>
<form method="post" action="/logout"><button id="sign-out">Sign out</button></form>
{% endif %}
</html>
"""

REVIEW = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Review</title>
<h1>Cityscapes 2026</h1><p>You may review here. <a href="/">Back</a></p></html>
"""


if __name__ == "__main__":
    facts = [os.environ[name] for name in ("BRIDGE", "CLIENT_ID", "CLIENT_SECRET", "APP_URL")]
    create_app(*facts).run(port=int(facts[-1].rpartition(":")[2]))
