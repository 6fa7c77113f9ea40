"""`rolebridge saml`: connections that log people in by SAML 2.0."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rolebridge.cli import saml_keys
from rolebridge.cli.options import Day, json_option, org_option
from rolebridge.cli.session import Session, pass_session
from rolebridge.cli.terminal import strong

if TYPE_CHECKING:
    from rolebridge.app import Installation
    from rolebridge.core.saml_settings import IdpDescription, SamlSettings
    from rolebridge.sso.saml.metadata_in import Described
    from rolebridge.store.records import Connection

_LARGEST_FILE: Final = 1_048_576
"""Bytes that are read of a file; the metadata of one identity provider has some thousand."""
_NONE: Final = "none"


@click.group()
def saml() -> None:
    """SAML 2.0: connect an identity provider, its certificates, our keys, what is held."""


class NoneOr(click.ParamType[Any]):
    """A value, or the word `none`."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self.name = f"{inner.name}|none"
        self._inner = inner

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, or the word."""
        return _NONE if value == _NONE else self._inner.convert(value, param, ctx)


class Target(click.ParamType[tuple[str, str]]):
    """A place where logins that begin at the identity provider may lead: `KEY=URL`."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return key and URL."""
        if isinstance(value, tuple):
            return value
        key, equals, url = str(value).partition("=")
        if not equals:
            self.fail(f"`{value}` is no target; write it like `reports=https://app.example/login`", param, ctx)
        return key, url


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
replace_option = click.option(
    "--replace", "replaces", is_flag=True, help="Take the place of the connection's other protocol, for good."
)


@contextmanager
def one_protocol() -> Iterator[None]:
    """Say what to do where a connection logs people in by another protocol already."""
    from rolebridge.bridge.sso_connections import ProtocolTaken
    from rolebridge.cli.failures import Refused

    try:
        yield
    except ProtocolTaken as taken:
        help_ = "`--replace` if that is meant; otherwise `rolebridge connection add` makes a connection of its own"
        raise Refused(taken, help_) from taken


@saml.command("set")
@click.argument("connection", metavar="CONNECTION")
@click.option("--metadata", metavar="FILE|URL", help="The identity provider's metadata; a URL is looked at every day.")
@click.option("--entity-id", metavar="ID", help="The identity provider's entity id; with --metadata, which of several.")
@click.option("--sso-url", metavar="URL", help="Where the identity provider takes requests, without metadata.")
@click.option(
    "--certificate", "certificates", type=_FILE, multiple=True, metavar="FILE",
    help="A certificate of the identity provider (PEM or DER), without metadata; at most two.",
)  # fmt: skip
@click.option(
    "--pin", "pins", multiple=True, metavar="FINGERPRINT",
    help="Of the metadata's certificates the one to trust, by the beginning of its SHA-256; at most two.",
)  # fmt: skip
@click.option("--binding", type=click.Choice(["redirect", "post"]), help="How requests travel there.")
@click.option("--sign-requests/--no-sign-requests", default=None, help="Sign requests with our key.")
@click.option(
    "--name-id-format", type=click.Choice(["email", "persistent", "unspecified", _NONE]),
    help="The format of names to ask for.",
)  # fmt: skip
@click.option(
    "--context", "contexts", multiple=True, metavar="URI",
    help="An authentication context that will do, such as one for several factors; `none` for any.",
)  # fmt: skip
@click.option("--force-authn/--no-force-authn", default=None, help="Have people prove themselves at every login.")
@click.option(
    "--max-age", type=NoneOr(click.INT), metavar="SECONDS|none", help="How long ago that may have been at most."
)
@click.option(
    "--idp-initiated/--no-idp-initiated", default=None, help="Take logins that begin at the identity provider."
)
@click.option(
    "--target", "targets", type=Target(), multiple=True, metavar="KEY=URL",
    help="Where these may lead: RelayState KEY leads to URL; `KEY=` takes it away.",
)  # fmt: skip
@click.option("--allow-cbc/--no-allow-cbc", default=None, help="Take assertions encrypted by AES-CBC.")
@click.option(
    "--sha1-until", type=NoneOr(Day()), metavar="DATE|none", help="Take SHA-1 signatures up to that day (UTC)."
)
@click.option("--skew", type=int, metavar="SECONDS", help="How far clocks may differ.")
@click.option("--lifetime", type=int, metavar="SECONDS", help="For how long an assertion is good at most.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether people log in by the connection.")
@replace_option
@org_option
@json_option
@pass_session
def set_(session: Session, /, connection: str, org: str | None, replaces: bool, **given: Any) -> None:
    """Have a connection log people in by SAML, or change how; what is not named stays as it is.

    The first time, --metadata says it all; or else --entity-id, --sso-url and --certificate. Prints what the identity
    provider has to be told.
    """
    from dataclasses import replace

    from rolebridge.core.saml_settings import SamlSettings
    from rolebridge.sso.saml.documents import provider_document, settings_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        known, version = installation.saml.find(found) or (None, None)
        is_first = known is None
        before = known.idp.entity_id if known else None
        described, url = _described(installation, known, given)
        if described is not None:
            pinned = installation.saml.certificates(described.idp, given["pins"])
            binding = _binding(described.idp, given["binding"] or (known.binding if known else None))
            fresh = known or SamlSettings(described.idp, pinned, binding=binding, sign_requests=described.wants_signed)
            known = replace(
                fresh, idp=described.idp, pinned=pinned, binding=binding, metadata_url=url, offer=None, trouble=""
            )
        elif known is None:
            raise _incomplete()
        settings = replace(known, **_changes(known, given))
        with one_protocol():
            installation.saml.configure(
                session.operator, found, settings, enabled=given["enabled"], version=version, replaces=replaces
            )
        provider = installation.saml.provider(found)
        enabled = installation.sso.needed(found).enabled
    notes = (*(described.notes if described else ()), *moved_notes(before, settings.idp.entity_id))
    document = {
        "connection": found.name,
        "service_provider": provider_document(provider),
        "enabled": enabled,
        **settings_document(settings, session.clock()),
        "notes": list(notes),
    }
    session.answer(document, _set_text(document, notes, is_first=is_first))


