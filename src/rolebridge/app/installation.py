"""An installation, opened: the store, and every use case over it, sharing one clock and one hasher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from rolebridge.bridge.access import Access
from rolebridge.bridge.access_then import AccessThen
from rolebridge.bridge.administration import Administration
from rolebridge.bridge.adopting import Adopting
from rolebridge.bridge.applications import Applications, AppProving
from rolebridge.bridge.approvals import Approvals
from rolebridge.bridge.assigning import Assigning
from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.authorizing import Authorizing
from rolebridge.bridge.chores import Chores
from rolebridge.bridge.clients import ClientAdministration, TokenIssuing
from rolebridge.bridge.consistency import Consistency
from rolebridge.bridge.credentials import Hasher, NewSecret
from rolebridge.bridge.deciding import Deciding
from rolebridge.bridge.delegating import Delegating
from rolebridge.bridge.explaining import Explaining
from rolebridge.bridge.exporting import Exporting
from rolebridge.bridge.extensions import SchemaRegistry
from rolebridge.bridge.feed import Feed
from rolebridge.bridge.holding import Holds
from rolebridge.bridge.idempotency import Idempotency
from rolebridge.bridge.importing import Importing
from rolebridge.bridge.login_flows import LoginFlows
from rolebridge.bridge.login_log import LoginLog
from rolebridge.bridge.login_preview import LoginPreviews
from rolebridge.bridge.login_upkeep import LoginUpkeep
from rolebridge.bridge.logins import Logins
from rolebridge.bridge.logout_notices import Logouts
from rolebridge.bridge.members import Membership
from rolebridge.bridge.observing import Observing
from rolebridge.bridge.planning import Planning
from rolebridge.bridge.projects import Projects
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.bridge.readiness import Readiness
from rolebridge.bridge.refreshing import Refreshing
from rolebridge.bridge.request_log import RequestLog, Retention
from rolebridge.bridge.reviewing import Reviewing
from rolebridge.bridge.rulebooks import Rulebooks
from rolebridge.bridge.sealing import SealKeys
from rolebridge.bridge.secret_keys import SecretKeys
from rolebridge.bridge.session_chores import session_chores
from rolebridge.bridge.sessions import Lifetimes, Sessions
from rolebridge.bridge.signing_in import SigningIn
from rolebridge.bridge.signing_keys import SigningKeys
from rolebridge.bridge.sso_connections import SsoConnections
from rolebridge.bridge.standing import Standing
from rolebridge.bridge.status import KEY_AGE, Status
from rolebridge.bridge.suggesting import Suggesting
from rolebridge.bridge.supposing import Supposing
from rolebridge.bridge.vault import Vault
from rolebridge.core.limits import read_rate_limit
from rolebridge.scim.profile import profiles
from rolebridge.settings import Settings, SettingsError
from rolebridge.sso.oidc.administration import OidcAdministration
from rolebridge.sso.saml.administration import SamlAdministration
from rolebridge.store.engine import Store
from rolebridge.web.addresses import Origins
from rolebridge.web.admission import Admission
from rolebridge.web.authentication import Authenticator
from rolebridge.web.browser import Browsers
from rolebridge.web.keys import KeyAuthenticator
from rolebridge.web.outgoing import Outgoing
from rolebridge.web.rates import Memory, Meters
from rolebridge.web.reach import Reach

T = TypeVar("T")

SCIM_PATH: Final = "/scim/v2"
"""Where the SCIM door is, below the base URL. The token tells the connection, so the path is the same for all."""
API_PATH: Final = "/api/v1"
"""Where the API is, below the base URL."""
TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
"""Where OAuth clients get their access tokens, below the base URL."""


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Installation:
    """What a process works with. `close` it when done."""

    settings: Settings
    clock: Callable[[], datetime]
    store: Store
    administration: Administration
    adopting: Adopting
    assigning: Assigning
    auditing: Auditing
    approvals: Approvals
    holds: Holds
    chores: Chores
    projects: Projects
    observing: Observing
    planning: Planning
    supposing: Supposing
    explaining: Explaining
    deciding: Deciding
    delegating: Delegating
    suggesting: Suggesting
    access: Access
    access_then: AccessThen
    reviewing: Reviewing
    membership: Membership
    feed: Feed
    idempotency: Idempotency
    consistency: Consistency
    provisioning: Provisioning
    importing: Importing
    exporting: Exporting
    schemas: SchemaRegistry
    authenticator: Authenticator
    keys: KeyAuthenticator
    clients: ClientAdministration
    issuing: TokenIssuing
    origins: Origins
    outgoing: Outgoing
    meters: Meters
    request_log: RequestLog
    status: Status
    secret_keys: SecretKeys
    vault: Vault
    applications: Applications
    app_proving: AppProving
    authorizing: Authorizing
    refreshing: Refreshing
    standing: Standing
    logouts: Logouts
    signing_keys: SigningKeys
    sso: SsoConnections
    saml: SamlAdministration
    oidc: OidcAdministration
    logins: Logins
    login_log: LoginLog
    login_previews: LoginPreviews
    login_upkeep: LoginUpkeep
    login_flows: LoginFlows
    sessions: Sessions
    browsers: Browsers
    signing_in: SigningIn
    readiness: Readiness

    @property
    def scim_base_url(self) -> str:
        """Return the URL that identity providers are given, without a slash at its end."""
        return scim_base_url(self.settings)

    @property
    def token_endpoint(self) -> str:
        """Return the URL at which OAuth clients get access tokens."""
        return self.settings.base_url + TOKEN_PATH

    def close(self) -> None:
        """Write what is still to be written and close the database."""
        self.authenticator.uses.flush()
        self.request_log.close()
        self.store.close()


def open_installation(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    memory: Memory | None = None,
    waited: Callable[[float], None] = lambda seconds: None,
) -> Installation:
    """Open the database that the settings name and build the use cases over it; the schema is not looked at.

    `memory` is what the workers of one server share to count requests; without it the process counts for itself.
    `waited` is told the seconds that each write waits for its turn.
    Without a secret key everything works that makes or reads no secret. Raises StoreProblem and Unavailable.
    """
    hasher = Hasher(settings.secret_key, settings.previous_secret_keys) if settings.secret_key else _NoHasher()
    vault = Vault(settings.secret_key, settings.previous_secret_keys) if settings.secret_key else _NoVault()
    store = Store.open(settings.database_url, write_deadline=settings.request_timeout, waited=waited)
    hold_window = timedelta(seconds=settings.hold_window)
    rulebooks = Rulebooks(hold_window)
    approvals = Approvals(store, clock, needed=settings.four_eyes)
    meters = Meters(memory)
    admission = Admission(meters, read_rate_limit(settings.rate_limit))
    authenticator = Authenticator(store, hasher, clock, admission)
    provisioning = Provisioning(store, rulebooks, clock, scim_base_url(settings))
    auditing = Auditing(store, clock, _seal_keys(settings), settings.audit_days)
    flows = LoginFlows(store, hasher, vault, clock)
    sessions = Sessions(store, hasher, vault, clock, _lifetimes(settings))
    logins, login_log = Logins(rulebooks), LoginLog(store, clock)
    request_log = RequestLog(store, clock, Retention(settings.request_log_days, settings.request_log_rows))
    sso = SsoConnections(store, clock, vault)
    outgoing = Outgoing(Reach.read(settings.outgoing_networks, loopback=settings.is_local))
    return Installation(
        settings=settings,
        clock=clock,
        store=store,
        administration=Administration(store, hasher, clock),
        adopting=Adopting(store, rulebooks, clock),
        assigning=Assigning(store, rulebooks, clock),
        auditing=auditing,
        approvals=approvals,
        holds=Holds(store, rulebooks, clock, approvals),
        chores=Chores(
            store,
            rulebooks,
            clock,
            request_log,
            auditing,
            hold_window,
            changes_kept=timedelta(days=settings.changes_days),
            further=session_chores(store, sessions, clock),
        ),
        projects=Projects(store, rulebooks, clock, approvals),
        observing=Observing(store, rulebooks, clock, approvals),
        planning=Planning(store, rulebooks, clock, needs_digest=settings.apply_needs_digest, approvals=approvals),
        supposing=Supposing(store, rulebooks, clock),
        explaining=Explaining(store, rulebooks, clock),
        deciding=Deciding(store, rulebooks, clock),
        delegating=Delegating(store, rulebooks, clock),
        suggesting=Suggesting(store, rulebooks, clock),
        access=Access(store, rulebooks, clock),
        access_then=AccessThen(store, clock),
        reviewing=Reviewing(store, rulebooks, clock),
        membership=Membership(store, rulebooks, clock),
        feed=Feed(store),
        idempotency=Idempotency(store, clock),
        consistency=Consistency(store, rulebooks, clock),
        schemas=SchemaRegistry(store, clock),
        provisioning=provisioning,
        importing=Importing(store, provisioning),
        exporting=Exporting(store),
        authenticator=authenticator,
        keys=KeyAuthenticator(store, hasher, clock, authenticator.uses, admission),
        clients=ClientAdministration(store, hasher, clock),
        issuing=TokenIssuing(store, hasher, clock),
        origins=Origins(settings.trusted_proxies),
        outgoing=outgoing,
        meters=meters,
        request_log=request_log,
        status=Status(store, clock, _silent_after, rulebooks, _key_age(settings)),
        secret_keys=SecretKeys(store, hasher, clock, vault),
        vault=vault,
        applications=Applications(store, hasher, clock),
        app_proving=AppProving(store, hasher, clock),
        authorizing=Authorizing(store, hasher, sessions, clock),
        refreshing=Refreshing(store, hasher, clock),
        standing=Standing(store, hasher, clock),
        logouts=Logouts(store),
        signing_keys=SigningKeys(store, vault, clock, _lifetimes(settings).absolute),
        login_flows=flows,
        sessions=sessions,
        browsers=Browsers(sessions, flows, settings.base_url),
        sso=sso,
        saml=SamlAdministration(sso, outgoing, clock, settings.base_url),
        oidc=OidcAdministration(sso, outgoing, clock, settings.base_url),
        logins=logins,
        login_log=login_log,
        login_previews=LoginPreviews(store, logins, rulebooks, clock),
        login_upkeep=LoginUpkeep(store, rulebooks, clock),
        signing_in=SigningIn(store, sessions, logins, login_log, clock),
        readiness=Readiness(store),
    )


def _seal_keys(settings: Settings) -> SealKeys:
    present = [settings.secret_key] if settings.secret_key else []
    return SealKeys([*present, *settings.previous_secret_keys])


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(timedelta(seconds=settings.session_idle), timedelta(seconds=settings.session_lifetime))


def _key_age(settings: Settings) -> timedelta:
    """Return for how long a signing key is meant to sign; where somebody rotates by hand, they are reminded."""
    return timedelta(days=settings.signing_key_days) or KEY_AGE


def _silent_after(profile_name: str) -> timedelta | None:
    """Return how long a connection with that profile is silent when all is well."""
    found = profiles().get(profile_name)
    return found.silent_after if found else None


def scim_base_url(settings: Settings) -> str:
    """Return the URL of the SCIM door, without a slash at its end."""
    return settings.base_url + SCIM_PATH


class _NoHasher(Hasher):
    """Stands where a hasher would, in a process that has no secret key; using it says what is missing."""

    def __init__(self) -> None:
        self.key_id = ""
        self.key_ids = ()

    def hash(self, text: str) -> bytes:
        raise _needs_key()

    def hashes(self, text: str) -> dict[str, bytes]:
        raise _needs_key()

    def find(self, text: str, by_hash: Callable[[bytes], T | None]) -> T | None:
        raise _needs_key()

    def new(self, prefix: str) -> NewSecret:
        raise _needs_key()


class _NoVault(Vault):
    """Stands where a vault would, in a process that has no secret key."""

    def __init__(self) -> None:
        self.key_id = ""
        self.key_ids = ()

    def seal(self, secret: bytes, belongs_to: str) -> bytes:
        raise _needs_key()

    def open(self, sealed: bytes, belongs_to: str) -> bytes:
        raise _needs_key()

    def is_present(self, sealed: bytes) -> bool:
        raise _needs_key()


def _needs_key() -> SettingsError:
    return SettingsError(
        ("ROLEBRIDGE_SECRET_KEY: tokens and keys need the installation's secret key; `rolebridge init` makes one",)
    )
