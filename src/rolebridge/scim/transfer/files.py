"""Files as sources: opened by their format, and known again by what is in them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from rolebridge.core.errors import Invalid
from rolebridge.scim.schemas import SchemaSet
from rolebridge.scim.transfer.rows import JsonLines, Source
from rolebridge.scim.transfer.tables import CsvTable

_BLOCK: Final = 1024 * 1024


class Format(StrEnum):
    """How a file holds resources."""

    JSON_LINES = "jsonl"
    CSV = "csv"


_BY_SUFFIX: Final = {
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON_LINES,
    ".csv": Format.CSV,
}


def format_of(path: Path) -> Format:
    """Return the format that a file's name tells. Raises Invalid."""
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise Invalid(
            f"the name of `{path}` does not tell its format; `--format jsonl` or `--format csv` does", "format"
        )
    return found


def open_source(path: Path, name: str, format: Format, delimiter: str, schemas: SchemaSet) -> Source:
    """Return a file as a source that is called `name`. Raises Invalid for a table whose header cannot be used."""
    if format is Format.CSV:
        return CsvTable(path, name, delimiter, schemas)
    return JsonLines(path, name)


@contextmanager
def spooled(stream: BinaryIO) -> Iterator[Path]:
    """Give a file with all that a stream holds: users are read before groups, and a stream is read only once."""
    with TemporaryDirectory(prefix="rolebridge-") as folder:
        path = Path(folder) / "input"
        with path.open("wb") as file:
            shutil.copyfileobj(stream, file, _BLOCK)
        yield path


def digest_of(paths: Iterable[Path], *words: str) -> str:
    """Return SHA-256 (hexadecimal) over some words and the contents of files."""
    whole = hashlib.sha256()
    for word in words:
        whole.update(hashlib.sha256(word.encode()).digest())
    for path in paths:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()
