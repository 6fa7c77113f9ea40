"""From the text that somebody wrote to the value of a setting, or what is wrong with it.

Each reader raises ValueError with the end of the sentence "`key` …", which never repeats a secret.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

KEY_BYTES: Final = 32
MOST_KEYS: Final = 8
"""Secret keys at a time: a secret that nobody has is looked up under each one."""
FILE_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Bind:
    """The address a server listens on: a host name or IP address (no brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def database_url(text: str) -> str:
    """Return the URL with the driver that the store works with."""
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


def secret_key(text: str) -> bytes:
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


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file of secret keys: first the one in use, then those before it, one a line."""

    path: Path
    keys: tuple[bytes, ...]


def secret_key_file(text: str) -> KeyFile:
    """Return the file with its keys, of which there is one at least."""
    path = Path(text)
    return KeyFile(path, _keys(read_file(path).split() or [""]))


def previous_secret_keys(text: str) -> tuple[bytes, ...]:
    """Return keys separated by commas or spaces."""
    return _keys(part for part in re.split(r"[\s,]+", text) if part)


def _keys(texts: Iterable[str]) -> tuple[bytes, ...]:
    keys = tuple(secret_key(text) for text in texts)
    if len(keys) > MOST_KEYS:
        raise ValueError(f"holds {len(keys)} keys, more than {MOST_KEYS}")
    return keys


def base_url(text: str) -> str:
    """Return the URL without a slash at its end."""
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


def bind(text: str) -> Bind:
    """Return the address."""
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})", text)
    if match is None or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError("must be a host and a port, as in `127.0.0.1:8080` or `[::1]:8080`")
    return Bind(match["v6"] or match["name"], int(match["port"]))


def metrics_bind(text: str) -> Bind:
    """Return the address; a port alone is one of this machine only."""
    return bind(f"127.0.0.1:{text}" if text.isdigit() else text)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return read


def seconds(least: int, most: int) -> Callable[[str], float]:
    """Return a reader of numbers of seconds."""

    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", text) or not least <= float(text) <= most:
            raise ValueError(f"must be a number of seconds from {least} to {most}")
        return float(text)

    return read


def rate_limit(text: str) -> str:
    """Return a rate, or `none`."""
    found = re.fullmatch(r"([0-9]{1,6})(?:/([0-9]{1,7}))?", text)
    if text != "none" and (found is None or not int(found[1]) or not int(found[2] or 1)):
        raise ValueError("must be requests a second and at once, as in `25/100`, or `none`")
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of these words."""

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be {', '.join(f'`{one}`' for one in choices[:-1])} or `{choices[-1]}`")
        return text.lower()

    return read


def yes_or_no(text: str) -> bool:
    """Return whether the text is `yes`."""
    if text.lower() not in {"yes", "no"}:
        raise ValueError("must be `yes` or `no`")
    return text.lower() == "yes"


def networks(text: str) -> tuple[str, ...]:
    """Return networks, separated by commas or spaces."""
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in re.split(r"[\s,]+", text) if part)
    except ValueError as error:
        raise ValueError(f"must be networks such as `10.0.0.0/8, 2001:db8::1`: {error}") from None


def read_file(path: Path) -> str:
    """The text of a small UTF-8 file; ValueError says why it cannot be had, never what stands in it."""
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > FILE_LIMIT:
        raise ValueError(f"is larger than {FILE_LIMIT:,} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
