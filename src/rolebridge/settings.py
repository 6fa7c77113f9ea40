"""What a person can set about one running bridge: read once, checked whole, refused when unsafe.

A setting comes from the environment (`ROLEBRIDGE_DATABASE_URL`), else from a TOML file (`database_url`), else
it has its default. `load` reports every problem at once, each with the variable or the file and key that
caused it. `Settings.for_serving` adds what only a server must fulfil, so that a command that merely reads
needs no secret key. `SETTINGS` is the one list of names, defaults and meanings; documentation is derived from
it.

The lowest floor: imports nothing of ours, and only the command line and the composition root import it.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import ipaddress
import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

PREFIX = "ROLEBRIDGE_"
CONFIG_VARIABLE = "ROLEBRIDGE_CONFIG"
DEFAULT_FILE = Path("rolebridge.toml")

KEY_BYTES = 32
EXAMPLE_SECRET_KEY = "Zx3mQ8vT1rJ6yN0bW5kH2sD9fL7cP4gAuEiOoYtRwVM"  # noqa: S105 - servers refuse it
"""The key that documentation may print. It is public, so no server starts with it."""

_FILE_LIMIT = 64 * 1024
# In Kubernetes a Service called `rolebridge` or `rolebridge-…` puts its address into every pod's environment
# under these names; they are nobody's settings and nobody's mistake.
_SERVICE_LINK = re.compile(
    r"ROLEBRIDGE_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?"
    r"|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


class SettingsError(Exception):
    """Settings cannot be used; `problems` says which and why, one sentence each, and never a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Bind:
    """The address a server listens on: a host name or IP address (no brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """The settings of one process. `SETTINGS` gives each one's meaning; `repr` shows no secret."""

    database_url: str
    secret_key: bytes | None
    base_url: str
    bind: Bind
    workers: int
    max_body_bytes: int
    request_timeout: float
    request_log_days: int
    request_log_rows: int
    rate_limit: str
    trusted_proxies: tuple[str, ...]

    def __repr__(self) -> str:
        shown = {field.name: repr(getattr(self, field.name)) for field in fields(self)}
        shown["database_url"] = repr(redacted_url(self.database_url))
        shown["secret_key"] = "None" if self.secret_key is None else "'***'"
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in shown.items())})"

    def for_serving(self) -> ServingSettings:
        """These settings, proven safe to answer requests with.

        Raises SettingsError with every unsafe combination: no secret key or one that can be guessed; plain
        HTTP in the base URL of another machine; listening to other machines while the base URL is plain HTTP.
        """
        problems = [*_key_problems(self.secret_key), *_exposure_problems(self.base_url, self.bind)]
        if problems:
            raise SettingsError(tuple(problems))
        return ServingSettings(**{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True, repr=False)
class ServingSettings(Settings):
    """Settings that passed `Settings.for_serving`: there is a secret key, and it is a good one."""

    secret_key: bytes


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


@dataclass(frozen=True, slots=True)
class _Written:
    """A text somebody wrote, and where: a variable, or a file and key."""

    text: str
    place: str
    from_environment: bool


def load(environ: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read every setting from `environ` and a TOML file; the environment wins.

    `file` is what the command line named; otherwise `ROLEBRIDGE_CONFIG`, otherwise `rolebridge.toml` in the
    working directory if it is there. Relative paths, also those inside the file, start at the working
    directory. Raises SettingsError with every problem found.
    """
    problems: list[str] = []
    written = _from_file(_chosen_file(environ, file), problems)
    written.update(_from_environment(environ, problems))
    _one_secret_key(written, problems)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        source = written.get(setting.key)
        text = setting.default if source is None else source.text
        try:
            values[setting.key] = None if text is None else setting.read(text)
        except ValueError as error:
            problems.append(f"{source.place if source else setting.variable}: {error}")
    if problems:
        raise SettingsError(tuple(problems))
    key_of_file = values.pop("secret_key_file")
    values["trusted_proxies"] = values["trusted_proxies"] or ()
    values["secret_key"] = values["secret_key"] or key_of_file
    values["base_url"] = values["base_url"] or f"http://{values['bind']}"
    return Settings(**values)


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


# --------------------------------------------------------------------------------- where settings are written


def _chosen_file(environ: Mapping[str, str], file: Path | None) -> Path | None:
    """The file to read: the explicit one, the variable's, or the default one if it exists."""
    if file is not None:
        return file
    if CONFIG_VARIABLE in environ:
        return Path(environ[CONFIG_VARIABLE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _from_file(file: Path | None, problems: list[str]) -> dict[str, _Written]:
    """Every known key of the file; unreadable files, unknown keys and odd values become problems."""
    if file is None:
        return {}
    try:
        document = tomllib.loads(_read_file(file))
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: not valid TOML: {error}")
        return {}
    except ValueError as error:
        problems.append(f"{file}: {error}")
        return {}
    known = {setting.key for setting in SETTINGS}
    written: dict[str, _Written] = {}
    for key, value in document.items():
        place = f"{file}: {key}"
        if key not in known:
            close = _closest(key, known)
            hint = f"; did you mean `{close}`?" if close else ""
            problems.append(f"{place}: there is no such setting{hint}")
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            problems.append(f"{place}: must be a text or a number")
        else:
            written[key] = _Written(str(value), place, from_environment=False)
    return written


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Written]:
    """Every known variable; an unknown one with our prefix is a problem: it may be a misspelt safeguard."""
    known = {setting.variable: setting.key for setting in SETTINGS}
    written: dict[str, _Written] = {}
    for name in sorted(environ):
        if name in known:
            written[known[name]] = _Written(environ[name], name, from_environment=True)
        elif name.startswith(PREFIX) and name != CONFIG_VARIABLE and not _SERVICE_LINK.fullmatch(name):
            # Compared without the prefix, which alone would make every name similar.
            close = _closest(name.removeprefix(PREFIX), {"CONFIG", *(key.upper() for key in known.values())})
            hint = f"; did you mean `{PREFIX}{close}`?" if close else ""
            problems.append(f"{name}: there is no such setting{hint}")
    return written


def _one_secret_key(written: dict[str, _Written], problems: list[str]) -> None:
    """Keep one of `secret_key` and `secret_key_file`: the environment's; two in one place are a problem."""
    key, file = written.get("secret_key"), written.get("secret_key_file")
    if key is None or file is None:
        return
    if key.from_environment == file.from_environment:
        problems.append(f"{file.place}: there is also {key.place}; keep one of them")
    del written["secret_key_file" if key.from_environment else "secret_key"]


def _closest(name: str, known: set[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)


def _read_file(path: Path) -> str:
    """The text of a small UTF-8 file; ValueError says why it cannot be had, never what stands in it."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_FILE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > _FILE_LIMIT:
        raise ValueError(f"is larger than {_FILE_LIMIT:,} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


# --------------------------------------------------------------------------------------- how each one is read


def _database_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if scheme == "sqlite" and separator:
        path = rest.removeprefix("/")
        if not rest.startswith("/") or path in {"", ":memory:"}:
            raise ValueError("must name a file, as in `sqlite:///var/rolebridge.db`; data in memory is lost")
        if "?" in path:
            raise ValueError("takes no parameters after a SQLite file")
        return text
    if scheme not in {"postgres", "postgresql", "postgresql+psycopg"} or not separator:
        raise ValueError("must begin with `sqlite:///` or `postgresql://`")
    place = rest.partition("?")[0]
    if not place.rpartition("@")[2].partition("/")[2]:
        raise ValueError("must name a database, as in `postgresql://user@host/rolebridge`")
    return f"postgresql+psycopg://{rest}"


def _secret_key(text: str) -> bytes:
    """Hexadecimal digits, else base64url (or base64), padding optional; messages never repeat the text."""
    try:
        if not text:
            raise ValueError  # zero bytes are well-formed in both spellings, and an empty variable is a slip
        if re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", text):
            return bytes.fromhex(text)
        standard = text.rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is neither base64url nor hexadecimal text of at least {KEY_BYTES} random bytes") from None


def _secret_key_file(text: str) -> bytes:
    return _secret_key(_read_file(Path(text)).strip())


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with `https://` (or `http://` on this machine) and a host")
    if "@" in parts.netloc:
        raise ValueError("must not carry a user or password")
    if "?" in text or "#" in text:
        raise ValueError("must end before any `?` or `#`")
    if re.search(r"[^\x21-\x7e]", text):
        raise ValueError("must be plain ASCII without spaces")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _bind(text: str) -> Bind:
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})", text)
    if match is None or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError("must be a host and a port, as in `127.0.0.1:8080` or `[::1]:8080`")
    return Bind(match["v6"] or match["name"], int(match["port"]))


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(least: int, most: int) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", text) or not least <= float(text) <= most:
            raise ValueError(f"must be a number of seconds from {least} to {most}")
        return float(text)

    return read


def _rate_limit(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,6})(?:/([0-9]{1,7}))?", text)
    if text != "none" and (found is None or not int(found[1]) or not int(found[2] or 1)):
        raise ValueError("must be requests a second and at once, as in `25/100`, or `none`")
    return text


def _networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in re.split(r"[\s,]+", text) if part)
    except ValueError as error:
        raise ValueError(f"must be networks such as `10.0.0.0/8, 2001:db8::1`: {error}") from None


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "database_url",
        "sqlite:///var/rolebridge.db",
        "Where everything is kept: `sqlite:///FILE` (relative to the working directory; four slashes for an "
        "absolute path) or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
        _database_url,
    ),
    Setting(
        "secret_key",
        None,
        "At least 32 random bytes as base64url or hexadecimal text, to sign and seal with. "
        'Needed to serve. Make one: `python3 -c "import secrets; print(secrets.token_urlsafe(32))"`.',
        _secret_key,
    ),
    Setting(
        "secret_key_file",
        None,
        "A file that holds the secret key, instead of the key itself (mounted secrets).",
        _secret_key_file,
    ),
    Setting(
        "base_url",
        None,
        "The URL under which other machines reach this bridge, path prefix included; it stands in SCIM "
        "locations. By default `http://` and the address of `bind`. Must be `https://` unless it is this "
        "machine.",
        _base_url,
    ),
    Setting(
        "bind",
        "127.0.0.1:8080",
        "Host and port to listen on. Another than a loopback address needs an `https://` base URL, with TLS "
        "ended by a proxy in front.",
        _bind,
    ),
    Setting(
        "workers",
        "2",
        "Processes that answer requests, each one request at a time (1 to 64); two keep a long plan or "
        "export from delaying provisioning.",
        _whole_number(1, 64),
    ),
    Setting(
        "max_body_bytes",
        str(16 * 1024 * 1024),
        "The largest request body that is read, in bytes (65536 to 268435456). A group of 100,000 members "
        "sent whole is about 13 MB.",
        _whole_number(64 * 1024, 256 * 1024 * 1024),
    ),
    Setting(
        "request_timeout",
        "30",
        "Seconds a request may take to arrive, to wait for the database's writer, or to take the next block "
        "of its answer (1 to 600).",
        _seconds(1, 600),
    ),
    Setting(
        "request_log_days",
        "14",
        "Days for which the request log is kept (0 to 365); 0 logs no request.",
        _whole_number(0, 365),
    ),
    Setting(
        "request_log_rows",
        "100000",
        "Requests of each connection that the request log keeps at most (1000 to 10000000).",
        _whole_number(1_000, 10_000_000),
    ),
    Setting(
        "rate_limit",
        "1000/30000",
        "Requests a second that a connection may send in the long run, and how many at once, as in `25/100`; `none` "
        "for no limit. More are answered 429. `rolebridge connection limit` gives a connection its own.",
        _rate_limit,
    ),
    Setting(
        "trusted_proxies",
        None,
        "Addresses or networks of the proxies in front, separated by commas: only what these say in `X-Forwarded-For` "
        "is believed when a connection accepts requests from some networks only.",
        _networks,
    ),
)


# --------------------------------------------------------------------------------------- what serving demands


def _key_problems(key: bytes | None) -> list[str]:
    """Why `key` cannot protect a server: absent, short, printed in our documentation, or not random."""
    name = f"{PREFIX}SECRET_KEY"
    make = 'make one: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
    if key is None:
        return [f"{name}: serving needs a secret key; {make}"]
    if len(key) < KEY_BYTES:
        return [f"{name}: holds {len(key)} bytes, fewer than {KEY_BYTES}; {make}"]
    if key == _secret_key(EXAMPLE_SECRET_KEY):
        return [f"{name}: is the example from the documentation, known to everybody; {make}"]
    if _looks_made_up(key):
        return [f"{name}: does not look random; {make}"]
    return []


def _looks_made_up(key: bytes) -> bool:
    """Whether `key` has a pattern that random bytes show less than once in 10^9: repeats, steps, or text.

    Text is seen in both forms: encoded (the bytes are printable), and typed where base64 was expected (a
    passphrase in one case of letters, which 43 random base64 characters never are).
    """
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    typed = base64.urlsafe_b64encode(key).decode().rstrip("=")
    return (
        len(set(key)) < 20
        or len(steps) < 16
        or all(0x20 <= byte < 0x7F for byte in key)
        or typed in {typed.lower(), typed.upper()}
    )


def _exposure_problems(base_url: str, bind: Bind) -> list[str]:
    """Where tokens and personal data would cross a network in the clear."""
    parts = urlsplit(base_url)
    if parts.scheme == "https":
        return []
    problems = []
    if not _is_loopback(parts.hostname or ""):
        problems.append(f"{PREFIX}BASE_URL: `{base_url}` is another machine's address and not `https://`")
    if not _is_loopback(bind.host):
        problems.append(f"{PREFIX}BIND: `{bind}` listens to other machines while the base URL is not `https://`")
    return problems


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
