"""The settings of one process as values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from rolebridge.settings.readers import Bind
from rolebridge.settings.safety import exposure_problems, is_loopback, key_problems


class SettingsError(Exception):
    """Settings cannot be used; `problems` says which and why, one sentence each, and never a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The settings of one process. `SETTINGS` gives each one's meaning; `repr` shows no secret."""

    database_url: str
    secret_key: bytes | None
    secret_key_file: Path | None
    previous_secret_keys: tuple[bytes, ...]
    base_url: str
    bind: Bind
    workers: int
    max_body_bytes: int
    max_members: int
    request_timeout: float
    request_log_days: int
    request_log_rows: int
    audit_days: int
    changes_days: int
    rate_limit: str
    trusted_proxies: tuple[str, ...]
    outgoing_networks: tuple[str, ...]
    hold_window: int
    four_eyes: bool
    signing_key_days: int
    session_idle: int
    session_lifetime: int
    metrics_bind: Bind | None
    log_format: str
    log_level: str
    apply_needs_digest: bool
    access_log: bool

    def __repr__(self) -> str:
        shown = {field.name: repr(getattr(self, field.name)) for field in fields(self)}
        shown["database_url"] = repr(redacted_url(self.database_url))
        shown["secret_key"] = "None" if self.secret_key is None else "'***'"
        shown["previous_secret_keys"] = f"<{len(self.previous_secret_keys)} keys>"
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in shown.items())})"

    @property
    def is_local(self) -> bool:
        """Whether the base URL is this machine's own: a development installation, which plain HTTP may reach."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def for_serving(self) -> ServingSettings:
        """These settings, proven safe to answer requests with.

        Raises SettingsError with every unsafe combination: no secret key or one that can be guessed; plain
        HTTP in the base URL of another machine; listening to other machines while the base URL is plain HTTP.
        """
        problems = [
            *key_problems(self.secret_key, self.previous_secret_keys),
            *exposure_problems(self.base_url, self.bind),
        ]
        if problems:
            raise SettingsError(tuple(problems))
        return ServingSettings(**{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True, repr=False)
class ServingSettings(Settings):
    """Settings that passed `Settings.for_serving`: there is a secret key, and it is a good one."""

    secret_key: bytes


def redacted_url(url: str) -> str:
    """`url` with every password replaced by `***`, fit for a log or a message.

    Cuts at the last `@` before the parameters, so that a password with an unescaped `/` or `@` stays hidden
    too.
    """
    scheme, separator, rest = url.partition("://")
    place, question, query = rest.partition("?")
    if scheme == "sqlite" or not separator:
        return url
    credentials, at, host = place.rpartition("@")
    user, colon, _ = credentials.partition(":")
    shown = [
        (name, "***" if "pass" in name.lower() else value) for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return f"{scheme}://{user}{':***' if colon else ''}{at}{host}{question}{urlencode(shown, safe='/*')}"
