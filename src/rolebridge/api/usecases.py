"""What the API offers over HTTP: the use cases that its endpoints call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rolebridge.bridge.access import Access
from rolebridge.bridge.access_then import AccessThen
from rolebridge.bridge.administration import Administration
from rolebridge.bridge.applications import Applications
from rolebridge.bridge.approvals import Approvals
from rolebridge.bridge.assigning import Assigning
from rolebridge.bridge.auditing import Auditing
from rolebridge.bridge.deciding import Deciding
from rolebridge.bridge.delegating import Delegating
from rolebridge.bridge.explaining import Explaining
from rolebridge.bridge.feed import Feed
from rolebridge.bridge.holding import Holds
from rolebridge.bridge.idempotency import Idempotency
from rolebridge.bridge.login_log import LoginLog
from rolebridge.bridge.logout_notices import Logouts
from rolebridge.bridge.members import Membership
from rolebridge.bridge.observing import Observing
from rolebridge.bridge.planning import Planning
from rolebridge.bridge.projects import Projects
from rolebridge.bridge.request_log import RequestLog
from rolebridge.bridge.reviewing import Reviewing
from rolebridge.bridge.sessions import Sessions
from rolebridge.bridge.sso_connections import SsoConnections
from rolebridge.bridge.status import Status
from rolebridge.store.engine import Store


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases of an installation, as far as they are open to API keys."""

    store: Store
    clock: Callable[[], datetime]
    administration: Administration
    access: Access
    access_then: AccessThen
    membership: Membership
    explaining: Explaining
    deciding: Deciding
    delegating: Delegating
    assigning: Assigning
    projects: Projects
    reviewing: Reviewing
    observing: Observing
    planning: Planning
    holds: Holds
    approvals: Approvals
    auditing: Auditing
    request_log: RequestLog
    sessions: Sessions
    sso: SsoConnections
    login_log: LoginLog
    applications: Applications
    logouts: Logouts
    status: Status
    feed: Feed
    idempotency: Idempotency
