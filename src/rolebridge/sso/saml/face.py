"""SAML without a framework: how somebody leaves for the identity provider, and what the form they bring back proves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from rolebridge.bridge.certificates import load_certificate
from rolebridge.bridge.login_flows import FLOW_LIFETIME, Flow
from rolebridge.bridge.sso_connections import SsoConnection, SsoConnections
from rolebridge.core.login import LoginRefused, Protocol, Trail
from rolebridge.core.saml_settings import Binding, SamlSettings, read_saml_settings
from rolebridge.sso.door import LoginDoor, Proved, Visit
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml.administration import KEY_KIND
from rolebridge.sso.saml.expectations import Expectations
from rolebridge.sso.saml.metadata_out import service_provider_metadata
from rolebridge.sso.saml.provider import METADATA_TYPE, ServiceProvider
from rolebridge.sso.saml.requests import Asked, authn_request, post_form, redirect_url
from rolebridge.sso.saml.response import unverified, validate
from rolebridge.store.sso import SsoSecret
from rolebridge.web.requests import Request, Response

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 20
_LONGEST_STATE: Final = 1_024
_MOST_KEYS: Final = 200
_AGAIN: Final = ("again", "1")  # in the URL of a form that a page of ours sends on


class SamlFace:
    """Logs people in by SAML at the connections that say so."""

    def __init__(
        self, connections: SsoConnections, door: LoginDoor, clock: Callable[[], datetime], base_url: str
    ) -> None:
        self._connections = connections
        self._door = door
        self._clock = clock
        self._base_url = base_url
        self._loaded: dict[str, KeyPair] = {}

    # --- leaving

    def start(self, connection: SsoConnection, flow: Flow, trail: Trail) -> Response:
        """Return what sends the browser to the identity provider, with a request whose id is the login's."""
        settings = read_saml_settings(connection.settings)
        demands = flow.request.demands
        asked = Asked(flow.id, flow.begun_at, fresh=demands.fresh, contexts=_contexts(settings, demands.contexts))
        request = authn_request(self._provider(connection), settings, asked)
        signer = self._signer(connection) if settings.sign_requests else None
        if settings.binding is Binding.POST:
            form = post_form(settings, request, flow.id, signer)
            return self._door.pages.post_on(form.action, dict(form.fields), onward=True)
        url = redirect_url(settings, request, flow.id, signer)
        return Response(303, (("Location", url), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")))

    def sign_out_url(self, connection: SsoConnection, logout_hint: bytes) -> str | None:
        """Return None: who signs out here stays signed in there (SAML's single logout is not offered)."""
        return None

    # --- coming back

    def consume(self, request: Request, connection_id: str) -> Response:
        """Answer the form that a browser posts to the assertion consumer service."""
        return self._door.come_back(request, connection_id, Protocol.SAML, self.prove)

    def prove(self, visit: Visit) -> Proved | Response:
        """Return who a form says has logged in. Raises LoginRefused.

        A form of another site is first sent again, from here. Only then does the session's cookie come with it
        (`SameSite=Lax`), by which it is known whether somebody is signed in already: the same person, whose session
        goes on, or one whose place nobody may take unasked.

        The login that waits is found by RelayState, or where an identity provider loses that by what the response
        claims to answer; either way it must have begun in this browser, and what is verified must answer it.
        """
        encoded, state = _form_of(visit.request)
        if visit.blind:
            return self._once_more(visit, encoded, state)
        settings = read_saml_settings(visit.connection.settings)
        flow_id = state if _is_flow(state) else unverified(encoded).in_response_to
        flow = visit.take(flow_id) if flow_id else None
        now = self._clock()
        identity = validate(encoded, self._expected(visit.connection, settings, flow, now), now, visit.trail)
        return Proved(identity) if flow else Proved(identity, _target(settings, state))

    def _once_more(self, visit: Visit, encoded: bytes, state: str) -> Response:
        """Return a page of ours that sends the form. Raises LoginRefused where it was sent so, and did not come so."""
        if _AGAIN in visit.request.query:
            raise LoginRefused("flow-form", "the browser says that a form of ours was sent from another site")
        fields = {"SAMLResponse": encoded.decode(), **({"RelayState": state} if state else {})}
        path = f"/sso/{visit.connection.id}/acs?{'='.join(_AGAIN)}"
        return self._door.pages.post_again(path, fields, urlsplit(self._base_url).hostname or "")

    def _expected(
        self, connection: SsoConnection, settings: SamlSettings, flow: Flow | None, now: datetime
    ) -> Expectations:
        provider = self._provider(connection)
        return Expectations(
            sp_entity_id=provider.entity_id,
            acs_url=provider.acs_url,
            idp_entity_id=settings.idp.entity_id,
            certificates=tuple(load_certificate(one) for one in settings.pinned),
            in_response_to=flow.id if flow else None,
            idp_initiated=settings.idp_initiated,
            decryption_keys=tuple(self._loaded_key(one).key for one in reversed(self._keys(connection))),
            allow_cbc=settings.allow_cbc,
            sha1_until=settings.sha1_until,
            contexts=frozenset(settings.contexts),
            authenticated_since=_since(settings, flow, now),
            skew=timedelta(seconds=settings.skew),
            longest_lifetime=timedelta(seconds=settings.longest_lifetime),
        )

    # --- describing

    def metadata(self, connection_id: str) -> Response:
        """Describe the service provider of a connection. Raises LoginRefused where nobody logs in by SAML."""
        connection = self._door.connection(connection_id, Protocol.SAML)
        certificates = [one.public for one in self._keys(connection)]
        settings = read_saml_settings(connection.settings)
        body = service_provider_metadata(self._provider(connection), settings, certificates)
        return Response(200, (("Content-Type", METADATA_TYPE),), body)

    # --- parts

    def _provider(self, connection: SsoConnection) -> ServiceProvider:
        return ServiceProvider.of(self._base_url, connection.id)

    def _keys(self, connection: SsoConnection) -> Sequence[SsoSecret]:
        return self._connections.secrets(connection.connection, KEY_KIND)

    def _signer(self, connection: SsoConnection) -> KeyPair:
        keys = self._keys(connection)
        if not keys:
            raise LoginRefused("saml-no-key", "requests are to be signed, and there is no key: rolebridge saml key add")
        return self._loaded_key(keys[0])

    def _loaded_key(self, secret: SsoSecret) -> KeyPair:
        """Return a key, which takes longer to read than to use: those of the last logins are kept."""
        kept = self._loaded.get(secret.id)
        if kept is None:
            if len(self._loaded) >= _MOST_KEYS:
                self._loaded.clear()
            kept = KeyPair.read(self._connections.open(secret), secret.public)
            self._loaded[secret.id] = kept
        return kept


def _contexts(settings: SamlSettings, demanded: Sequence[str]) -> tuple[str, ...]:
    """Return the contexts to ask for: what the application wants, as far as the connection's settings go along."""
    allowed = tuple(one for one in demanded if not settings.contexts or one in settings.contexts)
    return allowed or settings.contexts


def _since(settings: SamlSettings, flow: Flow | None, now: datetime) -> datetime | None:
    """Return the moment since which the person must have proved themselves, None for any."""
    moments = []
    if settings.force_authn or (flow is not None and flow.request.demands.fresh):
        # Where nobody here asked, no longer ago than anybody could have.
        moments.append(flow.begun_at if flow is not None else now - FLOW_LIFETIME)
    ages = (settings.max_age, flow.request.demands.max_age if flow else None)
    moments += [now - timedelta(seconds=age) for age in ages if age is not None]
    return max(moments, default=None)


def _is_flow(state: str) -> bool:
    """Return whether RelayState is the id of a login that began here; keys of targets begin otherwise."""
    return state.startswith("_")


def _target(settings: SamlSettings, state: str) -> str:
    """Return where a login leads that began at the identity provider: RelayState is a key, and never a URL."""
    if not state:
        return "/account"
    target = settings.targets.get(state)
    if target is None:
        raise LoginRefused("saml-relay-state", "RelayState is the key of no target: rolebridge saml set --target")
    return target


def _form_of(request: Request) -> tuple[bytes, str]:
    """Return the response and RelayState (or "") of a form (SAML Bindings §3.5.4). Raises LoginRefused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise LoginRefused("saml-form", f"the body is not {_FORM}: responses come by the POST binding")
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise LoginRefused("saml-form", "the form cannot be read") from None
    responses = [value for name, value in pairs if name == "SAMLResponse"]
    states = [value for name, value in pairs if name == "RelayState"]
    if len(responses) != 1 or not responses[0]:
        raise LoginRefused(
            "saml-form", f"the form has {len(responses)} fields `SAMLResponse`; one with a value is wanted"
        )
    if len(states) > 1 or any(len(state) > _LONGEST_STATE for state in states):
        raise LoginRefused("saml-form", "the form has RelayState more than once, or too long")
    return responses[0].encode("utf-8", "replace"), states[0] if states else ""
