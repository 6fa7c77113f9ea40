"""What happens in a demo, step by step: providers at work, mappings applied, a little later more of the former."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from rolebridge.app import Installation
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.explaining import Explained
from rolebridge.bridge.planning import Applied, MappingRefused
from rolebridge.cli.failures import Refused
from rolebridge.cli.views import diagnostics
from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic
from rolebridge.core.errors import NotFound
from rolebridge.core.plan import Change, ChangeKind, diff
from rolebridge.demo import ASKED_ABOUT, Played, Player, Traffic, shipped_traffic
from rolebridge.store.records import Connection, HeldGrant, Organization

ORGANIZATION: Final = "acme"
_TOKEN_LIFE: Final = timedelta(hours=1)  # revoked sooner; this is for a demo that is killed


@dataclass(frozen=True, slots=True)
class Story:
    """A demo that has happened.

    `first` and `later` are what the providers did before and after the mappings were applied, `changes` what came of
    `later`. `empty_handed` are people whom rules speak of and who hold nothing, by workspace. `example` answers the
    first question to ask.
    """

    organization: str
    scim_base_url: str
    first: tuple[Played, ...]
    applied: Applied
    later: tuple[Played, ...]
    changes: tuple[Change, ...]
    rows: tuple[HeldGrant, ...]
    empty_handed: tuple[Explained, ...]
    example: Explained | None
    catalogues: Mapping[str, Catalogue]


class Told(Protocol):
    """Who hears of each step as soon as it is done."""

    def played(self, played: Played) -> None:
        """Hear what a provider did at first."""

    def applied(self, applied: Applied, files: Mapping[str, str]) -> None:
        """Hear what the mappings did."""


def live(installation: Installation, operator: Operator, files: Mapping[str, str], told: Told) -> Story:
    """Let the demo happen on a server that is running, and return what did.

    Raises ReplayFailed, and Refused when the mapping files have errors.
    """
    organization = organization_of(installation, operator)
    with ExitStack() as stack:
        players = [
            stack.enter_context(player_of(installation, operator, organization, one)) for one in shipped_traffic()
        ]
        first = []
        for player in players:
            first.append(player.play("first"))
            told.played(first[-1])
        applied = _apply(installation, operator, organization, files)
        told.applied(applied, files)
        before = _rows(installation, organization)
        later = [player.play("later") for player in players]
    rows = _rows(installation, organization)
    changes = diff((row.grant for row in before), (row.grant for row in rows))
    return Story(
        organization=organization.name,
        scim_base_url=installation.scim_base_url,
        first=tuple(first),
        applied=applied,
        later=tuple(later),
        changes=tuple(change for change in changes if change.kind is not ChangeKind.PROVENANCE),
        rows=rows,
        empty_handed=tuple(_empty_handed(installation, organization, rows)),
        example=_example(installation, organization),
        catalogues=installation.access.catalogues(organization.id),
    )


def organization_of(installation: Installation, operator: Operator) -> Organization:
    """Return the demo's organization, which is made the first time."""
    try:
        return installation.administration.organization(ORGANIZATION)
    except NotFound:
        return installation.administration.add_organization(operator, ORGANIZATION)


@contextmanager
def player_of(
    installation: Installation, operator: Operator, organization: Organization, traffic: Traffic
) -> Iterator[Player]:
    """Yield a player with a token of its own, which is worthless afterwards: its text cannot be read back."""
    administration = installation.administration
    connection = connection_of(installation, operator, organization, traffic)
    expires_at = installation.clock() + _TOKEN_LIFE
    token, secret = administration.add_token(operator, connection, "demo", expires_at)
    try:
        with Player(installation.scim_base_url, secret.text, traffic) as player:
            yield player
    finally:
        administration.revoke_token(operator, connection, token.credential.id)


def connection_of(
    installation: Installation, operator: Operator, organization: Organization, traffic: Traffic
) -> Connection:
    """Return the connection of a provider, which is made the first time."""
    administration = installation.administration
    try:
        return administration.connection(organization, traffic.connection)
    except NotFound:
        connection, _ = administration.add_connection(operator, organization, traffic.connection, traffic.profile)
        for token in administration.tokens(connection):  # the first token, whose text nobody has
            administration.revoke_token(operator, connection, token.credential.id)
        return connection


def _apply(
    installation: Installation, operator: Operator, organization: Organization, files: Mapping[str, str]
) -> Applied:
    try:
        return installation.planning.apply(operator, organization.id, files)
    except MappingRefused as error:
        raise mapping_refused(error.diagnostics, files) from error


def mapping_refused(found: Sequence[Diagnostic], files: Mapping[str, str]) -> Refused:
    """Return the refusal of mapping files that have errors, with all of them."""
    return Refused(MappingRefused(found), before=diagnostics.text(found, files), more=diagnostics.document(found))


def _rows(installation: Installation, organization: Organization) -> tuple[HeldGrant, ...]:
    return tuple(installation.access.rows(organization.id))


def _empty_handed(
    installation: Installation, organization: Organization, rows: Sequence[HeldGrant]
) -> Iterator[Explained]:
    holders = {row.user_name for row in rows}
    for user_name in (name for traffic in shipped_traffic() for name in traffic.users if name not in holders):
        for explained in installation.explaining.explain(organization.id, user_name):
            if explained.explanation.lost:
                yield explained


def _example(installation: Installation, organization: Organization) -> Explained | None:
    """Return the example; None under mapping files that do not know its project."""
    user, project = ASKED_ABOUT
    try:
        found = installation.explaining.explain(organization.id, user, project=project)
    except NotFound:
        return None
    return found[0]
