"""Authored traffic as values: who there is, what is said about each of them, in which order.

A file holds `records` (users, groups, and lists that refer to them by key), `exchanges` (the requests about one
record, in the provider's dialect) and `cycles` (which exchanges, about which records). Each request says what
answers it expects, and whether it is for a record that the server knows (`"when": "present"`) or not (`"absent"`).
`sign_in` says what the provider tells when one of its people signs in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.resources import files
from typing import Any

from rolebridge.demo.templates import Record

_SUFFIX = "-demo.json"
_STEP_FIELDS = frozenset({"request", "answers", "when", "finds", "makes", "body"})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class TrafficError(ValueError):
    """A traffic file does not say what it must; `str()` names the file and the place in it."""


class When(StrEnum):
    """For which records a request is sent: all, those the server did not know, or those it knew."""

    ALWAYS = "always"
    ABSENT = "absent"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Step:
    """One request of an exchange, as a template.

    `target` is the path below the SCIM base URL with its query, unencoded. `answers` are the statuses that are right.
    `finds`: the answer is a list of none or one, which settles whether the record is present and what its id is.
    `makes`: the answer is the record's new resource.
    """

    method: str
    target: str
    answers: tuple[int, ...]
    when: When = When.ALWAYS
    finds: bool = False
    makes: bool = False
    body: Any = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange held about each of `subjects`, in order; about nobody when there is one empty subject.

    `kind` names the list that the subjects come from. `news` is a sentence for people about each, or "".
    """

    exchange: str
    steps: tuple[Step, ...]
    kind: str
    subjects: tuple[Record, ...]
    news: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a provider tells who has signed in: by which protocol, and what, as templates.

    `subject` and `claims` are filled from the person's record; the claim `groups` lists `group`, filled from each
    group's. `leaving` and `returning` are the exchanges about a `person` that tell over SCIM that they left, or are
    back.
    """

    title: str
    protocol: str
    subject: str
    claims: Mapping[str, str]
    groups: str
    group: str
    leaving: str
    returning: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that one identity provider sends. `named` finds each user and group by key; `order` is its turn.

    `users` are the userNames of everybody it sends.
    """

    about: str
    order: int
    connection: str
    profile: str
    headers: Mapping[str, str]
    named: Mapping[str, Record]
    users: tuple[str, ...]
    sign_in: SignIn
    exchanges: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    cycles: Mapping[str, tuple[Turn, ...]] = field(default_factory=dict)

    def about_person(self, exchange: str, person: str) -> Turn:
        """Return one exchange about one person, beside the cycles. Raises KeyError."""
        return Turn(exchange, self.exchanges[exchange], "", ({"person": self.named[person]["key"]},))


def shipped_traffic() -> tuple[Traffic, ...]:
    """Return the traffic that the package carries, in the order in which it is to be played.

    Raises TrafficError; only a damaged installation does.
    """
    found = [file for file in files("rolebridge.demo").iterdir() if file.name.endswith(_SUFFIX)]
    read = [read_traffic(file.name, file.read_text(encoding="utf-8")) for file in found]
    return tuple(sorted(read, key=lambda traffic: traffic.order))


def read_traffic(name: str, text: str) -> Traffic:
    """Read a traffic file. Raises TrafficError."""
    try:
        said = json.loads(text)
        records: dict[str, list[Record]] = said["records"]
        exchanges = {exchange: tuple(_step(step) for step in steps) for exchange, steps in said["exchanges"].items()}
        cycles = {
            cycle: tuple(_turn(entry, exchanges, records) for entry in entries)
            for cycle, entries in said["cycles"].items()
        }
        return Traffic(
            about=said["about"],
            order=said["order"],
            connection=said["connection"],
            profile=said["profile"],
            headers=said["headers"],
            named=dict(_named(records)),
            users=tuple(record["userName"] for record in records["users"]),
            sign_in=_sign_in(said["sign_in"], exchanges),
            exchanges=exchanges,
            cycles=cycles,
        )
    except KeyError as error:
        raise TrafficError(f"{name}: there is no {error}") from error
    except ValueError as error:
        raise TrafficError(f"{name}: {error}") from error


def _named(records: Mapping[str, list[Record]]) -> Iterator[tuple[str, Record]]:
    seen: set[str] = set()
    for listed in records.values():
        for record in listed:
            if "key" in record:
                if record["key"] in seen:
                    raise TrafficError(f"two records have the key `{record['key']}`")
                seen.add(record["key"])
                yield record["key"], record


def _sign_in(said: Mapping[str, Any], exchanges: Mapping[str, tuple[Step, ...]]) -> SignIn:
    missing = {said["leaving"], said["returning"]} - exchanges.keys()
    if missing:
        raise TrafficError(f"`sign_in` names exchanges that are not there: {', '.join(sorted(missing))}")
    return SignIn(**{name: said[name] for name in SignIn.__dataclass_fields__})


def _step(said: Mapping[str, Any]) -> Step:
    odd = said.keys() - _STEP_FIELDS
    if odd:
        raise TrafficError(f"a request has the unknown fields {', '.join(sorted(odd))}")
    method, _, target = said["request"].partition(" ")
    if method not in _METHODS or not target.startswith("/"):
        raise TrafficError(f"`{said['request']}` is no request: METHOD, a blank, a path")
    return Step(
        method=method,
        target=target,
        answers=tuple(said["answers"]),
        when=When(said.get("when", When.ALWAYS)),
        finds=said.get("finds", False),
        makes=said.get("makes", False),
        body=said.get("body"),
    )


def _turn(
    said: Mapping[str, str], exchanges: Mapping[str, tuple[Step, ...]], records: Mapping[str, list[Record]]
) -> Turn:
    kind = said.get("with", "")
    return Turn(
        exchange=said["exchange"],
        steps=exchanges[said["exchange"]],
        kind=kind,
        subjects=tuple(records[kind]) if kind else ({},),
        news=said.get("news", ""),
    )
