"""An organization's mapping files → one `MappingSet`, or everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.filters import AttributeTable
from rolebridge.core.mapping import MappingSet, Project, WorkspaceMapping
from rolebridge.mapfile.files import holds_cases
from rolebridge.mapfile.reading import Sink
from rolebridge.mapfile.workspace import ReadWorkspace, WorkspaceReader
from rolebridge.mapfile.yamlsource import parse_yaml

_NOTHING: Final[Mapping[str, Mapping[str, Project]]] = MappingProxyType({})


def load_mapping_set(
    files: Mapping[str, str],
    catalogues: Mapping[str, Catalogue],
    *,
    table: AttributeTable,
    connections: Sequence[str] | None,
    registered: Mapping[str, Mapping[str, Project]] | None = _NOTHING,
) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    """Read all mapping files of an organization, by name, and return what they say and what is wrong with them.

    `catalogues` are the platforms' role models by id, `table` the attributes that a `when:` may use (`core.schemas`).
    `connections` are the names of the organization's connections; None when they are not known here, and then any
    may be named. `registered` are the projects, by workspace, that exist beside the declared ones; None for files that
    were checked before, whose projects may have changed since. The set is None when there is any error: a set with an
    error changes nothing. No files make an empty set; files with cases are passed over (`load_cases`). Diagnostics are
    ordered by file, then by place.
    """
    known = frozenset(connections) if connections is not None else None
    found: list[Diagnostic] = []
    mappings: list[WorkspaceMapping] = []
    first: dict[str, str] = {}
    for name in sorted(name for name in files if not holds_cases(name)):
        sink = Sink()
        read = _read(name, files[name], WorkspaceReader(catalogues, table, known, sink, registered), sink)
        if read is not None and read.workspace is not None:
            earlier = first.setdefault(read.workspace.text, str(read.workspace.place))
            if earlier != str(read.workspace.place):
                detail = f"workspace `{read.workspace.text}` is described at {earlier} already"
                sink.add("duplicate-id", read.workspace, detail, help_="one file describes one workspace")
        if read is not None and read.mapping is not None:
            mappings.append(read.mapping)
        found += sink.found
    if has_errors(found):
        return None, tuple(found)
    return MappingSet(tuple(mappings), files_digest(files)), tuple(found)


def files_digest(files: Mapping[str, str]) -> str:
    """Return the SHA-256 (hexadecimal) over the names and contents of mapping files; cases decide nothing.

    Of a name only the last part counts, so that it does not matter from where the same folder is read. Lengths stand
    before the parts, so that no two sets of files give the same bytes.
    """
    digest = hashlib.sha256()
    for part in (
        part
        for name, text in sorted((PurePath(name).name, text) for name, text in files.items() if not holds_cases(name))
        for part in (name, text)
    ):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def _read(name: str, text: str, reader: WorkspaceReader, sink: Sink) -> ReadWorkspace | None:
    root, problems = parse_yaml(text, name)
    sink.take(problems)
    return reader.read(root) if root is not None else None
