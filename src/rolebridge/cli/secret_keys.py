"""`rolebridge secret-key`: the installation's secret keys, and how one follows another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rolebridge.cli.failures import Refused
from rolebridge.cli.key_file import new_key, replace_keys
from rolebridge.cli.options import csv_option, json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import counted, strong, table
from rolebridge.settings import PREFIX, SettingsError

if TYPE_CHECKING:
    from rolebridge.bridge.secret_keys import SecretKey

RESTART = "restart the server and every worker now: what runs still works with the keys it began with"


@click.group("secret-key")
def secret_key() -> None:
    """The secret keys of the installation: tokens and keys are stored under them."""


@secret_key.command()
@csv_option
@json_option
@pass_session
def status(session: Session) -> None:
    """List the secret keys by their ids, and how many credentials that work are stored under each."""
    with session.installation() as installation:
        known = installation.secret_keys.listing()
    rows = [(one.id, _state(one), *map(str, _counts(one).values())) for one in known]
    text = table(("KEY", "STATE", "TOKENS", "API KEYS", "CLIENT SECRETS", "REFRESH TOKENS", "SEALED"), rows)
    head = ("key_id", "state", "tokens", "api_keys", "client_secrets", "refresh_tokens", "sealed")
    session.answer_list({"secret_keys": [_document(one) for one in known]}, "secret_keys", head, text)


@secret_key.command()
@click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")
@json_option
@pass_session
def rotate(session: Session, reason: str) -> None:
    """Put a new secret key in front of the others. What was made under those still works."""
    path = _file(session)
    fresh = new_key()
    key_id = _id_of(fresh)
    with session.installation() as installation:
        number = replace_keys(
            path,
            lambda texts: [fresh, *texts],
            lambda: installation.secret_keys.record(session.operator, "secret_key.rotated", key_id, reason),
        )
    document = {"present": key_id, "keys": number, "file": str(path), "next": RESTART}
    text = f"{path} begins with the new key {strong(key_id)}; {counted(number - 1, 'key')} before it\n{RESTART}"
    session.answer(document, text)


@secret_key.command()
@click.argument("key_id")
@click.option("--force", is_flag=True, help="Also a key under which credentials that work are stored: they are lost.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")
@json_option
@pass_session
def retire(session: Session, key_id: str, force: bool, reason: str) -> None:
    """Take a secret key out of the file. KEY_ID is what `status` shows, or the beginning of it."""
    from rolebridge.bridge.secret_keys import KeyInUse

    path = _file(session)
    with session.installation() as installation:
        try:
            retired = installation.secret_keys.retirable(key_id, force=force)
        except KeyInUse as refused:
            help_ = "each moves to the present key when it is used; revoke what is not used, or lose them by --force"
            raise Refused(refused, help_, more={"secret_key": _document(refused.key)}) from refused
        number = replace_keys(
            path,
            lambda texts: _without(texts, retired.id, path),
            lambda: installation.secret_keys.record(session.operator, "secret_key.retired", retired.id, reason),
        )
    lost = retired.credentials.all
    document = {"retired": retired.id, "lost": lost, "keys": number, "file": str(path), "next": RESTART}
    what = f"; {counted(lost, 'credential')} lost with it" if lost else ""
    session.answer(document, f"the key {strong(retired.id)} was taken out of {path}{what}\n{RESTART}")


def _file(session: Session) -> Path:
    """Return the file of keys. Raises Refused when the keys come from the environment."""
    path = session.settings.secret_key_file
    if path is None:
        raise Refused(
            SettingsError((f"{PREFIX}SECRET_KEY: is set without a file, so there is nothing to change here",)),
            f"put the new key there, and the one that is there now into {PREFIX}PREVIOUS_SECRET_KEYS",
        )
    return path


def _without(texts: list[str], key_id: str, path: Path) -> list[str]:
    kept = [text for text in texts if _id_of(text) != key_id]
    if len(kept) == len(texts):
        message = f"{path}: does not hold the key `{key_id}`; {PREFIX}PREVIOUS_SECRET_KEYS (the setting) does"
        raise SettingsError((message,))
    return kept


def _id_of(text: str) -> str:
    from rolebridge.bridge.credentials import Hasher
    from rolebridge.settings import read_secret_key

    return Hasher(read_secret_key(text)).key_id


def _state(one: SecretKey) -> str:
    if one.present:
        return "present"
    return "earlier" if one.known else "missing"


def _counts(one: SecretKey) -> dict[str, int]:
    stored = one.credentials
    return {
        "tokens": stored.tokens,
        "api_keys": stored.keys,
        "client_secrets": stored.client_secrets,
        "refresh_tokens": stored.refresh_tokens,
        "sealed": one.sealed,
    }


def _document(one: SecretKey) -> dict[str, Any]:
    return {"key_id": one.id, "state": _state(one), **_counts(one)}
