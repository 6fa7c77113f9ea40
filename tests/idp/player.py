"""Plays transcripts: conversations between identity providers and a SCIM service, with what the answers must be.

A transcript (`transcripts/*.json`) names its `vendor` and its public `source`, sets variables, and lists steps. A step
is a request (`method`, `path`, `headers`, `body` or `raw_body`) with what is expected of its answer and what to save of
it; it may be repeated, several times at once where it says `parallel`. `requires` names variables that the player has
to be given. Answers of 204 have no body, so what is expected of one is not asked of them.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from tests.idp.expectations import ABSENT, Found, disagreements, find
from tests.idp.templates import Unset, counted, filled

TRANSCRIPTS = Path(__file__).with_name("transcripts")

_ACCEPTED = {"Accept": "application/scim+json", "User-Agent": "rolebridge-tests"}
_AT_ONCE = 8
_TIMEOUT = 30.0
_PATIENT = 3
"""How often a request is sent again that was answered 429."""


@dataclass(frozen=True)
class Transcript:
    """A recorded conversation."""

    name: str
    vendor: str
    level: str
    feature: list[str]
    source: list[str]
    notes: str
    vars: dict[str, Any]
    steps: list[dict[str, Any]]
    requires: list[str] = field(default_factory=list)


def transcripts() -> list[Transcript]:
    """Return every transcript, by name."""
    return [Transcript(**json.loads(file.read_text(encoding="utf-8"))) for file in sorted(TRANSCRIPTS.glob("*.json"))]


@dataclass(frozen=True)
class Answer:
    """An answer; `document` is ABSENT where the body is not JSON. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    text: str
    milliseconds: float

    @property
    def document(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return ABSENT


class Player:
    """One identity provider: a base URL, a bearer token, and the variables that transcripts may require."""

    def __init__(self, base: str, token: str, given: Mapping[str, str] | None = None) -> None:
        self.base, self.token, self.given = base, token, dict(given or {})

    def play(self, transcript: Transcript) -> list[str]:
        """Play a transcript and return everything that was not as expected, each with its step."""
        missing = set(transcript.requires) - self.given.keys()
        assert not missing, f"{transcript.name} requires {missing}"
        variables: dict[str, Any] = {"run": uuid4().hex[:8], "$base": self.base, **self.given}
        for name, template in transcript.vars.items():
            variables[name] = filled(template, variables)
        return [problem for step in transcript.steps for problem in self._step(step, variables)]

    def _step(self, step: Mapping[str, Any], variables: dict[str, Any]) -> Iterator[str]:
        problems, began = [], time.monotonic()
        try:
            rounds = self._rounds(step, variables)
        except Unset as error:
            yield f"{step['name']}: {error}"
            return
        took = time.monotonic() - began
        for answer, known in rounds:
            problems += judged(answer, step["expect"], known)
            variables.update(saved(answer, step.get("save", {}), known, problems))
        problems += judged_together([answer for answer, _ in rounds], took, step["expect"])
        if not step.get("optional"):
            yield from (f"{step['name']}: {problem}" for problem in dict.fromkeys(problems))

    def _rounds(self, step: Mapping[str, Any], variables: dict[str, Any]) -> list[tuple[Answer, dict[str, Any]]]:
        """Send the step's request as often as it says; return each answer with the variables of its round."""
        repeat = step.get("repeat")
        if repeat is None:
            return [(self._send(step, variables), variables)]
        each = [{**variables, repeat["var"]: n} for n in counted(repeat)]
        parallel = step.get("parallel", 1)
        with ThreadPoolExecutor(_AT_ONCE if parallel is True else parallel) as pool:
            return list(zip(pool.map(lambda known: self._send(step, known), each), each, strict=True))

    def _send(self, step: Mapping[str, Any], variables: Mapping[str, Any]) -> Answer:
        path = filled(step["path"], variables)
        headers = dict(_ACCEPTED)
        if not path.startswith("http"):
            headers["Authorization"] = f"Bearer {self.token}"
        body = _body(step, variables)
        if body is not None:
            headers["Content-Type"] = "application/scim+json; charset=utf-8"
        for name, value in filled(step.get("headers", {}), variables).items():
            headers = {known: kept for known, kept in headers.items() if known.lower() != name.lower()}
            if value is not None:
                headers[name] = value
        url = path if path.startswith("http") else self.base + path
        answer = exchange(step["method"], url, headers, body)
        for _ in range(_PATIENT):
            if answer.status == 429:
                time.sleep(int(answer.headers["retry-after"]))  # as the identity providers do
                answer = exchange(step["method"], url, headers, body)
        return answer


def _body(step: Mapping[str, Any], variables: Mapping[str, Any]) -> bytes | None:
    if "raw_body" in step:
        raw: str = filled(step["raw_body"], variables)
        return raw.encode()
    return json.dumps(filled(step["body"], variables), ensure_ascii=False).encode() if "body" in step else None


def exchange(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    """Send one request on a connection of its own and read the answer."""
    parts = urlsplit(url)
    target = quote(parts.path + (f"?{parts.query}" if parts.query else ""), safe="/?&=%+:,@;!*'()~$")
    connection = http.client.HTTPConnection(parts.netloc, timeout=_TIMEOUT)
    began = time.monotonic()
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.encode())
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        text = response.read().decode()
        known = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, known, text, (time.monotonic() - began) * 1000)
    finally:
        connection.close()


