"""Mapping files on disk: which files of a folder belong to the set, read with guards and nothing followed out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePath

from rolebridge.core.diagnostics import Diagnostic, Place
from rolebridge.core.errors import RolebridgeError

MAX_BYTES = 1 << 20
"""The size limit of one file."""

MAX_FILES = 2000
"""How many files a folder may hold: a mapping file and one with its cases for each workspace of an organization."""

_SUFFIXES = (".yaml", ".yml")
_TEST_SUFFIXES = (".test.yaml", ".test.yml")
_CATALOGUE_SUFFIXES = (".catalogue.yaml", ".catalogue.yml")
_VARIABLES = ("vars.yaml", "vars.yml")


class UnreadableFiles(RolebridgeError):
    """That mapping files could not be read at all; `diagnostics` says which and why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("; ".join(problem.detail for problem in diagnostics))
        self.diagnostics = diagnostics


def read_mapping_dir(path: str | os.PathLike[str]) -> Mapping[str, str]:
    """Return the texts of a folder's mapping files by name, `mappings/acme-vision.yaml`, in order of their names.

    Mapping files end in `.yaml` or `.yml`. Beside them belong to the set: cases that test them (`.test.yaml`),
    catalogues of an organization's own (`.catalogue.yaml`) and variables (`vars.yaml`, `staging.vars.yaml`). Hidden
    files and folders inside are left alone. Raises `UnreadableFiles` with all problems: no such folder, a link that
    leads out of it, anything that is not a plain file, a file over 1 MiB, text that is not UTF-8.
    """
    folder = Path(path)
    found: dict[str, str] = {}
    problems: list[Diagnostic] = []
    for file in _candidates(folder):
        text = _read(file)
        if isinstance(text, Diagnostic):
            problems.append(text)
        else:
            found[file.as_posix()] = text
    if problems:
        raise UnreadableFiles(tuple(problems))
    return found


def holds_cases(name: str) -> bool:
    """Return whether a file of that name holds cases that test a mapping instead of a mapping."""
    return name.endswith(_TEST_SUFFIXES)


def holds_catalogue(name: str) -> bool:
    """Return whether a file of that name holds an organization's own catalogue of a platform."""
    return name.endswith(_CATALOGUE_SUFFIXES)


def holds_variables(name: str) -> bool:
    """Return whether a file of that name holds variables: `vars.yaml`, `staging.vars.yaml`."""
    return PurePath(name).name in _VARIABLES or name.endswith(tuple(f".{one}" for one in _VARIABLES))


def holds_mapping(name: str) -> bool:
    """Return whether a file of that name holds a workspace's mapping, and not what stands beside mappings."""
    return not (holds_cases(name) or holds_catalogue(name) or holds_variables(name))


def _candidates(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise UnreadableFiles((_problem("file-unreadable", folder, _why(error)),)) from error
    files = [entry for entry in entries if entry.name.endswith(_SUFFIXES) and not entry.name.startswith(".")]
    if len(files) > MAX_FILES:
        detail = f"the folder holds {len(files)} mapping files, the limit is {MAX_FILES}"
        raise UnreadableFiles((_problem("file-too-large", folder, detail),))
    return files


def _read(file: Path) -> str | Diagnostic:
    try:
        data = _bytes(file)
    except OSError as error:
        return _problem("file-unreadable", file, _why(error))
    if isinstance(data, Diagnostic):
        return data
    if len(data) > MAX_BYTES:
        return _problem("file-too-large", file, f"the limit is {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1)
        place = Place(file.as_posix(), line, len(before[len(before) - column :].decode("utf-8", "replace")) + 1)
        detail = f"`{file.as_posix()}`: the byte 0x{data[error.start]:02X} is not part of UTF-8 text"
        return Diagnostic("file-not-utf8", detail, place, "", "save the file as UTF-8")


def _bytes(file: Path) -> bytes | Diagnostic:
    """Return at most one byte more than the limit."""
    # A link inside the folder is how Kubernetes mounts files; one that leaves it would read what nobody reviewed.
    target = Path(os.path.realpath(file, strict=True))
    if not target.is_relative_to(os.path.realpath(file.parent)):
        return _problem("file-unreadable", file, "it is a symbolic link that leads out of the folder")
    # Not blocking keeps a pipe from hanging us.
    descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return _problem("file-unreadable", file, "it is not a plain file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _problem(code: str, file: Path, detail: str) -> Diagnostic:
    return Diagnostic(code, f"`{file.as_posix()}`: {detail}", Place(file.as_posix(), 1, 1))


def _why(error: OSError) -> str:
    return (error.strerror or "it cannot be opened").lower()