def _described(
    installation: Installation, known: SamlSettings | None, given: dict[str, Any]
) -> tuple[Described | None, str]:
    """Return what the options say of the identity provider, None for nothing new, and its metadata's URL or ""."""
    from rolebridge.sso.saml.metadata_in import Described

    metadata, entity_id = given["metadata"], given["entity_id"]
    by_hand = given["sso_url"] is not None or bool(given["certificates"])
    if metadata is not None:
        if by_hand:
            raise click.UsageError("--metadata says where and with which certificates: leave the others out")
        if metadata.startswith(("https://", "http://")):
            return installation.saml.fetch(metadata, entity_id), metadata
        return installation.saml.read(_content(Path(metadata)), entity_id), ""
    if given["pins"]:
        raise click.UsageError("--pin goes with --metadata")
    if not by_hand and entity_id is None:
        return None, ""
    return Described(_by_hand(known, given), known.sign_requests if known else False, ()), ""


def _by_hand(known: SamlSettings | None, given: dict[str, Any]) -> IdpDescription:
    """Return the identity provider that options describe, the rest as it was."""
    from rolebridge.bridge.certificates import read_certificate
    from rolebridge.core.saml_settings import Binding, IdpDescription

    certificates = tuple(read_certificate(_content(file)) for file in given["certificates"])
    endpoints: dict[Binding, str] = dict(known.idp.endpoints) if known else {}
    if given["sso_url"] is not None:
        binding = Binding(given["binding"] or (known.binding if known else Binding.REDIRECT))
        endpoints = {binding: given["sso_url"]}
    entity_id = given["entity_id"] or (known.idp.entity_id if known else None)
    certificates = certificates or (known.pinned if known else ())
    if not entity_id or not endpoints or not certificates:
        raise _incomplete()
    return IdpDescription(entity_id, endpoints, certificates)


def _binding(idp: IdpDescription, wanted: str | None) -> Any:
    """Return the binding for requests: what is wanted, else what the identity provider takes."""
    from rolebridge.core.saml_settings import Binding

    if wanted is not None and (given := Binding(wanted)) in idp.endpoints:
        return given
    return next(iter(idp.endpoints))