# --- judging -----------------------------------------------------------------------------------------------------


def judged(answer: Answer, expected: Mapping[str, Any], variables: Mapping[str, Any]) -> list[str]:
    """Return what is not as expected of one answer."""
    wanted = expected["status"] if isinstance(expected["status"], list) else [expected["status"]]
    if answer.status not in wanted:
        return [f"status {answer.status} instead of {' or '.join(map(str, wanted))}: {answer.text[:300]}"]
    problems = []
    document = answer.document
    for asked in filled(expected.get("json", []), variables) if answer.status != 204 else ():
        found = find(document, asked["path"]) if document is not ABSENT else Found([], single=True)
        if not asked.get("optional"):
            problems += disagreements(found, asked, asked["path"])
    for asked in filled(expected.get("header", []), variables):
        value = answer.headers.get(asked["name"].lower(), ABSENT)
        if not asked.get("optional"):
            problems += disagreements(Found([value], single=True), asked, f"header {asked['name']}")
    excluded = filled(expected.get("text_excludes", []), variables)
    for text in [excluded] if isinstance(excluded, str) else excluded:
        if text in answer.text:
            problems.append(f"{text!r} is in the answer: {answer.text[:300]}")
    if answer.milliseconds > expected.get("max_ms", float("inf")):
        problems.append(f"{answer.milliseconds:.0f} ms, more than {expected['max_ms']}")
    return problems


def judged_together(answers: list[Answer], seconds: float, expected: Mapping[str, Any]) -> list[str]:
    """Return what is not as expected of all the answers of a repeated step."""
    counts = Counter(str(answer.status) for answer in answers)
    problems = [
        f"{counts[status]} answers of {status} instead of {count}: {dict(counts)}"
        for status, count in expected.get("status_counts", {}).items()
        if counts[status] != count
    ]
    if seconds > expected.get("max_total_s", float("inf")):
        problems.append(f"{len(answers)} requests took {seconds:.1f} s, more than {expected['max_total_s']} s")
    return problems


def saved(
    answer: Answer, wanted: Mapping[str, str], variables: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Return the variables that a step saves of its answer; what cannot be found is a problem."""
    found = {}
    for template, path in wanted.items():
        name = filled(template, variables)
        value = find(answer.document, path).value if answer.document is not ABSENT else ABSENT
        if value is ABSENT:
            problems.append(f"`{name}` cannot be saved: there is nothing at {path}")
        else:
            found[name] = value
    return found
