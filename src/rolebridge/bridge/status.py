"""How an organization's connections fare: what they sent, what was refused, which secrets end, what needs somebody.

Facts come from the request log, so they reach back as far as it does, and lag some seconds behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from rolebridge.bridge.certificates import facts
from rolebridge.bridge.login_log import LoginOutcome
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.core.guardrails import Trip, short_of
from rolebridge.core.login import Protocol
from rolebridge.core.oidc_settings import ClientAuthentication, read_oidc_settings
from rolebridge.core.saml_settings import SamlSettings, read_saml_settings
from rolebridge.store.chores import ChoreRun
from rolebridge.store.engine import Store
from rolebridge.store.holds import HoldKind, HoldSum
from rolebridge.store.logins import KnownIdentities
from rolebridge.store.overview import Size
from rolebridge.store.records import Connection, Credential, GrantCounts, Organization, Revision
from rolebridge.store.request_log import NOBODY, LoggedRequest, Traffic, TriedCredential
from rolebridge.store.unit import Unit

EXPIRES_SOON: Final = timedelta(days=30)
"""How long before its end a secret is told of: time enough to replace it without haste."""
WORKER_SILENT: Final = timedelta(minutes=5)
"""How long no chore may have run before somebody is told; the most frequent ones run every few seconds."""
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
KEY_AGE: Final = timedelta(days=90)
"""For how long a key signs tokens of applications, where nothing else is set."""


class SecretKind(StrEnum):
    """What a secret is for; the command that replaces it begins with the word."""

    TOKEN = "token"  # noqa: S105 - a word
    CLIENT = "client"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that ends soon, has ended, or is shown though it works no more.

    `connection_id` is "" for an API key; `tried` says how often it was refused in the last day, and when last.
    """

    kind: SecretKind
    connection_id: str
    credential: Credential
    tried: TriedCredential | None = None


class Concern(StrEnum):
    """What needs somebody's attention."""

    SILENT = "silent"
    NEVER = "never-connected"
    FAILING = "failing"
    REFUSED = "refused"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    TRIED = "dead-secret-tried"
    LOST = "requests-not-logged"
    LOGINS = "logins-refused"
    OVERAGE = "groups-left-out"
    CONFLICT = "conflict"
    HELD = "held"
    KEEP = "too-few-holders"
    CHORE = "chore-failing"
    WORKER = "no-worker"
    CERTIFICATE = "certificate-ends"
    OFFERED = "identity-provider-changed"
    METADATA = "metadata-unreadable"
    LOGOUTS = "logouts-not-heard"
    SIGNING_KEY = "signing-key-old"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that needs attention: which connection or workspace (`subject`), and a sentence about it."""

    concern: Concern
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """How a connection's logins fare: how many people it knows by an identity, when one of them last logged in.

    `accepted` and `refused` count those of the last day, as far as the log of logins reaches; of `overages` people the
    provider leaves groups out because there are too many.
    """

    enabled: bool
    people: int
    last: datetime | None
    accepted: int
    refused: int
    overages: int


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """How one connection fares.

    `last_contact` is its last request with a credential that works. `silent_after` is how long its kind of identity
    provider is quiet at most when all is well, None for one that speaks only when something changes. `tolerances` are
    counted over the last day.
    """

    connection: Connection
    size: Size
    last_contact: datetime | None
    silent_after: timedelta | None
    hour: Traffic
    day: Traffic
    last_refusal: LoggedRequest | None
    tolerances: Mapping[str, int]
    logins: LoginStatus | None = None
    """None for a connection that was never set up to log people in."""


@dataclass(frozen=True, slots=True)
class OrganizationStatus:
    """How an organization fares at a moment. `nobodys` is the traffic of the last day without a known credential."""

    organization: Organization
    at: datetime
    connections: tuple[ConnectionStatus, ...]
    secrets: tuple[Secret, ...]
    revision: Revision | None
    workspaces: Mapping[str, GrantCounts]
    nobodys: Traffic
    holds: tuple[HoldSum, ...]
    chores: tuple[ChoreRun, ...]
    """How the installation's worker fared last, by chore; empty when none ever ran."""
    notices: tuple[Notice, ...]


