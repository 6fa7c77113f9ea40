"""What can be refused, in one vocabulary that every face translates into its own protocol's form."""

from __future__ import annotations


class RolebridgeError(Exception):
    """Base of every refusal. `str()` is one line for people: lower case, the user's text in backticks."""


class NotFound(RolebridgeError):
    """That nothing of this `kind` ("user", "group", "organization", …) answers to `name` for this caller."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is no {kind} `{name}`")
        self.kind = kind
        self.name = name


class Taken(RolebridgeError):
    """That a value which must be unique belongs to another resource already (RFC 7644 `uniqueness`).

    `owner` is the name of the connection that owns the other resource when it is not the caller's own.
    """

    def __init__(self, kind: str, attribute: str, value: str, owner: str | None = None) -> None:
        where = f" of connection `{owner}`" if owner else ""
        hint = "; `rolebridge connection adopt` transfers it" if owner else ""
        super().__init__(f"{attribute} `{value}` belongs to another {kind}{where}{hint}")
        self.kind = kind
        self.attribute = attribute
        self.value = value
        self.owner = owner


class VersionMismatch(RolebridgeError):
    """That the caller asked for another version of the resource than the present one (If-Match)."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the resource is now at version {current}")
        self.current = current


class UnknownMembers(RolebridgeError):
    """That a membership change names ids of no user or group of the connection, and the profile refuses that."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        shown = ", ".join(f"`{id_}`" for id_ in ids[:5]) + (" …" if len(ids) > 5 else "")
        super().__init__(f"{len(ids)} members are not users or groups of this connection: {shown}")
        self.ids = ids


class Invalid(RolebridgeError):
    """That an input is well formed but cannot be; `field` names the part that is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Unavailable(RolebridgeError):
    """That the store cannot take the work now; trying again after `retry_after` seconds is worth it.

    `told` is for clients. The whole error also says the `cause`, in which paths and hosts may stand: it is for the
    operator and the log.
    """

    def __init__(self, message: str, retry_after: int = 1, cause: str = "") -> None:
        super().__init__(f"{message}: {cause}" if cause else message)
        self.told = message
        self.cause = cause
        self.retry_after = retry_after


class TooLong(Unavailable):
    """That a question took longer than one may: asking it again is of no use, asking for less is."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the question took longer than {seconds:g} seconds; ask for less", retry_after=60)
