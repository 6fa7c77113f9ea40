"""The demo's people as their identity provider knows them, read from the same file as what it sends over SCIM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rolebridge.demo.templates import Record, fill
from rolebridge.demo.traffic import SignIn, Traffic


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be picked. `subject` and `claims` are what is told of them at a login.

    `groups` are the groups they are in, as the provider's logins name them, which may be ids; `group_names` for people.
    `left`: the provider has told over SCIM that they have left. It lets them sign in all the same, as one would that
    was not told.
    """

    key: str
    name: str
    user_name: str
    subject: str
    claims: Mapping[str, str]
    groups: tuple[str, ...]
    group_names: tuple[str, ...]
    left: bool


def people_of(traffic: Traffic) -> Mapping[str, Person]:
    """Return the people of a provider by key, in the order of its file."""
    named = traffic.named
    memberships = list(_memberships(traffic))
    left = set(_left(traffic))
    by_name = {record["userName"]: key for key, record in named.items() if "userName" in record}
    people = (named[by_name[user_name]] for user_name in traffic.users)
    return {person["key"]: _person(person, traffic.sign_in, named, memberships, left) for person in people}


def _person(
    person: Record, told: SignIn, named: Mapping[str, Record], memberships: list[tuple[str, str]], left: set[str]
) -> Person:
    key = person["key"]
    groups = list(dict.fromkeys(group for group, member in memberships if member == key))
    return Person(
        key=key,
        name=f"{person['given']} {person['family']}",
        user_name=person["userName"],
        subject=fill(told.subject, person, named),
        claims=fill(dict(told.claims), person, named),
        groups=tuple(fill(told.group, named[group], named) for group in groups),
        group_names=tuple(groups),
        left=key in left,
    )


def _memberships(traffic: Traffic) -> Iterator[tuple[str, str]]:
    """Yield (group, person) by their keys, for everybody who is put into a group in any cycle."""
    for subject in (subject for turns in traffic.cycles.values() for turn in turns for subject in turn.subjects):
        if "members" in subject:
            group = subject.get("group") or subject["key"]
            yield from ((group, member) for member in subject["members"])
        elif "group" in subject:
            yield subject["group"], subject["person"]


def _left(traffic: Traffic) -> Iterator[str]:
    for turn in (turn for turns in traffic.cycles.values() for turn in turns):
        if turn.exchange == traffic.sign_in.leaving:
            yield from (subject["person"] for subject in turn.subjects)
