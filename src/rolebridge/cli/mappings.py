"""Mapping files as a command line names them: folders, or single files of a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rolebridge.core.errors import Invalid, NotFound
from rolebridge.mapfile import holds_mapping, holds_variables, read_mapping_dir


def read_paths(paths: Iterable[Path], variables: Path | None = None) -> dict[str, str]:
    """Return the texts of the mapping files in these folders, and of these files, by name as given.

    Of files with variables only `variables` is kept, or without it a folder's `vars.yaml` where there is one.

    Raises UnreadableFiles, NotFound for a path that is not there, and Invalid when there is no mapping file at all.
    """
    files: dict[str, str] = {}
    chosen = tuple(paths)
    for path in chosen:
        files.update(_read(path))
    files = _with_variables(files, variables)
    if not any(map(holds_mapping, files)):
        raise Invalid(f"there is no mapping file (`*.yaml`) in `{'`, `'.join(map(str, chosen))}`", "path")
    return files


def _with_variables(files: Mapping[str, str], variables: Path | None) -> dict[str, str]:
    others = {name: text for name, text in files.items() if not holds_variables(name)}
    if variables is not None:
        if not holds_variables(variables.name):
            raise Invalid(
                f"`{variables}` is no file of variables: those are called `vars.yaml` or `*.vars.yaml`", "vars"
            )
        return {**others, **_read(variables)}
    plain = {name: text for name, text in files.items() if Path(name).name in {"vars.yaml", "vars.yml"}}
    return {**others, **plain} if plain else dict(files)


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
