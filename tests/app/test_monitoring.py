"""What says how a server goes: liveness, readiness, metrics; and what every answer says to browsers and proxies."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.app.calling import MAY_I, Worker, opened, serving

from rolebridge.app.metrics import FAMILIES, shared_memory
from rolebridge.app.monitor import Gauges, Monitor
from rolebridge.bridge.readiness import STUCK_SECONDS, NotReady, Readiness
from rolebridge.core.errors import Unavailable
from rolebridge.settings import Bind, ServingSettings
from rolebridge.store.engine import Progress, Store
from rolebridge.web.asgi import Limits
from rolebridge.web.metrics import exposition

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
Samples = dict[str, float]
MOMENT = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Serving sets the process's log up; afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def settings(tmp_path: Path) -> ServingSettings:
    return serving(tmp_path)


@pytest.fixture
def store(settings: ServingSettings) -> Iterator[Store]:
    found = Store.open(settings.database_url)
    yield found
    found.close()


def samples(text: str) -> Samples:
    """Return what Prometheus reads, by name and labels as one would write them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


# --- readiness -------------------------------------------------------------------------------------------------


def test_ready(settings: ServingSettings) -> None:
    """A worker whose database answers is ready."""
    worker = Worker(settings)
    answer = worker.send("GET", "/readyz")
    worker.close()
    assert (answer.status, answer.body) == (200, b"ready\n")


def test_not_ready_with_another_schema(settings: ServingSettings, store: Store) -> None:
    """A database that another version has upgraded makes workers step aside; why is told in general words."""
    store.transact(lambda unit: unit.link.execute("UPDATE alembic_version SET version_num = '9999'", ()))
    worker = Worker(settings)
    answer = worker.send("GET", "/readyz")
    worker.close()
    assert (answer.status, answer.body) == (503, b"not ready: the database has the schema of another version\n")
    assert answer.headers["retry-after"] == "5"


