"""The file of secret keys: read, and replaced whole, so that no moment finds half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from rolebridge.settings import KEY_BYTES, MOST_KEYS, SettingsError


def new_key() -> str:
    """Return a new secret key as it is written."""
    return secrets.token_urlsafe(KEY_BYTES)


def replace_keys(path: Path, change: Callable[[list[str]], Sequence[str]], before_it_counts: Callable[[], None]) -> int:
    """Write what `change` makes of the file's keys, and return how many there are now.

    The file keeps its mode and its owner. `before_it_counts` is called when nothing but the last step can fail.
    Raises SettingsError, also when another rotation is under way.
    """
    beside = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SettingsError((f"{beside}: is there: another rotation is under way, or one was cut off",)) from None
    except OSError as error:
        raise _cannot(beside, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            texts = change(path.read_text(encoding="utf-8").split())
            if len(texts) > MOST_KEYS:
                raise SettingsError((f"{path}: holds {MOST_KEYS} keys already; retire one first",))
            owner = path.stat()
            if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            os.fchmod(descriptor, owner.st_mode & 0o777)
            stream.write("".join(f"{text}\n" for text in texts))
            stream.flush()
            os.fsync(descriptor)
        before_it_counts()
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _cannot(path, error) from error
    finally:
        beside.unlink(missing_ok=True)
    return len(texts)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(path: Path, error: OSError) -> SettingsError:
    return SettingsError((f"{path}: cannot be replaced: {(error.strerror or str(error)).lower()}",))