def _changes(known: SamlSettings, given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that options change."""
    from rolebridge.core.saml_settings import NAME_ID_FORMATS, Binding

    same = ("sign_requests", "force_authn", "idp_initiated", "allow_cbc", "skew")
    changes = {name: given[name] for name in same if given[name] is not None}
    if given["lifetime"] is not None:
        changes["longest_lifetime"] = given["lifetime"]
    if given["binding"] is not None:
        changes["binding"] = Binding(given["binding"])
    for name in ("max_age", "sha1_until"):
        if given[name] is not None:
            changes[name] = None if given[name] == _NONE else given[name]
    if given["name_id_format"] is not None:
        changes["name_id_format"] = NAME_ID_FORMATS.get(given["name_id_format"], "")
    if given["contexts"]:
        changes["contexts"] = () if given["contexts"] == (_NONE,) else given["contexts"]
    if given["targets"]:
        targets = {**known.targets, **dict(given["targets"])}
        changes["targets"] = {key: url for key, url in targets.items() if url}
    return changes


def _incomplete() -> click.UsageError:
    return click.UsageError("name the identity provider: --metadata, or --entity-id with --sso-url and --certificate")


@saml.command()
@click.argument("connection", metavar="CONNECTION")
@org_option
@json_option
@pass_session
def show(session: Session, connection: str, org: str | None) -> None:
    """Show how a connection logs people in by SAML, and what the identity provider has to be told.

    Works before `saml set`, too: many identity providers want our URLs first.
    """
    from rolebridge.sso.saml.documents import key_documents, provider_document, settings_document

    now = session.clock()
    with session.installation() as installation:
        found = _connection(installation, connection, org)
        settings, _ = installation.saml.find(found) or (None, 0)
        document: dict[str, Any] = {
            "connection": found.name,
            "service_provider": provider_document(installation.saml.provider(found)),
            "set_up": settings is not None,
        }
        if settings is not None:
            document |= {"enabled": installation.sso.needed(found).enabled, **settings_document(settings, now)}
            document["keys"] = key_documents(installation.saml.keys(found), now)
    if settings is None:
        lines = [f"connection {strong(found.name)} does not log people in by SAML yet", *_provider_lines(document)]
        lines.append(f"  rolebridge saml set {found.name} --metadata FILE|URL")
        session.answer(document, "\n".join(lines))
    else:
        session.answer(document, _show_text(document))


@saml.command()
@click.argument("connection", metavar="CONNECTION")
@org_option
@json_option
@pass_session
def metadata(session: Session, connection: str, org: str | None) -> None:
    """Print our metadata for a connection, as the identity provider imports it; also before `saml set`."""
    with session.installation() as installation:
        found = _connection(installation, connection, org)
        said = installation.saml.metadata(found).decode()
    session.answer({"connection": found.name, "metadata": said}, said.rstrip())


@saml.command()
@click.argument("connection", metavar="CONNECTION")
@org_option
@json_option
@pass_session
def refresh(session: Session, connection: str, org: str | None) -> None:
    """Look at the identity provider's metadata URL now, as the worker does every day.

    What is new there is held until `saml approve-key`; nothing changes before.
    """
    from rolebridge.cli.failures import Refused
    from rolebridge.core.errors import Invalid
    from rolebridge.sso.saml.administration import Looked
    from rolebridge.sso.saml.documents import settings_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        came = installation.saml.refresh(session.operator, found)
    document = {
        "connection": found.name,
        "looked": came.looked.value,
        **settings_document(came.settings, session.clock()),
    }
    if came.looked is Looked.UNREADABLE:
        problem = document["metadata_trouble"]["problem"]
        raise Refused(Invalid(f"the metadata cannot be read: {problem}", "metadata"))
    if came.looked is Looked.SAME:
        session.answer(document, f"connection {strong(found.name)}: the metadata says what is in force")
    else:
        lines = [f"connection {strong(found.name)}: the metadata says something new, which is held", *_held(document)]
        session.answer(document, "\n".join(lines))


@saml.command("approve-key")
@click.argument("connection", metavar="CONNECTION")
@click.argument("fingerprints", metavar="FINGERPRINT...", nargs=-1, required=True)
@org_option
@json_option
@pass_session
def approve_key(session: Session, connection: str, fingerprints: tuple[str, ...], org: str | None) -> None:
    """Agree to what is held, and trust the certificates with these fingerprints from now on, and no other.

    FINGERPRINT is the beginning of a SHA-256, of at least eight digits. Compare it with what the identity provider's
    own console shows, not with the metadata.
    """
    from rolebridge.sso.saml.documents import settings_document

    with session.installation() as installation:
        found = _connection(installation, connection, org)
        settings = installation.saml.approve(session.operator, found, fingerprints)
    document = {"connection": found.name, **settings_document(settings, session.clock())}
    lines = [f"connection {strong(found.name)}: what was held is in force", *_idp_lines(document)]
    session.answer(document, "\n".join(lines))


saml.add_command(saml_keys.cert)
saml.add_command(saml_keys.key)


# --- shared ------------------------------------------------------------------------------------------------------


def _connection(installation: Installation, name: str, org: str | None) -> Connection:
    organization = installation.administration.organization(org)
    return installation.administration.connection(organization, name)


def _content(file: Path) -> bytes:
    from rolebridge.core.errors import Invalid

    try:
        with file.open("rb") as stream:
            return stream.read(_LARGEST_FILE)
    except OSError as error:
        raise Invalid(f"`{file}` cannot be read: {error.strerror}", "file") from None


def _set_text(document: dict[str, Any], notes: tuple[str, ...], *, is_first: bool) -> str:
    name = document["connection"]
    lines = [_first_line(document), *_provider_lines(document)]
    lines += [*_idp_lines(document), *(f"  note: {note}" for note in notes)]
    return "\n".join([*lines, *(next_lines(name) if is_first else [])])


def moved_notes(before: str | None, now: str) -> list[str]:
    """Return what follows when a connection's identity provider becomes another one: people's identities hang on it."""
    if before in (None, now):
        return []
    return [
        f"it was `{before}` before: who has logged in by that is somebody else now, until `rolebridge login forget`"
    ]


def next_lines(name: str) -> list[str]:
    """Return what comes next, after a connection logs people in for the first time."""
    return [
        f"  Say next whom: rolebridge login set {name} --preset NAME --domain DOMAIN",
        "  (rolebridge login presets lists the kinds of identity providers)",
    ]


def _show_text(document: dict[str, Any]) -> str:
    lines = [_first_line(document), *_provider_lines(document), *_idp_lines(document)]
    named = {
        "requests": f"by {document['binding']}, {'signed' if document['sign_requests'] else 'not signed'}",
        "name": document["name_id_format"] or "any format",
        "contexts": ", ".join(document["contexts"]) or "any",
        "proved again": "at every login" if document["force_authn"] else "when the identity provider wants it",
        "proved within": _seconds(document["max_age"]),
        "IdP-initiated": "taken" if document["idp_initiated"] else "refused",
        **{f"target {key}": url for key, url in document["targets"].items()},
        "encryption": "AES-GCM and AES-CBC" if document["allow_cbc"] else "AES-GCM",
        "SHA-1": f"taken until {document['sha1_until']}" if document["sha1_until"] else "refused",
        "clocks": f"may differ by {document['skew']} s; an assertion is good for {document['longest_lifetime']} s",
    }
    lines += [f"  {name:<17}  {value}" for name, value in named.items()]
    for key in document["keys"]:
        role = "signs and decrypts" if key["signs"] else "decrypts, and is announced"
        lines.append(f"  {'our key':<17}  {_certificate(key)}, {role}")
    return "\n".join([*lines, *_held(document), *_trouble(document)])


def _first_line(document: dict[str, Any]) -> str:
    off = "" if document["enabled"] else ", but is switched off"
    return f"connection {strong(document['connection'])} logs people in by SAML{off}"


def _seconds(value: int | None) -> str:
    return "any time" if value is None else f"{value} s"


def _provider_lines(document: dict[str, Any]) -> list[str]:
    said = document["service_provider"]
    return [
        f"  {'ACS URL':<17}  {strong(said['acs_url'])}",
        f"  {'entity ID':<17}  {strong(said['entity_id'])}",
        f"  {'metadata URL':<17}  {said['metadata_url']}",
    ]


def _idp_lines(document: dict[str, Any]) -> list[str]:
    idp = document["identity_provider"]
    lines = [f"  {'identity provider':<17}  {idp['entity_id']}"]
    lines += [f"  {'sign-on URL':<17}  {url} ({binding})" for binding, url in idp["sign_on"].items()]
    if document["metadata_url"]:
        lines.append(f"  {'its metadata':<17}  {document['metadata_url']}")
    return lines + [f"  {'trusted key':<17}  {_certificate(one)}" for one in document["trusted_certificates"]]


def _certificate(one: dict[str, Any]) -> str:
    ends = f"expired {one['not_after'][:10]}" if one["expired"] else f"until {one['not_after'][:10]}"
    return f"{one['fingerprint'][:16]}… {one['key']}, {ends}"


def _held(document: dict[str, Any]) -> list[str]:
    held = document["held"]
    if held is None:
        return []
    lines = [f"  held since {held['since']}, not in force:"]
    lines += [f"    {'sign-on URL':<15}  {url} ({binding})" for binding, url in held["sign_on"].items()]
    lines += [f"    {'certificate':<15}  {one['fingerprint']} {_ends(one)}" for one in held["certificates"]]
    return [*lines, f"    rolebridge saml approve-key {document['connection']} FINGERPRINT"]


def _ends(one: dict[str, Any]) -> str:
    return f"(until {one['not_after'][:10]})"


def _trouble(document: dict[str, Any]) -> list[str]:
    trouble = document["metadata_trouble"]
    return [f"  metadata unreadable since {trouble['since']}: {trouble['problem']}"] if trouble else []
