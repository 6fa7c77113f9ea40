"""A unit of work: the tables by subject, over one link, bound to one organization where they belong to one."""

from __future__ import annotations

from collections.abc import Callable

from rolebridge.store.accounts import Accounts
from rolebridge.store.adoption import Adoption
from rolebridge.store.applications import Applications
from rolebridge.store.audit_listing import AuditListing
from rolebridge.store.authorizations import Authorizations
from rolebridge.store.bulk import Bulk
from rolebridge.store.checks import Checks
from rolebridge.store.chores import ChoreRuns, Upkeep
from rolebridge.store.clients import Clients
from rolebridge.store.crowd import Crowd
from rolebridge.store.directory import Directory
from rolebridge.store.endings import EndingRows
from rolebridge.store.extensions import ExtensionRows
from rolebridge.store.feed import FeedRows
from rolebridge.store.grants import Grants
from rolebridge.store.history import History
from rolebridge.store.holds import HoldRows
from rolebridge.store.idempotency import IdempotencyRows
from rolebridge.store.links import Link
from rolebridge.store.login_flows import LoginFlowRows
from rolebridge.store.login_log import LoginLogRows
from rolebridge.store.logins import LoginRows
from rolebridge.store.logout_notices import LogoutNotices
from rolebridge.store.members import Members
from rolebridge.store.overview import Overview
from rolebridge.store.proposals import Proposals
from rolebridge.store.record import Record
from rolebridge.store.request_log import RequestLogRows
from rolebridge.store.revisions import Revisions
from rolebridge.store.sealing import Sealing
from rolebridge.store.sessions import SessionFinding, SessionRows
from rolebridge.store.signing_keys import SigningKeyRows
from rolebridge.store.sso import SsoRows
from rolebridge.store.workspaces import Workspaces


