"""Backups: one file that holds a database as it was at a moment, and says what is needed to work with it again.

The file is a tar archive of two members: `manifest.json`, and the copy of the database. The secret keys are in neither.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from rolebridge import __version__
from rolebridge.core.errors import Invalid, RolebridgeError, Unavailable
from rolebridge.core.moments import stamp
from rolebridge.store import dumps
from rolebridge.store.engine import Store
from rolebridge.store.migrations import HEAD

FORMAT: Final = 1
_KIND: Final = "rolebridge-backup"
_MANIFEST: Final = "manifest.json"
_DATA: Final = "database"
_LONGEST_MANIFEST: Final = 64 * 1024
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself. `key_ids` are the secret keys under which credentials that work are stored."""

    kind: str
    format: int
    made: str
    version: str
    database: str
    schema: str
    key_ids: tuple[str, ...]
    size: int
    sha256: str


class BackupRefused(RolebridgeError):
    """That a backup cannot be restored here, or not as it is."""


class Backups:
    """Makes backups of an installation that is in use."""

    def __init__(self, store: Store, database_url: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._url = database_url
        self._clock = clock

    def make(self, path: Path) -> Manifest:
        """Write a backup into a new file that only its owner reads.

        Raises Invalid when there is a file already, or none can be made; ToolMissing; Unavailable.
        """
        _refuse_existing(path)
        with _writing(path) as room:
            copy, archive = room / "database", room / "archive"
            self._store.check_schema()
            keys = self._keys()
            dumps.dump(self._store, self._url, copy)
            # A key that came into use meanwhile is needed too.
            manifest = self._manifest(copy, tuple(sorted({*keys, *self._keys()})))
            _write(archive, manifest, copy)
            _publish(archive, path)
        return manifest

    def _keys(self) -> Collection[str]:
        with self._store.read() as unit:
            return unit.accounts.stored_under(self._clock()).keys()

    def _manifest(self, copy: Path, keys: tuple[str, ...]) -> Manifest:
        with copy.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        made, kind = stamp(self._clock()), str(self._store.dialect)
        return Manifest(_KIND, FORMAT, made, __version__, kind, HEAD, keys, copy.stat().st_size, digest)


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise Invalid(f"there is a file `{path}` already; backups overwrite nothing", "file")


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Give a folder of ours beside the file that is to be made, and take it away again."""
    try:
        made = tempfile.TemporaryDirectory(prefix=".rolebridge-backup-", dir=path.absolute().parent)
    except OSError as error:
        raise Invalid(f"`{path}` cannot be made: {(error.strerror or str(error)).lower()}", "file") from error
    with made as room:
        try:
            yield Path(room)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise Unavailable("the backup cannot be written", cause=why) from error


def _write(archive: Path, manifest: Manifest, copy: Path) -> None:
    text = json.dumps(asdict(manifest), indent=2).encode()
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar, copy.open("rb") as data:
            tar.addfile(_member(_MANIFEST, len(text)), io.BytesIO(text))
            tar.addfile(_member(_DATA, manifest.size), data)
        stream.flush()
        os.fsync(descriptor)


def _publish(archive: Path, path: Path) -> None:
    """Give a finished file its name, in one step, unless somebody else has taken that meanwhile."""
    try:
        os.link(archive, path)
    except FileExistsError:
        _refuse_existing(path)
        raise
    except OSError:  # a file system without hard links: the name is taken first, then the file put there
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        archive.replace(path)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


# --- restoring -------------------------------------------------------------------------------------------------

Look = Callable[[str], list[str]]
"""Looks at a restored database, by its URL, and returns what is wrong with it, one sentence each."""


def restore(path: Path, database_url: str, key_ids: Collection[str], look: Look) -> Manifest:
    """Put a backup into an empty database. A SQLite database takes its place only when `look` finds nothing wrong.

    `key_ids` are the secret keys that are here. Raises BackupRefused, NotEmpty, ToolMissing, StoreProblem, Unavailable.
    """
    target = dumps.Target(database_url)
    with _archive(path) as archive:
        manifest = _read_manifest(archive)
        _check(manifest, target, key_ids)
        with _room(target.folder) as copy:
            _unpack(archive, manifest, copy)
            url = target.fill(copy)
            # Nothing else of the file is used before it is known to hold nothing that acts by itself.
            problems = target.strange(copy) or look(url)
            if problems:
                raise BackupRefused(_refusal(problems, kept=not target.is_sqlite))
            target.keep(copy)
    return manifest


def _refusal(problems: list[str], *, kept: bool) -> str:
    shown = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    state = "it is in the database nonetheless, to be looked at" if kept else "nothing was restored"
    return f"the backup is whole but what it holds is not right, {state}: {shown}"


@contextmanager
def _archive(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, mode="r|") as archive:
            yield archive
    except (tarfile.TarError, EOFError) as error:
        raise BackupRefused(f"`{path}` is no backup, or cut off: {error}") from error
    except OSError as error:
        raise BackupRefused(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error


def _read_manifest(archive: tarfile.TarFile) -> Manifest:
    document = _manifest_document(_next(archive, _MANIFEST))
    try:
        manifest = Manifest(**{**document, "key_ids": tuple(map(str, document["key_ids"]))})
    except (TypeError, KeyError):
        raise BackupRefused("the backup's manifest is not one of ours") from None
    if manifest.kind != _KIND or manifest.format != FORMAT:
        raise BackupRefused(f"the backup's format is {manifest.format}; this version reads {FORMAT}")
    return manifest


def _manifest_document(stream: BinaryIO) -> dict[str, Any]:
    try:
        document = json.loads(stream.read(_LONGEST_MANIFEST))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("size"), int):
        raise BackupRefused("the backup's manifest is not one of ours")
    return document


def _next(archive: tarfile.TarFile, name: str) -> BinaryIO:
    """Return the archive's next member, which must be of that name; where it says it lies is not looked at.

    A sparse member is none of ours: a few bytes of it stand for as much as they like.
    """
    member = archive.next()
    ours = member is not None and member.isfile() and not member.issparse() and member.name == name
    stream = archive.extractfile(member) if member is not None and ours else None
    if stream is None:
        raise BackupRefused(f"the file is no backup: its next member is not `{name}`")
    return stream  # type: ignore[return-value]  # typeshed has it as IO[bytes]


def _check(manifest: Manifest, target: dumps.Target, key_ids: Collection[str]) -> None:
    kind = "sqlite" if target.is_sqlite else "postgresql"
    if manifest.database != kind:
        raise BackupRefused(f"the backup is of {manifest.database}, and the database that is set is {kind}")
    if manifest.schema != HEAD:
        raise BackupRefused(
            f"the backup has schema `{manifest.schema}` and this version needs `{HEAD}`; restore it with Rolebridge "
            f"{manifest.version}, then run `rolebridge db upgrade` with this one"
        )
    missing = sorted(set(manifest.key_ids) - set(key_ids))
    if missing:
        named = ", ".join(f"`{one}`" for one in missing)
        raise BackupRefused(
            f"credentials in the backup are stored under the secret key {named}, which is not set here; set the keys "
            "that the installation had"
        )


@contextmanager
def _room(folder: Path | None) -> Iterator[Path]:
    """Give a folder of ours to unpack in, and take it away again."""
    with tempfile.TemporaryDirectory(prefix=".rolebridge-restore-", dir=folder) as room:
        yield Path(room) / "rolebridge.db"


def _unpack(archive: tarfile.TarFile, manifest: Manifest, copy: Path) -> None:
    source = _next(archive, _DATA)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        while size <= manifest.size and (block := source.read(_BLOCK)):
            digest.update(block)
            size += len(block)
            stream.write(block)
        stream.flush()
        os.fsync(descriptor)
    if (size, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise BackupRefused("the backup is damaged: its checksum is another than its manifest says")
