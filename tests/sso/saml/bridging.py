"""A bridge with a connection that logs people in by SAML, as its worker processes serve it, and browsers that come."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from tests.app.calling import MAY_I, Answer, Worker, opened, serving
from tests.sso.saml import idp
from tests.sso.saml.idp import signer

from rolebridge.app import Installation
from rolebridge.core.login_rules import LoginRules
from rolebridge.core.saml_settings import Binding, IdpDescription, SamlSettings
from rolebridge.settings import ServingSettings
from rolebridge.sso.key_pairs import KeyPair
from rolebridge.sso.saml import administration
from rolebridge.store.records import Connection
from rolebridge.web.browser import SESSION_COOKIE

BASE = "https://sso.example"
ENDPOINTS = {Binding.REDIRECT: "https://idp.example.com/sso", Binding.POST: "https://idp.example.com/post"}
IDP = IdpDescription(idp.IDP_ENTITY, ENDPOINTS, (signer().base64,))
SETTINGS = SamlSettings(IDP, (signer().base64,))


@dataclass
class Bridge:
    """The bridge: `installation` is for acts beside the server, `worker` starts another of its processes."""

    settings: ServingSettings
    installation: Installation
    connection: Connection
    workers: list[Worker] = field(default_factory=list)

    def worker(self) -> Worker:
        self.workers.append(Worker(self.settings))
        return self.workers[-1]

    def stop(self) -> None:
        for one in self.workers:
            one.close()
        self.workers.clear()

    def set(self, **changes: Any) -> None:
        """Change the connection's settings."""
        now = self.installation.saml.settings(self.connection)
        self.installation.saml.configure(MAY_I, self.connection, replace(now, **changes))

    @property
    def path(self) -> str:
        return f"/sso/{self.connection.id}"

    def answer(self, in_response_to: str | None, **more: Any) -> str:
        """Return what the identity provider has the browser bring for a login now."""
        given: dict[str, Any] = {"now": datetime.now(UTC), **more}
        return idp.answer(
            acs_url=f"{BASE}{self.path}/acs",
            sp_entity_id=f"{BASE}{self.path}/metadata",
            in_response_to=in_response_to,
            **given,
        ).decode()


@contextmanager
def bridge(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    """Set up a bridge whose connection `okta` speaks for example.com and makes whom it does not know."""
    own = signer("sp").key
    assert isinstance(own, rsa.RSAPrivateKey)
    monkeypatch.setattr(administration, "make_key_pair", lambda name, now: KeyPair(own, signer("sp").base64))
    settings = serving(folder, base_url=BASE)
    installation = opened(settings)
    organization = installation.administration.add_organization(MAY_I, "default")
    made = Bridge(settings, installation, connect(installation, organization, "okta"))
    installation.sso.declare_domains(MAY_I, made.connection, ["example.com"])
    try:
        yield made
    finally:
        made.stop()
        installation.close()


def connect(installation: Installation, organization: Any, name: str) -> Connection:
    connection, _ = installation.administration.add_connection(MAY_I, organization, name, "okta")
    installation.saml.configure(MAY_I, connection, SETTINGS)
    installation.sso.set_rules(MAY_I, connection, LoginRules(create=True))
    return connection


@dataclass
class Browser:
    """A browser: it keeps cookies and follows nothing by itself."""

    worker: Worker
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, target: str) -> Answer:
        return self._keep(self.worker.send("GET", target, cookie=self._cookie()))

    def post(self, target: str, fields: dict[str, str]) -> Answer:
        body = urlencode(fields).encode()
        return self._keep(self.send(target, body))

    def send(self, target: str, body: bytes, kind: str = "application/x-www-form-urlencoded") -> Answer:
        return self.worker.send("POST", target, body, cookie=self._cookie(), content_type=kind)

    def leave(self, bridge: Bridge) -> Sent:
        """Begin a login, and return what the browser takes to the identity provider."""
        answer = self.get(f"{bridge.path}/login")
        assert answer.status == 303, answer.body
        return sent(answer.headers["location"])

    def bring(self, bridge: Bridge, response: str, relay_state: str | None = None) -> Answer:
        """Come back from the identity provider."""
        fields = {"SAMLResponse": response} | ({} if relay_state is None else {"RelayState": relay_state})
        return self.post(f"{bridge.path}/acs", fields)

    def bring_as_browsers_do(self, bridge: Bridge, response: str, relay_state: str = "") -> tuple[Answer, Answer]:
        """Come back from an identity provider of another site; return what that says, and what the second form does.

        A form of another site brings no cookie that is `SameSite=Lax`; one of a page of ours does.
        """
        fields = {"SAMLResponse": response, **({"RelayState": relay_state} if relay_state else {})}
        kind, path = "application/x-www-form-urlencoded", f"{bridge.path}/acs"
        lax = {name: value for name, value in self.cookies.items() if name != SESSION_COOKIE}
        said = {"origin": "https://idp.example.com", "sec_fetch_site": "cross-site", "content_type": kind}
        shown = "; ".join(f"{name}={value}" for name, value in lax.items())
        first = self.worker.send("POST", path, urlencode(fields).encode(), cookie=shown, **said)
        (form,) = etree.HTML(first.body.decode()).iter("form")
        again = {str(one.get("name")): str(one.get("value")) for one in form.iter("input")}
        said |= {"origin": BASE, "sec_fetch_site": "same-origin"}
        target, body = str(form.get("action")), urlencode(again).encode()
        return first, self._keep(self.worker.send("POST", target, body, cookie=self._cookie(), **said))

    @property
    def signed_in(self) -> bool:
        return self.get("/account").status == 200

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _keep(self, answer: Answer) -> Answer:
        if "set-cookie" in answer.headers:
            name, _, rest = answer.headers["set-cookie"].partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer


@dataclass
class Sent:
    """A request on its way to the identity provider."""

    url: str
    fields: dict[str, str]
    root: etree._Element

    @property
    def id(self) -> str:
        return str(self.root.get("ID"))

    @property
    def relay_state(self) -> str:
        return self.fields["RelayState"]


def sent(url: str) -> Sent:
    """Read a request in a URL as an identity provider does."""
    fields: dict[str, str] = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    return Sent(url, fields, etree.fromstring(zlib.decompress(base64.b64decode(fields["SAMLRequest"]), -15)))


def code_of(answer: Answer) -> str:
    """Return the code on the page that refuses a login."""
    assert answer.status in {403, 404, 429}, (answer.status, answer.headers)
    found = set(re.findall(r"\b(?:saml|flow|login)-[a-z0-9-]+", answer.body.decode()))
    assert len(found) == 1, (found, answer.body)
    return str(found.pop())
