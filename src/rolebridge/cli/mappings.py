"""Mapping files as a command line names them: folders, or single files of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rolebridge.core.errors import Invalid, NotFound
from rolebridge.mapfile import holds_cases, read_mapping_dir


def read_paths(paths: Iterable[Path]) -> dict[str, str]:
    """Return the texts of the mapping files in these folders, and of these files, by name as given.

    Raises UnreadableFiles, NotFound for a path that is not there, and Invalid when there is no mapping file at all.
    """
    files: dict[str, str] = {}
    chosen = tuple(paths)
    for path in chosen:
        files.update(_read(path))
    if not any(not holds_cases(name) for name in files):
        raise Invalid(f"there is no mapping file (`*.yaml`) in `{'`, `'.join(map(str, chosen))}`", "path")
    return files


def _read(path: Path) -> Mapping[str, str]:
    if path.is_dir():
        return read_mapping_dir(path)
    if not path.exists():
        raise NotFound("file or folder", str(path))
    # A file is read as its folder is, so that the same guards hold.
    name = path.as_posix()
    found = read_mapping_dir(path.parent)
    if name not in found:
        raise Invalid(f"`{name}` is no mapping file: those end in `.yaml` or `.yml`", "path")
    return {name: found[name]}


def named_from_folder(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files under the last two parts of their names, `mappings/acme-vision.yaml`.

    A revision keeps these names: it must not matter from which directory the same folder is applied. Raises Invalid
    when two files would have one name.
    """
    named: dict[str, str] = {}
    for name, text in files.items():
        path = Path(name)
        short = f"{path.absolute().parent.name}/{path.name}"
        if short in named:
            raise Invalid(f"two files are called `{short}`", "path")
        named[short] = text
    return named
