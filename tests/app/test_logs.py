"""The log of a server: one line an event, with the request's id, and nothing about any person."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from tests.app.calling import MAY_I, Worker, opened, serving

from rolebridge.app import logs
from rolebridge.bridge.permissions import KeyRole
from rolebridge.core.errors import Unavailable
from rolebridge.web.asgi import Limits
from rolebridge.web.requests import begin_request, current_request_id

MARK = "zzanarosa"
"""In every name, address and secret that is sent here. Names of attributes are told, as the request log does."""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process logs; afterwards it logs where it did before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    real = logs.set_up
    monkeypatch.setattr(logs, "set_up", lambda form, level: real(form, level, stream))
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    current_request_id.set("")


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def scim(worker: Worker, token: str) -> None:
    """Send what an identity provider sends, in order and out of order, with a person in every part of it."""
    name = f"{MARK}@acme.example"
    person = {"schemas": [USER], "userName": name, "name": {"familyName": MARK}, "emails": [{"value": name}]}

    def send(method: str, target: str, body: object = None, **more: str) -> int:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        said = {"authorization": f"Bearer {token}", "content_type": "application/scim+json", **more}
        return worker.send(method, f"/scim/v2{target}", raw, **said).status

    assert send("POST", "/Users", person) == 201
    assert send("POST", "/Users", person) == 409
    assert send("GET", "/Users?filter=" + quote(f'userName eq "{name}"')) == 200
    assert send("GET", "/Users?filter=" + quote(f'userName eqq "{name}"')) == 400
    assert send("GET", f"/Users?{MARK}={MARK}&filter={MARK}") == 400
    assert send("GET", f"/Users/{MARK}") == 404
    assert send("GET", f"/{MARK}/{MARK}") == 404
    assert send("BREW", f"/{MARK}") >= 400
    assert send("POST", "/Users", f'{{"userName": "{MARK}'.encode()) == 400
    assert send("POST", "/Users", {"schemas": [USER], "userName": {"value": MARK}}) == 400
    assert send("POST", "/Users", {"schemas": [MARK], "userName": MARK, "petName": MARK}) >= 201
    assert (
        send(
            "PATCH",
            f"/Users/{MARK}",
            {"schemas": [PATCH], "Operations": [{"op": MARK, "path": 'emails[value eq "' + MARK + '"]'}]},
        )
        >= 400
    )
    assert send("POST", "/Groups", {"displayName": MARK, "members": [{"value": MARK}], "petName": MARK}) >= 201
    operation = {"method": "PUT", "path": f"/Users/{MARK}", "data": person, "bulkId": MARK}
    assert send("POST", "/Bulk", {"schemas": [BULK], "Operations": [operation]}) == 200
    assert send("GET", "/Users", user_agent=MARK, referer=MARK, x_forwarded_for=MARK, x_request_id=MARK) == 200
    assert send("GET", "/Users", authorization=f"Bearer {MARK}") == 401
    assert send("GET", f"/Users/{MARK}", authorization=f"Basic {MARK}") == 401
    assert send("POST", f"/Users/{MARK}", b"x" * 100_000) == 413


def api_and_oauth(worker: Worker, key: str) -> None:
    """Ask the API about a person, and for tokens with names in the wrong fields."""

    def ask(target: str, secret: str = key, method: str = "GET") -> int:
        return worker.send(method, f"/api/v1{target}", authorization=f"Bearer {secret}").status

    assert ask(f"/access?user={MARK}") in {200, 404}
    assert ask(f"/explanations?user={MARK}&workspace={MARK}") == 404
    assert ask(f"/users/{MARK}/{MARK}") == 404
    assert ask(f"/{MARK}", method="POST") >= 400
    assert ask(f"/{MARK}", secret=MARK) == 401
    pair = base64.b64encode(f"{MARK}:{MARK}".encode()).decode()
    form = {"grant_type": "client_credentials", "client_id": MARK, "client_secret": MARK, "scope": MARK}
    said = {"content_type": "application/x-www-form-urlencoded"}
    assert worker.send("POST", "/oauth/token", urlencode(form).encode(), **said).status >= 400
    body = b"grant_type=client_credentials"
    assert worker.send("POST", "/oauth/token", body, authorization=f"Basic {pair}", **said).status == 401
    assert worker.send("POST", "/oauth/token", MARK.encode(), **said).status >= 400
    assert worker.send("GET", f"/{MARK}?{MARK}={MARK}").status == 404
    assert worker.send("GET", f"/healthz/{MARK}").status == 404


def every_operation(worker: Worker, key: str) -> int:
    """Ask the API for everything that it describes, with a person in the path, the query and the body."""
    asked = 0
    headers = {"authorization": f"Bearer {key}", "content_type": "application/json", "idempotency_key": MARK}
    description = worker.send("GET", "/api/v1/openapi.json").json
    for path, operations in description["paths"].items():
        target = re.sub(r"\{[^}]*\}", MARK, path)
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            wanted = [one["name"] for one in operations[method].get("parameters", ()) if one.get("in") == "query"]
            query = "&".join(f"{name}={MARK}" for name in wanted)
            for body in (b"", json.dumps({"reason": MARK, "user": MARK, MARK: MARK}).encode()):
                answer = worker.send(method.upper(), f"/api/v1{target}?{query}", body, **headers)
                assert answer.status < 500, (method, target, answer.body)
                asked += 1
    return asked


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_door_logs_a_person(tmp_path: Path, log: io.StringIO, log_format: str) -> None:
    """Whatever is sent to any door, in any part of a request, no line of the log repeats it."""
    settings = serving(tmp_path, log_format=log_format, access_log="yes")
    beside = opened(settings)
    organization = beside.administration.add_organization(MAY_I, "acme")
    _, token = beside.administration.add_connection(MAY_I, organization, "okta", "generic")
    _, key = beside.administration.add_key(MAY_I, organization, "robot", KeyRole.OWNER)
    worker = Worker(settings, limits=Limits(body=50_000))
    scim(worker, token.text)
    api_and_oauth(worker, key.text)
    assert every_operation(worker, key.text) > 10
    worker.close()
    beside.close()
    written = log.getvalue()
    assert written.count("\n") > 40
    assert [line for line in written.splitlines() if MARK in line.lower()] == []
    assert token.text not in written
    assert key.text not in written


def test_a_defect_is_told_without_its_words(tmp_path: Path, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is logged by type and place, under the id that the answer names; its own words are not."""
    settings = serving(tmp_path, log_format="json")
    worker = Worker(settings)

    def breaks(*_: object, **__: object) -> None:
        try:
            raise KeyError(MARK)
        except KeyError as cause:
            raise ValueError(f"{MARK}@acme.example cannot be stored") from cause

    for use_case in (
        "rolebridge.web.authentication.Authenticator.caller",
        "rolebridge.web.keys.KeyAuthenticator.holder",
    ):
        monkeypatch.setattr(use_case, breaks)
    for target in (f"/scim/v2/Users/{MARK}", f"/api/v1/{MARK}"):
        answer = worker.send("GET", target, authorization=f"Bearer {MARK}")
        assert answer.status == 500
        line = lines(log)[-1]
        assert line["request_id"] == answer.headers["x-request-id"]
        assert line["level"] == "error"
        raised = line["exceptions"]
        assert isinstance(raised, list)
        assert [one["type"] for one in raised] == ["ValueError", "KeyError"]
        assert raised[0]["at"][-1].endswith(" breaks")
    worker.close()
    assert MARK not in log.getvalue()