class Unit:
    """What a reader or a transaction works with. It is of no use after its `with` or its function has ended."""

    __slots__ = ("_afterwards", "link")

    def __init__(self, link: Link) -> None:
        self.link = link
        self._afterwards: list[Callable[[], None]] = []

    def afterwards(self, tell: Callable[[], None]) -> None:
        """Have something told once the transaction is durable, and never if it is undone: a line of the log."""
        self._afterwards.append(tell)

    def tell(self) -> None:
        """Tell what was kept for when the transaction is durable."""
        for tell in self._afterwards:
            tell()

    @property
    def accounts(self) -> Accounts:
        """Return organizations, connections, tokens and keys: what finds the organization."""
        return Accounts(self.link)

    @property
    def clients(self) -> Clients:
        """Return OAuth 2.0 clients and their tokens, which find the organization too."""
        return Clients(self.link)

    @property
    def applications(self) -> Applications:
        """Return applications that people sign in to, which find the organization too."""
        return Applications(self.link)

    @property
    def authorizations(self) -> Authorizations:
        """Return what sign-ins gave applications: codes and refresh tokens find the organization."""
        return Authorizations(self.link)

    @property
    def signing_keys(self) -> SigningKeyRows:
        """Return the keys that sign tokens: the installation's, of no organization."""
        return SigningKeyRows(self.link)

    @property
    def session_finding(self) -> SessionFinding:
        """Return what finds the session, and with it the organization, of a browser's cookie."""
        return SessionFinding(self.link)

    @property
    def chore_runs(self) -> ChoreRuns:
        """Return how the worker's chores went: the installation's, of no organization."""
        return ChoreRuns(self.link)

    @property
    def sso(self) -> SsoRows:
        """Return how connections log people in, which finds the organization too."""
        return SsoRows(self.link)

    def logins(self, organization_id: str) -> LoginRows:
        """Return who the people of an organization are at identity providers, and what their logins stated."""
        return LoginRows(self.link, organization_id)

    def login_log(self, organization_id: str) -> LoginLogRows:
        """Return how logins of an organization went."""
        return LoginLogRows(self.link, organization_id)

    def upkeep(self, organization_id: str) -> Upkeep:
        """Return what the worker tidies up in an organization."""
        return Upkeep(self.link, organization_id)

    def directory(self, organization_id: str) -> Directory:
        """Return the users, groups and memberships of an organization."""
        return Directory(self.link, organization_id)

    def bulk(self, organization_id: str) -> Bulk:
        """Return what imports read and write of an organization, in sets."""
        return Bulk(self.link, organization_id)

    def crowd(self, organization_id: str) -> Crowd:
        """Return everybody of an organization in bare rows, as a plan reads them."""
        return Crowd(self.link, organization_id)

    def extensions(self, organization_id: str) -> ExtensionRows:
        """Return the schema extensions that an organization defines."""
        return ExtensionRows(self.link, organization_id)

    def adoption(self, organization_id: str) -> Adoption:
        """Return what moves users and groups of an organization from one connection to another."""
        return Adoption(self.link, organization_id)

    def grants(self, organization_id: str) -> Grants:
        """Return the grants and the assignments by hand of an organization."""
        return Grants(self.link, organization_id)

    def holds(self, organization_id: str) -> HoldRows:
        """Return what guard rails count and hold of an organization."""
        return HoldRows(self.link, organization_id)

    def proposals(self, organization_id: str) -> Proposals:
        """Return the acts of an organization that wait for a second person."""
        return Proposals(self.link, organization_id)

    def members(self, organization_id: str) -> Members:
        """Return who is in an organization, its workspaces and projects."""
        return Members(self.link, organization_id)

    def revisions(self, organization_id: str) -> Revisions:
        """Return the mapping revisions of an organization."""
        return Revisions(self.link, organization_id)

    def workspaces(self, organization_id: str) -> Workspaces:
        """Return how an organization's workspaces are run, and their registered projects."""
        return Workspaces(self.link, organization_id)

    def record(self, organization_id: str) -> Record:
        """Return the audit and the outbox of an organization."""
        return Record(self.link, organization_id)

    def audit(self, organization_id: str) -> AuditListing:
        """Return an organization's audit, for reading."""
        return AuditListing(self.link, organization_id)

    def history(self, organization_id: str) -> History:
        """Return what was true before in an organization's directory."""
        return History(self.link, organization_id)

    def sealing(self, organization_id: str) -> Sealing:
        """Return the sealed chain over an organization's audit."""
        return Sealing(self.link, organization_id)

    def feed(self, organization_id: str) -> FeedRows:
        """Return the outbox of an organization in the order in which applications follow it."""
        return FeedRows(self.link, organization_id)

    def idempotency(self, organization_id: str) -> IdempotencyRows:
        """Return the idempotency keys that writes of the API carried."""
        return IdempotencyRows(self.link, organization_id)

    def request_log(self, organization_id: str) -> RequestLogRows:
        """Return the request log of an organization, or with "" of those who showed no credential that we know."""
        return RequestLogRows(self.link, organization_id)

    def sessions(self, organization_id: str) -> SessionRows:
        """Return who of an organization is signed in with a browser."""
        return SessionRows(self.link, organization_id)

    def login_flows(self, organization_id: str) -> LoginFlowRows:
        """Return the logins of an organization that are under way."""
        return LoginFlowRows(self.link, organization_id)

    def checks(self, organization_id: str) -> Checks:
        """Return the questions of `fsck` about an organization's rows."""
        return Checks(self.link, organization_id)

    def overview(self, organization_id: str) -> Overview:
        """Return how large an organization is."""
        return Overview(self.link, organization_id)

    def endings(self, organization_id: str) -> EndingRows:
        """Return what ends codes and tokens of an organization's people."""
        return EndingRows(self.link, organization_id)

    def logout_notices(self, organization_id: str) -> LogoutNotices:
        """Return the notices to an organization's applications that sessions ended."""
        return LogoutNotices(self.link, organization_id)
