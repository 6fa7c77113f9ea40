"""Every setting: its name, its default and what it means. Documentation is derived from this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rolebridge.settings import readers

PREFIX: Final = "ROLEBRIDGE_"
CONFIG_VARIABLE: Final = "ROLEBRIDGE_CONFIG"
DEFAULT_FILE: Final = Path("rolebridge.toml")


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: its TOML key, its default as one would write it, its meaning, its reader."""

    key: str
    default: str | None
    doc: str
    read: Callable[[str], object]
    """Turns the written text into the value; raises ValueError with the end of the sentence "`key` …"."""

    @property
    def variable(self) -> str:
        """The environment variable: `ROLEBRIDGE_` and the key in capitals."""
        return PREFIX + self.key.upper()


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "database_url",
        "sqlite:///var/rolebridge.db",
        "Where everything is kept: `sqlite:///FILE` (relative to the working directory; four slashes for an "
        "absolute path) or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
        readers.database_url,
    ),
    Setting(
        "secret_key",
        None,
        "At least 32 random bytes as base64url or hexadecimal text, to sign and seal with. "
        'Needed to serve. Make one: `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`.',
        readers.secret_key,
    ),
    Setting(
        "secret_key_file",
        None,
        "A file that holds the secret key, instead of the key itself (mounted secrets), and below it those before it, "
        "one a line. `rolebridge secret-key` keeps it.",
        readers.secret_key_file,
    ),
    Setting(
        "previous_secret_keys",
        None,
        "Secret keys that were in use before, separated by commas (eight keys at most, with those of the file): what "
        "was made under them still works, and moves to the present key when it is used.",
        readers.previous_secret_keys,
    ),
    Setting(
        "base_url",
        None,
        "The URL under which other machines reach this bridge, path prefix included; it stands in SCIM "
        "locations. By default `http://` and the address of `bind`. Must be `https://` unless it is this "
        "machine.",
        readers.base_url,
    ),
    Setting(
        "bind",
        "127.0.0.1:8080",
        "Host and port to listen on. Another than a loopback address needs an `https://` base URL, with TLS "
        "ended by a proxy in front.",
        readers.bind,
    ),
    Setting(
        "workers",
        "2",
        "Processes that answer requests, each one request at a time (1 to 64); two keep a long plan or "
        "export from delaying provisioning.",
        readers.whole_number(1, 64),
    ),
    Setting(
        "max_body_bytes",
        str(16 * 1024 * 1024),
        "The largest request body that is read, in bytes (65536 to 268435456). A group of 100,000 members "
        "sent whole is about 13 MB.",
        readers.whole_number(64 * 1024, 256 * 1024 * 1024),
    ),
    Setting(
        "max_members",
        "100000",
        "Members of a group that one SCIM request may list at most (100 to 1000000); more are refused with 413. What a "
        "request takes, others wait for: a second for 100,000 members, twenty if a rule gives each of them a role.",
        readers.whole_number(100, 1_000_000),
    ),
    Setting(
        "request_timeout",
        "30",
        "Seconds a request may take to arrive, to wait for the database's writer, or to take the next block "
        "of its answer (1 to 600).",
        readers.seconds(1, 600),
    ),
    Setting(
        "request_log_days",
        "14",
        "Days for which the request log is kept (0 to 365); 0 logs no request.",
        readers.whole_number(0, 365),
    ),
    Setting(
        "request_log_rows",
        "100000",
        "Requests of each connection that the request log keeps at most (1000 to 10000000).",
        readers.whole_number(1_000, 10_000_000),
    ),
    Setting(
        "audit_days",
        "0",
        "Days for which the audit is kept (0 to 36500); 0 keeps it for ever. What goes leaves a seal, so that the rest "
        "still verifies.",
        readers.whole_number(0, 36_500),
    ),
    Setting(
        "changes_days",
        "30",
        "Days for which the feed of changes is kept (1 to 3650). An application that has not followed for longer reads "
        "everything again.",
        readers.whole_number(1, 3_650),
    ),
    Setting(
        "rate_limit",
        "1000/30000",
        "Requests a second that a connection or an API key may send in the long run, and how many at once, as in "
        "`25/100`; `none` for no limit. More are answered 429. `rolebridge connection limit` gives a connection its "
        "own.",
        readers.rate_limit,
    ),
    Setting(
        "trusted_proxies",
        None,
        "Addresses or networks of the proxies in front, separated by commas: only what these say in `X-Forwarded-For` "
        "is believed when a connection accepts requests from some networks only.",
        readers.networks,
    ),
    Setting(
        "outgoing_networks",
        None,
        "Networks, separated by commas, in which the bridge may call URLs of identity providers and applications "
        "although their addresses are not public, as in `10.20.0.0/16`. Others than public addresses are refused.",
        readers.networks,
    ),
    Setting(
        "hold_window",
        "3600",
        "Seconds (60 to 604800) over which guard rails count who lost a role: past a mapping's `hold_revocations` "
        "within them, further revocations are held.",
        readers.whole_number(60, 604_800),
    ),
    Setting(
        "four_eyes",
        "no",
        "Whether a second person has to agree before a guard rail is passed on purpose (`apply --force`) and before a "
        "hold is released or discarded: `yes` or `no`.",
        readers.yes_or_no,
    ),
    Setting(
        "signing_key_days",
        "90",
        "Days (0 to 3650) for which a key signs ID and access tokens of applications; then the worker has the next one "
        "sign, which is published long before. 0 leaves that to `rolebridge keys rotate`.",
        readers.whole_number(0, 3_650),
    ),
    Setting(
        "session_idle",
        "28800",
        "Seconds (300 to 2592000) after which somebody who signed in with a browser and has not come back since signs "
        "in again.",
        readers.whole_number(300, 2_592_000),
    ),
    Setting(
        "session_lifetime",
        "86400",
        "Seconds (300 to 7776000) after which everybody who signed in with a browser signs in again.",
        readers.whole_number(300, 7_776_000),
    ),
    Setting(
        "metrics_bind",
        None,
        "Host and port at which Prometheus finds metrics (`/metrics`), as in `127.0.0.1:9464`; a port alone is one of "
        "this machine. Without it there are none. They tell no person, but who can reach the address can read them.",
        readers.metrics_bind,
    ),
    Setting(
        "log_format",
        "text",
        "How the log is written, to the standard error: `text` for people, or `json`, one object a line.",
        readers.one_of("text", "json"),
    ),
    Setting(
        "log_level",
        "info",
        "What is logged: `debug`, `info` (refused requests too), `warning` or `error`.",
        readers.one_of("debug", "info", "warning", "error"),
    ),
    Setting(
        "apply_needs_digest",
        "no",
        "Whether mapping files are applied, and rolled back, only with the digest of a plan that somebody has seen: "
        "`yes` or `no`.",
        readers.yes_or_no,
    ),
    Setting(
        "access_log",
        "no",
        "Whether every request to a door is logged, refused or not: `yes` or `no`. The request log in the database "
        "tells more.",
        readers.yes_or_no,
    ),
)


def markdown_table() -> str:
    """All settings as a Markdown table, in the order of `SETTINGS`, for the documentation."""
    rows = ["| variable | in the file | default | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = "–" if setting.default is None else f"`{setting.default}`"
        rows.append(f"| `{setting.variable}` | `{setting.key}` | {default} | {setting.doc} |")
    rows.append(
        f"| `{CONFIG_VARIABLE}` | – | `{DEFAULT_FILE}`, if it is there | The TOML file with settings. The "
        f"environment "
        "wins over it. |"
    )
    return "\n".join(rows) + "\n"
