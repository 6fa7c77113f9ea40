"""A login by SAML at `rolebridge serve`, over HTTP: it works once, on every process, and after a power cut."""

from __future__ import annotations

import base64
import http.client
import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from lxml import etree
from tests.durability.running import OPERATOR, PATIENCE, Bridge, bridge
from tests.sso.saml import idp
from tests.sso.saml.bridging import SETTINGS

from rolebridge.core.login_rules import LoginRules

pytestmark = pytest.mark.loopback

TIMES = 6
"""Enough for two worker processes to take one each."""


@dataclass
class Surfer:
    """A browser with a new line for each request, so that any of the processes may answer."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Return status, Location and body of an answer."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            line.request(method, path, None if fields is None else urlencode(fields), headers)
            answer = line.getresponse()
            for one in answer.headers.get_all("Set-Cookie", []):
                name, _, rest = one.partition("=")
                self.cookies[name] = rest.partition(";")[0]
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        finally:
            line.close()


def connected(served: Bridge) -> str:
    """Let the bridge's connection log people in, and return its path."""
    made = served.installation
    connection = made.administration.connection(made.administration.organization(served.organization), "okta")
    made.saml.configure(OPERATOR, connection, SETTINGS)
    made.sso.set_rules(OPERATOR, connection, LoginRules(create=True))
    made.sso.declare_domains(OPERATOR, connection, ["example.com"])
    return f"/sso/{connection.id}"


def answered(served: Bridge, path: str, request: str | None) -> str:
    """Return what the identity provider has the browser bring."""
    place = f"http://127.0.0.1:{served.port}{path}"
    now = datetime.now(UTC)
    answer = idp.answer(acs_url=f"{place}/acs", sp_entity_id=f"{place}/metadata", in_response_to=request, now=now)
    return answer.decode()


def test_a_login_over_http_works_once(tmp_path: Path) -> None:
    """Signed in; the same response then is refused by every process, and by a server that was killed and came back."""
    with bridge(tmp_path, f"sqlite:///{tmp_path}/rolebridge.db") as served:
        path = connected(served)
        surfer = Surfer(served.port)
        status, location, _ = surfer.send("GET", f"{path}/login")
        assert status == 303
        asked = parse_qs(urlsplit(location).query)
        request = etree.fromstring(zlib.decompress(base64.b64decode(asked["SAMLRequest"][0]), -15))
        form = {"SAMLResponse": answered(served, path, request.get("ID")), "RelayState": asked["RelayState"][0]}
        assert surfer.send("POST", f"{path}/acs", form)[:2] == (303, f"http://127.0.0.1:{served.port}/account")
        status, _, page = surfer.send("GET", "/account")
        assert (status, "jane@example.com" in page) == (200, True)

        for _ in range(TIMES):
            status, _, page = surfer.send("POST", f"{path}/acs", form)
            assert (status, re.findall(r"flow-[a-z-]+", page)[0]) == (403, "flow-unknown")
        served.kill()
        served.start()
        status, _, page = surfer.send("POST", f"{path}/acs", form)
        assert (status, re.findall(r"flow-[a-z-]+", page)[0]) == (403, "flow-unknown")
        assert surfer.send("GET", "/account")[0] == 200
        served.assert_sound()
