"""Playing traffic: sends each request over HTTP, as the provider would, and compares the answer with the record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Self
from urllib.parse import quote, urlsplit

from rolebridge.core.errors import RolebridgeError
from rolebridge.demo.templates import Record, fill
from rolebridge.demo.traffic import Step, Traffic, Turn, When

TIMEOUT_SECONDS = 60.0
"""How long a provider waits for an answer."""

_EXCERPT = 300


class ReplayFailed(RolebridgeError):
    """That the server did not answer as recorded, or not at all; `str()` names the request and the answer."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a cycle came to.

    `made` and `found` count the records that the server did not know and those it did, by kind (`users`, `groups`);
    `news` are its sentences for people, in order.
    """

    connection: str
    requests: int
    made: Mapping[str, int]
    found: Mapping[str, int]
    news: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """A cycle being played: what was counted so far."""

    requests: int = 0
    made: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    news: list[str] = field(default_factory=list)


class Player:
    """One provider at work on one connection. Remembers the ids that it was told, from one cycle to the next."""

    def __init__(self, base_url: str, token: str, traffic: Traffic) -> None:
        """Prepare to send to `base_url` (`http://127.0.0.1:8080/scim/v2`), opening nothing yet."""
        parts = urlsplit(base_url)
        self._http = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        self._base_path = parts.path.rstrip("/")
        self._headers = {**traffic.headers, "Authorization": f"Bearer {token}"}
        self._traffic = traffic
        self._named: dict[str, Record] = dict(traffic.named)

    def __enter__(self) -> Self:
        """Return the player; leaving closes its connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection to the server."""
        self._http.close()

    def play(self, cycle: str) -> Played:
        """Play a cycle; one that the provider does not have is nothing to play.

        Raises ReplayFailed at the first answer that is not as recorded. A later cycle needs the first one: it
        speaks of users and groups by the ids that the player learned there.
        """
        tally = _Tally()
        for turn in self._traffic.cycles.get(cycle, ()):
            for subject in turn.subjects:
                self._hold(turn, subject, tally)
        return Played(self._traffic.connection, tally.requests, tally.made, tally.found, tuple(tally.news))

    def tell(self, exchange: str, person: str, id_: str) -> None:
        """Hold one exchange about somebody, beside the cycles; `id_` is what the server calls them.

        Raises ReplayFailed, and KeyError for an exchange or a person that the provider does not have.
        """
        self._named[person] = {**self._named[person], "id": id_}
        turn = self._traffic.about_person(exchange, person)
        for subject in turn.subjects:
            self._hold(turn, subject, _Tally())

    def _hold(self, turn: Turn, subject: Record, tally: _Tally) -> None:
        """Hold one exchange about one subject."""
        known: bool | None = None
        for step in turn.steps:
            if step.when is not When.ALWAYS and (step.when is When.PRESENT) is not known:
                continue
            answer = self._send(turn, step, subject)
            tally.requests += 1
            if step.finds:
                id_ = _only_id(answer, turn, step)
                known = id_ is not None
            elif step.makes:
                id_ = answer["id"]
            else:
                continue
            if id_ is not None:
                subject = self._named[subject["key"]] = {**subject, "id": id_}
        if known is not None:
            (tally.found if known else tally.made)[turn.kind] += 1
        if turn.news:
            tally.news.append(fill(turn.news, subject, self._named))

    def _send(self, turn: Turn, step: Step, subject: Record) -> dict[str, Any]:
        """Send one request and return its JSON answer, {} when there is none."""
        target = self._base_path + _encoded(fill(step.target, subject, self._named))
        body = None if step.body is None else json.dumps(fill(step.body, subject, self._named)).encode()
        try:
            self._http.request(step.method, target, body, self._headers)
            response = self._http.getresponse()
            data = response.read()
        except (OSError, HTTPException) as error:
            raise ReplayFailed(f"{self._asked(turn, step, target)}: no answer ({error!r})") from error
        if response.status not in step.answers:
            expected = " or ".join(map(str, step.answers))
            raise ReplayFailed(
                f"{self._asked(turn, step, target)}: recorded {expected}, answered {response.status}: "
                f"{data[:_EXCERPT].decode('utf-8', 'replace')}"
            )
        return _document(data, self._asked(turn, step, target))

    def _asked(self, turn: Turn, step: Step, target: str) -> str:
        return f"{self._traffic.connection}, {turn.exchange}: {step.method} {target}"


def _document(data: bytes, asked: str) -> dict[str, Any]:
    if not data:
        return {}
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ReplayFailed(f"{asked}: the answer is not JSON") from error
    if not isinstance(document, dict):
        raise ReplayFailed(f"{asked}: the answer is not a JSON object")
    return document


def _only_id(answer: Mapping[str, Any], turn: Turn, step: Step) -> str | None:
    """Return the id of the one resource found, None when there is none; several would be a duplicate."""
    found = [resource["id"] for resource in answer.get("Resources", ())]
    if len(found) > 1 or answer.get("totalResults") != len(found):
        raise ReplayFailed(
            f"{turn.exchange}: {step.target} found {answer.get('totalResults')} resources, {len(found)} listed; "
            "a name has one"
        )
    return found[0] if found else None


def _encoded(target: str) -> str:
    """Percent-encode a readable target: `?filter=userName eq "a+b"` with its blanks, quotes and pluses."""
    path, question, query = target.partition("?")
    return quote(path) + question + "&".join(_pairs(query))


def _pairs(query: str) -> Iterator[str]:
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        yield f"{quote(name)}={quote(value, safe='')}"
