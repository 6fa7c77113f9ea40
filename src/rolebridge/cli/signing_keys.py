"""`rolebridge keys`: the keys that sign tokens for applications, and how one follows another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rolebridge.bridge.app_documents import signing_key_document
from rolebridge.cli.failures import Refused
from rolebridge.cli.options import csv_option, json_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import minute, strong, table

if TYPE_CHECKING:
    from rolebridge.store.provider_records import SigningKey

CSV_HEAD = ("kid", "state", "algorithm", "created", "active_at", "retired_at", "published_until")

_reason = click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")


@click.group()
def keys() -> None:
    """The keys that sign ID and access tokens: of the whole installation, published for applications."""


@keys.command("list")
@csv_option
@json_option
@pass_session
def list_(session: Session) -> None:
    """List the published keys: the active one, the next, and the retired until what they signed has ended."""
    with session.installation() as installation:
        known = installation.signing_keys.listing()
    text = _table(known) if known else "there is no key yet; the first application makes them"
    session.answer_list({"keys": [signing_key_document(one) for one in known]}, "keys", CSV_HEAD, text)


@keys.command()
@click.option("--force", is_flag=True, help="Though the next key has not been published for two hours.")
@_reason
@json_option
@pass_session
def rotate(session: Session, force: bool, reason: str) -> None:
    """Have the next key sign from now on; the active one retires, and another next one is published."""
    from rolebridge.bridge.signing_keys import TooSoon

    with session.installation() as installation:
        try:
            known = installation.signing_keys.rotate(session.operator, reason=reason, force=force)
        except TooSoon as soon:
            help_ = "wait until then, or `--force`: applications that remember the old keys refuse tokens meanwhile"
            raise Refused(soon, help_) from soon
    active = next(one for one in known if one.state == "active")
    document = {"active": active.id, "keys": [signing_key_document(one) for one in known]}
    session.answer(document, f"the key {strong(active.id)} signs from now on\n{_table(known)}")


@keys.command()
@click.argument("kid")
@_reason
@json_option
@pass_session
def retire(session: Session, kid: str, reason: str) -> None:
    """Publish a key no more, at once: what it signed verifies no more. KID is its id, or the beginning of it."""
    with session.installation() as installation:
        gone = installation.signing_keys.retire(session.operator, kid, reason=reason)
    text = f"the key {strong(gone.id)} is gone; applications that remember it do so for an hour at most"
    session.answer(signing_key_document(gone), text)


def _table(known: list[SigningKey]) -> str:
    rows = [
        (one.id[:12], one.state, one.algorithm, minute(one.created), minute(one.gone_at) if one.gone_at else "–")
        for one in known
    ]
    return table(("KEY", "STATE", "ALGORITHM", "CREATED", "PUBLISHED UNTIL"), rows)