def test_debug_tells_what_an_error_says(log: io.StringIO) -> None:
    """Who sets the level `debug` gets the words of exceptions too."""
    logs.set_up("json", "debug")
    try:
        raise ValueError("the words")
    except ValueError:
        logging.getLogger("rolebridge.app").exception("it broke")
    (line,) = lines(log)
    raised = line["exceptions"]
    assert isinstance(raised, list)
    assert raised[0]["says"] == "the words"


def test_a_line_of_json(log: io.StringIO) -> None:
    """A line has moment, level, logger, process and message, and a request's id while one is answered."""
    logs.set_up("json", "info")
    logging.getLogger("rolebridge.app").info("before")
    request_id = begin_request()
    logging.getLogger("rolebridge.app").warning("during\nwith a %s", "line end")
    logging.getLogger("rolebridge.app").debug("unheard")
    before, during = lines(log)
    assert set(before) == {"time", "level", "logger", "process", "message"}
    assert during["request_id"] == request_id
    assert (during["level"], during["message"]) == ("warning", "during\nwith a line end")
    assert str(during["time"]).endswith("Z")


def test_a_line_of_text_stays_one(log: io.StringIO) -> None:
    """What is repeated cannot make a line that looks like an event of its own."""
    logs.set_up("text", "info")
    logging.getLogger("rolebridge.app").warning(
        "asked for %s", "x\n2026-01-01T00:00:00.000Z ERROR rolebridge.app all is lost"
    )
    assert log.getvalue().count("\n") == 1


def test_the_access_log_tells_door_and_status(tmp_path: Path, log: io.StringIO) -> None:
    """With `access_log` there is a line for every request, with the door and no path; without it none."""
    worker = Worker(serving(tmp_path, log_format="json", access_log="yes"))
    worker.send("GET", "/healthz")
    worker.send("GET", f"//scim/v2/Users/{MARK}")
    worker.close()
    seen = [(one["door"], one["method"], one["status"]) for one in lines(log) if one["logger"] == "rolebridge.access"]
    assert seen == [("other", "GET", 200), ("scim", "GET", 401)]
    quiet = Worker(serving(tmp_path, log_format="json"))
    quiet.send("GET", "/healthz")
    quiet.close()
    assert log.getvalue().count("rolebridge.access") == 2


def test_a_database_that_is_gone_is_told_to_the_log_alone(
    tmp_path: Path, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause stands in the log, which the client is not told."""
    worker = Worker(serving(tmp_path, log_format="json"))

    def gone(*_: object, **__: object) -> None:
        raise Unavailable("the database cannot be read", cause="disk I/O error")

    monkeypatch.setattr("rolebridge.web.keys.KeyAuthenticator.holder", gone)
    answer = worker.send("GET", "/api/v1/status")
    worker.close()
    assert answer.status == 503
    assert b"disk" not in answer.body