def test_not_ready_without_a_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that cannot be reached is told without its address."""

    def gone() -> None:
        raise Unavailable("PostgreSQL does not answer", cause="connection to 10.0.0.7 refused")

    monkeypatch.setattr(store, "check_schema", gone)
    assert Readiness(store).problem() is NotReady.UNREACHABLE
    assert "10.0.0.7" not in NotReady.UNREACHABLE


class Progressing(Store):
    """A store whose writing goes as a test says."""

    def __init__(self) -> None:
        self.found = Progress(True, 1)
        self.asked = 0

    def check_schema(self) -> None:
        self.asked += 1

    def progress(self) -> Progress:
        return self.found


def test_a_writer_that_gets_nowhere_is_stuck() -> None:
    """A writer that is busy is no problem while something is committed now and then, and one when nothing is."""
    moment = 0.0
    store = Progressing()
    ready = Readiness(store, lambda: moment)
    assert ready.problem() is None
    store.found = Progress(False, 1)
    for version in range(20):  # a long import
        moment += 10.0
        store.found = Progress(False, version)
        assert ready.problem() is None
    moment += STUCK_SECONDS
    assert ready.problem() is NotReady.WRITER
    store.found = Progress(True, 20)
    moment += 1.0
    assert ready.problem() is None


def test_whoever_asks_often_asks_the_process() -> None:
    """Within a second the database is asked once."""
    moment = 0.0
    store = Progressing()
    ready = Readiness(store, lambda: moment)
    for _ in range(100):
        ready.problem()
    assert store.asked == 1
    moment += 1.0
    ready.problem()
    assert store.asked == 2


def test_progress_of_a_database(store: Store) -> None:
    """While somebody writes no other write has its turn; a commit of theirs changes the number."""
    before = store.progress()
    assert before.writable
    seen: list[Progress] = []
    other = Store.open(f"sqlite:///{store._url.database}")
    other.transact(lambda unit: seen.append(store.progress()))
    assert [(one.writable, one.version) for one in seen] == [(False, before.version)]
    other.transact(lambda unit: unit.accounts.add_organization("o", "acme", MOMENT))
    after = store.progress()
    other.close()
    assert after.writable
    assert after.version != before.version


# --- metrics ---------------------------------------------------------------------------------------------------


def test_what_a_worker_counts(settings: ServingSettings) -> None:
    """Requests by door, method and class, durations, refusals by reason, tolerances, and waits for the writer."""
    shared = shared_memory(1)
    beside = opened(settings)
    organization = beside.administration.add_organization(MAY_I, "acme")
    _, token = beside.administration.add_connection(MAY_I, organization, "entra", "entra")
    worker = Worker(settings, shared, Limits(body=10_000))

    def send(method: str, target: str, body: object = None, secret: str = token.text) -> int:
        raw = b"" if body is None else json.dumps(body).encode()
        said = {"authorization": f"Bearer {secret}", "content_type": "application/scim+json"}
        return worker.send(method, f"/scim/v2{target}", raw, **said).status

    assert send("POST", "/Users", {"schemas": [USER], "userName": "ana", "active": "True"}) == 201
    assert send("POST", "/Users", {"schemas": [USER], "userName": "ana"}) == 409
    assert send("GET", "/Users?filter=nonsense") == 400
    assert send("GET", "/Users", secret="unknown") == 401
    assert send("POST", "/Users", {"userName": "x" * 10_000}) == 413
    worker.send("BREW", "/nowhere")
    worker.send("GET", "/api/v1/status")
    worker.close()
    beside.close()
    found = samples(exposition(shared))
    expected = {
        "rolebridge_requests_total{door=scim,method=POST,status=2xx}": 1,
        "rolebridge_requests_total{door=scim,method=POST,status=4xx}": 2,
        "rolebridge_requests_total{door=scim,method=GET,status=4xx}": 2,
        "rolebridge_requests_total{door=api,method=GET,status=4xx}": 1,
        "rolebridge_requests_total{door=other,method=other,status=4xx}": 1,
        "rolebridge_request_duration_seconds_count{door=scim,method=POST}": 3,
        "rolebridge_refusals_total{door=scim,reason=conflict}": 1,
        "rolebridge_refusals_total{door=scim,reason=invalid}": 1,
        "rolebridge_refusals_total{door=scim,reason=unauthenticated}": 1,
        "rolebridge_refusals_total{door=scim,reason=too-large}": 1,
        "rolebridge_scim_refusals_total{scim_type=uniqueness}": 1,
        "rolebridge_scim_refusals_total{scim_type=invalidFilter}": 1,
        "rolebridge_scim_tolerances_total{tolerance=string-boolean}": 1,
        "rolebridge_worker_process_starts_total": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["rolebridge_database_writer_wait_seconds_count"] >= 1


def test_what_is_logged_is_counted(settings: ServingSettings) -> None:
    """Lines are counted by level, and the guard rails that they tell of."""
    shared = shared_memory(1)
    worker = Worker(settings, shared)
    logging.getLogger("rolebridge.bridge").warning("guard rail: …", extra={"event": "guard.tripped"})
    logging.getLogger("rolebridge.app").error("it broke")
    worker.close()
    found = samples(exposition(shared))
    assert found["rolebridge_guard_rails_total{event=guard.tripped}"] == 1
    assert found["rolebridge_log_lines_total{level=warning}"] == 1
    assert found["rolebridge_log_lines_total{level=error}"] == 1


def test_there_are_never_more_series(settings: ServingSettings) -> None:
    """All series that can ever be are declared: a few hundred numbers, whoever asks for what."""
    assert sum(family.width * sum(1 for _ in family.series) for family in FAMILIES) < 2_000


def test_what_waits_in_the_database(store: Store) -> None:
    """Backlogs are counted over all organizations; none of them is named."""
    store.transact(lambda unit: unit.accounts.add_organization("org-1", "acme", MOMENT))
    store.transact(lambda unit: unit.record("org-1").outbox("grant.gained", "{}", MOMENT))

    def audit() -> None:
        store.transact(
            lambda unit: unit.record("org-1").audit(
                kind="user.created", actor="scim:okta", request_id="r", subject_kind="user", subject_id="u",
                before=None, after=None, reason="", now=MOMENT,
            )
        )  # fmt: skip

    audit()
    audit()
    text = exposition(None, Gauges(store).read())
    found = samples(text)
    assert found["rolebridge_database_up"] == 1
    assert found["rolebridge_audit_unsealed_rows"] == 2
    assert found["rolebridge_feed_waiting_rows"] == 1
    assert found["rolebridge_outbox_held_rows"] == found["rolebridge_holds_open"] == 0
    assert "org-1" not in text
    assert "acme" not in text


def test_a_database_that_is_down_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database cannot be asked that is told, and no old numbers are."""
    moment = 0.0
    gauges = Gauges(store, lambda: moment)
    assert len(gauges.read()) > 2

    def gone(**_: object) -> None:
        raise Unavailable("PostgreSQL does not answer")

    monkeypatch.setattr(store, "read", gone)
    assert len(gauges.read()) > 2  # asked a moment ago
    moment += 5.0
    found = samples(exposition(None, gauges.read()))
    assert found["rolebridge_database_up"] == 0
    assert not any(name.startswith("rolebridge_audit") for name in found)


@pytest.mark.loopback
def test_metrics_have_an_address_of_their_own(store: Store, settings: ServingSettings) -> None:
    """The address answers metrics, and nothing else; the doors answer none."""
    monitor = Monitor(Bind("127.0.0.1", 0), shared_memory(1), store)
    try:
        client = http.client.HTTPConnection("127.0.0.1", monitor.port, timeout=30)
        client.request("GET", "/metrics")
        answer = client.getresponse()
        text = answer.read().decode()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert samples(text)["rolebridge_database_up"] == 1
        client.request("GET", "/scim/v2/Users")
        assert client.getresponse().status == 404
        client.close()
    finally:
        monitor.close()
    worker = Worker(settings)
    assert worker.send("GET", "/metrics").status == 404
    worker.close()


# --- headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/nope", 404),
        ("GET", "/scim/v2/Users", 401),
        ("GET", "/api/v1/status", 401),
        ("POST", "/oauth/token", 400),
        ("GET", "/.well-known/oauth-authorization-server", 200),
        ("POST", "/scim/v2/" + "x" * 10, 413),
    ],
)
def test_every_answer_says_what_must_not_be_done_with_it(tmp_path: Path, method: str, target: str, status: int) -> None:
    """No answer is kept by a cache unless it says so, guessed at, or shown in another page; HTTPS stays HTTPS."""
    worker = Worker(serving(tmp_path, base_url="https://id.acme.example/bridge"), limits=Limits(body=10))
    answer = worker.send(method, target, b"x" * 20 if status == 413 else b"")
    worker.close()
    assert answer.status == status
    assert answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_plain_http_promises_no_https(settings: ServingSettings) -> None:
    """A server that is reached over plain HTTP, on this machine, says nothing of HTTPS."""
    worker = Worker(settings)
    answer = worker.send("GET", "/healthz")
    worker.close()
    assert "strict-transport-security" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