class Status:
    """Tells how organizations fare."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        silent_after: Callable[[str], timedelta | None],
        rulebooks: Rulebooks,
        key_age: timedelta = KEY_AGE,
    ) -> None:
        """`silent_after` says for a profile's name how long such a connection is quiet when all is well.

        `key_age` is for how long a signing key is meant to sign.
        """
        self._key_age = key_age
        self._store = store
        self._clock = clock
        self._silent_after = silent_after
        self._rulebooks = rulebooks

    def of(self, organization: Organization) -> OrganizationStatus:
        """Return how an organization fares now."""
        now = self._clock()
        with self._store.read(snapshot=True) as unit:
            secrets = tuple(_secrets(unit, organization.id, now))
            connections = tuple(self._connections(unit, organization.id, now))
            grants = unit.grants(organization.id)
            workspaces = {name: grants.counts(name) for name in grants.workspaces()}
            revision = unit.revisions(organization.id).active()
            nobodys = unit.request_log(NOBODY).traffic(now - DAY).get(NOBODY, Traffic())
            holds, chores = tuple(unit.holds(organization.id).counts()), tuple(unit.chore_runs.all())
            short = tuple(self._short(unit, organization.id))
            logins = tuple(_of_logins(unit, organization.id, now))
            applications = tuple(_of_applications(unit, organization.id, now, self._key_age))
        notices = (
            *(notice for one in connections for notice in _of_connection(one, now)),
            *(notice for one in secrets for notice in _of_secret(one, connections, now)),
            *(notice for name, counts in workspaces.items() for notice in _of_workspace(name, counts)),
            *logins,
            *applications,
            *(_of_hold(one) for one in holds),
            *(Notice(Concern.KEEP, trip.workspace, trip.actual) for trip in short),
            *_of_worker(chores, now),
        )
        return OrganizationStatus(
            organization, now, connections, secrets, revision, workspaces, nobodys, holds, chores, notices
        )

    def _short(self, unit: Unit, organization_id: str) -> Iterator[Trip]:
        """Yield which roles have fewer holders than their mapping keeps."""
        rows = unit.holds(organization_id)
        for program in self._rulebooks.current(unit, organization_id).programs:
            guard = program.mapping.guard
            present = {(slot, role): rows.holders_of(program.workspace, slot, role) for slot, role, _ in guard.keep}
            yield from short_of(program.workspace, guard, present)

    def _connections(self, unit: Unit, organization_id: str, now: datetime) -> Iterator[ConnectionStatus]:
        log, sizes = unit.request_log(organization_id), unit.overview(organization_id).sizes()
        hour, day, tolerances = log.traffic(now - HOUR), log.traffic(now - DAY), log.tolerances(now - DAY)
        logins = _logins(unit, organization_id, now)
        used: dict[str, datetime] = {}
        for token in unit.accounts.tokens(organization_id):
            at = token.credential.last_used_at
            if at is not None:
                used[token.connection_id] = max(at, used.get(token.connection_id, at))
        for connection in unit.accounts.connections(organization_id):
            accepted = log.last(connection.id, refused=False)
            # The log forgets; a token's last use is kept.
            contacts = [at for at in (accepted and accepted.at, used.get(connection.id)) if at]
            yield ConnectionStatus(
                connection,
                sizes.get(connection.id, Size()),
                max(contacts, default=None),
                self._silent_after(connection.profile),
                hour.get(connection.id, Traffic()),
                day.get(connection.id, Traffic()),
                log.last(connection.id, refused=True),
                tolerances.get(connection.id, {}),
                logins.get(connection.id),
            )


def _logins(unit: Unit, organization_id: str, now: datetime) -> dict[str, LoginStatus]:
    """Return how the logins of connections fare, by id, of those that were set up to log people in."""
    known, log = unit.logins(organization_id).known(), unit.login_log(organization_id)
    accepted = log.counts(LoginOutcome.ACCEPTED, now - DAY)
    refused = log.counts(LoginOutcome.REFUSED, now - DAY)
    found = {}
    for row in unit.sso.all(organization_id):
        id_ = row.connection.id
        people = known.get(id_, KnownIdentities(0, None, 0))
        found[id_] = LoginStatus(
            row.enabled,
            people.count,
            people.last_login,
            accepted[id_].count if id_ in accepted else 0,
            refused[id_].count if id_ in refused else 0,
            people.overages,
        )
    return found


# --- secrets ---------------------------------------------------------------------------------------------------


def _secrets(unit: Unit, organization_id: str, now: datetime) -> Iterator[Secret]:
    """Yield the secrets of an organization that somebody should look at, the next to end first."""
    tried = {one.credential_id: one for one in unit.request_log(organization_id).tried(now - DAY)}
    every = [
        *(
            Secret(SecretKind.TOKEN, one.connection_id, one.credential, tried.get(one.credential.id))
            for one in unit.accounts.tokens(organization_id)
        ),
        *(
            Secret(SecretKind.CLIENT, client.connection_id, one.credential, tried.get(one.credential.id))
            for client in unit.clients.of_organization(organization_id)
            if client.revoked_at is None
            for one in unit.clients.credentials(client)
        ),
        *(
            Secret(SecretKind.KEY, NOBODY, one.credential, tried.get(one.credential.id))
            for one in unit.accounts.keys(organization_id)
        ),
    ]
    ended = [one for one in every if one.tried or _ends_soon(one.credential, now)]
    yield from sorted(ended, key=lambda one: (one.credential.expires_at or now, one.credential.id))


def _ends_soon(credential: Credential, now: datetime) -> bool:
    """Return whether a secret ends within `EXPIRES_SOON`, or ended so shortly ago; a revoked one was meant to end."""
    ends = credential.expires_at
    return credential.revoked_at is None and ends is not None and now - EXPIRES_SOON <= ends <= now + EXPIRES_SOON


# --- what needs attention --------------------------------------------------------------------------------------


def _of_connection(status: ConnectionStatus, now: datetime) -> Iterator[Notice]:
    name = status.connection.name
    if status.last_contact is None:
        yield Notice(Concern.NEVER, name, "no request with a credential that works has ever come")
    elif status.silent_after is not None and now - status.last_contact > status.silent_after:
        usual = span_words(status.silent_after)
        yield Notice(
            Concern.SILENT, name, f"silent for {span_words(now - status.last_contact)}; usual are {usual} at most"
        )
    if status.hour.failed:
        yield Notice(Concern.FAILING, name, f"{status.hour.failed} requests of the last hour failed here (5xx)")
    if status.hour.refused >= max(5, status.hour.requests / 2):
        text = f"{status.hour.refused} of the {status.hour.requests} requests of the last hour were refused"
        yield Notice(Concern.REFUSED, name, text)
    yield from _of_people(name, status.logins)
    if status.day.lost:
        yield Notice(Concern.LOST, name, f"{status.day.lost} requests of the last day came too fast to be logged")


def _of_people(name: str, logins: LoginStatus | None) -> Iterator[Notice]:
    if logins is None:
        return
    if logins.refused >= max(5, logins.accepted):
        text = f"{logins.refused} logins of the last day were refused: rolebridge logins {name} --refused"
        yield Notice(Concern.LOGINS, name, text)
    if logins.overages:
        people = "1 person" if logins.overages == 1 else f"{logins.overages} people"
        text = f"groups of {people} are left out of logins, because there are too many to be stated"
        yield Notice(Concern.OVERAGE, name, text)


def _of_secret(secret: Secret, connections: Sequence[ConnectionStatus], now: datetime) -> Iterator[Notice]:
    names = {one.connection.id: one.connection.name for one in connections}
    subject = names.get(secret.connection_id, "API")
    what = f"{secret.kind} `{secret.credential.name}` …{secret.credential.hint}"
    ends = secret.credential.expires_at
    if secret.tried is not None:
        times = f"{secret.tried.times} times in the last day, last at {secret.tried.last:%Y-%m-%d %H:%M} UTC"
        yield Notice(Concern.TRIED, subject, f"{what} works no more and is still shown: {times}")
    elif ends is not None and ends <= now:
        yield Notice(Concern.EXPIRED, subject, f"{what} expired on {ends:%Y-%m-%d}")
    elif ends is not None and secret.credential.revoked_at is None:
        yield Notice(Concern.EXPIRING, subject, f"{what} expires on {ends:%Y-%m-%d}, in {span_words(ends - now)}")


def _of_logins(unit: Unit, organization_id: str, now: datetime) -> Iterator[Notice]:
    """Yield what is the matter with how connections log people in."""
    for row in unit.sso.all(organization_id):
        name = row.connection.name
        if not row.enabled:
            continue
        ours = [one.public for one in unit.sso.secrets(organization_id, row.connection.id) if one.public]
        if row.protocol is Protocol.SAML:
            yield from _of_saml(name, read_saml_settings(row.settings), now)
            after = f"rolebridge saml key add {name}"
        elif read_oidc_settings(row.settings).authentication is ClientAuthentication.KEY:
            # The key before it stays published, and proves nothing any more.
            ours, after = ours[-1:], f"rolebridge oidc key {name}, and give the provider its certificate"
        else:
            continue
        for certificate in ours:
            yield from _of_certificate(name, "our own certificate", certificate, after, now)


def _of_saml(name: str, settings: SamlSettings, now: datetime) -> Iterator[Notice]:
    for one in settings.pinned:
        after = f"responses are accepted all the same; see rolebridge saml cert list {name}"
        yield from _of_certificate(name, "the identity provider's certificate", one, after, now)
    if settings.offer is not None:
        text = f"the identity provider announces other keys or addresses since {settings.offer.since}, which are held"
        yield Notice(Concern.OFFERED, name, f"{text}: rolebridge saml show {name}")
    if settings.trouble:
        since, _, problem = settings.trouble.partition(" ")
        yield Notice(Concern.METADATA, name, f"the metadata cannot be read since {since}: {problem}")


def _of_applications(unit: Unit, organization_id: str, now: datetime, key_age: timedelta) -> Iterator[Notice]:
    """Yield what is the matter with applications that people sign in to: secrets that end, keys, logouts not heard."""
    applications = [one for one in unit.applications.of_organization(organization_id) if one.revoked_at is None]
    for application in applications:
        for held in unit.applications.credentials(application):
            if _ends_soon(held.credential, now):
                yield _of_app_secret(application.name, held.credential, now)
    active = next((key for key in unit.signing_keys.all() if key.state == "active"), None)
    # A day more than is meant: the worker may have been away when the time had come.
    if applications and active is not None and active.active_at and now - active.active_at > key_age + DAY:
        signs = span_words(now - active.active_at)
        text = f"the key `{active.id[:8]}` signs for {signs}, longer than {key_age.days} days: rolebridge keys rotate"
        yield Notice(Concern.SIGNING_KEY, "applications", text)
    yield from _of_logouts(unit, organization_id, now)


def _of_app_secret(name: str, credential: Credential, now: datetime) -> Notice:
    ends = credential.expires_at or now
    what = f"the application's secret `{credential.name}` …{credential.hint}"
    after = f"rolebridge app secret add {name}"
    if ends <= now:
        return Notice(Concern.EXPIRED, name, f"{what} expired on {ends:%Y-%m-%d}: {after}")
    return Notice(Concern.EXPIRING, name, f"{what} expires on {ends:%Y-%m-%d}, in {span_words(ends - now)}: {after}")


def _of_logouts(unit: Unit, organization_id: str, now: datetime) -> Iterator[Notice]:
    """Yield which applications do not hear that sessions end: people may still be in there."""
    troubles = unit.logout_notices(organization_id).troubles(now - DAY)
    names = {one.id: one for one in unit.applications.of_organization(organization_id)} if troubles else {}
    for trouble in troubles:
        app = names.get(trouble.application_id)
        if app is None or app.revoked_at is not None:
            continue
        many = f"{trouble.failing} wait to be tried again, {trouble.given_up} were given up"
        text = f"does not hear of logouts ({many} in the last day): {trouble.problem}; see rolebridge app logouts"
        yield Notice(Concern.LOGOUTS, app.name, text)


def _of_certificate(name: str, whose: str, certificate: str, after: str, now: datetime) -> Iterator[Notice]:
    known = facts(certificate)
    if known.ends - now > EXPIRES_SOON:
        return
    what = f"{whose} {known.fingerprint[:16]}…"
    ends = "expired" if known.ends <= now else "expires"
    yield Notice(Concern.CERTIFICATE, name, f"{what} {ends} on {known.ends:%Y-%m-%d}: {after}")


def _of_workspace(name: str, counts: GrantCounts) -> Iterator[Notice]:
    if counts.conflicts:
        text = f"{counts.conflicts} claims are in conflict and give nothing until a rule decides"
        yield Notice(Concern.CONFLICT, name, text)


def _of_hold(one: HoldSum) -> Notice:
    what = "revocations are held" if one.kind is HoldKind.REVOCATION else "deliveries are held"
    text = f"{one.count} {what} since {one.since:%Y-%m-%d %H:%M} UTC: rolebridge hold list"
    return Notice(Concern.HELD, one.workspace, text)


def _of_worker(chores: Sequence[ChoreRun], now: datetime) -> Iterator[Notice]:
    for run in chores:
        if run.failures:
            text = f"chore `{run.name}` failed {run.failures} times in a row: {run.error}"
            yield Notice(Concern.CHORE, "worker", text)
    last = max((run.ended for run in chores), default=None)
    if last is not None and now - last > WORKER_SILENT:
        yield Notice(Concern.WORKER, "worker", f"no worker has done anything for {span_words(now - last)}")


def span_words(span: timedelta) -> str:
    """Return a span in its largest fitting unit: `3 h`, `12 d`."""
    minutes = int(span.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"
