"""Why a client is not believed, in one vocabulary for logs and tests, and what the client itself is told."""

from __future__ import annotations

from enum import StrEnum

from rolebridge.store.provider_records import Application
from rolebridge.store.records import Client


class Reason(StrEnum):
    """The check that a client did not pass."""

    NO_PROOF = "no-proof"
    UNKNOWN_CLIENT = "unknown-client"
    REVOKED_CLIENT = "revoked-client"
    WRONG_SECRET = "wrong-secret"  # noqa: S105 - a word
    EXPIRED_SECRET = "expired-secret"  # noqa: S105 - a word
    REVOKED_SECRET = "revoked-secret"  # noqa: S105 - a word
    ASSERTION_MALFORMED = "assertion-malformed"
    ASSERTION_ALGORITHM = "assertion-algorithm"
    ASSERTION_KEY = "assertion-key"
    ASSERTION_SIGNATURE = "assertion-signature"
    ASSERTION_CLIENT = "assertion-client"
    ASSERTION_AUDIENCE = "assertion-audience"
    ASSERTION_EXPIRED = "assertion-expired"
    ASSERTION_LIFETIME = "assertion-lifetime"
    ASSERTION_NOT_YET = "assertion-not-yet"
    ASSERTION_ID = "assertion-id"
    ASSERTION_REUSED = "assertion-reused"
    NO_LONGER_VALID = "no-longer-valid"


class ClientRefused(Exception):
    """That a client did not prove who it is. `str()` is for the log.

    The client is told `told`, which depends on nothing that only its owner may know: whoever has not shown a right
    secret or signature learns neither which clients there are nor what is wrong with them.
    """

    client: Client | Application | None = None
    """Whom the request said it was from, if there is such a client."""

    def __init__(self, reason: Reason, detail: str, *, proved: bool = False) -> None:
        """`proved` says that a right secret or signature was shown, so that `detail` may be told."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.told = detail if proved else "the client is unknown, or did not prove that it is the client"
